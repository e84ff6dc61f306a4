"""Faults that a trainer or a test switches on in a stand-in (故障演练): the ways real systems misbehave."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, get_args

FaultKind = Literal["down", "slow", "error", "throttle", "not_json", "drop_answer", "refuse_in_200"]
"""down: the connection is closed without an answer · slow: answers after `seconds` · error: HTTP 500 · throttle: HTTP 429
with Retry-After `seconds` · not_json: a gateway's HTML page with HTTP 200 · drop_answer: does the work, then closes the
connection · refuse_in_200: HTTP 200 with a business error code."""

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
    """The faults of the stand-ins of one kind, at most one per system."""

    def __init__(self, seed: int = 1) -> None:
        self._faults: dict[str, Fault] = {}
        self._hits: dict[str, int] = {}
        self._random = random.Random(seed)

    def set(self, system: str, fault: Fault | None) -> None:
        """Switch a fault on, or with None off."""
        self._hits.pop(system, None)
        if fault is None:
            self._faults.pop(system, None)
        else:
            self._faults[system] = fault

    def hit(self, system: str, *, writing: bool) -> Fault | None:
        """Return the fault that befalls this request, if any, and count it."""
        fault = self._faults.get(system)
        if fault is None or (fault.writes_only and not writing):
            return None
        if fault.share < 1 and self._random.random() >= fault.share:
            return None
        hits = self._hits.get(system, 0) + 1
        self._hits[system] = hits
        if fault.times is not None and hits >= fault.times:
            self.set(system, None)
        return fault
