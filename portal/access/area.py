"""Area and compartment (辖区与分区): what of the master an account may see, by role, by place and by kind of fact.

A worker sees the own grids, the other roles the whole district; of a record an account sees the facts of its compartments.

Checked twice: here, for every route whose rule names a record, and by PostgreSQL itself (row-level security), because a
query that forgot its condition must come back empty, not with the neighbour's people.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

import sqlalchemy as sa

from onefact.acts import Fact
from onefact.enter import is_uuid
from portal.security.accounts import Account
from schemas.entities import ENTITIES
from schemas.model import Compartment, Field
from warehouse.tables import ENTITY_GRID

EVERYWHERE = frozenset({"steward", "auditor"})
"""Roles whose duty is the whole district; system and security administrators see no records at all."""


def cleared(account: Account, field: Field) -> bool:
    """Return whether an account may see facts of a field's compartment at all (分区)."""
    return field.compartment in account.compartments


def seen_by(account: Account) -> list[Compartment]:
    """Return the compartments of an account, for what asks for fields by them."""
    return [c for c in get_args(Compartment) if c in account.compartments]


def may_see_field(account: Account, entity_type: str, name: str) -> bool:
    """Return whether an account may see a field by its name; true for a name that is none: the page says so itself."""
    entity = ENTITIES.get(entity_type)  # type: ignore[call-overload]
    return entity is None or name not in entity.names or cleared(account, entity.field(name))


def may_enter(account: Account, facts: Iterable[Fact]) -> bool:
    """Return whether an account may enter facts of these fields: what it may not see it does not change either."""
    return all(may_see_field(account, f.entity_type, f.field) for f in facts)


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
