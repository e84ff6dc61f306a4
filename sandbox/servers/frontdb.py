"""Stand-in for systems behind a front-end exchange database (前置库).

Each system's own database is its `Store`; in PostgreSQL stand only the staging tables, one schema per system. Between the
two works a gatekeeper (摆渡程序), as at the border of a real network zone: it takes waiting rows of the in tables over,
refuses what the system does not accept, and puts every changed row into the out table. It wakes up by NOTIFY when a row
arrives and looks for the system's own changes ten times a second.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import FrontdbSource
from sandbox.store import Refused, Row, Store
from warehouse import postgres

DATABASE = "sandbox"
CHANNEL = "onefact_frontdb"
BATCH = 20_000
Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(slots=True)
class _Position:
    """Sequence number in the store up to which changes stand in the out table."""

    last: int = 0


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One dataset's staging tables and what stands in them."""

    manifest: Manifest
    dataset: Dataset
    source: FrontdbSource
    schema: str
    store: Store
    position: _Position = field(default_factory=_Position)

    @property
    def business(self) -> tuple[str, ...]:
        """The system's own columns: what onefact reads and what it must not read."""
        flags = {self.source.row_id, self.source.operation, self.source.sync_flag, self.source.error}
        flags |= {self.source.batch, self.source.time, self.source.sequence}
        return tuple(c for c in dict.fromkeys((*self.dataset.columns, *self.dataset.withheld)) if c not in flags)

    def table(self, name: str) -> sql.Identifier:
        return sql.Identifier(self.schema, name)


class FrontdbServer:
    """The staging tables and the gatekeeper of all front-end database systems.

    Args:
        manifests: manifests of kind `frontdb`.
        home: working folder; its PostgreSQL server holds the database `sandbox`.
        delay_seconds: the gatekeeper leaves a row alone for so long (a border gateway takes minutes to hours).
        now: the systems' clock.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        home: Path,
        *,
        delay_seconds: float = 0.0,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._manifests, self._home = list(manifests), home
        self._delay, self._now = delay_seconds, now
        self._stores: dict[str, Store] = {}
        self._exchanges: list[_Exchange] = []
        self._ending = threading.Event()
        self._gatekeeper: threading.Thread | None = None
        self._failure: Exception | None = None

    async def start(self) -> dict[str, str]:
        """Load the systems, start the gatekeeper, and return the variables `<ID>_URL`."""
        server = await asyncio.to_thread(self._prepare)
        self._ending.clear()
        self._gatekeeper = threading.Thread(
            target=self._work, args=(server.dsn(DATABASE),), name="frontdb", daemon=True
        )
        self._gatekeeper.start()
        url = server.url(DATABASE)
        joint = "&" if "?" in url else "?"
        return {
            f"{m.id.upper()}_URL": f"{url}{joint}options={quote(f'-csearch_path={_schema(m)}', safe='')}"
            for m in self._manifests
        }

    async def stop(self) -> None:
        """Stop the gatekeeper; raises what it died of, if it died."""
        self._ending.set()
        if self._gatekeeper is not None:
            await asyncio.to_thread(self._gatekeeper.join)
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        self._exchanges.clear()
        if self._failure is not None:
            raise self._failure

    async def edit(self, system: str, dataset: str, key: str, columns: Mapping[str, str | None]) -> Row:
        """Change a row as the system's own user does; it shows in the out table within a tenth of a second."""
        return await asyncio.to_thread(self._stores[system].edit, dataset, key, columns, self._now())

    # --- inside ---------------------------------------------------------------------------------------------------

    def _prepare(self) -> postgres.Postgres:
        server = postgres.open(self._home)
        server.create_database(DATABASE)
        with psycopg.connect(server.dsn(DATABASE)) as connection:
            for manifest in self._manifests:
                fresh = not (self._home / "sandbox" / "state" / f"{manifest.id}.sqlite").exists()
                store = self._stores[manifest.id] = Store.open(self._home, manifest)
                exchanges = [_exchange(manifest, dataset, store) for dataset in manifest.datasets]
                if fresh:  # a new town: what stands in the staging tables belongs to the old one
                    schema = sql.Identifier(_schema(manifest))
                    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
                _create(connection, _schema(manifest), exchanges)
                for exchange in exchanges:
                    _emit(connection, exchange)
                self._exchanges += exchanges
                connection.commit()
        return server

    def _work(self, dsn: str) -> None:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                woken = {exchange.schema for exchange in self._exchanges}  # rows may have come while nobody listened
                while not self._ending.is_set():
                    for exchange in self._exchanges:
                        self._exchange_once(connection, exchange, waiting=exchange.schema in woken or self._delay > 0)
                    woken = {notice.payload for notice in connection.notifies(timeout=0.1, stop_after=1)}
        except (psycopg.Error, sqlite3.Error, OSError) as error:
            self._failure = error

    def _exchange_once(self, connection: Connection, exchange: _Exchange, *, waiting: bool) -> None:
        """Take over what waits and show what changed, in one transaction: a flag never says more than is visible."""
        into = exchange.source.in_table is not None and waiting
        if into or exchange.store.changes(exchange.dataset.name, after=exchange.position.last, limit=1):
            with connection.transaction():
                if into:
                    self._take_over(connection, exchange)
                _emit(connection, exchange)

    def _take_over(self, connection: Connection, exchange: _Exchange) -> None:
        source = exchange.source
        columns = (source.row_id, source.operation, *exchange.business)
        query = sql.SQL("SELECT {} FROM {} WHERE {} = '0' AND arrived <= now() - make_interval(secs => %s) ORDER BY no")
        waiting = connection.execute(
            query.format(_names(columns), exchange.table(source.in_table or ""), sql.Identifier(source.sync_flag)),
            (self._delay,),
        ).fetchall()
        answers = [
            self._answer(exchange, guid, op, dict(zip(exchange.business, v, strict=True))) for guid, op, *v in waiting
        ]
        if not answers:
            return
        keys = sql.SQL(", ").join(
            sql.SQL("{0} = COALESCE(%s, {0})").format(sql.Identifier(name)) for name in exchange.dataset.key
        )
        update = sql.SQL("UPDATE {} SET {} = %s, {} = %s, {} WHERE {} = %s").format(
            exchange.table(source.in_table or ""),
            sql.Identifier(source.sync_flag), sql.Identifier(source.error), keys, sql.Identifier(source.row_id),
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.executemany(update, answers)

    def _answer(
        self, exchange: _Exchange, guid: str, operation: str, row: Mapping[str, str | None]
    ) -> tuple[str | None, ...]:
        """The system's answer to one row: (flag, error text, key columns ..., row id)."""
        names = exchange.dataset.key
        written = {name: value or None for name, value in row.items() if value is not None}
        given = [row[name] or "" for name in names]
        if operation == "U" and not all(given):
            return ("2", f"缺少主键：{names[0]}", *(None for _ in names), guid)
        key = "|".join(given) if operation == "U" else None
        try:
            receipt = exchange.store.upsert(exchange.dataset.name, key, written, None, guid, self._now())
        except Refused as refused:
            return ("9" if refused.code == 404 else "2", refused.message, *(None for _ in names), guid)
        return ("1", None, *receipt.key.split("|", len(names) - 1), guid)


def _schema(manifest: Manifest) -> str:
    return str(manifest.connection.get("schema_name") or manifest.id)


def _exchange(manifest: Manifest, dataset: Dataset, store: Store) -> _Exchange:
    return _Exchange(manifest, dataset, FrontdbSource.model_validate(dataset.source), _schema(manifest), store)


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)


def _create(connection: Connection, schema: str, exchanges: Sequence[_Exchange]) -> None:
    """Create a system's staging tables where they are missing; business columns are VARCHAR, as everywhere in the field."""
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    position = sql.SQL("CREATE TABLE IF NOT EXISTS {} (dataset VARCHAR PRIMARY KEY, seq BIGINT NOT NULL)")
    connection.execute(position.format(sql.Identifier(schema, "gatekeeper")))
    notify = """CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM pg_notify({}, {}); RETURN NULL; END $$"""
    function = sql.Identifier(schema, "wake_gatekeeper")
    connection.execute(sql.SQL(notify).format(function, sql.Literal(CHANNEL), sql.Literal(schema)))
    for exchange in exchanges:
        source = exchange.source
        flags = (source.row_id, source.operation, source.sync_flag, source.error, source.batch, source.time)
        columns = sql.SQL(", ").join(
            sql.SQL("{} VARCHAR").format(sql.Identifier(name)) for name in dict.fromkeys((*exchange.business, *flags))
        )
        out, sequence = exchange.table(source.out_table), sql.Identifier(source.sequence)
        numbered = sql.SQL("CREATE TABLE IF NOT EXISTS {} ({} BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, {})")
        connection.execute(numbered.format(out, sequence, columns))
        for suffix, indexed in (("key", exchange.dataset.key), ("guid", [source.row_id])):
            name = sql.Identifier(f"{source.out_table}_{suffix}")
            connection.execute(sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(name, out, _names(indexed)))
        if source.in_table:
            into = exchange.table(source.in_table)
            arrival = sql.SQL(
                "CREATE TABLE IF NOT EXISTS {} (no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
                "arrived TIMESTAMPTZ NOT NULL DEFAULT now(), {}, UNIQUE ({}))"
            )
            connection.execute(arrival.format(into, columns, sql.Identifier(source.row_id)))
            trigger = sql.SQL(
                "CREATE OR REPLACE TRIGGER wake AFTER INSERT ON {} FOR EACH STATEMENT EXECUTE FUNCTION {}()"
            )
            connection.execute(trigger.format(into, function))


def _emit(connection: Connection, exchange: _Exchange) -> None:
    """Put every row of the system that changed since the last time into the out table."""
    source, name = exchange.source, exchange.dataset.name
    gatekeeper = exchange.table("gatekeeper")
    found = connection.execute(sql.SQL("SELECT seq FROM {} WHERE dataset = %s").format(gatekeeper), (name,)).fetchone()
    position = first = int(found[0]) if found else 0
    columns = (*exchange.business, source.row_id, source.operation, source.sync_flag, source.batch, source.time)
    while rows := exchange.store.changes(name, after=position, limit=BATCH):
        position = rows[-1].seq
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(exchange.table(source.out_table), _names(columns))
        with connection.cursor() as cursor, cursor.copy(copy) as writer:
            for row in rows:
                operation = "D" if row.deleted else "I" if row.version == 1 else "U"
                values = [row.columns.get(column) for column in exchange.business]
                writer.write_row(
                    (*values, f"{exchange.schema}{row.seq:024d}", operation, "0", str(rows[0].seq), row.updated_at)
                )
    exchange.position.last = position
    if position != first:
        save = sql.SQL("INSERT INTO {} VALUES (%s, %s) ON CONFLICT (dataset) DO UPDATE SET seq = excluded.seq")
        connection.execute(save.format(gatekeeper), (name, position))
