"""Push (回写): what each system lacks goes out, is read back, and is counted once.

Systems are written in parallel, each by one thread; a system in trouble keeps its changes waiting and stops nobody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from connectors.base import Connector, ConnectorError
from connectors.manifest import Manifest
from connectors.readback import compare
from connectors.registry import connect
from onefact.home import Home
from onefact.policy import permitted
from schemas.records import Change, Outcome
from warehouse import outbox

BATCH = 500
"""Changes claimed at a time; a crash leaves at most this many of a system `pending`."""

WRITERS = 4
"""Systems written at the same time."""

SETTLE_SECONDS = 20.0
"""How long a push waits for receipts that come a moment later; what comes after that is settled by the next push."""


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
    states: Counter[str] = Counter()
    try:
        permitted(manifest, home.now().date())
        connector = connect(manifest, home.context(manifest))
    except ConnectorError as problem:
        return Pushed(manifest.id, states, str(problem))
    except Exception as problem:  # noqa: BLE001 - a defect in one connector must not stop the other systems
        return Pushed(manifest.id, states, _defect(manifest, problem))
    try:
        while changes := outbox.claim(home.engine, manifest.id, BATCH):
            outcomes, error = _deliver(manifest, connector, changes)
            outbox.settle(home.engine, changes, outcomes)
            states.update(o.state for o in outcomes)
            if progress:
                progress(manifest.id, sum(states.values()))
            if error:
                return Pushed(manifest.id, states, error)
            if any(o.state == "planned" for o in outcomes):
                break  # the system asks for patience: what it put back waits for the next push
        _follow_up(home, manifest, connector, states)
    except ConnectorError as problem:
        return Pushed(manifest.id, states, str(problem))
    except Exception as problem:  # noqa: BLE001 - as above
        return Pushed(manifest.id, states, _defect(manifest, problem))
    finally:
        connector.close()
    return Pushed(manifest.id, states)


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


def _follow_up(home: Home, manifest: Manifest, connector: Connector, states: Counter[str]) -> None:
    """Ask about changes that were accepted but not yet answered, and about forms that a person may have filled by now."""
    context = home.context(manifest)
    waited = 0.0
    while True:
        answered = 0
        sent = outbox.in_state(home.engine, manifest.id, "sent")
        if sent and isinstance(connector, FollowsUp):
            receipts = [(c.change_id, receipt) for c, receipt in sent if receipt]
            answered += _resettle(home, sent, connector.follow_up(receipts), states)
        waiting_person = outbox.in_state(home.engine, manifest.id, "awaiting_person")
        if waiting_person and not waited and manifest.capabilities.read != "none":
            answered += _resettle(
                home, waiting_person, _typed(manifest, connector, [c for c, _ in waiting_person]), states
            )
        left = len(sent) if isinstance(connector, FollowsUp) else 0
        if not left or waited >= SETTLE_SECONDS:
            return
        if not answered:
            pause = 0.25
            context.sleep(pause)
            waited += pause


def _typed(manifest: Manifest, connector: Connector, changes: Sequence[Change]) -> Iterator[Outcome]:
    """Yield `verified` for assisted entries whose values stand in the system by now: somebody has typed them."""
    by_role: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        if change.record_key:
            by_role.setdefault((change.dataset, change.role), []).append(change)
    for (dataset, role), group in by_role.items():
        rows = connector.read_back(dataset, [c.record_key for c in group if c.record_key])
        for change_id, (equal, _) in compare(manifest, dataset, role, group, rows).items():
            if equal:
                yield Outcome(change_id, "verified", "typed_by_person")


def _resettle(
    home: Home, pending: Sequence[tuple[Change, str | None]], outcomes: Iterable[Outcome], states: Counter[str]
) -> int:
    settled = [o for o in outcomes if o.state not in {"sent", "awaiting_person"}]
    if settled:
        by_id = {c.change_id: c for c, _ in pending}
        outbox.settle(home.engine, [by_id[o.change_id] for o in settled], settled)
        states.update(o.state for o in settled)
    return len(settled)
