"""Trying without doing (试运行): the same transaction, taken back at its end, so that a rehearsal says what would happen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


@contextmanager
def deciding(engine: sa.Engine, dry_run: bool) -> Iterator[sa.Connection]:
    """Yield a connection in a transaction that is kept, or in a rehearsal taken back, when the block ends."""
    with engine.connect() as connection, connection.begin() as transaction:
        yield connection
        if dry_run:
            transaction.rollback()
