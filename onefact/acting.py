"""Who acts (操作人), and noting it in the sealed log: one line in each verb that changes something or shows somebody.

A judgement or an entry is noted in the transaction that records it. What a run did is noted when it is done, by counts; its
steps stand in the ledgers that are sealed by their numbers (`warehouse.sealed.ledgers`). Reasons that people type stay with
what they decided: they may name somebody, and the log names nobody.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse import sealed
from warehouse.sealed import Act, keys
from warehouse.sealed.entry_seals import seal_entries

if TYPE_CHECKING:
    from onefact.home import Home


@dataclass(frozen=True, slots=True)
class Origin:
    """From where an act comes (来处).

    Attributes:
        device: kind and id of the device on which it was typed, as `terminal office-3`, `phone 3f9a…`; never what somebody calls it.
        purpose: for what, in the words of the duty.
        via: the way in; the home's own when empty.
    """

    device: str = ""
    purpose: str = ""
    via: str = ""


NOWHERE = Origin()


def terminal() -> Origin:
    """Return the origin of what is typed at a command line: the machine's name."""
    return Origin(device=f"terminal {platform.node()}"[:80])


def act_of(
    home: Home,
    act: str,
    subject_type: str = "",
    subjects: Sequence[str | int] = (),
    *,
    count: int | None = None,
    actor: str | None = None,
    purpose: str | None = None,
    outcome: str = "done",
    origin: Origin = NOWHERE,
    **detail: Any,
) -> Act:
    """Return an act of whoever works with a home, for the purpose that they gave."""
    return Act(
        actor or home.actor, act, subject_type, [str(s) for s in subjects], purpose or origin.purpose or home.purpose, count,
        {k: v for k, v in detail.items() if v is not None}, outcome, origin.via or home.via,
    )  # fmt: skip


def named(home: Home, wanted: str) -> dict[str, str]:
    """Return how the log names a value that somebody asked for: by its HMAC and its ends, never in clear."""
    shown = wanted[:1] if len(wanted) < 8 else f"{wanted[:3]}*{wanted[-2:]}"
    return keys.load(home.path).named(wanted, f"{shown}*")


def noted(
    connection: sa.Connection,
    home: Home,
    act: str,
    subject_type: str = "",
    subjects: Sequence[str | int] = (),
    **more: Any,
) -> None:
    """Note an act in the transaction that does it; call it last before the commit (`warehouse.sealed.append`).

    `more` is what `act_of` takes: count, actor, purpose, outcome, origin and details.
    """
    sealed.append(connection, act_of(home, act, subject_type, subjects, **more), at=home.now().astimezone())


def entered(
    connection: sa.Connection,
    home: Home,
    act: str,
    subject_type: str = "",
    subjects: Sequence[str | int] = (),
    **more: Any,
) -> None:
    """Seal what the transaction has entered and note the act; takes what `noted` takes."""
    seal = seal_entries(connection, keys.load(home.path).naming)
    noted(connection, home, act, subject_type, subjects, **more, **seal)


def acted(home: Home, act: str, subject_type: str = "", subjects: Sequence[str | int] = (), **more: Any) -> None:
    """Note an act in a transaction of its own: a reading before it is shown, a run when it is done."""
    with home.engine.begin() as connection:
        noted(connection, home, act, subject_type, subjects, **more)
