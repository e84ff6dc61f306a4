"""Address texts parsed once: every distinct text that any record holds, its elements and its key for equality."""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from schemas import address
from schemas.entities import ENTITIES
from warehouse.distinct import columns_of, work_texts
from warehouse.duck import count, standardised_table

_CODE: Final = "md5_number_lower(text)"
"""Number of a text. By MD5: DuckDB's own hash of long texts that differ in two digits is the same for one pair in some thousands."""

_USES: Final = "address_use"
"""Mark in `meta` that `address_use` is complete: files from before have none."""


_FEW: Final = 50_000
"""Parsed texts that are copied, to be read at once afterwards; of more the copy would fill the memory."""


def parse_new(con: duckdb.DuckDBPyConnection) -> int:
    """Parse every address text that is not in `address_text` yet; return how many were new.

    Creates the temporary table `address_touched` (sid, text): the texts that touched records say. `address_text` keeps what
    was worked once, but a place is judged by what is said of it today (`follow_uses`).
    """
    fields = [(e, [f.name for f in entity.fields if f.kind == "address"]) for e, entity in ENTITIES.items()]
    # What came last lies at the end of a table: rows that are chosen by their place let it skip the rest.
    parts = " UNION ALL ".join(
        f"SELECT sid, unnest([{', '.join(names)}]) AS text FROM {standardised_table(entity)} WHERE rowid IN "
        f"(SELECT rowid FROM {standardised_table(entity)} WHERE sid IN (SELECT sid FROM touched_record))"
        for entity, names in fields
        if names
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE address_touched AS SELECT DISTINCT sid, text FROM ({parts}) WHERE text IS NOT NULL"
    )
    columns = ", ".join((*address.COLUMNS, "normal_key"))
    return work_texts(con, "SELECT text FROM address_touched", "address_text", columns, _parse)


def follow_uses(con: duckdb.DuckDBPyConnection) -> None:
    """Bring `address_use` (sid, code: which source record says which texts) up to date with the touched records.

    Creates the temporary view `address_said`, the parse of the texts that touched records say, and the temporary table
    `address_gone` (text): texts that no record says any more. Part of the consolidation's transaction: until it is kept,
    the touched records are still touched.
    """
    con.execute("CREATE OR REPLACE TEMP TABLE address_gone (text VARCHAR)")
    if not count(con, f"SELECT count(*) FROM meta WHERE name = '{_USES}'"):
        _begin_uses(con)
        return
    _said(con, "address_touched")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE address_left AS SELECT DISTINCT code FROM address_use WHERE sid IN (SELECT sid FROM touched_record)"
    )
    if count(con, "SELECT count(*) FROM address_left"):
        con.execute("DELETE FROM address_use WHERE sid IN (SELECT sid FROM touched_record)")
    con.execute(f"INSERT INTO address_use SELECT sid, {_CODE} FROM address_touched")
    con.execute(
        "DELETE FROM address_left WHERE code IN (SELECT code FROM address_use WHERE code IN (SELECT code FROM address_left))"
    )
    if count(con, "SELECT count(*) FROM address_left"):
        con.execute(
            f"INSERT INTO address_gone SELECT text FROM place_said WHERE {_CODE} IN (SELECT code FROM address_left)"
        )
    con.execute("DROP TABLE address_left")


def saying_again(texts: str) -> str:
    """Return the SQL of the source records (sid) that say one of the texts of a relation."""
    return f"SELECT sid FROM address_use WHERE code IN (SELECT {_CODE} FROM {texts})"


def _said(con: duckdb.DuckDBPyConnection, texts: str) -> None:
    said = f"SELECT * FROM address_text WHERE text IN (SELECT text FROM {texts})"
    if count(con, f"SELECT count(*) FROM {texts}") < _FEW:
        # Of all texts the few are read once, and not by each who asks.
        con.execute(f"CREATE OR REPLACE TEMP TABLE address_few AS {said}")
        said = "SELECT * FROM address_few"
    con.execute(f"CREATE OR REPLACE TEMP VIEW address_said AS {said}")


def _begin_uses(con: duckdb.DuckDBPyConnection) -> None:
    """Fill `address_use` from all records, once for each file."""
    texts = " UNION ".join(f'SELECT sid, "{column}" AS text FROM {source}' for source, column in columns_of("address"))
    con.execute(f"CREATE OR REPLACE TEMP TABLE address_live AS SELECT sid, text FROM ({texts}) WHERE text IS NOT NULL")
    con.execute("DELETE FROM address_use")
    con.execute(f"INSERT INTO address_use SELECT sid, {_CODE} FROM address_live")
    con.execute(
        "INSERT INTO address_gone SELECT text FROM place_said WHERE text NOT IN (SELECT text FROM address_live)"
    )
    _said(con, "address_live")
    con.execute(f"INSERT INTO meta VALUES ('{_USES}', 'complete')")


def _parse(texts: pa.Array) -> pa.Table:
    table = address.parse(texts)
    return table.append_column("normal_key", address.normal_key(table))
