"""What a quality rule asks at a door (入户核实): the open work orders of a record in words, what each system says, the answer.

A worker says that it is right as it is (情况属实), enters the right value, or hands it to the department whose record is wrong
(转部门). Both of the first and the last close the order with who, when and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from onefact.acting import NOWHERE, Origin, noted
from onefact.home import Home
from onefact.household import name_of, shown
from onefact.law.tickets import WORKING_DAYS, working_days_after
from onefact.waiting import Area, checked, rules_by_id
from schemas.entities import ENTITIES
from schemas.model import EntityType, Field
from warehouse.duck import standardised_table
from warehouse.tables import WORK_ORDER

Answer = Literal["true", "department"]

ANSWERS: Final[dict[Answer, str]] = {"true": "情况属实", "department": "转部门"}


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that a rule wants looked at; `systems` by name, `fields` of the rule, the one that is asked about first."""

    entity_type: EntityType
    master_id: str
    rule_id: str
    words: str
    fields: tuple[Field, ...]
    systems: tuple[str, ...]
    departments: tuple[str, ...]
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Said:
    """What one record of a system says of the rule's fields; values are canonical, absent ones empty."""

    system: str
    record_key: str
    observed_at: str
    values: tuple[str, ...]


def looks(connection: sa.Connection, home: Home, ids: Sequence[str]) -> dict[str, list[Look]]:
    """Return master id -> what is to be looked at there; the same that stands in the work list."""
    told: dict[str, list[Look]] = {}
    for row, words in checked(connection, home, Area(None, tuple(ids))) if ids else ():
        entity_type, master_id, rule_id, field, _, due, _, records, _ = row
        systems = sorted({r.partition("|")[0] for r in records})
        manifests = [home.manifests[s] for s in systems if s in home.manifests]
        told.setdefault(master_id, []).append(
            Look(
                entity_type, master_id, rule_id, words, _fields(entity_type, rule_id, field),
                tuple(name_of(home, s) for s in systems), tuple(dict.fromkeys(m.department for m in manifests)), due,
            )
        )  # fmt: skip
    return told


def _fields(entity_type: EntityType, rule_id: str, field: str = "") -> tuple[Field, ...]:
    """The rule's fields, the asked one first; restricted ones are never shown."""
    entity = ENTITIES[entity_type]
    rule = rules_by_id().get(rule_id)
    named = rule.check.fields if rule else ()
    return tuple(
        entity.field(n) for n in dict.fromkeys((field, *named)) if n in entity.names and entity.field(n).sensitivity < 4
    )


def said(home: Home, entity_type: EntityType, master_id: str, rule_id: str) -> tuple[tuple[Field, ...], list[Said]]:
    """Return the rule's fields and what each record of an entity says of them, the newest first.

    Raises:
        warehouse.duck.WarehouseBusy: a run holds the working copy.
    """
    fields = tuple(f for f in _fields(entity_type, rule_id) if f.compartment == "base")
    if not fields:
        return (), []
    columns = ", ".join(f"coalesce(s.\"{f.name}\", '')" for f in fields)
    query = (
        f"SELECT s.system_id, s.record_key, s.observed_at, {columns} FROM {standardised_table(entity_type)} s "
        "JOIN crosswalk x USING (system_id, record_key, role) WHERE x.entity_type = ? AND x.master_id = ?::UUID ORDER BY s.observed_at DESC LIMIT 60"
    )
    with home.warehouse() as con:
        rows = con.execute(query, [entity_type, master_id]).fetchall()
    kept = [r for r in rows if any(r[3:])]
    return fields, [Said(name_of(home, r[0]), r[1], r[2], tuple(r[3:])) for r in kept]


def in_words(field: Field, value: str) -> str:
    """Return a canonical value as people read it."""
    return shown(field, value or None)


def answer(
    home: Home, entity_type: EntityType, master_id: str, rule_id: str, what: Answer, actor: str, words: str = "",
    origin: Origin = NOWHERE,
) -> int:  # fmt: skip
    """Close a rule's open orders of a record as a person says; return how many.

    `department` opens an order for the department of each record instead; `true` is not asked again for a while
    (`warehouse.quality.DISMISSED_DAYS`).
    """
    now = home.now().astimezone()
    where = sa.and_(
        WORK_ORDER.c.entity_type == entity_type, WORK_ORDER.c.master_id == master_id, WORK_ORDER.c.rule_id == rule_id,
        WORK_ORDER.c.kind == "grid", WORK_ORDER.c.closed_at.is_(None),
    )  # fmt: skip
    reason = f"{ANSWERS[what]}：{words.strip()}" if words.strip() else ANSWERS[what]
    closing = (
        sa.update(WORK_ORDER).where(where).values(closed_at=now, closed_by=actor, closing="dismissed", words=reason)
    )
    kept = (
        "rule_id", "relation", "entity_type", "system_id", "record_key", "role", "field", "master_id", "street", "grid",
    )  # fmt: skip
    with home.engine.begin() as connection:
        rows = connection.execute(closing.returning(*WORK_ORDER.c)).mappings().all()
        if what == "department" and rows:
            due = working_days_after(now, WORKING_DAYS)
            opened = [
                {n: r[n] for n in kept}
                | {
                    "kind": "authority",
                    "opened_at": now,
                    "opened_by": actor,
                    "due_at": due,
                    "department": _department(home, r),
                }
                for r in rows
            ]
            connection.execute(sa.insert(WORK_ORDER), opened)
        if rows:
            numbers = [int(r["order_id"]) for r in rows]
            noted(connection, home, "dismiss", "work_order", numbers, actor=actor, origin=origin, what=what)
    return len(rows)


def _department(home: Home, row: sa.RowMapping) -> str:
    manifest = home.manifests.get(row["system_id"])
    return manifest.department if manifest else str(row["department"])
