"""The shelf (暂存): what a page has just read or made and the next click asks for; in memory only, for its owner only.

Uploaded files and filled forms hold personal data of many; they never touch the disk, and are gone after half an hour, at
logout of the process, or when the shelf is full.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

KEPT = timedelta(minutes=30)
PLACES = 200
BYTES = 400_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """One thing on the shelf: whose, since when, how large."""

    owner: str
    since: datetime
    size: int
    thing: Any


class Shelf:
    """A bounded, thread-safe shelf; the oldest things give way."""

    def __init__(self, places: int = PLACES, size: int = BYTES) -> None:
        self._places, self._size = places, size
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, owner: str, thing: Any, size: int, now: datetime) -> str:
        """Keep a thing for its owner; returns the ticket to get it with."""
        ticket = secrets.token_urlsafe(18)
        with self._lock:
            self._clear(now)
            self._items[ticket] = Item(owner, now, size, thing)
            while len(self._items) > self._places or sum(i.size for i in self._items.values()) > self._size:
                self._items.popitem(last=False)
        return ticket

    def get(self, owner: str, ticket: str, now: datetime) -> Any | None:
        """Return the owner's thing; None when it is gone, or another's."""
        with self._lock:
            self._clear(now)
            item = self._items.get(ticket)
            return item.thing if item is not None and item.owner == owner else None

    def _clear(self, now: datetime) -> None:
        for ticket in [t for t, i in self._items.items() if now - i.since > KEPT]:
            del self._items[ticket]
