"""How often something may be tried (限速): a sliding window in memory, for what is not worth a table."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

KEPT = 10_000
"""Addresses remembered; the oldest is forgotten first, so that memory has an end."""


@dataclass
class Tries:
    """Counts tries by address within a window."""

    most: int
    window: timedelta
    _seen: dict[str, deque[datetime]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def too_many(self, address: str, now: datetime) -> bool:
        """Return whether an address has used up its tries."""
        with self._lock:
            return len(self._recent(address, now)) >= self.most

    def count(self, address: str, now: datetime) -> None:
        """Count a try."""
        with self._lock:
            recent = self._recent(address, now)
            recent.append(now)
            self._seen[address] = recent
            while len(self._seen) > KEPT:
                del self._seen[next(iter(self._seen))]

    def _recent(self, address: str, now: datetime) -> deque[datetime]:
        seen = self._seen.pop(address, deque())
        while seen and now - seen[0] > self.window:
            seen.popleft()
        if seen:
            self._seen[address] = seen
        return seen
