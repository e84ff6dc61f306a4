"""The database behind a front-end exchange: the connection, the staging tables of each dataset, errors in our words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from connectors.answers import Ruling, ruling
from connectors.base import ConnectorError, Context, LoginRefused, Malformed, NotAllowed, Unreachable
from connectors.http import Unanswered
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
        self.manifest, self._quota = manifest, context.quota(manifest)
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
            with self._quota.request(), self.engine.connect() as connection:
                return list(connection.execute(query).fetchall())
        except exc.SQLAlchemyError as error:
            raise self.error(place, error) from error

    def write(self, place: str, statements: Sequence[tuple[sa.Executable, list[dict[str, Any]] | None]]) -> None:
        """Run statements (each with its rows, or None) in one transaction; raises our error naming the table."""
        try:
            with self._quota.request(), self.engine.begin() as connection:
                for statement, rows in statements:
                    connection.execute(statement, rows)
        except exc.SQLAlchemyError as error:
            raise self.error(place, error) from error

    def write_exactly(self, place: str, statement: sa.Executable, count: int) -> bool:
        """Run a statement if it touches exactly `count` rows; otherwise undo it and return False."""
        try:
            with self._quota.request(), self.engine.connect() as connection, connection.begin() as transaction:
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
        """Our error for a database error by its SQLSTATE; the driver's text is not repeated, it may hold values."""
        system, told = self.manifest.id, sql_ruling(self.manifest, error)
        if told.action == "refresh_login":
            return LoginRefused(system, place, "the database refuses the login", "Check user and password in the URL.")
        if told.code == "sql_42501":
            remedy = "Ask for SELECT and UPDATE of the flag on the out table, INSERT and SELECT on the in table."
            return NotAllowed(system, place, "the account lacks a right on this table", remedy)
        if told.action == "unknown" and isinstance(error, exc.DBAPIError) and error.connection_invalidated:
            remedy = "The rows may or may not be there; they are looked up by their id before anything is sent again."
            return Unanswered(system, place, "the connection broke while the database was writing", remedy)
        if told.action in {"retry", "unknown"}:
            return Unreachable(system, place, "the front-end database does not answer", "Check that it is up.")
        if told.action == "reject":
            return Refusal(system, place, told, "the database refuses a value")
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


class Refusal(Malformed):
    """The database refuses the values of a row (too long, not of the type, against a rule)."""

    def __init__(self, system: str, place: str, told: Ruling, what: str) -> None:
        self.told = told
        super().__init__(system, place, what, "Compare the columns with the manifest, or correct the value.")


CLASSES: Mapping[type[exc.SQLAlchemyError], str] = {
    exc.TimeoutError: "08000",
    exc.IntegrityError: "23000",
    exc.DataError: "22000",
    exc.InterfaceError: "08000",
    exc.OperationalError: "08000",
    exc.ProgrammingError: "42000",
}
"""SQLAlchemy's class of error -> SQLSTATE class, for drivers that give no SQLSTATE (Oracle, 达梦)."""


def sql_ruling(manifest: Manifest, error: exc.SQLAlchemyError) -> Ruling:
    """Return what a database error means, by its SQLSTATE or else by words and class of the driver's error."""
    origin = getattr(error, "orig", None)
    state = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None)
    text = str(origin or error).lower()
    if not state:
        if any(word in text for word in ("permission denied", "access denied", "ora-01031")):
            state = "42501"
        elif "authentication" in text or "password" in text or "ora-01017" in text:
            state = "28000"
        else:
            state = next((found for kind, found in CLASSES.items() if isinstance(error, kind)), "HY000")
    return ruling("sql", state, own=manifest.answers)
