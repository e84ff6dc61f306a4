"""What people may ask and decide about deliveries: the outbox, dead letters, stopped systems.

A dead letter is replayed through today's rules, not sent blindly: what the newest plan no longer wants stays dead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onefact.home import Home
from onefact.policy import targets as targets_of
from warehouse import outbox
from warehouse.golden_texts import golden_texts
from warehouse.outbox import Row, Step, targets
from warehouse.outbox.decide import CANCELLED, RETRIED, WAITING


class NoSuchChange(Exception):
    """The outbox has no change of this number."""

    def __init__(self, change_id: int) -> None:
        self.change_id = change_id
        super().__init__(f"The outbox has no change {change_id}. `onefact outbox list` shows the numbers.")


class NothingChosen(Exception):
    """A decision about many changes needs to be told which."""

    def __init__(self) -> None:
        super().__init__("Name changes by number, or choose them with --system or --state.")


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision did: the changes it concerned, and those that could not follow (they are in another state)."""

    done: tuple[int, ...]
    left: tuple[int, ...] = ()


def show(home: Home, change_id: int) -> tuple[Row, list[Step]]:
    """Return a change and its steps; raises `NoSuchChange`."""
    row = outbox.find(home.engine, change_id)
    if row is None:
        raise NoSuchChange(change_id)
    return row, outbox.steps(home.engine, change_id)


def retry(
    home: Home, ids: Sequence[int], systems: Sequence[str], states: Sequence[str], actor: str, *, dry_run: bool = False
) -> Decided:
    """Let changes be tried again; the next push takes them up."""
    chosen = _chosen(home, ids, systems, states or _settled(RETRIED), RETRIED)
    return _decided(chosen, outbox.retry(home.engine, _wanted(home, chosen), actor, dry_run=dry_run, via=home.via))


def _wanted(home: Home, chosen: Sequence[int]) -> list[int]:
    """Leave out changes whose value the master does not want any more, though nothing newer was planned.

    That is so where the golden value went back to what the system has had all along. What is new to the system (a record to
    create) and an entity that was merged or ended are not looked at: the plan replaces those itself.
    """
    folds = {
        (t.system_id, t.dataset, t.entity_type, t.role): t.folds
        for t in targets_of(home.manifests.values(), home.now().date())
    }
    rows = [r for r in outbox.named(home.engine, chosen) if r.operation == "update"]
    golden = golden_texts(home.engine, [(r.entity_type, r.master_id) for r in rows])
    stale = {
        r.change_id
        for r in rows
        if (now := golden.get(r.master_id)) is not None
        and any(
            c["new"] != _as_held(folds.get((r.system_id, r.dataset, r.entity_type, r.role), {}).get(f), now.get(f))
            for c in r.changes
            if (f := str(c["field"]))
        )
    }
    return [c for c in chosen if c not in stale]


def _as_held(codes: Mapping[str, str] | None, value: str | None) -> str | None:
    """The value as the system would give it back: its own code where the manifest has a table."""
    return value if codes is None or value is None else codes.get(value)


def cancel(
    home: Home,
    ids: Sequence[int],
    systems: Sequence[str],
    states: Sequence[str],
    actor: str,
    reason: str | None = None,
    *,
    dry_run: bool = False,
) -> Decided:
    """Call changes off."""
    chosen = _chosen(home, ids, systems, states or _settled(CANCELLED), CANCELLED)
    return _decided(chosen, outbox.cancel(home.engine, chosen, actor, reason, dry_run=dry_run, via=home.via))


def release(home: Home, system: str, actor: str, *, dry_run: bool = False) -> bool:
    """Let a stopped system go on; what is planned for it now may be written. False when it was not stopped."""
    [manifest] = home.chosen([system])
    if dry_run:
        standing = targets.standings(home.engine).get(manifest.id)
        return standing is not None and standing.state != "closed"
    planned = len(outbox.peek(home.engine, [manifest.id]))
    return targets.release(home.engine, manifest.id, actor, allowed=planned, via=home.via)


def hold(home: Home, system: str, reason: str, actor: str | None = None, *, dry_run: bool = False) -> None:
    """Stop writing to a system until it is released."""
    [manifest] = home.chosen([system])
    if not dry_run:
        targets.hold(home.engine, manifest.id, reason, actor or home.actor, home.via)


def _chosen(
    home: Home, ids: Sequence[int], systems: Sequence[str], states: Sequence[str], possible: Sequence[str]
) -> list[int]:
    if ids:
        for change_id in ids:
            show(home, change_id)
        return list(ids)
    if not systems and tuple(states) == _settled(possible):
        raise NothingChosen
    named = [m.id for m in home.chosen(systems)] if systems else None
    return [r.change_id for r in outbox.rows(home.engine, named, states, limit=1_000_000)]


def _settled(states: Sequence[str]) -> tuple[str, ...]:
    """Without those that are decided about only when they are named."""
    return tuple(s for s in states if s not in WAITING)


def _decided(chosen: Sequence[int], done: Sequence[int]) -> Decided:
    settled = set(done)
    return Decided(tuple(done), tuple(c for c in chosen if c not in settled))
