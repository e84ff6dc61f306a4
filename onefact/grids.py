"""Who lives and stands in a grid (网格内的对象), door by door.

What a worker may see is decided by `entity_grid`, in which a person counts at both addresses; a list of who is there counts
everybody once, where they live.
"""

from __future__ import annotations

import sqlalchemy as sa

from schemas.model import EntityType

PLACES: dict[EntityType, tuple[str, ...]] = {
    "address": ("full_text",),
    "house": ("address",),
    "organisation": ("address", "registered_address"),
    "person": ("residence_address", "registered_address"),
}
"""Which address says where an entity is, the first that is known."""


def place_of(entity_type: EntityType) -> str:
    """Return the SQL of a relation (master_id, node_id, grid) of those who have to do with `:grids`: where they live or stand.

    It begins with the grids' own entities, so that it costs what they hold, not what the city holds.
    """
    order = " ".join(f"WHEN '{field}' THEN {i}" for i, field in enumerate(PLACES[entity_type]))
    fields = ", ".join(f"'{field}'" for field in PLACES[entity_type])
    return (
        "SELECT DISTINCT ON (p.master_id) p.master_id, p.node_id, g.grid FROM address_point p "
        "LEFT JOIN entity_grid g ON g.entity_type = p.entity_type AND g.master_id = p.master_id AND g.field = p.field "
        f"WHERE p.entity_type = '{entity_type}' AND p.field IN ({fields}) AND p.master_id IN (SELECT m.master_id FROM "
        f"entity_grid m WHERE m.entity_type = '{entity_type}' AND m.grid = ANY(:grids)) ORDER BY p.master_id, CASE p.field {order} END"
    )


def grids(connection: sa.Connection) -> list[tuple[str, int]]:
    """Return every grid with the number of addresses that say it, by code."""
    query = sa.text(
        "SELECT grid_code, count(*) FROM address WHERE grid_code IS NOT NULL GROUP BY grid_code ORDER BY grid_code"
    )
    return [(str(code), int(n)) for code, n in connection.execute(query)]
