"""Who lives and stands in a grid (网格内的对象), door by door: read off the standard address tree."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from schemas.model import EntityType

PLACES: dict[EntityType, tuple[str, ...]] = {
    "address": ("full_text",),
    "house": ("address",),
    "organisation": ("address", "registered_address"),
    "person": ("residence_address", "registered_address"),
}
"""Which address says where an entity is, the first that is known."""

NODE_GRIDS = """
CREATE TEMP TABLE grid_node ON COMMIT DROP AS
WITH RECURSIVE said AS (
  SELECT p.node_id, min(g.grid_code) AS grid FROM address_point p JOIN address g USING (master_id)
  WHERE p.entity_type = 'address' AND p.field = 'full_text' AND g.grid_code IS NOT NULL
  GROUP BY p.node_id HAVING count(DISTINCT g.grid_code) = 1),
up AS (
  SELECT n.node_id, n.parent_id, s.grid FROM said s JOIN address_node n USING (node_id)
  UNION
  SELECT n.node_id, n.parent_id, u.grid FROM up u JOIN address_node n ON n.node_id = u.parent_id),
own AS (SELECT node_id, min(grid) AS grid FROM up GROUP BY node_id HAVING count(DISTINCT grid) = 1),
down AS (
  SELECT n.node_id, o.grid FROM address_node n LEFT JOIN own o USING (node_id) WHERE n.parent_id IS NULL
  UNION ALL
  SELECT n.node_id, coalesce(o.grid, d.grid) FROM down d JOIN address_node n ON n.parent_id = d.node_id
  LEFT JOIN own o ON o.node_id = n.node_id)
SELECT node_id, grid FROM down WHERE grid IS NOT NULL
"""
"""Every node with its grid: a node is of a grid when all known addresses at it and below are, else its parent's counts.

As `warehouse.grids`, by which rights are decided; there a person counts at both addresses, here where they live."""


def prepare(connection: sa.Connection) -> None:
    """Create the temporary table `grid_node` (node_id, grid) for the time of the transaction."""
    if connection.execute(sa.text("SELECT to_regclass('pg_temp.grid_node')")).scalar() is None:
        connection.exec_driver_sql(NODE_GRIDS)
        connection.exec_driver_sql("CREATE INDEX ON grid_node (node_id)")
        connection.exec_driver_sql("ANALYZE grid_node")


def place_of(entity_type: EntityType) -> str:
    """Return the SQL of a relation (master_id, node_id, grid): where each entity is; needs `grid_node`."""
    order = " ".join(f"WHEN '{field}' THEN {i}" for i, field in enumerate(PLACES[entity_type]))
    fields = ", ".join(f"'{field}'" for field in PLACES[entity_type])
    return (
        "SELECT DISTINCT ON (p.master_id) p.master_id, p.node_id, g.grid FROM address_point p "
        f"LEFT JOIN grid_node g USING (node_id) WHERE p.entity_type = '{entity_type}' AND p.field IN ({fields}) "
        f"ORDER BY p.master_id, CASE p.field {order} END"
    )


def grids(connection: sa.Connection) -> list[tuple[str, int]]:
    """Return every grid with the number of addresses that say it, by code."""
    query = sa.text(
        "SELECT grid_code, count(*) FROM address WHERE grid_code IS NOT NULL GROUP BY grid_code ORDER BY grid_code"
    )
    return [(str(code), int(n)) for code, n in connection.execute(query)]


def members(connection: sa.Connection, entity_type: EntityType, wanted: Sequence[str]) -> list[str]:
    """Return the ids of the entities of some grids, in the order of their places."""
    prepare(connection)
    query = sa.text(
        f"SELECT w.master_id::text FROM ({place_of(entity_type)}) w JOIN address_node n USING (node_id) "
        "WHERE w.grid = ANY(:grids) ORDER BY n.full_text, w.master_id"
    )
    return [str(i) for (i,) in connection.execute(query, {"grids": list(wanted)})]
