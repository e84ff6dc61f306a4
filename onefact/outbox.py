"""What people may ask and decide about deliveries: the outbox, dead letters, stopped systems.

A dead letter is replayed through today's rules, not sent blindly: what the newest plan no longer wants stays dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onefact import policy
from onefact.home import Home
from warehouse import outbox
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
    """Let changes be tried again; the next push takes them up.

    What the master does not say any more is not sent again: such a field is taken out, and a change of which nothing is
    left stays where it is. A record still to be created gets today's values.
    """
    chosen = _chosen(home, ids, systems, states or _settled(RETRIED), RETRIED)
    revised = _by_today(home, chosen)
    wanted = [i for i in chosen if revised.get(i, True)]
    some = {i: fields for i, fields in revised.items() if fields}
    return _decided(chosen, outbox.retry(home.engine, wanted, actor, revised=some, dry_run=dry_run))


def _by_today(home: Home, chosen: Sequence[int]) -> dict[int, list[dict[str, str | None]]]:
    """Return change id -> what it may still ask for, of the changes that ask for something that is not golden today."""
    golden = outbox.golden_now(home.engine, chosen)
    wanted = list(policy.targets(home.manifests.values(), home.now().date()))
    folds = {(t.system_id, t.dataset, t.entity_type, t.role): t.folds for t in wanted}
    revised: dict[int, list[dict[str, str | None]]] = {}
    for row in outbox.named(home.engine, [i for i in chosen if i in golden]):
        folded = folds.get((row.system_id, row.dataset, row.entity_type, row.role), {})
        now = {f: folded[f].get(v or "") if f in folded else v for f, v in golden[row.change_id].items()}
        asked = [dict(c) for c in row.changes]
        if row.operation == "create":
            today = [c | {"new": now.get(str(c["field"]))} for c in asked]
            today = [c for c in today if c["new"] is not None]
        else:
            today = [c for c in asked if c["new"] == now.get(str(c["field"]))]
        if today != asked:
            revised[row.change_id] = today
    return revised


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
    return _decided(chosen, outbox.cancel(home.engine, chosen, actor, reason, dry_run=dry_run))


def release(home: Home, system: str, actor: str, *, dry_run: bool = False) -> bool:
    """Let a stopped system go on; what is planned for it now may be written. False when it was not stopped."""
    [manifest] = home.chosen([system])
    if dry_run:
        standing = targets.standings(home.engine).get(manifest.id)
        return standing is not None and standing.state != "closed"
    planned = len(outbox.peek(home.engine, [manifest.id]))
    return targets.release(home.engine, manifest.id, actor, allowed=planned)


def hold(home: Home, system: str, reason: str, *, dry_run: bool = False) -> None:
    """Stop writing to a system until it is released."""
    [manifest] = home.chosen([system])
    if not dry_run:
        targets.hold(home.engine, manifest.id, reason)


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
