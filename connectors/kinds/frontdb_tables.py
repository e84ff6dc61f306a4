"""The database behind a front-end exchange: the connection, the staging tables of each dataset, errors in our words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from connectors.base import ConnectorError, Context, LoginRefused, Malformed, NotAllowed, Unreachable
from connectors.manifest.model import Manifest
from connectors.manifest.sources import FrontdbConnection, FrontdbSource

FRONT = 4
"""Columns in front of a selected row: sequence number, row id, operation, sync flag."""


@dataclass(frozen=True, slots=True)
class Staging:
    """The two staging tables of a dataset.

    Attributes:
        source: their names and those of their flag columns; columns: the business columns we read; key: the key columns.
        out: the system -> us; into: we -> the system, None where the system takes nothing.
    """

    source: FrontdbSource
    columns: tuple[str, ...]
    key: tuple[str, ...]
    out: sa.TableClause
    into: sa.TableClause | None

    def select(self) -> sa.Select[Any]:
        """Rows of the out table: `FRONT` columns of the exchange itself, then the business columns, key columns first."""
        source = self.source
        wanted = (source.sequence, source.row_id, source.operation, source.sync_flag, *self.columns)
        return sa.select(*(self.out.c[name].label(f"c{i}") for i, name in enumerate(wanted)))


class StagingDatabase:
    """One connection URL and the staging tables that the manifest names."""

    def __init__(self, manifest: Manifest, context: Context) -> None:
        self.manifest = manifest
        connection = FrontdbConnection.model_validate(context.variables.resolve(manifest, manifest.connection))
        self.schema = connection.schema_name
        try:
            # hide_parameters: a database error repeats the values of the row otherwise, and they are personal.
            self.engine = sa.create_engine(connection.url, hide_parameters=True, pool_pre_ping=True)
        except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
            remedy = "Give the URL as dialect+driver://user:password@host:port/database and install its driver."
            raise LoginRefused(manifest.id, "connection.url", "the database URL cannot be used", remedy) from error
        self.staging = {d.name: self._tables(context, d.name) for d in manifest.datasets}

    def fetch(self, place: str, query: sa.Select[Any]) -> list[Sequence[Any]]:
        """Return all rows of a query; raises our error naming the table `place`."""
        try:
            with self.engine.connect() as connection:
                return list(connection.execute(query).fetchall())
        except exc.SQLAlchemyError as error:
            raise self.error(place, error) from error

    def write(self, place: str, statements: Sequence[tuple[sa.Executable, list[dict[str, Any]] | None]]) -> None:
        """Run statements (each with its rows, or None) in one transaction; raises our error naming the table."""
        try:
            with self.engine.begin() as connection:
                for statement, rows in statements:
                    connection.execute(statement, rows)
        except exc.SQLAlchemyError as error:
            raise self.error(place, error) from error

    def write_exactly(self, place: str, statement: sa.Executable, count: int) -> bool:
        """Run a statement if it touches exactly `count` rows; otherwise undo it and return False."""
        try:
            with self.engine.connect() as connection, connection.begin() as transaction:
                exact = connection.execute(statement).rowcount == count
                if not exact:
                    transaction.rollback()
                return exact
        except exc.SQLAlchemyError as error:
            raise self.error(place, error) from error

    def in_table(self, name: str) -> sa.TableClause:
        """The in table of a dataset; raises `NotAllowed` where there is none."""
        into = self.staging[name].into
        if into is None:
            remedy = "Add in_table to the manifest once the system offers one."
            raise NotAllowed(self.manifest.id, name, "this dataset has no in table", remedy)
        return into

    def error(self, place: str, error: exc.SQLAlchemyError) -> ConnectorError:
        """Our error for a database error; the driver's text is not repeated, it may hold values."""
        system = self.manifest.id
        text = str(getattr(error, "orig", error)).lower()
        if any(word in text for word in ("permission denied", "access denied", "ora-01031")):
            remedy = "Ask for SELECT and UPDATE of the flag on the out table, INSERT and SELECT on the in table."
            return NotAllowed(system, place, "the account lacks a right on this table", remedy)
        if "authentication" in text or "password" in text:
            return LoginRefused(system, place, "the database refuses the login", "Check user and password in the URL.")
        if isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError):
            return Unreachable(system, place, "the front-end database does not answer", "Check that it is up.")
        remedy = f"Compare the tables with the manifest: onefact systems check {system}."
        return Malformed(system, place, f"the database refuses the statement ({type(error).__name__})", remedy)

    def _tables(self, context: Context, name: str) -> Staging:
        dataset = self.manifest.dataset(name)
        source = FrontdbSource.model_validate(context.variables.resolve(self.manifest, dataset.source))
        schema = self.schema
        flags = (source.row_id, source.operation, source.sync_flag, source.error, source.batch, source.time)
        business = tuple(dataset.columns)

        def table(called: str, *more: str) -> sa.TableClause:
            names = dict.fromkeys((*business, *flags, *more))
            return sa.table(called, *(sa.column(n) for n in names), schema=schema)

        into = table(source.in_table) if source.in_table else None
        return Staging(source, business, tuple(dataset.key), table(source.out_table, source.sequence), into)
