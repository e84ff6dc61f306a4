"""The tree of standard addresses (标准地址树): a node for each element on the way to a place, and who points at which node.

Levels follow GA/T 2000.32 (domain README §1.6): 省 市 区县, 街道, 社区, 路街巷, 门牌, 小区, 楼栋, 单元, 楼层, 户室. A node's id is
derived from its path, so the same place has the same node after any rebuild. Everything is worked out in DuckDB for the
entities and texts that a run touches; only what changed is published.
"""

from __future__ import annotations

from typing import Final

import duckdb

from schemas.model import EntityType
from warehouse.duck import count

LEVELS: Final = (
    ("province", "'11'"),
    ("city", "'12'"),
    ("district", "'13'"),
    (
        "street",
        "CASE WHEN {0} LIKE '%街道' THEN '23' WHEN {0} LIKE '%镇' THEN '22' WHEN {0} LIKE '%乡' THEN '21' ELSE '20' END",
    ),
    ("community", "CASE WHEN {0} LIKE '%社区' THEN '31' WHEN {0} LIKE '%村' THEN '33' ELSE '30' END"),
    ("road", "'41'"),
    ("plate", "'plate'"),
    ("compound", "'42'"),
    ("building", "'building'"),
    ("unit", "'unit'"),
    ("floor", "'floor'"),
    ("room", "'room'"),
)
"""The elements from the root down, and the SQL of the level of a node by its name.

Two digits are codes of GA/T 2000.32; for the plate and below the compound the part of the standard at hand names none.
"""

POINTERS: Final[tuple[tuple[EntityType, str], ...]] = (
    ("address", "full_text"),
    ("house", "address"),
    ("organisation", "registered_address"),
    ("organisation", "address"),
    ("person", "registered_address"),
    ("person", "residence_address"),
)
"""Which fields of which golden records point at a node."""

_KEY: Final = "entity_type, master_id, field"

_ELEMENTS: Final = """
SELECT w.text, p.complete AS exact, s.province, CASE WHEN s.city <> coalesce(s.province, '') THEN s.city END AS city, s.district, s.street, s.community,
       s.road, s.plate || '号' AS plate, s.name AS compound,
       CASE WHEN regexp_matches(p.building_no, '[号栋楼]') THEN p.building_no ELSE p.building_no || '栋' END AS building,
       CASE WHEN p.complete OR p.depth = 'unit' THEN p.unit_no || '单元' END AS unit,
       CASE WHEN p.complete THEN p.floor_no || '层' END AS floor,
       CASE WHEN p.complete AND regexp_matches(p.room_no, '[0-9A-Z]$') THEN p.room_no || '室' WHEN p.complete THEN p.room_no END AS room
FROM (SELECT DISTINCT text FROM tree_scope) w JOIN place p USING (text) JOIN place_site s USING (site)
"""
"""The elements of each text's place, named as its site is; of an undecided text only what is certain."""


def plant(con: duckdb.DuckDBPyConnection) -> None:
    """Work out which nodes and pointers change in this run.

    Reads `touched`, `fresh_<entity>` and `golden_<entity>`, `place`, `place_site` and `place_again` (texts whose
    place was resolved in this run). Creates `point_gone` and `point_fresh` (entity_type, master_id, field, node_id, exact, text),
    `node_gone` (node_id) and `node_fresh` (all columns of `address_node`).
    """
    _scope(con)
    _paths(con)
    _points(con)
    _nodes(con)
    for table in ("tree_scope", "tree_path", "tree_point", "tree_node"):
        con.execute(f"DROP TABLE {table}")


def _scope(con: duckdb.DuckDBPyConnection) -> None:
    """Create `tree_scope`: golden address fields of touched entities, and those whose text may mean another place now."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE tree_moved AS SELECT entity_type, master_id FROM (SELECT entity_type, master_id FROM address_point "
        "WHERE text IS NULL UNION SELECT entity_type, master_id FROM address_point WHERE text IN (SELECT text FROM place_again)) "
        "ANTI JOIN touched USING (entity_type, master_id)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE tree_entity AS SELECT entity_type, master_id FROM touched UNION ALL SELECT * FROM tree_moved"
    )
    parts = " UNION ALL ".join(
        f"SELECT '{entity}' AS entity_type, master_id, '{field}' AS field, \"{field}\" AS text FROM ("
        f'SELECT master_id, "{field}" FROM fresh_{entity} UNION ALL SELECT master_id, "{field}" FROM golden_{entity} '
        f"WHERE master_id IN (SELECT master_id FROM tree_moved WHERE entity_type = '{entity}')) WHERE \"{field}\" IS NOT NULL"
        for entity, field in POINTERS
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE tree_scope AS {parts}")


def _paths(con: duckdb.DuckDBPyConnection) -> None:
    """Create `tree_path` (text, node_id) and `tree_node`: the nodes on the way to each text's place."""
    names = [name for name, _ in LEVELS]
    con.execute(f"CREATE OR REPLACE TEMP TABLE tree_text AS {_ELEMENTS}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE tree_place AS SELECT row_number() OVER () AS place, * FROM "
        f"(SELECT DISTINCT {', '.join(names)} FROM tree_text)"
    )
    steps = [
        f"SELECT place, {depth} AS depth, {_path(names[: depth + 1])} AS path, {_path(names[:depth])} AS parent, "
        f"{level.format(name)} AS level, {name} AS name, concat({', '.join(names[: depth + 1])}) AS full_text "
        f"FROM tree_place WHERE {name} IS NOT NULL"
        for depth, (name, level) in enumerate(LEVELS)
    ]
    con.execute(
        "CREATE OR REPLACE TEMP TABLE tree_step AS SELECT *, md5(path)::UUID AS node_id, "
        f"CASE WHEN parent <> '' THEN md5(parent)::UUID END AS parent_id FROM ({' UNION ALL '.join(steps)})"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE tree_node AS SELECT DISTINCT node_id, parent_id, level, name, full_text, depth FROM tree_step"
    )
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM p.{name}" for name in names)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE tree_path AS SELECT t.text, t.exact, e.node_id FROM tree_text t "
        f"JOIN tree_place p ON {same} JOIN (SELECT place, arg_max(node_id, depth) AS node_id FROM tree_step GROUP BY place) e "
        "ON e.place = p.place"
    )
    for table in ("tree_text", "tree_place", "tree_step"):
        con.execute(f"DROP TABLE {table}")


def _path(names: list[str]) -> str:
    """Return SQL of the path through these elements; the element is part of it, as a road and an estate may share a name."""
    return f"concat_ws('/', {', '.join(f'{chr(39)}{name}:{chr(39)} || {name}' for name in names)})" if names else "''"


def _points(con: duckdb.DuckDBPyConnection) -> None:
    """Create `point_fresh`, `point_gone`, `point_text` and `point_changed` (keys, and the node pointed at before)."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE tree_point AS SELECT {_KEY}, node_id, exact, text FROM tree_scope JOIN tree_path USING (text)"
    )
    # The pointers in question are few, all of them many: they are read once.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE tree_old AS SELECT * FROM (SELECT * FROM address_point "
        "WHERE master_id IN (SELECT master_id FROM tree_entity)) SEMI JOIN tree_entity USING (entity_type, master_id)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE point_fresh AS SELECT n.* FROM tree_point n LEFT JOIN tree_old o USING ({_KEY}) "
        "WHERE o.node_id IS DISTINCT FROM n.node_id OR o.exact IS DISTINCT FROM n.exact"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE point_gone AS SELECT o.* FROM tree_old o ANTI JOIN tree_point n USING ({_KEY})"
    )
    # The text is the copy's own: it tells which pointers to look at when a text changes its place.
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE point_text AS SELECT {_KEY}, n.node_id, n.exact, n.text FROM tree_point n JOIN tree_old o USING ({_KEY}) "
        "WHERE o.node_id = n.node_id AND o.exact = n.exact AND o.text IS DISTINCT FROM n.text"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE point_changed AS SELECT {_KEY}, o.node_id FROM (SELECT {_KEY} FROM point_fresh "
        f"UNION SELECT {_KEY} FROM point_gone) c LEFT JOIN tree_old o USING ({_KEY})"
    )
    con.execute("DROP TABLE tree_entity")
    con.execute("DROP TABLE tree_moved")
    con.execute("DROP TABLE tree_old")


def _pointing(nodes: str) -> str:
    """Return the SQL of all pointers, as they are now, at the nodes that a relation names."""
    return (
        f"(SELECT {_KEY}, node_id, exact FROM (SELECT {_KEY}, node_id, exact FROM address_point WHERE node_id IN (SELECT node_id FROM {nodes})) "
        f"ANTI JOIN point_changed USING ({_KEY}) UNION ALL SELECT {_KEY}, node_id, exact FROM point_fresh "
        f"WHERE node_id IN (SELECT node_id FROM {nodes}))"
    )


def _unused(con: duckdb.DuckDBPyConnection, nodes: str) -> None:
    """Create `node_left`: those of some nodes (SQL) that nobody points at."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE node_asked AS {nodes}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE node_left AS SELECT node_id FROM node_asked "
        f"WHERE node_id NOT IN (SELECT node_id FROM {_pointing('node_asked')})"
    )


def _nodes(con: duckdb.DuckDBPyConnection) -> None:
    """Create `node_fresh` and `node_gone`: a node lives while somebody points at it or below it."""
    con.execute("CREATE OR REPLACE TEMP TABLE node_gone (node_id UUID)")
    _unused(con, "SELECT DISTINCT node_id FROM point_changed WHERE node_id IS NOT NULL")
    # From the leaves up: a node that lost its last child may go with it.
    while count(con, "SELECT count(*) FROM node_left"):
        con.execute(
            "CREATE OR REPLACE TEMP TABLE node_dead AS SELECT n.node_id, n.parent_id FROM address_node n JOIN node_left USING (node_id) "
            "WHERE n.node_id NOT IN (SELECT node_id FROM tree_node) AND NOT EXISTS (SELECT 1 FROM address_node c "
            "WHERE c.parent_id = n.node_id AND c.node_id NOT IN (SELECT node_id FROM node_gone))"
        )
        con.execute("INSERT INTO node_gone SELECT node_id FROM node_dead")
        _unused(con, "SELECT DISTINCT parent_id AS node_id FROM node_dead WHERE parent_id IS NOT NULL")
    # An address is the master of its node: that can only have changed where a pointer did.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE node_asked AS SELECT node_id FROM point_changed WHERE node_id IS NOT NULL "
        "UNION SELECT node_id FROM point_fresh"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE node_master AS SELECT node_id, min(master_id) AS master_id "
        f"FROM {_pointing('node_asked')} WHERE entity_type = 'address' AND exact GROUP BY node_id"
    )
    columns = "node_id, parent_id, level, name, full_text"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE node_fresh AS SELECT {columns}, m.master_id FROM (SELECT * FROM tree_node "
        "WHERE node_id NOT IN (SELECT node_id FROM address_node WHERE node_id IN (SELECT node_id FROM tree_node))) n "
        f"LEFT JOIN node_master m USING (node_id) UNION ALL SELECT {columns}, m.master_id FROM ("
        "SELECT * FROM address_node WHERE node_id IN (SELECT node_id FROM node_asked)) o "
        "LEFT JOIN node_master m USING (node_id) WHERE m.master_id IS DISTINCT FROM o.master_id "
        "AND node_id NOT IN (SELECT node_id FROM node_gone)"
    )
    for table in ("node_left", "node_dead", "node_asked", "node_master", "point_changed"):
        con.execute(f"DROP TABLE IF EXISTS {table}")


def commit(con: duckdb.DuckDBPyConnection) -> None:
    """Make the new tree the working copy's own; within the transaction of `warehouse.working_copy.commit`."""
    con.execute(
        f"DELETE FROM address_point WHERE ({_KEY}) IN (SELECT {_KEY} FROM point_fresh UNION ALL SELECT {_KEY} FROM point_gone "
        f"UNION ALL SELECT {_KEY} FROM point_text)"
    )
    con.execute(
        f"INSERT INTO address_point BY NAME SELECT {_KEY}, node_id, exact, text FROM point_fresh "
        f"UNION ALL SELECT {_KEY}, node_id, exact, text FROM point_text"
    )
    con.execute(
        "DELETE FROM address_node WHERE node_id IN (SELECT node_id FROM node_gone UNION ALL SELECT node_id FROM node_fresh)"
    )
    con.execute("INSERT INTO address_node BY NAME SELECT * FROM node_fresh")
