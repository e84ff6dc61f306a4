"""Which building, staircase and room each text means (定位到楼栋、单元、户室), and the codes of the places.

Registers leave out the staircase (3栋502室) or the building of a compound that has only one. It is filled in where the
compound leaves no choice. Where staircases have rooms of the same numbers, 3栋502室 is several flats, and stays undecided.
"""

from __future__ import annotations

from typing import Final

import duckdb

from linkage.address.place_keys import CONTEXT

CHOICES: Final = 12
"""A text that could be more flats than this keeps no candidates."""

NAMED: Final = ("province", *CONTEXT, "road", "plate", "name")
"""Elements that a site has a name for."""

_SIDES: Final = "(('左', '1'), ('右', '2'))"
"""五楼左 is 501 and 五楼右 502 where a staircase has two flats on a floor, counted from the left."""

_NUMBER: Final = "TRY_CAST(regexp_extract(room, '[0-9]+') AS INTEGER)"


def fill_flats(con: duckdb.DuckDBPyConnection) -> None:
    """Fill building, staircase and room of `place_row` where the site leaves no choice; `decided` says whether it did."""
    _facts(con)
    if _fill_building(con):
        _facts(con)
    _fill_unit(con)
    _fill_side(con)


def _any(con: duckdb.DuckDBPyConnection, rows: str) -> bool:
    return bool(con.execute(f"SELECT 1 FROM {rows} LIMIT 1").fetchall())


def _facts(con: duckdb.DuckDBPyConnection) -> None:
    """Create `place_fact`: the rooms that texts of each site name, with building and staircase where said."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_fact AS SELECT DISTINCT site, coalesce(building, '') AS building, unit, room "
        "FROM place_row WHERE sure AND room IS NOT NULL AND room NOT IN ('左', '右')"
    )


def _fill_building(con: duckdb.DuckDBPyConnection) -> bool:
    """A compound of one building needs no number for it, if that building has the room; return whether any was filled in."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_filled AS WITH alone AS (SELECT site, min(building) AS building FROM place_row "
        "WHERE sure AND building IS NOT NULL GROUP BY site HAVING min(building) = max(building)) "
        "SELECT DISTINCT f.site, f.room, a.building FROM place_fact f JOIN alone a USING (site) WHERE f.building = a.building"
    )
    filled = _any(con, "place_row r JOIN place_filled f USING (site, room) WHERE r.building IS NULL")
    if filled:
        con.execute(
            "CREATE OR REPLACE TEMP TABLE place_row AS SELECT r.* REPLACE (coalesce(r.building, f.building) AS building) "
            "FROM place_row r LEFT JOIN place_filled f ON f.site = r.site AND f.room = r.room AND r.building IS NULL"
        )
    con.execute("DROP TABLE place_filled")
    return filled


def _fill_unit(con: duckdb.DuckDBPyConnection) -> None:
    """The staircase, where the building has but one, or the room is in one of them and none of the others can have it.

    A staircase cannot have a room that lies above its highest one, if hardly any room below that is missing from it: then
    its rooms are known. A room that is merely not recorded anywhere else decides nothing.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_unit AS WITH rooms AS (SELECT DISTINCT site, building, room, "
        f"{_NUMBER} AS number FROM place_fact), own AS (SELECT site, building, unit, count(*) AS known, max({_NUMBER}) AS top "
        "FROM place_fact WHERE unit IS NOT NULL GROUP BY ALL) "
        "SELECT o.site, o.building, o.unit, o.top, o.known >= 0.9 * count(r.room) AS whole FROM own o "
        "LEFT JOIN rooms r ON r.site = o.site AND r.building = o.building AND r.number <= o.top "
        "GROUP BY o.site, o.building, o.unit, o.top, o.known"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_staircase AS SELECT site, coalesce(building, '') AS building, "
        "count(DISTINCT unit) AS units, min(unit) AS unit FROM place_row WHERE sure AND unit IS NOT NULL GROUP BY 1, 2"
    )
    # For each room said without a staircase: the staircases that have it, and those that could.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_open AS SELECT DISTINCT r.site, coalesce(r.building, '') AS building, r.room, "
        f"{_NUMBER.replace('room', 'r.room')} AS number FROM place_row r JOIN place_staircase s ON s.site = r.site "
        "AND s.building = coalesce(r.building, '') WHERE r.unit IS NULL AND r.room IS NOT NULL AND s.units > 1"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_told AS SELECT o.site, o.building, o.room, min(f.unit) AS unit, count(f.unit) AS has, "
        "count(*) FILTER (f.unit IS NULL AND NOT (u.whole AND o.number > u.top)) AS could FROM place_open o "
        "JOIN place_unit u ON u.site = o.site AND u.building = o.building "
        "LEFT JOIN place_fact f ON f.site = o.site AND f.building = o.building AND f.room = o.room AND f.unit = u.unit "
        "GROUP BY ALL"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_row AS SELECT r.* REPLACE (CASE WHEN r.unit IS NOT NULL THEN r.unit "
        "WHEN r.room IS NULL THEN NULL WHEN s.units = 1 THEN s.unit WHEN t.has = 1 AND t.could = 0 THEN t.unit END AS unit), "
        "r.unit IS NULL AND r.room IS NOT NULL AND coalesce(s.units, 0) > 1 AND NOT coalesce(t.has = 1 AND t.could = 0, false) "
        "AS undecided FROM place_row r "
        "LEFT JOIN place_staircase s ON s.site = r.site AND s.building = coalesce(r.building, '') "
        "LEFT JOIN place_told t ON t.site = r.site AND t.building = coalesce(r.building, '') AND t.room = r.room"
    )
    for table in ("place_unit", "place_staircase", "place_open", "place_told"):
        con.execute(f"DROP TABLE {table}")


def _fill_side(con: duckdb.DuckDBPyConnection) -> None:
    """五楼左 under its number, where that floor of the staircase is known to have the rooms 01 and 02 at most."""
    # The table is wide: it is not written again for nothing.
    if not _any(con, "place_row WHERE room IN ('左', '右')"):
        return
    floor = "f.site = r.site AND f.building = coalesce(r.building, '') AND f.unit IS NOT DISTINCT FROM r.unit"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_side AS SELECT r.saying, min(r.floor || '0' || v.door) AS room FROM place_row r "
        f"JOIN (VALUES {_SIDES[1:-1]}) v(side, door) ON v.side = r.room JOIN place_fact f ON {floor} "
        "WHERE NOT r.undecided AND f.room LIKE r.floor || '0_' AND length(f.room) = length(r.floor) + 2 "
        "GROUP BY r.saying, v.door HAVING bool_and(right(f.room, 1) IN ('1', '2')) AND bool_or(right(f.room, 1) = v.door)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_row AS SELECT r.* REPLACE (coalesce(s.room, r.room) AS room, "
        "CASE WHEN s.room IS NULL THEN r.floor END AS floor, "
        "r.undecided OR (r.room IN ('左', '右') AND r.floor IS NOT NULL AND s.room IS NULL) AS undecided) FROM place_row r LEFT JOIN place_side s USING (saying)"
    )
    con.execute("DROP TABLE place_side")


def settle_codes(con: duckdb.DuckDBPyConnection) -> None:
    """Write the rows of `place_row` to `place_resolved`, and the candidates of what is undecided."""
    building = "hash('building', site, building)"
    flat = "hash('flat', site, coalesce(building, ''), coalesce(unit, ''), coalesce(floor, ''), room)"
    whole = "sure AND NOT undecided"
    depth = (
        "CASE WHEN room IS NOT NULL THEN 'flat' WHEN floor IS NOT NULL THEN 'floor' WHEN unit IS NOT NULL THEN 'unit' "
        "WHEN building IS NOT NULL THEN 'building' WHEN area IS NULL THEN 'site' WHEN road IS NOT NULL THEN 'road' ELSE 'area' END"
    )
    con.execute(
        f"INSERT INTO place_resolved BY NAME SELECT saying, neighbourhood, door, site, CASE WHEN building IS NOT NULL THEN {building} END "
        f"AS building, CASE WHEN room IS NOT NULL AND {whole} THEN {flat} END AS flat, "
        f"CASE WHEN room IS NOT NULL THEN {flat} WHEN floor IS NOT NULL OR unit IS NOT NULL THEN "
        "hash('inside', site, coalesce(building, ''), coalesce(unit, ''), coalesce(floor, '')) "
        f"WHEN building IS NOT NULL THEN {building} ELSE site END AS node, {depth} AS depth, "
        f"{whole} AS complete, building AS building_no, unit AS unit_no, floor AS floor_no, room AS room_no FROM place_row"
    )
    con.execute(
        "INSERT INTO place_option BY NAME WITH open AS (SELECT r.neighbourhood, r.saying, coalesce(m.site, r.site) AS site, "
        "r.building, r.unit, r.floor, r.room FROM place_row r LEFT JOIN place_maybe m USING (saying) "
        f"WHERE r.room IS NOT NULL AND NOT ({whole}) AND (r.sure OR m.site IS NOT NULL)) "
        "SELECT DISTINCT o.neighbourhood, o.saying, p.flat FROM open o JOIN (SELECT DISTINCT site, building_no, unit_no, room_no, flat "
        "FROM place_resolved WHERE flat IS NOT NULL AND site IN (SELECT site FROM open)) p ON p.site = o.site "
        "AND (p.room_no = o.room OR (o.room IN ('左', '右') AND starts_with(p.room_no, o.floor || '0') "
        "AND length(p.room_no) = length(o.floor) + 2)) "
        "AND p.building_no IS NOT DISTINCT FROM o.building AND (o.unit IS NULL OR p.unit_no = o.unit) "
        f"QUALIFY count(*) OVER (PARTITION BY o.saying) <= {CHOICES}"
    )
    for table in ("place_fact", "place_maybe"):
        con.execute(f"DROP TABLE {table}")


def name_sites(con: duckdb.DuckDBPyConnection) -> None:
    """Keep the commonest name of each element of each site of `place_row`; of equally common ones the first in order."""
    columns = ", ".join(NAMED)
    # Texts are many, what they say above the building is little.
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_told AS SELECT neighbourhood, site, sure, {columns}, count(*) AS n FROM place_row GROUP BY ALL"
    )
    for element in NAMED:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE place_{element} AS SELECT site, arg_min({element}, (-n, {element})) AS {element} "
            f"FROM (SELECT site, {element}, sum(n) AS n FROM place_told WHERE {element} IS NOT NULL GROUP BY ALL) GROUP BY site"
        )
    joins = " ".join(f"LEFT JOIN place_{e} USING (site)" for e in NAMED)
    con.execute(
        f"INSERT INTO place_site BY NAME SELECT neighbourhood, site, {columns}, sure FROM "
        f"(SELECT neighbourhood, site, bool_and(sure) AS sure FROM place_told GROUP BY ALL) {joins}"
    )
    for table in ("told", *NAMED):
        con.execute(f"DROP TABLE place_{table}")
