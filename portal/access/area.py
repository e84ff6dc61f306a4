"""Area (辖区): what of the master an account may see. A worker sees the own grids, the other roles the whole district.

Checked twice: here, for every route whose rule names a record, and by PostgreSQL itself (row-level security), because a
query that forgot its condition must come back empty, not with the neighbour's people.
"""

from __future__ import annotations

import sqlalchemy as sa

from onefact.enter import is_uuid
from portal.security.accounts import Account
from warehouse.tables import ENTITY_GRID

EVERYWHERE = frozenset({"steward", "auditor"})
"""Roles whose duty is the whole district; system and security administrators see no records at all."""


def may_see(connection: sa.Connection, account: Account, entity_type: str, master_id: str) -> bool:
    """Return whether a golden record is within the account's area; false for an id that is none."""
    if not is_uuid(master_id):
        return False
    if account.role in EVERYWHERE:
        return True
    if account.role != "worker" or not account.grids:
        return False
    query = sa.select(sa.literal(1)).where(
        ENTITY_GRID.c.entity_type == entity_type,
        ENTITY_GRID.c.master_id == master_id,
        ENTITY_GRID.c.grid.in_(account.grids),
    )
    return connection.execute(query.limit(1)).first() is not None


def within(account: Account, table: sa.FromClause, entity_type: str) -> sa.ColumnElement[bool]:
    """Return the SQL condition that keeps the rows of a golden table (with `master_id`) to the account's area."""
    if account.role in EVERYWHERE:
        return sa.true()
    if account.role != "worker" or not account.grids:
        return sa.false()
    return sa.exists(
        sa.select(sa.literal(1)).where(
            ENTITY_GRID.c.entity_type == entity_type,
            ENTITY_GRID.c.master_id == table.c.master_id,
            ENTITY_GRID.c.grid.in_(account.grids),
        )
    )
