"""Connected components in SQL (连通分量): for graphs that fit on no single machine.

Stars are contracted in rounds (Kiveris et al., "Connected Components in MapReduce and Beyond", 2014): an edge points from
the greater node to the smaller one, and each round lets nodes point at smaller ones until every component is a star around
its smallest node. The number of rounds grows with the logarithm of the longest path.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linkage.engine import Engine


def find_components(engine: Engine, *, edges: str, into: str) -> int:
    """Make the table `into` (node, component) of all nodes that have an edge; return the number of rounds.

    Args:
        engine: where the tables are; every step is a table of its own, so no round is computed twice.
        edges: relation (l, r) of undirected edges between codes.
        into: component is the smallest node of the component.
    """
    engine.table("star", f"SELECT DISTINCT greatest(l, r) AS node, least(l, r) AS root FROM {edges} WHERE l <> r")
    for turn in count():  # noqa: B007 - the number of the round is what is returned
        # 1. Are they stars? Then no node points at two roots and no root points on.
        open_nodes = engine.arrow(
            "SELECT count(*) - count(DISTINCT s.node) + count(n.node) AS open FROM star s "
            "LEFT JOIN (SELECT DISTINCT node FROM star) n ON n.node = s.root"
        )
        if not open_nodes["open"][0].as_py():
            break
        # 2. Large star: all greater neighbours of a node point at the smallest one around it.
        engine.table("around", "SELECT node AS a, root AS b FROM star UNION ALL SELECT root AS a, node AS b FROM star")
        engine.table(
            "star",
            "SELECT DISTINCT e.b AS node, m.root FROM around e "
            "JOIN (SELECT a, least(a, min(b)) AS root FROM around GROUP BY a) m ON m.a = e.a WHERE e.b > e.a",
        )
        # 3. Small star: a node and its smaller neighbours point at the smallest of these.
        engine.table("lowest", "SELECT node, min(root) AS root FROM star GROUP BY node")
        engine.table(
            "star",
            "SELECT DISTINCT node, root FROM (SELECT s.root AS node, m.root FROM star s JOIN lowest m ON m.node = s.node "
            "UNION ALL SELECT node, root FROM lowest) e WHERE node <> root",
        )
    engine.table(
        into,
        "SELECT node, root AS component FROM star UNION ALL SELECT DISTINCT root AS node, root AS component FROM star",
    )
    engine.drop("star", "around", "lowest")
    return turn
