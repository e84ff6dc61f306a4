"""Row-level security (行级安全): PostgreSQL itself shows the portal's role only the rows of the account's area.

Pages read in the role `onefact_portal`, which owns nothing, may not change a golden record, and may not see passwords or
sessions at all. Every table that speaks of an entity is under a policy; a table that is added later is so too, because the
policies are made from the declaration of the tables. The pipeline and the verbs work as the owner and are not concerned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from portal.access.area import EVERYWHERE
from portal.security.accounts import Account
from schemas.entities import ENTITIES, LINKS
from warehouse.seals import open_only
from warehouse.tables import METADATA

ROLE: Final = "onefact_portal"

CLOSED: Final = frozenset(
    {
        "account",
        "account_grid",
        "portal_session",
        "api_token",
        "sealed_log",
        "webhook",
        "webhook_delivery",
        "data_key",
        "entry_seal",
        "export_request",
    }
)
"""Tables that pages never read by themselves."""

OPEN: Final = frozenset({"entity_grid", "address_node", "address_point"})
"""Tables about places: by them the area is known, and they hold no personal value."""

EVERYTHING: Final = "(SELECT current_setting('onefact.grids', true) = '*')"
MINE: Final = "(SELECT string_to_array(current_setting('onefact.grids', true), ','))::text[]"
"""What PostgreSQL knows of the account; as subqueries they are asked once for a statement and not for every row."""

BY_GRID: Final = frozenset({"search_key"})
"""Tables whose rows say themselves in which grid they are."""

BY_OTHERS: Final = {
    "delivery": "EXISTS (SELECT 1 FROM outbox o WHERE o.change_id = delivery.change_id)",
    "ticket_event": "EXISTS (SELECT 1 FROM ticket t WHERE t.ticket_id = ticket_event.ticket_id)",
    "pushed": "EXISTS (SELECT 1 FROM crosswalk c WHERE c.system_id = pushed.system_id AND c.record_key = pushed.record_key "
    "AND c.entity_type = pushed.entity_type AND c.role = pushed.role)",
    "edge": EVERYTHING,
}
"""Tables that speak of entities through another table: visible with its rows, which are under their own policy."""

OWN: Final = {
    "entry": " OR entry.actor = current_setting('onefact.account', true)",
    "outbox": " OR (outbox.operation = 'delete' AND EXISTS (SELECT 1 FROM entry e WHERE e.entity_type = outbox.entity_type "
    "AND e.master_id = outbox.master_id AND e.actor = current_setting('onefact.account', true)))",
}
"""What an account wrote itself it may read: somebody who is newly entered is in no grid before the next run, and who was
entered by mistake is in none after it was undone."""

PROTECTING: Final = 420198
"""Number of the advisory lock under which policies are made."""


class NoRole(Exception):
    """The role cannot be made on this server; the database's administrator has to."""

    def __init__(self) -> None:
        super().__init__(
            f"The database role {ROLE} is missing and may not be made by this login. "
            f"Let the administrator run: CREATE ROLE {ROLE} NOLOGIN; GRANT {ROLE} TO CURRENT_USER;"
        )


def enter(connection: sa.Connection, account: Account) -> None:
    """Take the portal's role for the rest of the transaction, with what PostgreSQL has to know of the account."""
    where = "*" if account.role in EVERYWHERE else ",".join(account.grids)
    seen = ",".join(sorted(account.compartments))
    settings = (
        "SELECT set_config('onefact.account', :login, true), set_config('onefact.grids', :grids, true), "
        f"set_config('onefact.compartments', :seen, true), set_config('role', '{ROLE}', true)"
    )
    open_only(connection, account.compartments)
    connection.execute(sa.text(settings), {"login": account.login, "grids": where, "seen": seen})


def protect(engine: sa.Engine) -> None:
    """Make role, rights and policies, where they are missing.

    Raises:
        NoRole: the role is missing and this login may not make it.
    """
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PROTECTING)))
        if not connection.execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :r"), {"r": ROLE}).first():
            try:
                connection.execute(sa.text(f"CREATE ROLE {ROLE} NOLOGIN"))
                connection.execute(sa.text(f"GRANT {ROLE} TO CURRENT_USER"))
            except DBAPIError as error:
                raise NoRole from error
        for statement in (*_rights(), *_policies(connection)):
            connection.execute(sa.text(statement))


def _rights() -> Iterator[str]:
    yield f"GRANT USAGE ON SCHEMA public TO {ROLE}"
    for name in sorted(METADATA.tables):
        yield f'{"REVOKE ALL ON" if name in CLOSED else "GRANT SELECT ON"} "{name}" {"FROM" if name in CLOSED else "TO"} {ROLE}'
    yield f"GRANT INSERT, SELECT (seq, hash, algorithm) ON sealed_log TO {ROLE}"  # what appending needs, and no more


def _policies(connection: sa.Connection) -> Iterator[str]:
    query = "SELECT polname, polrelid::regclass::text, obj_description(oid, 'pg_policy') FROM pg_policy WHERE polname LIKE 'onefact%'"
    made = {(policy, name.strip('"')): told for policy, name, told in connection.execute(sa.text(query))}
    wanted = [("onefact_area", "PERMISSIVE", *each) for each in conditions()]
    wanted += [("onefact_compartment", "RESTRICTIVE", *each) for each in compartments()]
    for policy, kind, table, condition in wanted:
        told = hashlib.sha256(condition.encode()).hexdigest()[:16]
        if made.get((policy, table)) == told:
            continue
        if (policy, table) in made:  # of an older onefact
            yield f'DROP POLICY {policy} ON "{table}"'
        yield f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY'
        yield f'CREATE POLICY {policy} ON "{table}" AS {kind} FOR SELECT TO {ROLE} USING ({condition})'
        yield f"COMMENT ON POLICY {policy} ON \"{table}\" IS '{told}'"


def compartments() -> Iterator[tuple[str, str]]:
    """Return (table, SQL condition) of every table that holds a value of one field: its compartment must be the account's.

    The golden records hold fields of all compartments in one row; of them the connection opens no sealed value of a compartment
    that the account has not (`warehouse.seals`), and every field of a compartment is sealed.
    """
    closed: dict[str, list[str]] = {}
    for entity in ENTITIES.values():
        for field in entity.fields:
            if field.compartment != "base":
                closed.setdefault(field.compartment, []).append(f"'{entity.name}.{field.name}'")
    mine = "string_to_array(current_setting('onefact.compartments', true), ',')"
    cases = " ".join(
        f"WHEN entity_type || '.' || field IN ({', '.join(f)}) THEN '{c}' = ANY({mine})" for c, f in closed.items()
    )
    for name, table in sorted(METADATA.tables.items()):
        if name not in CLOSED and {"entity_type", "field", "value"} <= set(table.columns.keys()):
            yield name, f"CASE {cases} ELSE true END"


def conditions() -> Iterator[tuple[str, str]]:
    """Return (table, SQL condition) of every table that speaks of entities."""
    links = {link.name: link for link in LINKS}
    for name, table in sorted(METADATA.tables.items()):
        columns = set(table.columns.keys())
        if name in CLOSED | OPEN:
            continue
        if name in BY_GRID:
            yield name, f'{EVERYTHING} OR "{name}".grid = ANY({MINE})'
        elif name in BY_OTHERS:
            yield name, BY_OTHERS[name]
        elif name in ENTITIES:
            yield name, _within(f"'{name}'", f'"{name}".master_id')
        elif name in links:
            link = links[name]
            yield name, f"{_within(f'{link.left!r}', 'left_id')} OR {_within(f'{link.right!r}', 'right_id')}"
        elif {"entity_type", "master_id"} <= columns:
            yield name, _within(f'"{name}".entity_type', f'"{name}".master_id') + OWN.get(name, "")
        elif {"entity_type", "left_master", "right_master"} <= columns:
            sides = (_within(f'"{name}".entity_type', f'"{name}".{side}_master') for side in ("left", "right"))
            yield name, " OR ".join(sides)


def _within(entity_type: str, master_id: str) -> str:
    return (
        f"{EVERYTHING} OR EXISTS (SELECT 1 FROM entity_grid g WHERE "
        f"g.entity_type = {entity_type} AND g.master_id = {master_id} AND g.grid = ANY({MINE}))"
    )
