"""Where sealed values leave PostgreSQL (读出解密): the loaders of a connection, and an engine that has them.

Texts and JSON are opened as psycopg reads them, whatever the query; so no page and no verb has to know which of its columns are
sealed, and row-level security has already taken away what the account may not see.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.adapt import Buffer, Loader

from warehouse.seals.values import MARK, OPTION, Seals


def engine_with(url: str, seals: Seals, **options: Any) -> sa.Engine:
    """Return an SQLAlchemy engine whose connections open what is sealed and know how to seal (`seals_of`)."""
    engine = sa.create_engine(url, hide_parameters=True, execution_options={OPTION: seals}, **options)
    loaders = _loaders(seals)

    @sa.event.listens_for(engine, "connect")
    def taught(connection: Any, _record: object) -> None:
        _register(connection, loaders)

    @sa.event.listens_for(engine, "checkin")
    def returned(connection: Any, _record: object) -> None:
        if connection is not None:
            connection.onefact_opens = None

    return engine


def open_only(connection: sa.Connection, compartments: Collection[str]) -> None:
    """Let a connection open sealed values of these compartments only, until it goes back to the pool."""
    driver: Any = connection.connection.driver_connection
    driver.onefact_opens = frozenset(compartments)


def teach(connection: psycopg.Connection[Any], seals: Seals) -> psycopg.Connection[Any]:
    """Let a plain connection open what is sealed; returns it."""
    _register(connection, _loaders(seals))
    return connection


def _register(connection: Any, loaders: Mapping[str, type[Loader]]) -> None:
    for name, loader in loaders.items():
        connection.adapters.register_loader(name, loader)


def _loaders(seals: Seals) -> dict[str, type[Loader]]:
    """Return classes that know these seals; psycopg's own way to set a JSON function keeps the first one for all connections."""
    beginning = MARK.encode()

    class Text(Loader):
        """Reads a text, opened where it is sealed."""

        def load(self, data: Buffer) -> str:
            raw = bytes(data)
            text = raw.decode()
            return seals.open(text, _opens(self)) if raw.startswith(beginning) else text

    class Json(Loader):
        """Reads JSON, opened where something in it is sealed."""

        def load(self, data: Buffer) -> Any:
            return seals.loads(bytes(data), _opens(self))

    return {"text": Text, "varchar": Text, "json": Json, "jsonb": Json}


def _opens(loader: Loader) -> Collection[str] | None:
    return getattr(loader.connection, "onefact_opens", None)
