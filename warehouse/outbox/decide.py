"""What a person may do with a change: have it tried again, or call it off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from schemas.entities import ENTITIES
from warehouse.publish import as_text
from warehouse.tables import OUTBOX, WAKE

RETRIED = ("rejected", "conflict", "dead", "no_answer", "sent")
"""States from which a change may be tried again; one that was superseded may not: a newer one stands for it."""

CANCELLED = ("planned", "rejected", "conflict", "no_answer", "awaiting_person", "sent")
"""States from which a change may be called off; what a pusher holds must be settled first."""

WAITING = ("sent",)
"""States that are decided about only when they are named: an answer to them is still expected."""


REPLACED = """
EXISTS (SELECT 1 FROM outbox o, jsonb_array_elements(o.changes) theirs, jsonb_array_elements(outbox.changes) mine
    WHERE o.system_id = outbox.system_id AND o.record_key = outbox.record_key AND o.dataset = outbox.dataset
    AND o.entity_type = outbox.entity_type AND o.role = outbox.role AND o.change_id <> outbox.change_id
    AND theirs ->> 'field' = mine ->> 'field' AND (o.state <> 'dead' OR o.code IN ('attempts_spent', 'theirs'))
    AND (o.change_id > outbox.change_id OR o.settled_at > outbox.settled_at
        OR o.state IN ('planned', 'pending', 'sent', 'no_answer', 'awaiting_person')))
OR (outbox.operation = 'create' AND outbox.state <> 'no_answer' AND EXISTS (SELECT 1 FROM crosswalk x
    WHERE x.system_id = outbox.system_id AND x.entity_type = outbox.entity_type AND x.master_id = outbox.master_id))
"""
"""SQL: a later change speaks for one of its fields, or the record that it would create is there by now."""


Values = Mapping[str, str | None]
"""Field -> canonical text."""


def golden_now(engine: sa.Engine, change_ids: Sequence[int]) -> dict[int, Values]:
    """Return change id -> the golden values of whom its record stands for today; none where the master has nobody.

    The record may have gone to another entity since the change was planned, by a merge or an unmerge.
    """
    found: dict[int, Values] = {}
    with engine.connect() as connection:
        for entity_type, entity in ENTITIES.items():
            texts = ", ".join(f'{as_text(f)} AS "{f.name}"' for f in entity.fields)
            query = sa.text(GOLDEN_NOW.format(entity=entity_type, texts=texts))
            for row in connection.execute(query, {"ids": list(change_ids), "entity": entity_type}).mappings():
                found[row["change_id"]] = {f.name: row[f.name] for f in entity.fields}
    return found


GOLDEN_NOW = """
SELECT o.change_id, t.* FROM outbox o LEFT JOIN crosswalk x ON x.system_id = o.system_id AND x.record_key = o.record_key
    AND x.entity_type = o.entity_type AND x.role = o.role
CROSS JOIN LATERAL (SELECT {texts} FROM {entity} g WHERE g.master_id = coalesce(x.master_id, o.master_id)) t
WHERE o.change_id = ANY(:ids) AND o.entity_type = :entity
"""


def retry(
    engine: sa.Engine,
    change_ids: Sequence[int],
    actor: str,
    *,
    revised: Mapping[int, Sequence[Mapping[str, str | None]]] | None = None,
    dry_run: bool = False,
) -> list[int]:
    """Let settled changes be tried again from the beginning; return the ids of those that now wait.

    A change that nobody answered (yet) is read back first, as always. Attempts start anew. What a newer change of the same
    record has replaced is left: its value is not wanted any more.

    Args:
        engine: the master.
        change_ids: which.
        actor: who decides.
        revised: change id -> the fields (`field`, `old`, `new`) it asks for from now on, where that is not all of them.
        dry_run: say which it would be.
    """
    done = _retry(engine, [i for i in change_ids if i not in (revised or {})], actor, {}, dry_run)
    for change_id, changes in (revised or {}).items():
        mark = hashlib.md5(json.dumps(list(changes), sort_keys=True).encode(), usedforsecurity=False).hexdigest()
        # Another write needs another key: a target that knows the old one would answer that it is done.
        key = sa.func.split_part(OUTBOX.c.idempotency_key, ":retried:", 1) + f":retried:{mark}"
        done += _retry(engine, [change_id], actor, {"changes": list(changes), "idempotency_key": key}, dry_run)
    return sorted(done)


def _retry(
    engine: sa.Engine, change_ids: Sequence[int], actor: str, more: Mapping[str, object], dry_run: bool
) -> list[int]:
    fresh = sa.case((OUTBOX.c.state.in_(("no_answer", "sent")), "no_answer"), else_="planned")
    return _decide(
        engine,
        sa.and_(
            _named(change_ids),
            OUTBOX.c.state.in_(RETRIED),
            OUTBOX.c.code.is_distinct_from("superseded"),
            sa.text(f"NOT ({REPLACED})"),
        ),
        {
            "state": fresh,
            "code": "retried",
            "message": None,
            "attempts": 0,
            "next_try_at": None,
            "actor": actor,
            **more,
        },
        actor,
        dry_run,
    )


def cancel(
    engine: sa.Engine, change_ids: Sequence[int], actor: str, reason: str | None = None, *, dry_run: bool = False
) -> list[int]:
    """Call changes off; return the ids of those that now are dead. The next plan of a changed record may ask again."""
    return _decide(
        engine,
        sa.and_(_named(change_ids), OUTBOX.c.state.in_(CANCELLED), OUTBOX.c.leased_by.is_(None)),
        {"state": "dead", "code": "cancelled", "message": reason, "settled_at": sa.func.now(), "actor": actor},
        actor,
        dry_run,
    )


def _named(change_ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """One array, since PostgreSQL takes 65,535 parameters and a flood of refused changes has more."""
    return OUTBOX.c.change_id == sa.any_(sa.literal(list(change_ids), ARRAY(sa.BigInteger)))


def _decide(
    engine: sa.Engine, which: sa.ColumnElement[bool], values: dict[str, object], actor: str, dry_run: bool
) -> list[int]:
    with engine.begin() as connection:
        if dry_run:
            return sorted(connection.execute(sa.select(OUTBOX.c.change_id).where(which)).scalars())
        connection.execute(sa.select(sa.func.set_config("onefact.actor", actor, True)))
        done = connection.execute(sa.update(OUTBOX).where(which).values(values).returning(OUTBOX.c.change_id))
        found = sorted(done.scalars())
        if found:
            connection.execute(sa.select(sa.func.pg_notify(WAKE, "")))
    return found
