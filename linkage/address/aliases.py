"""Aliases of compounds learned from data (小区别名), with the evidence for each.

A resettled estate keeps its former unit's name in half of the registers (武锅宿舍, 紫阳花园). Two names that share a door
plate and, behind it, the same flats in several records are one compound: no neighbour repeats its buildings, staircases
and rooms at the same door.
"""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from linkage.address.names import compare_names
from schemas.address import complete

SCHEMA: Final = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("alias", pa.string()),
        pa.field("city", pa.string()),
        pa.field("road", pa.string()),
        pa.field("road_no", pa.string()),
        pa.field("shared_flats", pa.int64()),
        pa.field("name_flats", pa.int64()),
        pa.field("alias_flats", pa.int64()),
    ]
)
"""One alias at one door: how many flats both names share there, and how many each has."""

_LEARN: Final = """
WITH flats AS (
    SELECT DISTINCT coalesce(city, '') AS city, road, road_no, compound, building, coalesce(unit, '') AS unit, room
    FROM said
    WHERE road IS NOT NULL AND road_no IS NOT NULL AND compound IS NOT NULL AND length(compound) > 1
      AND building IS NOT NULL AND room IS NOT NULL
), sizes AS (
    SELECT city, road, road_no, compound, count(*) AS n FROM flats GROUP BY ALL
), shared AS (
    SELECT city, road, road_no, a.compound AS one, b.compound AS other, count(*) AS n
    FROM flats a JOIN flats b USING (city, road, road_no, building, unit, room)
    WHERE a.compound < b.compound
    GROUP BY ALL
    HAVING count(*) >= $least
)
SELECT if(x.n >= y.n, one, other) AS name, if(x.n >= y.n, other, one) AS alias, nullif(shared.city, '') AS city,
       shared.road, shared.road_no, shared.n AS shared_flats, greatest(x.n, y.n) AS name_flats,
       least(x.n, y.n) AS alias_flats
FROM shared
JOIN sizes x ON (x.city, x.road, x.road_no, x.compound) = (shared.city, shared.road, shared.road_no, shared.one)
JOIN sizes y ON (y.city, y.road, y.road_no, y.compound) = (shared.city, shared.road, shared.road_no, shared.other)
WHERE shared.n >= $share * least(x.n, y.n)
ORDER BY shared_flats DESC, name, alias, city, road, road_no
"""


def learn(table: pa.Table, *, least: int = 3, share: float = 0.3) -> pa.Table:
    """Finds compounds that go by two names, one row for each pair of names and door, best evidence first.

    Why flats and not rooms: every tower has a room 501; building, staircase and room together recur only in the same
    compound. Names whose marks contradict each other (一期, 二期) are two parts of an estate and never aliases.

    Args:
        table: parsed addresses (the columns of `schemas.address.parse`), one row for each record.
        least: shared flats from which two names are one compound.
        share: part of the rarer name's flats that must be shared.

    Returns:
        `SCHEMA`: the commoner name, its alias, the door they share, and the counts behind the finding.

    Raises:
        KeyError: if a column of the parse is missing.
    """
    columns = ("city", "road", "road_no", "compound", "building", "unit", "room")
    said = complete(table).select(list(columns))
    with duckdb.connect() as con:
        con.register("said", said)
        found: pa.Table = con.sql(_LEARN, params={"least": least, "share": share}).to_arrow_table()
    rows = found.to_pylist()
    kept = [at for at, row in enumerate(rows) if compare_names(row["name"], row["alias"])[1] != 3]
    return found.take(pa.array(kept, pa.int64())).cast(SCHEMA)


def canonical(aliases: pa.Table) -> dict[str, str]:
    """Each alias -> the name its compound goes by; chains of aliases end at one name."""
    name: dict[str, str] = {}

    def last(text: str) -> str:
        while text in name:
            text = name[text]
        return text

    for row in aliases.select(["name", "alias"]).to_pylist():
        top, below = last(row["name"]), last(row["alias"])
        if top != below:
            name[below] = top
    return {alias: last(alias) for alias in name}
