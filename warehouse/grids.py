"""Which grid an entity is in (所在网格): read from the standard addresses, kept beside the master for the portal's checks.

A node of the address tree is of a grid when the known addresses at it and below it are all of one; whoever points at a node
is in its grid, or in that of the nearest node above whose grid is known. A road is in no grid: only what stands below one
counts (plate, estate, building, ...). A person counts in the grid of the residence and in that of the household
registration (人户分离): both workers have a duty there.

Only the estates that a run touches are worked out anew, before and after the tree has changed: `BEFORE` and `AFTER` are run
around `Publisher.tree`, in the transaction that publishes.
"""

from __future__ import annotations

from typing import Final

KEY: Final = "entity_type, master_id, field"
KEY_TYPES: Final = "entity_type varchar, master_id uuid, field varchar"

MOVED: Final = (
    f"SELECT {KEY} FROM point_gone UNION SELECT {KEY} FROM point_fresh "
    "UNION SELECT 'address', master_id, 'full_text' FROM changed_address"
)
"""DuckDB: the pointers that a run changes, and the addresses whose grid it may have changed; sent as `grid_moved`."""

_BELOW_ROADS: Final = "level IN ('plate', '42', 'building', 'unit', 'floor', 'room')"

_ROOTS: Final = f"""
WITH RECURSIVE up AS (
  SELECT n.node_id, n.parent_id FROM grid_moved m JOIN address_point p USING ({KEY}) JOIN address_node n USING (node_id) WHERE n.{_BELOW_ROADS}
  UNION
  SELECT n.node_id, n.parent_id FROM up u JOIN address_node n ON n.node_id = u.parent_id WHERE n.{_BELOW_ROADS})
SELECT u.node_id FROM up u LEFT JOIN address_node p ON p.node_id = u.parent_id WHERE p.node_id IS NULL OR NOT p.{_BELOW_ROADS}
"""
"""The topmost places below a road that the moved pointers are in."""

CHANGED: Final = "CREATE TEMP TABLE grid_changed (entity_type varchar, master_id uuid) ON COMMIT DROP"
"""Where the records are told that a run puts into other grids; `found_by` gives their search keys the new ones."""

BEFORE: Final = (
    CHANGED,
    f"CREATE TEMP TABLE grid_root ON COMMIT DROP AS {_ROOTS}",
)
"""Statements for before the tree changes: where the moved were until now."""

_NODES: Final = """
CREATE TEMP TABLE grid_node ON COMMIT DROP AS WITH RECURSIVE down AS (
  SELECT n.node_id, NULL::uuid AS parent_id FROM (SELECT DISTINCT node_id FROM grid_root) r JOIN address_node n USING (node_id)
  UNION ALL
  SELECT n.node_id, n.parent_id FROM down d JOIN address_node n ON n.parent_id = d.node_id)
SELECT node_id, parent_id FROM down
"""

_NOW: Final = """
CREATE TEMP TABLE grid_now ON COMMIT DROP AS WITH RECURSIVE up AS (
  SELECT n.node_id, n.parent_id, a.grid_code AS grid FROM grid_node n JOIN address_point p USING (node_id) JOIN address a USING (master_id)
  WHERE p.entity_type = 'address' AND p.field = 'full_text' AND a.grid_code IS NOT NULL
  UNION
  SELECT n.node_id, n.parent_id, u.grid FROM up u JOIN grid_node n ON n.node_id = u.parent_id),
own AS MATERIALIZED (SELECT node_id, min(grid) AS grid FROM up GROUP BY node_id HAVING count(DISTINCT grid) = 1),
known AS MATERIALIZED (SELECT n.node_id, n.parent_id, o.grid FROM grid_node n LEFT JOIN own o USING (node_id)),
down AS (
  SELECT node_id, grid FROM known WHERE parent_id IS NULL
  UNION ALL
  SELECT k.node_id, coalesce(k.grid, d.grid) FROM down d JOIN known k ON k.parent_id = d.node_id)
SELECT p.entity_type, p.master_id, p.field, d.grid FROM down d JOIN address_point p USING (node_id) WHERE d.grid IS NOT NULL
"""

_SAME: Final = "n.entity_type = e.entity_type AND n.master_id = e.master_id AND n.field = e.field"
_LOOKED_AT: Final = f"SELECT {KEY} FROM grid_moved UNION SELECT {KEY} FROM grid_node JOIN address_point USING (node_id)"
_GONE: Final = "RETURNING e.entity_type, e.master_id) INSERT INTO grid_changed SELECT entity_type, master_id FROM gone"
_COME: Final = "RETURNING entity_type, master_id) INSERT INTO grid_changed SELECT entity_type, master_id FROM come"

AFTER: Final = (
    f"INSERT INTO grid_root {_ROOTS}",
    _NODES,
    "ANALYZE grid_node",
    _NOW,
    (
        f"WITH gone AS (DELETE FROM entity_grid e USING ({_LOOKED_AT}) l WHERE l.entity_type = e.entity_type AND l.master_id = e.master_id "
        f"AND l.field = e.field AND NOT EXISTS (SELECT 1 FROM grid_now n WHERE {_SAME} AND n.grid = e.grid) {_GONE}"
    ),
    (
        "WITH come AS (INSERT INTO entity_grid (entity_type, master_id, field, grid) SELECT entity_type, master_id, field, grid "
        f"FROM grid_now n WHERE NOT EXISTS (SELECT 1 FROM entity_grid e WHERE {_SAME}) {_COME}"
    ),
)
"""Statements for after the tree has changed; the last two count rows that went and came."""
