"""When to try again (退避重试): exponential with full jitter, so that many changes do not come back in one wave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from warehouse.outbox import Pause


@dataclass(frozen=True, slots=True)
class Backoff:
    """How patience grows.

    Attributes:
        first: seconds within which the second attempt comes.
        longest: seconds within which any attempt comes.
        attempts: after so many a change is a dead letter (死信).
        random: a number from 0 to 1; injected.
    """

    random: Callable[[], float]
    first: float = 30.0
    longest: float = 3600.0
    attempts: int = 8

    def pause(self, attempt: int, asked: float | None = None) -> Pause:
        """Return when to try again after the given attempt (counted from 1) has failed.

        `asked` seconds are what the target wishes (Retry-After): never sooner, whatever we would have chosen.
        """
        within = min(self.longest, self.first * 2 ** min(attempt - 1, 30))
        return Pause(seconds=max(self.random() * within, asked or 0.0), spent=attempt >= self.attempts)
