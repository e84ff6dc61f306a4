"""Which compound or door each text means (定位到院落、门牌): by its plate, or by the name of its compound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import duckdb
import pyarrow as pa

from linkage.address.names import LEVELS, compare_names
from linkage.address.place_keys import CONTEXT
from linkage.address.place_zones import SETTLED, SHARE, Said, joined_sets, zones
from linkage.address.roads import written_alike

LEAST: Final = 3
"""Shared flats from which two names at a door, or two doors of a name, are one compound (as in `aliases.learn`)."""

CHOICES: Final = 8
"""A name that could be more sites than this says nothing about which."""

_SAID: Final = (*CONTEXT, "name")
_SPELLED: Final = LEVELS.index("typo")
_SLOT: Final = "hash(building, coalesce(unit, ''), room)"


def find_sites(con: duckdb.DuckDBPyConnection) -> None:
    """Create `place_row`: `place_text` with `site`, and `sure` false where the text could mean several.

    Also creates `place_maybe` (saying, site) for what could mean several, and fills `place_alias`.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_row AS SELECT *, coalesce(door, area) AS anchor FROM place_text "
        "WHERE door IS NOT NULL OR area IS NOT NULL"
    )
    _zone(con)
    _join_doors(con)
    con.execute("DROP TABLE IF EXISTS temp.place_sited")
    con.execute("ALTER TABLE place_row RENAME TO place_sited")
    _by_name(con)
    # Names that no plate is known for: the name is the place.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_row AS SELECT t.*, hash('only', t.bridge, t.name_code) AS anchor "
        "FROM place_text t ANTI JOIN place_sited s USING (saying)"
    )
    _zone(con, by_name=True)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_row AS SELECT * FROM place_sited UNION ALL BY NAME SELECT * FROM place_row"
    )
    con.execute("DROP TABLE place_sited")


def _zone(con: duckdb.DuckDBPyConnection, *, by_name: bool = False) -> None:
    """Give the rows of `place_row` their site by `anchor`, anchors at which texts contradict one another split.

    Where the anchor is the name (`by_name`), the name says nothing about which of its namesakes a text means.
    """
    several = " OR ".join(f"min({c}) <> max({c})" for c in _SAID)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_odd AS SELECT anchor FROM place_row GROUP BY anchor HAVING {several}"
    )
    said = ", ".join(f"any_value({c}) AS {c}" for c in _SAID)
    rows = con.execute(
        f"SELECT anchor, any_value(area IS NOT NULL AND road IS NULL) AS bare, combo, {said}, count(*) AS texts FROM place_row SEMI JOIN place_odd USING (anchor) "
        "GROUP BY anchor, combo"
    ).fetchall()
    shared = _alike(con)
    found: list[tuple[int, int, str, bool]] = []
    by_anchor: dict[int, list[Said]] = defaultdict(list)
    for anchor, bare, *values in rows:
        here = Said(*values)
        # The community that is the place itself does not tell which of its namesakes it is.
        here = replace(here, community=None) if bare else here
        by_anchor[anchor].append(replace(here, name=None) if by_name else here)
    for anchor, combos in by_anchor.items():
        split = zones(combos, shared.get(anchor, set()))
        found += [(anchor, combo, zone.label, zone.sure) for combo, zone in split.items() if zone.label]
    types = {"anchor": pa.uint64(), "combo": pa.uint64(), "zone": pa.string(), "sure": pa.bool_()}
    con.register("_zone", _columns(types, found))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_row AS SELECT r.*, coalesce(z.sure, true) AS sure, "
        "CASE WHEN z.zone IS NULL THEN hash('site', r.anchor) ELSE hash('site', r.anchor, z.zone) END AS site "
        "FROM place_row r LEFT JOIN _zone z ON z.anchor = r.anchor AND z.combo = r.combo"
    )
    con.unregister("_zone")
    con.execute("DROP TABLE place_odd")


def _alike(con: duckdb.DuckDBPyConnection) -> dict[int, set[tuple[str, str]]]:
    """Compare the flats of each two names at a door; return which have too few in common, and keep the findings."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_slot AS SELECT DISTINCT neighbourhood, anchor, door, name, {_SLOT} AS slot "
        "FROM place_row SEMI JOIN (SELECT anchor FROM place_row GROUP BY anchor HAVING min(name) <> max(name)) USING (anchor) "
        "WHERE name IS NOT NULL AND building IS NOT NULL AND room IS NOT NULL"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_pair AS WITH size AS (SELECT neighbourhood, anchor, door, name, count(*) AS n "
        "FROM place_slot GROUP BY ALL), common AS (SELECT a.anchor, a.name AS one, b.name AS other, count(*) AS n "
        "FROM place_slot a JOIN place_slot b ON a.anchor = b.anchor AND a.slot = b.slot AND a.name < b.name GROUP BY ALL) "
        "SELECT x.neighbourhood, x.anchor, x.door, x.name AS one, y.name AS other, coalesce(c.n, 0) AS shared, "
        "x.n AS one_flats, y.n AS other_flats FROM size x JOIN size y ON x.anchor = y.anchor AND x.name < y.name "
        "LEFT JOIN common c ON c.anchor = x.anchor AND c.one = x.name AND c.other = y.name"
    )
    con.execute(
        "INSERT INTO place_alias SELECT neighbourhood, door, if(one_flats >= other_flats, one, other), "
        "if(one_flats >= other_flats, other, one), shared, greatest(one_flats, other_flats), least(one_flats, other_flats), "
        f"shared >= {LEAST} AND shared >= {SHARE} * least(one_flats, other_flats) FROM place_pair WHERE door IS NOT NULL"
    )
    rows = con.execute(
        f"SELECT anchor, one, other FROM place_pair WHERE least(one_flats, other_flats) >= {SETTLED} "
        f"AND shared < {SHARE} * least(one_flats, other_flats)"
    ).fetchall()
    found: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for anchor, one, other in rows:
        found[anchor].add((one, other))
    con.execute("DROP TABLE place_pair")
    return found


def _join_doors(con: duckdb.DuckDBPyConnection) -> None:
    """One compound with two plates (two gates, a misspelt road): its sites become one.

    Either the plates have one number and the roads are spelt alike, or the same flats stand behind both in one community.
    The name must be the commonest at both: by a nickname (大院) many a compound goes.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_gate AS SELECT site, arg_min(bridge, (-n, name)) AS bridge, "
        "arg_min(name_code, (-n, name)) AS name_code FROM (SELECT site, name, name_code, bridge, count(*) AS n FROM place_row "
        "WHERE door IS NOT NULL AND name IS NOT NULL AND sure AND bridge IS NOT NULL GROUP BY ALL) GROUP BY site"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_twin AS SELECT DISTINCT a.site AS one, b.site AS other FROM place_gate a "
        "JOIN place_gate b ON a.bridge = b.bridge AND a.name_code = b.name_code AND a.site < b.site"
    )
    lists = ", ".join(f"list(DISTINCT {c}) FILTER ({c} IS NOT NULL) AS {c}" for c in (*CONTEXT, "road", "plate"))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_about AS SELECT site, {lists} FROM place_row SEMI JOIN "
        "(SELECT one AS site FROM place_twin UNION SELECT other FROM place_twin) USING (site) GROUP BY site"
    )
    agree = " AND ".join(f"(a.{c} IS NULL OR b.{c} IS NULL OR list_has_any(a.{c}, b.{c}))" for c in CONTEXT)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_twin AS SELECT t.one, t.other, a.road AS roads, b.road AS others, "
        "coalesce(list_has_any(a.plate, b.plate), false) AS plates, coalesce(list_has_any(a.community, b.community), false) AS near "
        f"FROM place_twin t JOIN place_about a ON a.site = t.one JOIN place_about b ON b.site = t.other WHERE {agree}"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_slot AS SELECT DISTINCT site, {_SLOT} AS slot FROM place_row SEMI JOIN "
        "(SELECT one AS site FROM place_twin UNION SELECT other FROM place_twin) USING (site) "
        "WHERE building IS NOT NULL AND room IS NOT NULL"
    )
    same = con.execute(
        "WITH size AS (SELECT site, count(*) AS n FROM place_slot GROUP BY site) SELECT t.one, t.other FROM place_twin t "
        "JOIN place_slot a ON a.site = t.one JOIN place_slot b ON b.site = t.other AND b.slot = a.slot "
        "JOIN size x ON x.site = t.one JOIN size y ON y.site = t.other WHERE t.near "
        f"GROUP BY t.one, t.other, x.n, y.n HAVING count(*) >= {LEAST} AND count(*) >= {SHARE} * least(x.n, y.n)"
    ).fetchall()
    spelled = [
        (one, other)
        for one, other, roads, others in con.execute(
            "SELECT one, other, roads, others FROM place_twin WHERE plates"
        ).fetchall()
        if any(written_alike(a, b) for a in roads or () for b in others or ())
    ]
    heirs = [(site, heir) for site, heir in joined_sets([*same, *spelled]).items() if site != heir]
    if heirs:
        con.register("_heir", _columns({"site": pa.uint64(), "heir": pa.uint64()}, heirs))
        con.execute(
            "CREATE OR REPLACE TEMP TABLE place_row AS SELECT r.* REPLACE (coalesce(h.heir, r.site) AS site) "
            "FROM place_row r LEFT JOIN _heir h ON h.site = r.site"
        )
        con.unregister("_heir")
    for table in ("place_gate", "place_twin", "place_about"):
        con.execute(f"DROP TABLE {table}")


def _by_name(con: duckdb.DuckDBPyConnection) -> None:
    """Add to `place_sited` the texts that name a compound without its plate, where the name is known at a plate."""
    lists = ", ".join(f"list(DISTINCT {c}) FILTER ({c} IS NOT NULL) AS {c}" for c in CONTEXT)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_named AS SELECT bridge, name, site, count(*) AS texts FROM place_sited "
        "WHERE door IS NOT NULL AND name IS NOT NULL AND sure AND bridge IS NOT NULL GROUP BY ALL"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_about AS SELECT site, {lists} FROM place_sited WHERE sure "
        "AND site IN (SELECT site FROM place_named) GROUP BY site"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_asking AS SELECT DISTINCT bridge, combo, {', '.join(_SAID)} FROM place_text "
        "WHERE door IS NULL AND name IS NOT NULL AND bridge IS NOT NULL"
    )
    agree = " AND ".join(f"(q.{c} IS NULL OR a.{c} IS NULL OR list_contains(a.{c}, q.{c}))" for c in CONTEXT)
    choice = (
        "SELECT q.bridge, q.combo, n.site, sum(n.texts) AS texts FROM place_asking q {join} "
        f"JOIN place_about a ON a.site = n.site WHERE {agree} GROUP BY ALL"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_choice AS "
        + choice.format(join="JOIN place_named n ON n.bridge = q.bridge AND n.name = q.name")
    )
    con.execute(
        "DELETE FROM place_asking q WHERE combo IN (SELECT combo FROM place_choice c WHERE c.bridge = q.bridge)"
    )
    _register_spellings(con)
    con.execute(
        "INSERT INTO place_choice "
        + choice.format(
            join="JOIN _spelling w ON w.asked = q.name JOIN place_named n ON n.bridge = q.bridge AND n.name = w.known"
        )
    )
    con.unregister("_spelling")
    # One stray text (a wrong plate) does not make a second compound of a name that hundreds of texts know at one door.
    con.execute(
        "DELETE FROM place_choice c USING (SELECT bridge, combo, max(texts) AS most FROM place_choice GROUP BY ALL) m "
        "WHERE c.bridge = m.bridge AND c.combo = m.combo AND c.texts <= 2 AND m.most >= 50 * c.texts"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_chosen AS SELECT bridge, combo, min(site) AS site, count(*) AS sites "
        "FROM place_choice GROUP BY ALL"
    )
    con.execute(
        "INSERT INTO place_sited BY NAME SELECT t.*, c.sites = 1 AS sure, NULL::UBIGINT AS anchor, "
        "CASE WHEN c.sites = 1 THEN c.site ELSE hash('either', t.bridge, t.combo) END AS site "
        "FROM place_text t JOIN place_chosen c ON c.bridge = t.bridge AND c.combo = t.combo WHERE t.door IS NULL"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_maybe AS SELECT t.saying, c.site FROM place_text t "
        "JOIN place_chosen m ON m.bridge = t.bridge AND m.combo = t.combo "
        "JOIN place_choice c ON c.bridge = t.bridge AND c.combo = t.combo "
        f"WHERE t.door IS NULL AND m.sites BETWEEN 2 AND {CHOICES}"
    )
    for table in ("place_named", "place_about", "place_asking", "place_choice", "place_chosen"):
        con.execute(f"DROP TABLE {table}")


def _register_spellings(con: duckdb.DuckDBPyConnection) -> None:
    """Register `_spelling`: names asked for that are known under another spelling (judged once for each pair of names)."""
    pairs = con.execute(
        "SELECT DISTINCT q.name, n.name FROM place_asking q JOIN place_named n ON n.bridge = q.bridge AND n.name <> q.name"
    ).fetchall()
    alike = []
    for asked, known in pairs:
        level, marks = compare_names(asked, known)
        if level <= _SPELLED and marks != 3:
            alike.append((asked, known))
    con.register("_spelling", _columns({"asked": pa.string(), "known": pa.string()}, alike))


def _columns(types: dict[str, pa.DataType], rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    return pa.table({name: pa.array(values, t) for (name, t), values in zip(types.items(), columns, strict=True)})
