"""Pushing as changes come (持续回写): woken by the database when changes are planned, and by the clock when one is due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import psycopg

from onefact.delivery.pusher import Pushed, Settings
from onefact.home import Home
from onefact.law import register
from onefact.push import owner, push
from warehouse import outbox
from warehouse.tables import WAKE

LATE_SECONDS = 30.0
"""How long until changes that wait for a receipt or a closed system are looked at again when nothing else happens."""

SOON_SECONDS = 0.2
"""How soon a change that was just accepted is asked about: many targets show it a moment later, others tomorrow."""


def follow(
    home: Home, systems: Sequence[str] | None = None, settings: Settings | None = None
) -> Iterator[list[Pushed]]:
    """Yield the results of each push, for ever.

    Listening begins before the first push, so that nothing planned in between is missed. Receipts that come later are
    not waited for in a push: whoever enters the next fact should not wait for an old file.
    """
    settings = replace(settings or Settings(owner()), settle_seconds=0.0)
    with psycopg.connect(home.database.dsn(), autocommit=True) as connection:
        connection.execute(f"LISTEN {WAKE}".encode())
        register.sync(home)  # the manifests are those of this process: their lines enter once
        while True:
            if results := push(home, systems, settings=settings, lines=register.read(home)):
                yield results
            for _ in connection.notifies(timeout=_patience(home), stop_after=1):
                pass


def _patience(home: Home) -> float:
    """Seconds until something is due by the clock, or an answer may have come: asked after half the time it has taken."""
    due, since = outbox.next_due(home.engine), outbox.last_sent(home.engine)
    answer = LATE_SECONDS if since is None else max(since / 2, SOON_SECONDS)
    return min(LATE_SECONDS, answer, LATE_SECONDS if due is None else due + 0.01)
