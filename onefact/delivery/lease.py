"""Keeping what is in our hands (续租): a slow system may take longer over a batch than a lease lasts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from warehouse import outbox

SHORTEST = 0.05
"""Seconds between two renewals at least."""


@contextmanager
def renewing(engine: sa.Engine, system_id: str, owner: str, lease: float) -> Iterator[None]:
    """Renew a pusher's lease on a system's changes for the time of a `with` block, each time a third of it is over.

    The thread ends with the block and with the process, so the changes of a pusher that dies are free when its last lease
    runs out. An error in renewing stops nothing: the lease then runs out, and the changes are read back by another.
    """
    if lease <= 0:
        yield
        return
    over = threading.Event()

    def keep() -> None:
        while not over.wait(max(lease / 3, SHORTEST)):
            try:
                outbox.renew(engine, system_id, owner, lease)
            except sa.exc.SQLAlchemyError:
                return

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()
