"""Recording what became of changes (结算), once, and only by the pusher in whose hands they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schemas.entities import ENTITIES
from schemas.records import Change, FieldChange, Outcome
from warehouse.seals import Seals, seals_of
from warehouse.tables import OUTBOX

MESSAGE = 500
"""Characters of a message that are kept."""


@dataclass(frozen=True, slots=True)
class Pause:
    """When a change that goes back is due again, and whether the try counts.

    Attributes:
        seconds: from now, by the database's clock.
        counted: False when the system was in trouble, not the change: it loses no attempt by that.
        spent: the last attempt is used up: the change ends `dead`, unless nobody knows whether it was written.
    """

    seconds: float = 0.0
    counted: bool = True
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settlement did.

    Attributes:
        recorded: change ids whose outcome was recorded.
        lost: those that were no longer ours: their lease had run out and another pusher looks after them.
    """

    recorded: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def settle(
    engine: sa.Engine,
    changes: Sequence[Change],
    outcomes: Sequence[Outcome],
    owner: str | None = None,
    *,
    pauses: Mapping[str, Pause] | None = None,
    answers: Mapping[str, str] | None = None,
    rebased: Mapping[str, Sequence[FieldChange]] | None = None,
    actor: str | None = None,
    run: str | None = None,
) -> Settled:
    """Record outcomes; remember what was written, so that it is known as an echo when it comes back.

    A created record's key becomes a decision: we know who it is, no rule needs to find out.

    Args:
        engine: the master.
        changes: what was asked.
        outcomes: at most one for each change.
        owner: the pusher; only rows under its lease are touched. None for changes that nobody holds (late receipts).
        pauses: change id -> when a change that goes back is tried again.
        answers: change id -> hash of the target's answer as received.
        rebased: change id -> the fields it asks for from now on (after a merge with what the target holds).
        actor: the person who says so (assisted entry); kept with the step.
        run: the run that the steps are counted in, where there is no owner.
    """
    by_id = {change.change_id: change for change in changes}
    pauses, answers, rebased = pauses or {}, answers or {}, rebased or {}
    seals = seals_of(engine)
    held = "o.leased_by = :owner" if owner else "o.state IN ('sent', 'awaiting_person')"
    with engine.begin() as connection:
        masters = _masters(connection, list(rebased))
        rows = [
            {
                **_values(
                    outcome, pauses.get(outcome.change_id, Pause()), _detail(by_id[outcome.change_id], outcome, seals)
                ),
                "answer_sha256": answers.get(outcome.change_id),
                **(
                    _rebased(by_id[outcome.change_id], rebased[outcome.change_id], seals, masters)
                    if outcome.change_id in rebased
                    else {}
                ),
            }
            for outcome in outcomes
        ]
        if owner or run:
            connection.execute(sa.select(sa.func.set_config("onefact.run", owner or run, True)))
        if actor:
            connection.execute(sa.select(sa.func.set_config("onefact.actor", actor, True)))
        values = {"rows": json.dumps(rows), "actor": actor} | ({"owner": owner} if owner else {})
        found = {str(row[0]): str(row[1]) for row in connection.execute(sa.text(SETTLE + held + RETURNING), values)}
        done = [(by_id[o.change_id], o) for o in outcomes if o.change_id in found]
        _remember(connection, [(c, o) for c, o in done if o.state in {"verified", "sent"}], found)
    recorded = tuple(o.change_id for o in outcomes if o.change_id in found)
    return Settled(recorded, tuple(o.change_id for o in outcomes if o.change_id not in found))


SETTLE = """
UPDATE outbox o SET state = v.state, code = v.code, message = v.message, settled_at = now(), actor = :actor,
    record_key = coalesce(o.record_key, v.record_key), leased_by = NULL, lease_until = NULL,
    next_try_at = now() + make_interval(secs => v.pause), due_at = coalesce(v.due_at, o.due_at),
    receipt = CASE WHEN v.silent THEN o.receipt ELSE v.receipt END, detail = coalesce(v.detail, o.detail),
    attempts = CASE WHEN v.counted THEN o.attempts ELSE greatest(o.attempts - 1, 0) END,
    answer_sha256 = v.answer_sha256, changes = coalesce(v.changes, o.changes),
    base_version = coalesce(v.base_version, o.base_version),
    idempotency_key = coalesce(v.idempotency_key, o.idempotency_key)
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(change_id bigint, state text, code text, message text, record_key text,
    pause float8, due_at timestamptz, silent boolean, receipt text, detail jsonb, counted boolean, answer_sha256 text,
    changes jsonb, base_version text, idempotency_key text)
WHERE o.change_id = v.change_id AND """
"""All outcomes of a batch in one statement; what a row does not say stays as it is."""

RETURNING = " RETURNING o.change_id, o.master_id"


def _masters(connection: sa.Connection, change_ids: Sequence[str]) -> dict[str, str]:
    """Return whom changes are about."""
    query = sa.select(OUTBOX.c.change_id, OUTBOX.c.master_id).where(
        OUTBOX.c.change_id.in_([int(i) for i in change_ids])
    )
    return {str(i): str(m) for i, m in connection.execute(query)} if change_ids else {}


def _detail(change: Change, outcome: Outcome, seals: Seals) -> list[tuple[str, str]] | None:
    """Return what a person has to type, as it is kept."""
    fields = [ENTITIES[change.entity_type].field(c.field) for c in change.changes]
    told = [(label, seals.secret(value, f"detail|{change.change_id}", fields)) for label, value in outcome.detail]
    return told or None


def _values(outcome: Outcome, pause: Pause, detail: list[tuple[str, str]] | None) -> dict[str, Any]:
    """What becomes of a row, as `SETTLE` reads it; `silent` = the answer has no receipt to replace the one we have."""
    back = outcome.state in {"planned", "no_answer"}
    spent = pause.spent and outcome.state == "planned"
    return {
        "change_id": int(outcome.change_id),
        "state": "dead" if spent else outcome.state,
        "code": "attempts_spent" if spent else outcome.code,
        "message": outcome.message[:MESSAGE] or None,
        "record_key": outcome.record_key,
        "pause": pause.seconds if back and not spent else None,
        "due_at": outcome.due if outcome.state == "sent" else None,
        "silent": back and outcome.receipt is None,
        "receipt": outcome.receipt,
        "detail": detail,
        "counted": pause.counted or not back,
    }


def _rebased(change: Change, fields: Sequence[FieldChange], seals: Seals, masters: Mapping[str, str]) -> dict[str, Any]:
    """The same change on a new base: it is another write, so it gets another key."""
    base = "|".join(f"{f.field}={f.old}" for f in fields)
    mark = hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()
    items = [{"field": f.field, "old": f.old, "new": f.new} for f in fields]
    return {
        "changes": seals.changes(change.entity_type, masters.get(change.change_id, ""), items),
        "base_version": mark,
        "idempotency_key": f"{change.key.split(':merged:')[0]}:merged:{mark}",
    }


def _remember(connection: sa.Connection, written: Sequence[tuple[Change, Outcome]], masters: Mapping[str, str]) -> None:
    seals = seals_of(connection)
    shadow: dict[tuple[str, ...], dict[str, Any]] = {}
    created: dict[tuple[str, ...], dict[str, Any]] = {}
    for change, outcome in written:
        key = change.record_key or outcome.record_key
        if key is None:
            continue
        base = {
            "system_id": change.system_id,
            "record_key": key,
            "entity_type": change.entity_type,
            "role": change.role,
        }
        for item in change.changes:
            value = seals.value(change.entity_type, item.field, masters[change.change_id], item.new)
            shadow[(*base.values(), item.field)] = {**base, "field": item.field, "value": value}
        if change.operation == "create":
            created[tuple(base.values())] = {**base, "change_id": int(change.change_id)}
    for statement, rows in ((SHADOW, shadow), (DECIDED, created)):
        if rows:
            connection.execute(sa.text(statement), {"rows": json.dumps(list(rows.values()))})


_RECORD = "system_id text, record_key text, entity_type text, role text"

SHADOW = f"""
INSERT INTO pushed (system_id, record_key, entity_type, role, field, value)
SELECT system_id, record_key, entity_type, role, field, value
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v({_RECORD}, field text, value text)
ON CONFLICT ON CONSTRAINT pushed_pkey DO UPDATE SET value = excluded.value, at = now()
"""

DECIDED = f"""
INSERT INTO decision (system_id, record_key, entity_type, role, master_id, reason)
SELECT v.system_id, v.record_key, v.entity_type, v.role, o.master_id, 'created'
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v({_RECORD}, change_id bigint) JOIN outbox o USING (change_id)
ON CONFLICT DO NOTHING
"""
