"""The columns that Splink is given (预处理): standardised persons with pinyin, road and door number, flat."""

from __future__ import annotations

import duckdb

from linkage.names import standardise

COLUMNS = (
    "unique_id", "id_number", "name", "pinyin", "birth_date", "sex", "phone", "residence_address", "road_no", "flat",
)  # fmt: skip
"""Of the prepared table; `unique_id` is the record's own (`record`), `id_number` also holds what failed its check digit."""

ROAD_NO = r"[^省市区县镇道\d]+(?:大道)?\d+号"
"""Road and door number behind district, street office and community: 中南路12号 of 武昌区中南路街道梅苑社区中南路12号."""


def prepare(con: duckdb.DuckDBPyConnection, records: str, table: str = "prepared") -> None:
    """Create the prepared table.

    Args:
        con: where `records` is seen.
        records: relation with the filled person columns, `record` and, if there are any, `id_number_hint`.
        table: name of the new table.
    """
    known = {row[0] for row in con.execute(f"DESCRIBE {records}").fetchall()}
    number = "coalesce(r.id_number, r.id_number_hint)" if "id_number_hint" in known else "r.id_number"
    names = (
        con.sql(f"SELECT DISTINCT name FROM {records} WHERE name IS NOT NULL").to_arrow_table()["name"].combine_chunks()
    )
    con.register("_forms", standardise(names).add_column(0, "text", names))
    con.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT r.record AS unique_id, {number} AS id_number, r.name, f.pinyin, "
        "r.birth_date, r.sex, r.phone, r.residence_address, "
        f"nullif(regexp_extract(r.residence_address, '{ROAD_NO}'), '') AS road_no, "
        r"nullif(array_to_string(list_slice(regexp_extract_all(r.residence_address, '\d+'), -3, -1), '-'), '') AS flat "
        f"FROM {records} r LEFT JOIN _forms f ON f.text = r.name"
    )
    con.unregister("_forms")
