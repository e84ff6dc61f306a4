"""Recording what became of changes (结算), once, and only by the pusher in whose hands they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from schemas.records import Change, FieldChange, Outcome
from warehouse.tables import DECISION, OUTBOX, PUSHED

MESSAGE = 500
"""Characters of a message that are kept."""

ROWS = 5000
"""Fields remembered with one statement; PostgreSQL takes 65,535 parameters, and a batch of wide records has more."""


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
    recorded: list[str] = []
    with engine.begin() as connection:
        if owner or run:
            connection.execute(sa.select(sa.func.set_config("onefact.run", owner or run, True)))
        if actor:
            connection.execute(sa.select(sa.func.set_config("onefact.actor", actor, True)))
        for outcome in outcomes:
            pause = pauses.get(outcome.change_id, Pause())
            values = _values(outcome, pause) | {"answer_sha256": answers.get(outcome.change_id), "actor": actor}
            if outcome.change_id in rebased:
                values |= _rebased(by_id[outcome.change_id], rebased[outcome.change_id])
            mine = sa.update(OUTBOX).where(OUTBOX.c.change_id == int(outcome.change_id))
            held = OUTBOX.c.leased_by == owner if owner else OUTBOX.c.state.in_(("sent", "awaiting_person"))
            if connection.execute(mine.where(held).values(values)).rowcount:
                recorded.append(outcome.change_id)
        done = [(by_id[o.change_id], o) for o in outcomes if o.change_id in recorded]
        _remember(connection, [(c, o) for c, o in done if o.state in {"verified", "sent"}])
    lost = tuple(o.change_id for o in outcomes if o.change_id not in recorded)
    return Settled(tuple(recorded), lost)


def _values(outcome: Outcome, pause: Pause) -> dict[str, Any]:
    back = outcome.state in {"planned", "no_answer"}
    state = "dead" if pause.spent and outcome.state == "planned" else outcome.state
    values: dict[str, Any] = {
        "state": state,
        "code": "attempts_spent" if state == "dead" else outcome.code,
        "message": outcome.message[:MESSAGE] or None,
        "settled_at": sa.func.now(),
        "record_key": sa.func.coalesce(OUTBOX.c.record_key, outcome.record_key),
        "leased_by": None,
        "lease_until": None,
        "actor": None,
        "next_try_at": sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 0, pause.seconds)
        if state == outcome.state and back
        else None,
        "due_at": datetime.fromisoformat(outcome.due) if outcome.due and outcome.state == "sent" else OUTBOX.c.due_at,
    }
    if outcome.receipt is not None or not back:
        values["receipt"] = outcome.receipt
    if outcome.detail:
        values["detail"] = json.loads(json.dumps(list(outcome.detail)))
    if back and not pause.counted:
        values["attempts"] = sa.func.greatest(OUTBOX.c.attempts - 1, 0)
    return values


def _rebased(change: Change, fields: Sequence[FieldChange]) -> dict[str, Any]:
    """The same change on a new base: it is another write, so it gets another key."""
    base = "|".join(f"{f.field}={f.old}" for f in fields)
    mark = sa.func.md5(base)
    return {
        "changes": [{"field": f.field, "old": f.old, "new": f.new} for f in fields],
        "base_version": mark,
        "idempotency_key": sa.func.concat_ws(":", change.key.split(":merged:")[0], "merged", mark),
    }


def _remember(connection: sa.Connection, written: Sequence[tuple[Change, Outcome]]) -> None:
    shadow: dict[tuple[str, ...], dict[str, Any]] = {}
    decisions: dict[tuple[str, ...], dict[str, Any]] = {}
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
            shadow[(*base.values(), item.field)] = {**base, "field": item.field, "value": item.new}
        if change.operation == "create":
            decisions[tuple(base.values())] = {**base, "change_id": int(change.change_id)}
    fields = list(shadow.values())
    for begin in range(0, len(fields), ROWS):
        statement = insert(PUSHED).values(fields[begin : begin + ROWS])
        connection.execute(
            statement.on_conflict_do_update(constraint=PUSHED.primary_key, set_={"value": statement.excluded.value})
        )
    for row in decisions.values():
        change_id = row.pop("change_id")
        master = sa.select(OUTBOX.c.master_id).where(OUTBOX.c.change_id == change_id).scalar_subquery()
        statement = insert(DECISION).values(**row, master_id=master, reason="created")
        connection.execute(statement.on_conflict_do_nothing())
