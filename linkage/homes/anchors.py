"""Where each record of a house or an address is (记录定位): its place, unless codes say that two things stand there."""

from __future__ import annotations

from typing import Final

import duckdb

from linkage.homes.rules import Rules

MAJORITY: Final = 2
"""A code that more than so many times as many records say as the next one is the place's own; the next is a stray."""


def number(sql: str) -> str:
    """Return SQL of the number of a text. By MD5: DuckDB's own hash takes long texts that differ in two digits for one."""
    return f"md5_number_lower({sql})"


def find_settled(con: duckdb.DuckDBPyConnection) -> None:
    """Make `home_settled` (sid, said, flat): flats on which people settled an undecided text of a source record.

    `sid` is the number of the source record (as in the standardised records), `said` that of the text. Reads
    `place_settled` (`linkage.address.occupants.settle`), which may be missing.
    """
    found = con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'place_settled'").fetchall()
    con.execute(
        "CREATE OR REPLACE TEMP TABLE home_settled AS "
        + (
            f"SELECT DISTINCT hash(system_id, record_key) AS sid, {number('text')} AS said, flat FROM place_settled"
            if found
            else "SELECT 0::UBIGINT AS sid, 0::UBIGINT AS said, 0::UBIGINT AS flat LIMIT 0"
        )
    )


def read(con: duckdb.DuckDBPyConnection, rules: Rules, *, records: str, places: str, into: str) -> None:
    """Make the table `into` (rid, sid, said, settled, place, code, `k_<key>`): what each record says by itself.

    `said` is the number of its address text, `settled` the flat on which its people settled it, `place` that flat or
    the place of the text, NULL where it could be several or is none at which such a thing stands.

    Args:
        con: needs `home_settled` (`find_settled`).
        rules: of the entity.
        records: relation with standardised records, numbered (rid, sid).
        places: relation with the places of their texts (`linkage.address.places`).
        into: name of the table.
    """
    known = ", ".join(f"'{depth}'" for depth in rules.depths)
    address = f's."{rules.address}"'
    keys = "".join(f", {number(f's.{key.field}')} AS {key.column}" for key in rules.keys)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {into} AS SELECT s.rid, s.sid, {number(address)} AS said, o.flat AS settled, "
        f"CASE WHEN p.depth IN ({known}) THEN coalesce(o.flat, CASE WHEN p.complete THEN p.node END) END AS place, "
        f"s.{rules.code} AS code{keys} FROM {records} s LEFT JOIN {places} p ON p.text = {address} "
        f"LEFT JOIN home_settled o ON o.sid = s.sid AND o.said = {number(address)}"
    )


def anchor(con: duckdb.DuckDBPyConnection, *, rows: str, into: str) -> None:
    """Make the table `into`: the rows with their `anchor`, all records of each place that occurs in them.

    Where records at one place bear different codes of one make (same length, same letters and digits), a register tells
    two things apart there: each code is a place of its own, and records without code are left to other evidence. A code
    that a clear majority bears is the place's own instead, and only the others are apart.

    Args:
        con: where the tables are.
        rows: relation as `read` makes it.
        into: name of the table.
    """
    make = "regexp_replace(regexp_replace(code, '[0-9]', '0', 'g'), '[A-Za-z]', 'A', 'g')"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE contested AS WITH coded AS ("
        f"SELECT place, code, count(*) AS n FROM {rows} WHERE place IS NOT NULL AND code IS NOT NULL GROUP BY place, code), "
        f"made AS (SELECT *, {make} AS make FROM coded WHERE place IN (SELECT place FROM coded GROUP BY place HAVING count(*) > 1)), "
        "by_make AS (SELECT place, arg_max(code, (n, code)) AS own, "
        f"max(n) > {MAJORITY} * coalesce(max(n, 2)[2], 0) AS clear FROM made GROUP BY place, make HAVING count(*) > 1) "
        "SELECT place, min(own) AS own, bool_and(clear) AS clear FROM by_make GROUP BY place"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {into} AS SELECT r.*, CASE WHEN c.place IS NULL OR (c.clear AND coalesce(r.code, c.own) = c.own) "
        f"THEN r.place WHEN r.code IS NOT NULL THEN hash(r.place, {number('r.code')}) END AS anchor "
        f"FROM {rows} r LEFT JOIN contested c ON c.place = r.place"
    )
    con.execute("DROP TABLE contested")
