"""The working folder (`--home`) and what lives in it: where everything is, opened when first needed."""

from __future__ import annotations

import getpass
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import duckdb
import psycopg
import sqlalchemy as sa

import connectors
from connectors.base import Context, Variables
from connectors.manifest import Manifest, load_all
from connectors.quota import Quotas
from onefact import policy
from schemas.model import EntityType
from warehouse import postgres, tables
from warehouse.duck import WarehouseBusy, open_warehouse
from warehouse.seals import Seals, engine_with

OWN_SYSTEMS = Path(connectors.__file__).parent / "systems"
"""The forty manifests that ship with onefact."""


ACTOR_VARIABLE, PURPOSE_VARIABLE = "ONEFACT_ACTOR", "ONEFACT_PURPOSE"
"""Environment: who acts, and for what."""

BETWEEN_TRIES = 0.1
"""Seconds between two tries to open a warehouse that another verb holds."""


WAREHOUSE = "warehouse.duckdb"


@cache
def _held_here(path: Path) -> threading.RLock:  # noqa: ARG001 - the cache keeps one lock for each path
    """Return the lock of a warehouse within this process.

    DuckDB's own lock keeps out other processes; to another thread of the same process it gives the same database, whose
    verbs would run into each other.
    """
    return threading.RLock()


POOL: Final = 16
"""Connections kept to the master by a process that asks much (the portal); as many more may be opened for a while."""

IDLE_SECONDS: Final = 5.0
"""A connection that lay unused for longer is tried before it is used: the server may have been stopped meanwhile."""


def _seen(_: object, record: Any) -> None:
    record.info["seen"] = time.monotonic()


def _still_there(connection: Any, record: Any, _: object) -> None:
    """Try a connection that lay unused; SQLAlchemy takes another one when it is dead.

    Trying every one at every use (`pool_pre_ping`) costs the portal a tenth of its time.
    """
    if time.monotonic() - record.info.get("seen", time.monotonic()) < IDLE_SECONDS:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as gone:
        raise sa.exc.DisconnectionError from gone


class NoManifests(Exception):
    """The systems folder holds no manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"There is no manifest (*.yaml) in {folder}. Name a folder that has some: --systems DIR.")


class UnknownSystem(Exception):
    """A system id that no manifest in the systems folder has."""

    def __init__(self, wanted: str, folder: Path, known: Sequence[str]) -> None:
        self.wanted, self.folder, self.known = wanted, folder, known
        import difflib  # only to word the error

        near = difflib.get_close_matches(wanted, known, n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else " See: onefact systems list."
        super().__init__(f"No manifest in {folder} has the id {wanted!r}.{hint}")


def acting() -> str:
    """Return who acts when nobody is named: `ONEFACT_ACTOR`, else the login name."""
    if named := os.environ.get(ACTOR_VARIABLE):
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid{os.getuid()}"


@dataclass(frozen=True)
class Home:
    """One installation: working folder, manifests, clock.

    Attributes:
        path: the working folder (`.onefact/` by default).
        systems: folder of manifests.
        now: the clock, local time of the site.
        database_url: the user's own PostgreSQL; None = the embedded one below `path`.
        actor: who works with it, for the sealed log.
        purpose: what they read for.
        via: from where: `cli`, `portal`, `schedule`.
        patience: seconds that a verb waits for a warehouse that another one holds; a person at a terminal is told at once.
    """

    path: Path
    systems: Path = OWN_SYSTEMS
    now: Callable[[], datetime] = datetime.now
    database_url: str | None = None
    threads: int = 2
    memory: str = "1500MB"
    quotas: Quotas = field(default_factory=Quotas, compare=False, repr=False)
    patience: float = 0.0
    actor: str = field(default_factory=acting)
    purpose: str = field(default_factory=lambda: os.environ.get(PURPOSE_VARIABLE, ""))
    via: str = ""
    _opened: dict[str, object] = field(default_factory=dict, compare=False, repr=False)

    @property
    def landing(self) -> Path:
        """The landing zone."""
        return self.path / "landing"

    @cached_property
    def manifests(self) -> Mapping[str, Manifest]:
        """All manifests of the systems folder by id; raises `ManifestErrors` naming every mistake."""
        manifests = load_all(self.systems) if self.systems.is_dir() else {}
        if not manifests:
            raise NoManifests(self.systems)
        return manifests

    @cached_property
    def ranks(self) -> Mapping[tuple[str, EntityType, str, str], int]:
        """(system, entity, role, field) -> rank of the system's claim; worked out once, it is asked for every field shown."""
        return policy.ranks(self.manifests.values())

    def chosen(self, systems: Sequence[str] | None) -> list[Manifest]:
        """Return the manifests of the given ids (all when None or empty); raises `UnknownSystem`."""
        for wanted in systems or ():
            if wanted not in self.manifests:
                raise UnknownSystem(wanted, self.systems, sorted(self.manifests))
        return [self.manifests[s] for s in (systems or sorted(self.manifests))]

    @cached_property
    def database(self) -> postgres.Postgres:
        """The PostgreSQL master, started and with all tables."""
        self.path.mkdir(parents=True, exist_ok=True)
        server = postgres.open(self.path, self.database_url)
        engine = sa.create_engine(server.url(), hide_parameters=True)
        try:
            tables.create_all(engine)
            self.seals.register(engine)
        finally:
            engine.dispose()
        return server

    @cached_property
    def seals(self) -> Seals:
        """What numbers and sensitive values are encrypted with in the master."""
        return Seals(self.path)

    @cached_property
    def engine(self) -> sa.Engine:
        """SQLAlchemy engine of the master; its connections open what is sealed."""
        made = engine_with(self.database.url(), self.seals, pool_size=POOL, max_overflow=POOL)
        sa.event.listen(made, "checkin", _seen)
        sa.event.listen(made, "checkout", _still_there)
        return made

    @contextmanager
    def warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the DuckDB working copy for the time of a verb; raises `WarehouseBusy` when patience is at its end."""
        held = _held_here(self.path / WAREHOUSE)
        if not held.acquire(timeout=self.patience):
            raise WarehouseBusy(self.path / WAREHOUSE)
        try:
            con = self._warehouse()
            try:
                yield con
            finally:
                con.close()
        finally:
            held.release()

    def _warehouse(self) -> duckdb.DuckDBPyConnection:
        end = time.monotonic() + self.patience
        while True:
            try:
                return open_warehouse(self.path / WAREHOUSE, threads=self.threads, memory=self.memory)
            except WarehouseBusy:
                if time.monotonic() >= end:
                    raise
            time.sleep(BETWEEN_TRIES)

    def context(self, manifest: Manifest) -> Context:
        """What a connector of this manifest needs from outside."""
        folder = next((p.parent for p in self.systems.glob(f"{manifest.id}.y*ml")), self.systems)
        variables = Variables.load(self.path)
        return Context(home=self.path, folder=folder.resolve(), variables=variables, now=self.now, quotas=self.quotas)

    def stamp(self) -> str:
        """The present moment as the records write it (ISO, seconds)."""
        return self.now().replace(microsecond=0).isoformat()

    def new_run(self, verb: str) -> str:
        """Return an id for a run: its time and verb, readable, unique."""
        return f"{self.now():%Y%m%dT%H%M%S}-{verb}-{secrets.token_hex(3)}"

    def close(self) -> None:
        """Close database connections; the embedded server goes on running for the next command."""
        if "engine" in self.__dict__:
            self.engine.dispose()
