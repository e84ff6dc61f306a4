"""Neighbourhoods of address texts (地址邻域): which texts can say something about one another.

Texts meet at a door plate, or by the name of a compound. The names 小区, 花园, 家园 of one core meet as well, since people
exchange them. A name that stands at more doors than one compound can have (宿舍, 中国银行) joins nothing.
"""

from __future__ import annotations

from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

HUB: Final = 30
"""A name that stands at more doors than this is no name of a place."""

_COUNTED: Final = (
    "SELECT {code}, count(DISTINCT door) AS doors FROM place_key WHERE door IS NOT NULL AND {code} IN "
    "(SELECT {code} FROM {of}) GROUP BY {code}"
)

_BRIDGE: Final = f"""
CASE WHEN k.name IS NULL THEN NULL
     WHEN coalesce(f.doors, 0) <= {HUB} THEN hash('core', k.fold_code)
     WHEN coalesce(n.doors, 0) <= {HUB} THEN hash('whole', k.name_code)
     WHEN k.community IS NOT NULL THEN hash('within', k.community, k.name_code) END
"""

_AREA: Final = """
CASE WHEN road IS NOT NULL THEN hash('road', road) WHEN community IS NOT NULL THEN hash('community', community)
     WHEN street IS NOT NULL THEN hash('street', street) WHEN district IS NOT NULL THEN hash('district', district)
     WHEN city IS NOT NULL THEN hash('city', city) ELSE hash('nowhere', saying) END
"""


def neighbourhoods(con: duckdb.DuckDBPyConnection) -> None:
    """Create `place_text`: the rows of `place_scope` with `bridge` (what joins names), `area` and `neighbourhood`."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_text AS "
        f"WITH f AS ({_COUNTED.format(code='fold_code', of='place_scope')}), "
        f"n AS ({_COUNTED.format(code='name_code', of='place_scope')}) "
        f"SELECT k.*, {_BRIDGE} AS bridge, CASE WHEN door IS NULL AND name IS NULL THEN {_AREA} END AS area "
        "FROM place_scope k LEFT JOIN f USING (fold_code) LEFT JOIN n USING (name_code)"
    )
    edges = con.execute(
        "SELECT DISTINCT door, bridge FROM place_text WHERE door IS NOT NULL AND bridge IS NOT NULL"
    ).fetchnumpy()
    con.register("_component", _components(np.asarray(edges["door"]), np.asarray(edges["bridge"])))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_text AS SELECT t.*, "
        "coalesce(d.neighbourhood, b.neighbourhood, t.door, t.bridge, t.area, hash('alone', t.name_code, t.combo)) "
        "AS neighbourhood FROM place_text t LEFT JOIN _component d ON d.node = t.door "
        "LEFT JOIN _component b ON b.node = t.bridge"
    )
    con.unregister("_component")


def _components(left: np.ndarray, right: np.ndarray) -> pa.Table:
    """Return each node with the smallest node of its component."""
    nodes, codes = np.unique(np.concatenate([left, right]).astype(np.uint64), return_inverse=True)
    if not len(nodes):
        return pa.table({"node": pa.array([], pa.uint64()), "neighbourhood": pa.array([], pa.uint64())})
    a, b = codes[: len(left)], codes[len(left) :]
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(nodes), len(nodes)))
    count, labels = connected_components(graph, directed=False)
    smallest = np.full(count, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, labels, nodes)
    return pa.table({"node": nodes, "neighbourhood": smallest[labels]})


def affected(con: duckdb.DuckDBPyConnection) -> None:
    """Create `place_touched` (neighbourhood) and `place_scope`: what new and vanished sayings could concern.

    Reads `place_gone`, whose rows are removed from `place_key`, and `place_calm`, which concerns nobody else. A name that is a hub before and after joins nothing, so
    the many sayings that bear it are not concerned.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_fresh AS SELECT n.* FROM (SELECT * FROM place_scope UNION ALL SELECT * FROM place_gone) n "
        "ANTI JOIN place_calm USING (saying)"
    )
    con.execute(
        # The sayings that meet are few and have wide rows: they are found first.
        "CREATE OR REPLACE TEMP TABLE place_met AS WITH met AS MATERIALIZED (SELECT saying FROM place_key "
        "WHERE door IN (SELECT door FROM place_fresh) UNION SELECT saying FROM place_key "
        "WHERE fold_code IN (SELECT fold_code FROM place_fresh)) "
        "SELECT p.neighbourhood, k.* FROM (SELECT saying, door, fold_code, name_code, community FROM place_key "
        "WHERE saying IN (SELECT saying FROM met)) k JOIN (SELECT saying, neighbourhood FROM place_resolved "
        "WHERE saying IN (SELECT saying FROM met)) p USING (saying)"
    )
    con.execute("DELETE FROM place_key WHERE saying IN (SELECT saying FROM place_gone)")
    con.execute("DELETE FROM place_gone WHERE saying IN (SELECT saying FROM place_calm)")
    usual = " OR ".join(
        f"(m.{code} IN (SELECT {code} FROM place_fresh) AND (m.{code} IN ({_usual(code, 'place_met')}) "
        f"OR m.{code} IN ({_usual(code, 'place_key')})))"
        for code in ("fold_code", "name_code")
    )
    areas = f"SELECT {_AREA} FROM place_fresh WHERE door IS NULL AND name IS NULL"
    alone = "SELECT hash('alone', name_code, combo) FROM place_fresh WHERE name IS NOT NULL"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_touched AS SELECT DISTINCT neighbourhood FROM place_met m "
        f"WHERE m.door IN (SELECT door FROM place_fresh) OR {usual} "
        "OR (community, name_code) IN (SELECT community, name_code FROM place_fresh) "
        "OR saying IN (SELECT saying FROM place_gone) "
        f"UNION {areas} UNION {alone}"
    )
    con.execute(
        "INSERT INTO place_touched SELECT neighbourhood FROM place_resolved WHERE saying IN (SELECT saying FROM place_gone)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_scope AS SELECT * FROM place_key WHERE saying IN (SELECT saying FROM place_resolved "
        "WHERE neighbourhood IN (SELECT neighbourhood FROM place_touched) UNION ALL SELECT saying FROM place_fresh "
        "UNION ALL SELECT saying FROM place_calm WHERE neighbourhood IN (SELECT neighbourhood FROM place_touched))"
    )
    for table in ("place_met", "place_fresh"):
        con.execute(f"DROP TABLE {table}")


def _usual(code: str, table: str) -> str:
    """Names of new and vanished texts that are no hub, by the texts of one table."""
    return (
        f"SELECT {code} FROM {table} WHERE {code} IN (SELECT {code} FROM place_fresh) GROUP BY {code} "
        f"HAVING count(DISTINCT door) <= {HUB}"
    )
