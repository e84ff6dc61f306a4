"""Where each record of a house or an address is (记录定位): its place, unless codes say that two things stand there."""

from __future__ import annotations

import duckdb

MAJORITY = 2
"""A code that more than so many times as many records say as the next one is the place's own; the next is a stray."""


def locate(con: duckdb.DuckDBPyConnection, *, records: str, address: str, code: str, depths: tuple[str, ...]) -> None:
    """Create the temporary table `located` (system_id, record_key, role, place), one row for each record with a place.

    The place of a record is that of its text, or the flat on which the people of the record have settled it
    (`linkage.address.occupants.settle`). Where records at one place bear different codes of one make (same length, same
    letters and digits), a register tells two things apart there: each code is a place of its own, and records without
    code are left to other evidence.

    Args:
        con: the warehouse, with `place`; `place_settled` may be missing.
        records: relation with the standardised records.
        address: its address field.
        code: its field with a code that identifies.
        depths: depths of a place (`place.depth`) that such a record can be at.
    """
    settled = "place_settled"
    if not con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'place_settled'").fetchall()[0][0]:
        settled = "(SELECT NULL AS system_id, NULL AS record_key, NULL AS text, NULL::UBIGINT AS flat LIMIT 0)"
    known = ", ".join(f"'{depth}'" for depth in depths)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE located AS SELECT s.system_id, s.record_key, s.role, "
        f"coalesce(o.flat, CASE WHEN p.complete THEN p.node END) AS place, s.{code} AS code "
        f'FROM {records} s JOIN place p ON p.text = s."{address}" '
        f'LEFT JOIN {settled} o ON o.system_id = s.system_id AND o.record_key = s.record_key AND o.text = s."{address}" '
        f"WHERE p.depth IN ({known}) AND (p.complete OR o.flat IS NOT NULL)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE contested AS WITH coded AS (SELECT place, code, count(*) AS n FROM located "
        "WHERE code IS NOT NULL GROUP BY ALL), make AS (SELECT *, regexp_replace(regexp_replace(code, '[0-9]', '0', 'g'), "
        "'[A-Za-z]', 'A', 'g') AS make FROM coded WHERE place IN (SELECT place FROM coded GROUP BY place HAVING count(*) > 1)) "
        "SELECT place, arg_max(code, (n, code)) AS own, max(n) > "
        f"{MAJORITY} * coalesce(max(n, 2)[2], 0) AS clear FROM make GROUP BY place, make HAVING count(*) > 1"
    )
    if con.execute("SELECT count(*) FROM contested").fetchall()[0][0]:
        con.execute(
            "CREATE OR REPLACE TEMP TABLE located AS SELECT l.* REPLACE (CASE WHEN c.place IS NULL OR (c.clear AND "
            "coalesce(l.code, c.own) = c.own) THEN l.place WHEN l.code IS NOT NULL THEN hash(l.place, l.code) END AS place) "
            "FROM located l LEFT JOIN (SELECT place, any_value(own) AS own, bool_and(clear) AS clear FROM contested GROUP BY place) c "
            "ON c.place = l.place"
        )
    con.execute("DROP TABLE contested")
