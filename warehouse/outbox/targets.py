"""Whether a system may be written now (熔断与暂停): the breaker of a system in trouble, and the hold of a guard that asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from warehouse import sealed
from warehouse.sealed import Act
from warehouse.tables import AUTHORISATION, RUN, TARGET, WAKE

GUARD = "guard"
"""Who holds a system that a guard asks about."""

FAILURES = 3
"""Failures of a system in a row that open its breaker."""

FIRST_PAUSE = 60.0
LONGEST_PAUSE = 3600.0
"""Seconds for which an opened breaker stays so; twice as long after each trial that fails."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a system stands.

    Attributes:
        state: `closed` (current flows), `open` (in trouble, nothing is sent until `until`), `held` (a guard asks a person).
        trial: the pause is over: one small batch goes through and decides.
        allowed: how many changes a person let through when it was held.
    """

    holder: str
    state: str
    failures: int = 0
    until: datetime | None = None
    reason: str | None = None
    trial: bool = False
    allowed: int | None = None
    since: datetime | None = None


Mark = tuple[int, datetime | None, int | None, datetime | None]
"""How far planning, holds and the register have come; see `mark`."""


def mark(engine: sa.Engine) -> Mark:
    """Return a value that changes when something was planned, held, granted or revoked: what was judged before is old."""
    query = sa.select(
        sa.select(sa.func.count()).select_from(RUN).scalar_subquery(),
        sa.select(sa.func.max(TARGET.c.since)).where(TARGET.c.state == "held").scalar_subquery(),
        sa.select(sa.func.max(AUTHORISATION.c.line_id)).scalar_subquery(),
        sa.select(sa.func.max(AUTHORISATION.c.ended_at)).scalar_subquery(),
    )
    with engine.connect() as connection:
        runs, held, line, ended = connection.execute(query).one()
        return runs, held, line, ended


def standings(engine: sa.Engine) -> Mapping[str, Standing]:
    """Return the systems that are or were in trouble."""
    query = sa.select(TARGET, (TARGET.c.until <= sa.func.now()).label("over")).order_by(TARGET.c.holder)
    with engine.connect() as connection:
        return {
            r["holder"]: Standing(
                r["holder"], r["state"], r["failures"], r["until"], r["reason"],
                trial=r["state"] == "open" and bool(r["over"]), allowed=r["allowed"], since=r["since"],
            )
            for r in connection.execute(query).mappings()
        }  # fmt: skip


def failed(engine: sa.Engine, holder: str, reason: str, asked: float | None = None) -> None:
    """Count a failure of the whole system; from the third in a row its breaker is open.

    Args:
        engine: the master.
        holder: the system.
        reason: what happened, in a sentence without personal data.
        asked: seconds for which the system wants to be left alone (Retry-After): its breaker opens at once, for as long.
    """
    count = TARGET.c.failures + 1
    pause = sa.func.least(FIRST_PAUSE * sa.func.power(2, sa.func.least(count - FAILURES, 20)), LONGEST_PAUSE)
    if asked is not None:
        pause = sa.func.greatest(sa.case((count >= FAILURES, pause), else_=0.0), asked)
    opened = count >= FAILURES if asked is None else sa.true()
    first = (
        {"state": "closed"}
        if asked is None
        else {"state": "open", "until": sa.func.now() + _seconds(sa.literal(asked))}
    )
    statement = insert(TARGET).values(holder=holder, failures=1, reason=reason, **first)
    statement = statement.on_conflict_do_update(
        index_elements=[TARGET.c.holder],
        where=TARGET.c.state != "held",
        set_={
            "failures": count,
            "reason": reason,
            "state": sa.case((opened, "open"), else_="closed"),
            "until": sa.case((opened, sa.func.now() + _seconds(pause)), else_=None),
            "since": sa.func.now(),
        },
    )
    with engine.begin() as connection:
        connection.execute(statement)


def _seconds(amount: sa.ColumnElement[float]) -> sa.ColumnElement[timedelta]:
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, amount)


def worked(engine: sa.Engine, holder: str) -> None:
    """The system answered: its breaker closes."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(TARGET)
            .where(TARGET.c.holder == holder, TARGET.c.state != "held", TARGET.c.failures > 0)
            .values(state="closed", failures=0, until=None, reason=None, since=sa.func.now())
        )


def hold(engine: sa.Engine, holder: str, reason: str, actor: str = GUARD, via: str = "") -> None:
    """Stop a system until a person lets it go on."""
    values = {"state": "held", "reason": reason, "until": None, "since": sa.func.now(), "allowed": None}
    statement = insert(TARGET).values(holder=holder, **values)
    with engine.begin() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=[TARGET.c.holder], set_=values))
        sealed.append(connection, Act(actor, "hold", "system", [holder], via=via))


def release(engine: sa.Engine, holder: str, actor: str, allowed: int | None = None, via: str = "") -> bool:
    """Let a system go on: close its breaker, or lift the hold for `allowed` changes. False when it was not stopped."""
    values = {
        "state": "closed", "failures": 0, "until": None, "reason": None, "actor": actor, "allowed": allowed,
        "since": sa.func.now(),
    }  # fmt: skip
    with engine.begin() as connection:
        done = connection.execute(
            sa.update(TARGET).where(TARGET.c.holder == holder, TARGET.c.state != "closed").values(values)
        )
        connection.execute(sa.select(sa.func.pg_notify(WAKE, "")))
        if done.rowcount:
            sealed.append(connection, Act(actor, "release", "system", [holder], detail={"allowed": allowed}, via=via))
    return bool(done.rowcount)


def used(engine: sa.Engine, holder: str) -> None:
    """The allowance of a released system is used up: the guard judges anew."""
    with engine.begin() as connection:
        connection.execute(sa.update(TARGET).where(TARGET.c.holder == holder).values(allowed=None))
