"""Faults that a trainer or a test switches on in a stand-in (故障演练): the ways real systems misbehave."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, get_args

FaultKind = Literal["down", "slow", "error", "throttle", "not_json", "drop_answer", "refuse_in_200", "twice"]
"""down: the connection is closed without an answer · slow: answers after `seconds` · error: HTTP 500 · throttle: HTTP 429
with Retry-After `seconds` · not_json: a gateway's HTML page with HTTP 200 · drop_answer: does the work, then closes the
connection · refuse_in_200: HTTP 200 with a business error code · twice: a gateway delivers the request
to the system a second time."""

FAULT_KINDS: tuple[str, ...] = get_args(FaultKind)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave.

    Attributes:
        kind: see `FaultKind`.
        seconds: delay of `slow`, Retry-After of `throttle`.
        share: share of the requests that it hits, 0-1.
        times: it ends after so many hits; None = until cleared.
        writes_only: reads go on undisturbed.
    """

    kind: FaultKind
    seconds: float = 1.0
    share: float = 1.0
    times: int | None = None
    writes_only: bool = False


class Faults:
    """The faults of the stand-ins of one kind; at most one befalls a request."""

    def __init__(self, seed: int = 1) -> None:
        self._faults: dict[str, list[Fault]] = {}
        self._hits: dict[Fault, int] = {}
        self._random = random.Random(seed)

    def set(self, system: str, *faults: Fault | None) -> None:
        """Switch faults on in place of those before, or with None off; with shares they befall that part of the requests."""
        for old in self._faults.pop(system, ()):
            self._hits.pop(old, None)
        if chosen := [fault for fault in faults if fault is not None]:
            self._faults[system] = chosen

    def hit(self, system: str, *, writing: bool) -> Fault | None:
        """Return the fault that befalls this request, if any, and count it."""
        faults = [f for f in self._faults.get(system, ()) if writing or not f.writes_only]
        luck = self._random.random() if any(f.share < 1 for f in faults) else 0.0
        for fault in faults:
            if luck < fault.share:
                return self._counted(system, fault)
            luck -= fault.share
        return None

    def _counted(self, system: str, fault: Fault) -> Fault:
        self._hits[fault] = self._hits.get(fault, 0) + 1
        if fault.times is not None and self._hits[fault] >= fault.times:
            self.set(system, *(f for f in self._faults[system] if f is not fault))
        return fault
