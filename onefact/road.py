"""The road (全流程): pull, consolidate, push, in that order, with the time each step took."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from onefact.consolidate import Consolidated, consolidate
from onefact.delivery.pusher import Pushed
from onefact.home import Home
from onefact.pull import Pulled, pull
from onefact.push import preview, push

Progress = Callable[[str, str, int], None]
"""Called with (step, system id, count so far)."""


@dataclass(frozen=True, slots=True)
class Road:
    """The results of one run and the seconds of its steps."""

    pulled: tuple[Pulled, ...]
    consolidated: Consolidated
    pushed: tuple[Pushed, ...]
    seconds: Mapping[str, float]

    @property
    def received(self) -> int:
        """Source records received."""
        return sum(p.counts.received for p in self.pulled)

    @property
    def sent(self) -> int:
        """Changes that left for a system, whatever became of them (those awaiting a person not counted)."""
        away = {"verified", "sent", "rejected", "conflict", "no_answer"}
        return sum(n for p in self.pushed for state, n in p.states.items() if state in away)

    @property
    def errors(self) -> list[str]:
        """Plain sentences of the systems in trouble."""
        return [e for e in (*(p.error for p in self.pulled), *(p.error for p in self.pushed)) if e]


def run(
    home: Home, systems: Sequence[str] | None = None, progress: Progress | None = None, *, dry_run: bool = False
) -> Road:
    """Run all steps once for the given systems (all when None).

    With `dry_run` each step is rehearsed by itself: what would be read, what would change of that which was read before,
    and what waits to be written; nothing is kept and nothing is sent.
    """
    seconds: dict[str, float] = {}

    def tell(step: str) -> Callable[[str, int], None] | None:
        return None if progress is None else lambda system, n: progress(step, system, n)

    clock = time.perf_counter
    start = clock()
    pulled = pull(home, systems, tell("pull"), dry_run=dry_run)
    seconds["pull"], start = clock() - start, clock()
    if progress:
        progress("consolidate", "", 0)
    consolidated = consolidate(home, dry_run=dry_run)
    seconds["consolidate"], start = clock() - start, clock()
    pushed = rehearsed(home, systems) if dry_run else push(home, systems, tell("push"))
    seconds["push"] = clock() - start
    return Road(tuple(pulled), consolidated, tuple(pushed), seconds)


def rehearsed(home: Home, systems: Sequence[str] | None) -> list[Pushed]:
    """Return what waits for each system, as if it had been looked at and left."""
    waiting = Counter(change.system_id for change in preview(home, systems))
    return [Pushed(system_id, {"planned": n}) for system_id, n in sorted(waiting.items())]
