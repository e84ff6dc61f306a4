"""Address texts resolved to places (地址定位): every spelling of one flat, building, compound or door gets one code.

A text alone seldom says everything: the door plate is missing, or the staircase, or the compound goes by another name.
What is missing is taken from the other texts of the same neighbourhood (a door plate and the compound behind it), never
guessed: a text that could mean two places keeps its candidates (`place_candidate`) and gets no code.

The result is a function of the set of texts. It is made neighbourhood by neighbourhood, so new texts change only those
neighbourhoods which they name, and doing that gives what doing everything again would give.

Tables (declared by the warehouse):

- `place_said`, `place_key`: what each text says (`linkage.address.place_keys`); texts that say the same are one saying.
- `place` (a view over `place_resolved`, which has a row for each saying): one row for each text. `door` road and plate; `site` the compound or door; `building`; `flat` NULL where the text
  names no room or not which one; `node` the deepest place that it names; `depth` area, road, site, building, unit, floor
  or flat; `complete` false where it could mean several; `building_no`, `unit_no`, `floor_no`, `room_no` with what was
  filled in.
- `place_site`: the names of each site, of each element the commonest; `sure` false where its texts could mean several.
- `place_candidate` (a view over `place_option`): the flats that an undecided text could mean.
- `place_alias`: pairs of names at one door, the flats they share, and whether they were taken as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from linkage.address.place_calm import find_calm, settle_calm
from linkage.address.place_flats import fill_flats, name_sites, settle_codes
from linkage.address.place_keys import read_new
from linkage.address.place_neighbours import affected, neighbourhoods
from linkage.address.place_sites import find_sites

RESOLVED = ("place_resolved", "place_site", "place_option", "place_alias")
"""Tables kept by neighbourhood; `place_said` and `place_key` are kept by what is said."""

_LOOK = (
    "SELECT p.saying, hash(p.node, p.complete, p.depth, p.building_no, p.unit_no, p.floor_no, p.room_no, s.province, s.city, "
    "s.district, s.street, s.community, s.road, s.plate, s.name) AS look FROM place_resolved p JOIN place_site s USING (site)"
)
"""What can be seen of a place from outside: its code, and the names on the way to it."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """How many texts were new, how many sayings were resolved in their neighbourhoods, and how many texts had vanished."""

    new: int
    resolved: int
    gone: int = 0


def resolve_all(con: duckdb.DuckDBPyConnection, *, addresses: str = "address_text") -> Resolved:
    """Resolve every address text from the beginning.

    Args:
        con: the warehouse, with the tables named above.
        addresses: relation with the parse of every address text (text and `schemas.address.COLUMNS`).
    """
    for table in ("place_said", "place_key", *RESOLVED):
        con.execute(f"DELETE FROM {table}")
    new = read_new(con, addresses)
    con.execute("CREATE OR REPLACE TEMP TABLE place_scope AS SELECT * FROM place_key")
    con.execute("CREATE OR REPLACE TEMP TABLE place_before (saying UBIGINT, look UBIGINT)")
    return Resolved(new, _resolve(con))


def resolve_new(
    con: duckdb.DuckDBPyConnection, *, addresses: str = "address_text", gone: str | None = None
) -> Resolved:
    """Resolve the texts that are new, and again those of the neighbourhoods which new and vanished texts name.

    The tables then hold what `resolve_all` would give. A text that says what others say already costs a look-up, one that
    changes nothing but its building the texts of that building (`linkage.address.place_calm`). Leaves the texts whose place
    or its names changed in the temporary table `place_again` (text).

    Args:
        con: the warehouse, with the tables named above.
        addresses: relation with the parse of address texts (text and `schemas.address.COLUMNS`): all those that are said,
            or with `gone` at least those that are new.
        gone: relation (text) of texts that nobody says any more; None = those that `addresses` no longer has.
    """
    con.execute("CREATE OR REPLACE TEMP TABLE place_again (text VARCHAR)")
    gone = gone or f"(SELECT text FROM place_said WHERE text NOT IN (SELECT text FROM {addresses}))"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_left AS SELECT text, saying FROM place_said SEMI JOIN {gone} g USING (text)"
    )
    left = _count(con, "place_left")
    if left:
        con.execute("DELETE FROM place_said WHERE text IN (SELECT text FROM place_left)")
    new = read_new(con, addresses)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_gone AS SELECT * FROM place_key WHERE saying IN (SELECT saying FROM place_left) "
        "AND saying NOT IN (SELECT saying FROM place_said WHERE saying IN (SELECT saying FROM place_left))"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_scope AS SELECT * FROM place_key WHERE saying IN (SELECT saying FROM place_read) "
        "AND saying NOT IN (SELECT saying FROM place_resolved WHERE saying IN (SELECT saying FROM place_read))"
    )
    fresh = _count(con, "place_gone") + _count(con, "place_scope")
    resolved = 0
    if fresh:
        find_calm(con)
        if _count(con, "place_calm") < fresh:
            resolved += _resolve_neighbourhoods(con)
        else:
            con.execute("DELETE FROM place_key WHERE saying IN (SELECT saying FROM place_gone)")
        resolved += settle_calm(con)
        con.execute("INSERT INTO place_again SELECT t.text FROM place_said t SEMI JOIN place_changed USING (saying)")
    for table in ("place_left", "place_read", "place_gone", "place_scope", "place_changed"):
        con.execute(f"DROP TABLE IF EXISTS temp.{table}")
    return Resolved(new, resolved, left)


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _resolve_neighbourhoods(con: duckdb.DuckDBPyConnection) -> int:
    """Resolve the neighbourhoods that new and vanished sayings may change, those of calm ones not; return how many sayings."""
    affected(con)
    touched = "neighbourhood IN (SELECT neighbourhood FROM place_touched)"
    con.execute(f"DELETE FROM place_calm WHERE {touched}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE place_before AS {_LOOK} WHERE p.{touched}")
    for table in RESOLVED:
        con.execute(f"DELETE FROM {table} WHERE {touched}")
    return _resolve(con)


def _resolve(con: duckdb.DuckDBPyConnection) -> int:
    """Resolve the texts of `place_scope`: whole neighbourhoods."""
    neighbourhoods(con)
    find_sites(con)
    fill_flats(con)
    settle_codes(con)
    name_sites(con)
    rows = con.execute("SELECT count(*) FROM place_scope").fetchall()
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_again AS SELECT t.text FROM place_said t SEMI JOIN "
        f"(SELECT saying, look FROM ({_LOOK} SEMI JOIN place_scope c ON c.saying = p.saying) EXCEPT SELECT saying, look FROM place_before) a "
        "USING (saying)"
    )
    for table in ("place_before", "place_scope", "place_text", "place_row", "place_slot"):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    return int(rows[0][0])
