"""Push (回写): what each system lacks goes out, is read back, and is counted once.

Systems are written in parallel, each by one thread; a system in trouble keeps its changes waiting and stops nobody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from connectors.base import Connector, ConnectorError
from connectors.manifest import Manifest
from connectors.registry import connect
from onefact.home import Home
from onefact.policy import may_write, permitted
from schemas.entities import ENTITIES
from schemas.records import Change, Outcome
from warehouse import outbox

BATCH = 500
"""Changes claimed at a time; a crash leaves at most this many of a system `pending`."""

WRITERS = 8
"""Systems written at the same time; most of the time they wait for an answer."""

SETTLE_SECONDS = 20.0
"""How long a push waits for receipts that come a moment later; what comes after that is settled by the next push."""


POLL_SECONDS = 0.2
"""Pause between two questions about late receipts."""


@runtime_checkable
class FollowsUp(Protocol):
    """A connector whose answers may come later: it can be asked again about what is still `sent`."""

    def follow_up(self, pending: Sequence[tuple[str, str]]) -> Iterator[Outcome]:
        """Yield an outcome for every (change id, receipt) that has been answered since."""
        ...


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of pushing one system: how many changes ended in which state, and why it stopped if it did."""

    system_id: str
    states: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None


Progress = Callable[[str, int], None]
"""Called with (system id, changes settled so far)."""


def preview(home: Home, systems: Sequence[str] | None = None) -> list[Change]:
    """Return what a push would write, field by field, without writing anything."""
    return outbox.peek(home.engine, [m.id for m in home.chosen(systems)])


def push(home: Home, systems: Sequence[str] | None = None, progress: Progress | None = None) -> list[Pushed]:
    """Push every waiting change of the given systems (all when None); return one result per system that had any."""
    waiting = outbox.waiting(home.engine)
    open_ = outbox.unanswered(home.engine)
    chosen = [m for m in home.chosen(systems) if waiting.get(m.id) or open_.get(m.id)]
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(lambda m: _push_system(home, m, progress), chosen))


def _push_system(home: Home, manifest: Manifest, progress: Progress | None) -> Pushed:
    ended: dict[str, str] = {}
    error = None
    try:
        permitted(manifest, home.now().date())
        connector = connect(manifest, home.context(manifest))
    except ConnectorError as problem:
        return Pushed(manifest.id, error=str(problem))
    except Exception as problem:  # noqa: BLE001 - a defect in one connector must not stop the other systems
        return Pushed(manifest.id, error=_defect(manifest, problem))
    try:
        while claimed := outbox.claim(home.engine, manifest.id, BATCH):
            changes = [_within_compartment(manifest, change) for change in claimed]
            outcomes, error = _deliver(manifest, connector, changes)
            outbox.settle(home.engine, changes, outcomes)
            ended |= {o.change_id: o.state for o in outcomes}
            if progress:
                progress(manifest.id, len(ended))
            if error or any(o.state == "planned" for o in outcomes):
                break  # in trouble, or asking for patience: what was put back waits for the next push
        if error is None:
            ended |= _follow_up(home, manifest, connector)
    except ConnectorError as problem:
        error = str(problem)
    except Exception as problem:  # noqa: BLE001 - as above
        error = _defect(manifest, problem)
    finally:
        connector.close()
    return Pushed(manifest.id, Counter(ended.values()), error)


def _within_compartment(manifest: Manifest, change: Change) -> Change:
    """Leave out the golden values that this system may not hold: a file or a form is filled with whole records."""
    entity = ENTITIES[change.entity_type]
    allowed = {name: value for name, value in change.current.items() if may_write(manifest, entity.field(name))}
    return replace(change, current=allowed)


def _defect(manifest: Manifest, problem: Exception) -> str:
    # The text of an unexpected error may hold values of records: only its kind is told.
    return (
        f"{manifest.id}: unexpected {type(problem).__name__} while writing. "
        f"Run `onefact systems check` on its manifest; if that passes, report this."
    )


def _deliver(manifest: Manifest, connector: Connector, changes: Sequence[Change]) -> tuple[list[Outcome], str | None]:
    """Push changes; return exactly one outcome for each, and the sentence that stopped the system if one did.

    When the system fails before any answer, nothing was sent: the changes go back to `planned`. When it fails in the
    middle, the unanswered ones are `no_answer`: unknown is not failed, they must be read back before a new try.
    """
    outcomes: dict[str, Outcome] = {}
    error, unsent = None, False
    try:
        for outcome in connector.push(changes):
            outcomes[outcome.change_id] = outcome
    except ConnectorError as problem:
        error, unsent = str(problem), not outcomes
    except Exception as problem:  # noqa: BLE001 - what was answered before the defect must still be settled
        error = _defect(manifest, problem)
    unanswered = [c.change_id for c in changes if c.change_id not in outcomes]
    if unsent:
        return [Outcome(i, "planned", "system_error", error or "") for i in unanswered], error
    missing = [Outcome(i, "no_answer", "no_outcome", "The system gave no answer for this change.") for i in unanswered]
    return [*(outcomes[c.change_id] for c in changes if c.change_id in outcomes), *missing], error


def _follow_up(home: Home, manifest: Manifest, connector: Connector) -> dict[str, str]:
    """Ask about changes that were accepted but not yet answered, until all are or the time is up; return their ends."""
    ended: dict[str, str] = {}
    if not isinstance(connector, FollowsUp):
        return ended
    sleep, waited = home.context(manifest).sleep, 0.0
    while sent := outbox.in_state(home.engine, manifest.id, "sent"):
        by_id = {change.change_id: change for change, _ in sent}
        receipts = [(change.change_id, receipt) for change, receipt in sent if receipt]
        settled = [o for o in connector.follow_up(receipts) if o.state != "sent"]
        if settled:
            outbox.settle(home.engine, [by_id[o.change_id] for o in settled], settled)
            ended |= {o.change_id: o.state for o in settled}
        elif waited >= SETTLE_SECONDS:
            break
        else:
            sleep(POLL_SECONDS)
            waited += POLL_SECONDS
    return ended
