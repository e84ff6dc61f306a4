"""Golden values of the past (主数据历史): what a publication replaces is kept, so that any day can be asked about.

Only what ends is written: the first load costs nothing, and a change of one field costs one row. When a value began follows
from the row before it. That an entity existed on a day is said by the crosswalk, which is published together with it.

Why it is kept and not computed anew: the claims of a past day can be read again from landing, but which of them won also hung
on the manifests, the rules and the linkage models of that day, and landed files are deleted when their time is over.
`onefact.past` does compute it anew, and says where the two differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from schemas.derive.sql import as_text
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.tables import GOLDEN_HISTORY, METADATA

_COLUMNS = "entity_type, master_id, field, value, ref, run_id, until, ended_by"

WHOLE = ""
"""The `field` of the row that says that the whole record ended."""


@dataclass(frozen=True, slots=True)
class Spell:
    """A golden value and the time in which it held.

    Attributes:
        value: canonical text, None = the field was empty.
        ref: `system|record key|role|observed at` of the claim that won.
        since: from when; None = the record was there before history was kept, or always had this value.
        until: to when; None = still.
        began_by: the run that made it golden; None with `since`.
        ended_by: the run that replaced it.
    """

    value: str | None
    ref: str | None
    since: datetime | None
    until: datetime | None
    began_by: str | None
    ended_by: str | None


def replaced_sql(entity_type: EntityType, fresh: str, held: Sequence[str], at: str, run: str) -> str:
    """Return the statement that keeps what an update is about to replace.

    Args:
        entity_type: which entity.
        fresh: PostgreSQL relation with the new golden records.
        held: the fields that `fresh` has; the others become empty.
        at: SQL of the moment.
        run: the run that replaces.
    """
    fields = ENTITIES[entity_type].fields
    new = {f.name: as_text(f, "f") if f.name in held else "NULL" for f in fields}
    rows = ", ".join(f"('{f.name}', {as_text(f, 'o')}, {new[f.name]})" for f in fields)
    return (
        f"INSERT INTO golden_history ({_COLUMNS}) SELECT '{entity_type}', o.master_id, v.field, v.was, "
        f"o.provenance ->> v.field, o.run_id, {at}, '{run}' "
        f"FROM {entity_type} o JOIN {fresh} f USING (master_id) CROSS JOIN LATERAL (VALUES {rows}) AS v(field, was, fresh) "
        "WHERE (v.was IS NOT NULL OR v.fresh IS NOT NULL) AND (v.was IS DISTINCT FROM v.fresh "
        "OR (o.provenance -> v.field) IS DISTINCT FROM (f.provenance -> v.field))"
    )


def ended_sql(entity_type: EntityType, ended: str, at: str, run: str) -> str:
    """Return the statement that keeps golden records that are about to be removed; `ended` has the column old_id."""
    rows = ", ".join(f"('{f.name}', {as_text(f, 'o')})" for f in ENTITIES[entity_type].fields)
    return (
        f"INSERT INTO golden_history ({_COLUMNS}) SELECT '{entity_type}', o.master_id, v.field, v.was, "
        f"o.provenance ->> v.field, o.run_id, {at}, '{run}' "
        f"FROM {entity_type} o JOIN {ended} e ON e.old_id = o.master_id "
        f"CROSS JOIN LATERAL (VALUES ('{WHOLE}', NULL), {rows}) AS v(field, was) WHERE v.was IS NOT NULL OR v.field = '{WHOLE}'"
    )


def spells(connection: sa.Connection, entity_type: EntityType, master_id: str, field: str) -> list[Spell]:
    """Return every value that a field of an entity ever had, oldest first; the last one is the current one (or an end).

    A record that ended and stands again has an empty spell between: its crosswalk says that it did not exist then.
    """
    history = GOLDEN_HISTORY.c
    query = (
        sa.select(history.field, history.value, history.ref, history.until, history.ended_by)
        .where(history.entity_type == entity_type, history.master_id == master_id, history.field.in_([field, WHOLE]))
        .order_by(history.until, history.field.desc())  # the field's own row before the end of the whole
    )
    found: list[Spell] = []
    since: datetime | None = None
    began_by: str | None = None
    for name, value, ref, until, ended_by in connection.execute(query):
        if name == WHOLE and since == until:
            continue  # the value that ended with the record has said so
        found.append(Spell(value, ref, since, until, began_by, ended_by))
        since, began_by = until, ended_by
    table = METADATA.tables[entity_type]
    declared = ENTITIES[entity_type].field(field)
    now = connection.execute(
        sa.select(sa.text(as_text(declared)), table.c.provenance[field].astext).where(table.c.master_id == master_id)
    ).first()
    if now is not None:
        found.append(Spell(now[0], now[1], since, None, began_by, None))
    return found


def spell_at(found: Sequence[Spell], at: datetime) -> Spell | None:
    """Return the spell that held at a moment; None when the record had ended before and does not stand again."""
    return next((s for s in found if s.until is None or s.until > at), None)
