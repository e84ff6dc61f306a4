"""Which grid an entity is in (所在网格): read from the standard addresses, kept beside the master for the portal's checks.

A node of the address tree is of a grid when the known addresses at it and below it are all of one; an entity is in the
grid of the node that it points at, or of the nearest node above whose grid is known. A person counts in the grid of the
residence and in that of the household registration (人户分离): both workers have a duty there.
"""

from __future__ import annotations

from typing import Final

_KNOWN = """
WITH RECURSIVE said AS (
  SELECT p.node_id, a.grid_code AS grid FROM address_point p JOIN address a USING (master_id)
  WHERE p.entity_type = 'address' AND p.field = 'full_text' AND a.grid_code IS NOT NULL),
up AS (
  SELECT n.node_id, n.parent_id, s.grid FROM said s JOIN address_node n USING (node_id)
  UNION
  SELECT n.node_id, n.parent_id, u.grid FROM up u JOIN address_node n ON n.node_id = u.parent_id),
own AS (SELECT node_id, min(grid) AS grid FROM up GROUP BY node_id HAVING count(DISTINCT grid) = 1),
pointed AS (SELECT DISTINCT node_id FROM address_point),
climb AS (
  SELECT p.node_id AS start, n.node_id, n.parent_id, o.grid FROM pointed p JOIN address_node n USING (node_id) LEFT JOIN own o USING (node_id)
  UNION ALL
  SELECT c.start, n.node_id, n.parent_id, o.grid FROM climb c JOIN address_node n ON n.node_id = c.parent_id
  LEFT JOIN own o ON o.node_id = n.node_id WHERE c.grid IS NULL)
SELECT DISTINCT p.entity_type, p.master_id, c.grid FROM climb c JOIN address_point p ON p.node_id = c.start WHERE c.grid IS NOT NULL
"""


_SAME: Final = "n.entity_type = e.entity_type AND n.master_id = e.master_id AND n.grid = e.grid"

SETTLE: Final = (
    f"CREATE TEMP TABLE grid_now ON COMMIT DROP AS {_KNOWN}",
    f"DELETE FROM entity_grid e WHERE NOT EXISTS (SELECT 1 FROM grid_now n WHERE {_SAME})",
    f"INSERT INTO entity_grid SELECT n.* FROM grid_now n WHERE NOT EXISTS (SELECT 1 FROM entity_grid e WHERE {_SAME})",
)
"""The statements that bring `entity_grid` up to date with the tree of addresses, for the transaction that publishes."""
