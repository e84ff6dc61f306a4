"""Writing what a bulk file says (写入): entries, decisions and correction tickets, a statement for all rows each."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from onefact.home import Home
from onefact.law.tickets import WORKING_DAYS, working_days_after
from onefact.policy import ENTRY
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.tables import ENTRY_WAKE


def write_entries(
    connection: sa.Connection, entity_type: EntityType, actor: str, at: datetime, device: str = ""
) -> None:
    """Write every line of `bulk_fact` as an entry, and whom each entry is about as a decision.

    What a new entity begins with is one record, named by its id (as `onefact.acts`); every later fact is a record of its own.
    """
    connection.execute(
        sa.text(
            "INSERT INTO entry (entry_id, entity_type, master_id, field, value, actor, entered_at, device, record_key) "
            "SELECT gen_random_uuid(), :entity, master_id, field, value, :actor, :at, :device, CASE WHEN created THEN master_id::text END "
            "FROM bulk_fact"
        ),
        {
            "entity": entity_type,
            "actor": actor,
            "at": at.isoformat(timespec="microseconds"),
            "device": device[:80] or None,
        },
    )
    connection.execute(
        sa.text(
            "INSERT INTO decision (system_id, record_key, entity_type, role, master_id, reason) "
            "SELECT DISTINCT :system, CASE WHEN created THEN master_id::text ELSE concat(master_id, '/', field) END, :entity, :entity, "
            "master_id, CASE WHEN created THEN 'founded' ELSE 'entry' END FROM bulk_fact ON CONFLICT DO NOTHING"
        ),
        {"system": ENTRY, "entity": entity_type},
    )
    connection.execute(sa.select(sa.func.pg_notify(ENTRY_WAKE, "")))  # told when the transaction commits


def write_tickets(connection: sa.Connection, home: Home, entity_type: EntityType, actor: str) -> int:
    """Open tickets for facts of known entities that are not the worker's to decide; return how many.

    An open ticket with the same value stands; one with another value is withdrawn (as `onefact.law.tickets`). A new
    entity needs none: no authority has said anything of it yet.
    """
    now = home.now().astimezone()
    _authorities(connection, home, entity_type)
    open_one = (
        f"t.entity_type = '{entity_type}' AND t.master_id = f.master_id AND t.field = f.field AND t.state = 'open'"
    )
    connection.execute(
        sa.text(
            "WITH gone AS (UPDATE ticket t SET state = 'withdrawn', closed_at = :now, closed_by = :actor, answer = '录入已更改' "
            f"FROM bulk_fact f WHERE {open_one} AND t.value <> f.value RETURNING t.ticket_id) "
            "INSERT INTO ticket_event (ticket_id, at, what, actor, words) "
            "SELECT ticket_id, :now, 'withdrawn', :actor, '录入已更改' FROM gone"
        ),
        {"now": now, "actor": actor},
    )
    made = connection.execute(
        sa.text(
            "WITH made AS (INSERT INTO ticket (entity_type, master_id, field, value, entered_by, authority, department, "
            "opened_at, remind_at, due_at) SELECT :entity, f.master_id, f.field, f.value, :actor, a.authority, a.department, "
            ":now, :remind, :due FROM bulk_fact f JOIN bulk_authority a USING (field) WHERE NOT f.created "
            f"AND NOT EXISTS (SELECT 1 FROM ticket t WHERE {open_one}) RETURNING ticket_id) "
            "INSERT INTO ticket_event (ticket_id, at, what, actor) SELECT ticket_id, :now, 'opened', :actor FROM made"
        ),
        {
            "entity": entity_type, "actor": actor, "now": now, "remind": working_days_after(now, WORKING_DAYS // 2),
            "due": working_days_after(now, WORKING_DAYS),
        },
    )  # fmt: skip
    return made.rowcount


def _authorities(connection: sa.Connection, home: Home, entity_type: EntityType) -> None:
    """Create `bulk_authority` (field, authority, department): whom a ticket goes to; the worker's own fields have none."""
    rows = []
    for field in ENTITIES[entity_type].fields:
        if not field.worker:
            manifest = home.manifests.get(field.authority or "")
            department = manifest.department if manifest else "系统外的权威部门"
            rows.append({"field": field.name, "authority": field.authority or "", "department": department})
    connection.exec_driver_sql(
        "CREATE TEMP TABLE bulk_authority (field text PRIMARY KEY, authority text, department text) ON COMMIT DROP"
    )
    connection.execute(sa.text("INSERT INTO bulk_authority VALUES (:field, :authority, :department)"), rows)
