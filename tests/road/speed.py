"""How fast deliveries are: from an entry to the last receipt, and beside clients that do nothing but write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bare import BARE
from fleet import Fleet, phone
from live import Live

from connectors.registry import connect
from schemas.records import Change, FieldChange


@dataclass(frozen=True)
class Trip:
    """One fact: seconds for the entry and the plan, from the plan to the last receipt, and how many systems took it."""

    planned: float
    delivered: float
    systems: int

    @property
    def whole(self) -> float:
        return self.planned + self.delivered


def trips(live: Live, number: int) -> list[Trip]:
    """Enter facts one after the other while `onefact push --follow` runs."""
    child, person, found = live.follower(), live.persons(1)[0], []
    try:
        for n in range(-1, number):
            begin = time.perf_counter()
            live.enter(person, phone(500_000 + n))
            live.consolidate()
            planned = time.perf_counter()
            while live.open():
                time.sleep(0.01)
            if n >= 0:  # the first waits for the process to start
                last = live.sql(
                    "SELECT count(*) AS n FROM outbox WHERE run_id = (SELECT max(run_id) FROM outbox) AND state = 'verified'"
                )
                found.append(Trip(planned - begin, time.perf_counter() - planned, int(last[0]["n"])))
    finally:
        live.kill(child)
    return found


@dataclass(frozen=True)
class Pace:
    """Changes per second of wall clock, and per second of this process's processor: pushed, by the connector alone, bare."""

    kind: str
    changes: int
    pushed: float
    connector: float
    bare: float
    cpu: tuple[float, float, float]


def pace(fleet: Fleet, kind: str, changes: int, rounds: int = 5) -> Pace:
    """Push so many changes; then have the connector alone, and a bare client, write as many.

    They take turns, and the middle of the rounds counts: what else the machine does falls on all of them.
    """
    fleet.plan(kind, 0, fleet.held(kind, 0) if fleet.kinds[kind].reads else None, fleet.fresh())
    fleet.push(kind, lease=300)  # what is only done once in a process is no matter of pace
    each = [_round(fleet, kind, changes) for _ in range(rounds)]
    return Pace(
        kind, changes, median(one.pushed for one in each), median(one.connector for one in each),
        median(one.bare for one in each),
        (median(one.cpu[0] for one in each), median(one.cpu[1] for one in each), median(one.cpu[2] for one in each)),
    )  # fmt: skip


def _round(fleet: Fleet, kind: str, changes: int) -> Pace:
    ids = [
        fleet.plan(kind, n, fleet.held(kind, n) if fleet.kinds[kind].reads else None, fleet.fresh())
        for n in range(changes)
    ]

    def ours() -> None:
        while any(s in {"planned", "pending", "no_answer"} or (s, c) == ("sent", "ok") for s, c in fleet.states(ids)):
            fleet.push(kind, lease=300)

    pushed, cpu = _rate(changes, ours)
    alone, cpu_alone = _rate(changes, lambda: _connector(fleet, kind, changes))
    bare, cpu_bare = _rate(changes, lambda: BARE[kind](fleet, changes))
    return Pace(kind, changes, pushed, alone, bare, (cpu, cpu_alone, cpu_bare))


def _rate(changes: int, work: Callable[[], object]) -> tuple[float, float]:
    begin, cpu = time.perf_counter(), time.process_time()
    work()
    return changes / (time.perf_counter() - begin), changes / max(time.process_time() - cpu, 1e-6)


def _connector(fleet: Fleet, kind: str, changes: int) -> None:
    """The connector without outbox: what it sends, reads and compares is the same."""
    spec, manifest = fleet.kinds[kind], fleet.manifests[kind]
    wanted = [
        Change(
            str(n), manifest.id, spec.dataset, spec.entity, spec.entity, "update", fleet.key(kind, n),
            (FieldChange("phone", fleet.held(kind, n) if spec.reads else None, value := fleet.fresh()),), f"alone:{n}:{value}",
        )
        for n in range(changes)
    ]  # fmt: skip
    connector = connect(manifest, fleet.home.context(manifest))
    try:
        left = {o.change_id: o.receipt or "" for o in connector.push(wanted) if o.state == "sent"}
        while left and hasattr(connector, "follow_up"):
            done = [o.change_id for o in connector.follow_up(list(left.items())) if o.state != "sent"]
            left = {c: r for c, r in left.items() if c not in done}
            time.sleep(0 if done else 0.05)
    finally:
        connector.close()
