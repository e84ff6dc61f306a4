"""The crash matrix (断电矩阵): power cuts at every step, in every sequence, against every kind of connector.

Two records: the first gets two changes one after the other, the second planned from what was known before the first
went out (what an entry between a push and the next reading looks like); the second record gets one. Afterwards every
change must have been applied exactly once, in order, be known as ours, and be verified.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fleet import Fleet
from target_model import PowerCut

PUSHER = ("recover", "read_back", "claim", "deliver", "settle", "settled", "follow_up")
STEPS = {
    "rest": ("send", "sent"), "frontdb": ("send", "sent"), "sftp_csv": ("send", "mark", "sent"),
    "excel": ("send", "sent"), "form": ("send", "sent"), "queue": ("send", "sent"), "webhook": ("send", "sent"),
    "export": ("send", "sent"), "files": ("send", "sent"),
}  # fmt: skip
"""Steps of each kind; before a step is after the one before it. `read_back` is shared with the pusher."""

Schedule = tuple[str, ...]
Violation = tuple[Schedule, str]


def steps_of(kind: str) -> tuple[str, ...]:
    return PUSHER + STEPS[kind]


def schedules(kind: str, cuts: int) -> Iterator[Schedule]:
    """Every sequence of up to so many cuts, shorter ones first."""
    layer: list[Schedule] = [()]
    for _ in range(cuts):
        layer = [(*before, step) for before in layer for step in steps_of(kind)]
        yield from layer


@dataclass
class Tally:
    """What a matrix found: how many schedules it stands for, how many ran (the others never reach their last cut)."""

    kind: str
    stood_for: int = 0
    ran: int = 0
    cuts: int = 0
    violations: list[Violation] = field(default_factory=list)
    seconds: float = 0.0


class Journal:
    """What ran already, one JSON document a line: a matrix of hours may be stopped and gone on with.

    Without a file it remembers nothing.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        lines = path.read_text("utf-8").splitlines() if path and path.exists() else []
        self._ran = {(d["kind"], d["what"], tuple(d["schedule"])): d for d in map(json.loads, lines)}

    def once(
        self, kind: str, what: str, schedule: Schedule, ran: Callable[[], tuple[list[str], bool]]
    ) -> tuple[list[str], bool, float]:
        """Return (what went wrong, whether the last cut was reached, seconds), from the file or by running it now."""
        told = self._ran.get((kind, what, schedule))
        if told is None:
            begin = time.perf_counter()
            wrong, reached = ran()
            told = {
                "kind": kind, "what": what, "schedule": schedule, "wrong": wrong, "reached": reached,
                "seconds": round(time.perf_counter() - begin, 3),
            }  # fmt: skip
            if self._path:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(told) + "\n")
        return told["wrong"], told["reached"], told["seconds"]


def matrix(
    fleet: Fleet,
    kind: str,
    chosen: Iterable[Schedule],
    seed: int = 1,
    limit: float = 1e9,
    journal: Journal | None = None,
) -> Tally:
    """Run schedules; a sequence whose cut was not reached is the same as the shorter one, and is not run again."""
    tally, unreached, journal = Tally(kind), set[Schedule](), journal or Journal()
    begin = time.perf_counter()
    for number, schedule in enumerate(chosen):
        if time.perf_counter() - begin > limit:
            break
        tally.stood_for += 1
        if any(schedule[:n] in unreached for n in range(1, len(schedule))):
            continue
        tally.ran += 1
        chance = random.Random(f"{seed} {schedule}")
        ran = partial(run, fleet, kind, schedule, number, chance)
        wrong, reached, seconds = journal.once(kind, "cuts", schedule, ran)
        tally.seconds += seconds
        tally.cuts += len(schedule) if reached else len(schedule) - 1
        if not reached:
            unreached.add(schedule)
        tally.violations += [(schedule, w) for w in wrong]
    return tally


def whole(fleet: Fleet, kind: str, cuts: int, limit: float = 1e9, journal: Journal | None = None) -> Tally:
    """The matrix, and with a power cut at each step: an edit of others that must stay, a record that is made once."""
    journal = journal or Journal()
    tally = matrix(fleet, kind, schedules(kind, cuts), limit=limit, journal=journal)
    if fleet.kinds[kind].reads:
        for number, step in enumerate((None, *steps_of(kind))):
            at = (step or "no cut",)
            for what, test in (
                ("foreign", partial(foreign, fleet, kind, step, number)), ("creation", partial(creation, fleet, kind, step)),
            ):  # fmt: skip
                wrong, _, seconds = journal.once(kind, what, at, lambda test=test: (test(), True))  # type: ignore[misc]
                tally.violations += [(at, w) for w in wrong]
                tally.ran, tally.stood_for, tally.seconds = tally.ran + 1, tally.stood_for + 1, tally.seconds + seconds
    return tally


def first_violation(fleet: Fleet, kind: str) -> Violation | None:
    """What a single cut, an edit of others or a creation shows first; None when nothing goes wrong.

    For a safeguard taken out: one violation is enough, and each that is waited for costs seconds.
    """
    for schedule in schedules(kind, 1):
        if found := matrix(fleet, kind, [schedule]).violations:
            return found[0]
    for number, step in enumerate((None, *steps_of(kind))):
        if wrong := [*foreign(fleet, kind, step, number), *creation(fleet, kind, step)]:
            return (step or "no cut",), wrong[0]
    return None


def run(fleet: Fleet, kind: str, schedule: Schedule, number: int, chance: random.Random) -> tuple[list[str], bool]:
    """Run one schedule on two records of its own; return what went wrong, and whether the last cut was reached."""
    one, two = 2 * number, 2 * number + 1
    start = fleet.position(kind)
    reads = fleet.kinds[kind].reads
    known = {r: fleet.held(kind, r) if reads else None for r in (one, two)}
    first, second, other = fleet.fresh(), fleet.fresh(), fleet.fresh()
    changes = [fleet.plan(kind, one, known[one], first), fleet.plan(kind, two, known[two], other)]
    reached = _cut(fleet, kind, schedule[0]) if schedule else True
    changes.append(fleet.plan(kind, one, known[one], second))
    for step in schedule[1:]:
        if chance.random() < 0.5:
            time.sleep(0.05)  # the system gets on with its own work meanwhile, or does not
        reached = _cut(fleet, kind, step)
    _finish(fleet, kind, changes)
    return list(_wrong(fleet, kind, start, changes, {one: [first, second], two: [other]})), reached


def foreign(fleet: Fleet, kind: str, step: str | None, number: int) -> list[str]:
    """Somebody else edits the record between the plan and the push: nothing of theirs may be overwritten."""
    was, ours, theirs = fleet.held(kind, number), fleet.fresh(), fleet.fresh()
    change = fleet.plan(kind, number, was, ours)
    fleet.edit(kind, number, theirs)
    _shown(fleet, kind, number, theirs)
    if step:
        _cut(fleet, kind, step)
    _finish(fleet, kind, [change])
    [(state, _)] = fleet.states([change])
    held = fleet.held(kind, number)
    return (
        []
        if (state, held) == ("conflict", theirs)
        else [f"edit of others: {state}, {'kept' if held == theirs else 'overwritten'}"]
    )


def creation(fleet: Fleet, kind: str, step: str | None) -> list[str]:
    """A new record, and a power cut on its way: it is there at most once, and where the target knows keys, it is there.

    Elsewhere nobody knows until a reading shows it, and nothing is sent again.
    """
    start, number = fleet.position(kind), fleet.fresh()
    change = fleet.plan_new(kind, number)
    if step:
        _cut(fleet, kind, step)
    patient = not fleet.manifests[kind].recognises_keys
    _finish(fleet, kind, [change], seconds=1.0 if patient and step else 8.0)
    made, [(state, code)] = fleet.made(kind, number, start), fleet.states([change])
    unknown = patient and (state, code) == ("no_answer", "create_unseen") and made <= 1
    return [] if (state, made) == ("verified", 1) or unknown else [f"creation: {state} ({code}), {made} records"]


def _cut(fleet: Fleet, kind: str, step: str) -> bool:
    """Push until the power goes at a step; False when the push came to its end."""
    try:
        fleet.push(kind, at=cut_at(step))
    except PowerCut:
        return True
    return False


def cut_at(step: str) -> Callable[[str], None]:
    def at(now: str) -> None:
        if now == step:
            raise PowerCut

    return at


OPEN = {"planned", "pending", "sent", "no_answer"}
PUSHES = 5
"""Pushes that a second of patience stands for at least."""

DONE = {("sent", "exported"), ("sent", "no_receipt")}


def _finish(fleet: Fleet, kind: str, changes: Sequence[int], seconds: float = 8.0) -> None:
    """Push until nothing is open any more; a change that nothing ever settles stays open and is a violation.

    Patience is counted in seconds and in pushes: on a machine that does much else a second may hold one push.
    """
    end, pushes = time.monotonic() + seconds, 0
    while time.monotonic() < end or pushes < PUSHES * seconds:
        fleet.push(kind)
        pushes += 1
        if all(state not in OPEN or (state, code) in DONE for state, code in fleet.states(list(changes))):
            return
        time.sleep(0.02)


def _shown(fleet: Fleet, kind: str, number: int, value: str) -> None:
    from connectors.registry import connect

    manifest = fleet.manifests[kind]
    end = time.monotonic() + 8
    while time.monotonic() < end:
        connector = connect(manifest, fleet.home.context(manifest))
        try:
            rows = connector.read_back(fleet.kinds[kind].dataset, [fleet.key(kind, number)]).to_pylist()
        finally:
            connector.close()
        if any(value in row.values() for row in rows):
            return
        time.sleep(0.05)


def _wrong(fleet: Fleet, kind: str, start: int, changes: Sequence[int], wanted: dict[int, list[str]]) -> Iterator[str]:
    states = fleet.states(list(changes))
    good = DONE if not fleet.kinds[kind].reads else set()
    for number, (state, code) in enumerate(states):
        # The first change may come back unwritten while the second waits: then only the second is written.
        overtaken = number == 0 and (state, code) == ("dead", "superseded")
        if state != "verified" and (state, code) not in good and not overtaken:
            yield f"ended {state} ({code})"
    for record, values in wanted.items():
        found = fleet.effects(kind, record, start)
        if fleet.kinds[kind].reads:
            # Changes that wait together may go out as one row: then the older value is never seen, and that is right.
            if found not in (values, values[-1:]):
                yield f"{'doubled' if len(found) > len(set(found)) else 'effects'}: {[_name(values, v) for v in found]}"
        elif _last_of_each(found) not in (values, values[-1:]):
            yield f"files hold: {[_name(values, v) for v in found]}"
        if fleet.shadow(kind, record) != values[-1]:
            yield "an echo would be taken for news"


def _name(values: Sequence[str], value: str | None) -> str:
    return f"change {values.index(value) + 1}" if value in values else "something else"


def _last_of_each(found: Sequence[str | None]) -> list[str | None]:
    """A one-way file may be handed over twice (its receiver replaces rows by key), but never an older value last."""
    return list(dict.fromkeys(reversed(found)))[::-1]
