"""Carrying as facts come (持续回写): woken by the database when something is entered or planned, and by the clock.

What was entered or judged is consolidated first; what that plans is pushed at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import psycopg
import sqlalchemy as sa

from onefact.consolidate import consolidate
from onefact.delivery.pusher import Pushed, Settings
from onefact.home import Home
from onefact.law import register
from onefact.push import owner, push
from onefact.quality.gate import GateClosed
from warehouse import outbox
from warehouse.duck import WarehouseBusy
from warehouse.tables import ENTRY, ENTRY_WAKE, WAKE

logger = logging.getLogger(__name__)

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
        for channel in (WAKE, ENTRY_WAKE):
            connection.execute(f"LISTEN {channel}".encode())
        register.sync(home)  # the manifests are those of this process: their lines enter once
        told = _entered(home)
        while True:
            told = told and not _taken(home)
            if results := push(home, systems, settings=settings, lines=register.read(home)):
                yield results
            patience = SOON_SECONDS if told else _patience(home)
            for notice in connection.notifies(timeout=patience, stop_after=1):
                told = told or notice.channel == ENTRY_WAKE


def _entered(home: Home) -> bool:
    """Tell whether something was entered that no run has taken."""
    with home.engine.connect() as connection:
        query = sa.select(sa.literal(1)).where(ENTRY.c.taken_by.is_(None)).limit(1)
        return connection.execute(query).first() is not None


def _taken(home: Home) -> bool:
    """Consolidate; False when another verb holds the warehouse now, so that it has to be tried again."""
    try:
        consolidate(home)
    except WarehouseBusy:
        return False
    except GateClosed as closed:
        # What was planned before goes out all the same; the entries wait until somebody has looked at the rule.
        logger.warning("entries wait: %s", closed)
    return True


def _patience(home: Home) -> float:
    """Seconds until something is due by the clock, or an answer may have come: asked after half the time it has taken."""
    due, since = outbox.next_due(home.engine), outbox.last_sent(home.engine)
    answer = LATE_SECONDS if since is None else max(since / 2, SOON_SECONDS)
    return min(LATE_SECONDS, answer, LATE_SECONDS if due is None else due + 0.01)
