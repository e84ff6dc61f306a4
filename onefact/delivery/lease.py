"""The lease of a pusher (租约), kept while it works: a delivery may take longer than the time it was claimed for.

A lease that runs out tells the others that its pusher died. One that is only slow must not look so, or its changes would
be taken up a second time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from warehouse import outbox


@contextmanager
def kept(engine: sa.Engine, system_id: str, owner: str, lease: float) -> Iterator[None]:
    """Renew the lease on everything that `owner` holds of a system every third of it, as long as the block runs.

    A renewal that the database does not take is tried again at the next third; when it is away for longer than the lease,
    the changes are doubtful, as after a crash. A lease of 0 seconds is never renewed.
    """
    done = threading.Event()

    def renew() -> None:
        while not done.wait(lease / 3):
            try:
                outbox.renew(engine, system_id, owner, lease)
            except sa.exc.SQLAlchemyError:
                continue

    keeper = threading.Thread(target=renew, name=f"lease-{system_id}", daemon=True) if lease > 0 else None
    if keeper:
        keeper.start()
    try:
        yield
    finally:
        done.set()
        if keeper:
            keeper.join()
