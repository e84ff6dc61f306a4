"""Where PostgreSQL is: the user's own server by URL, or an embedded one below the working folder.

Everything else in onefact asks this module for a URL and never learns which of the two it talks to. The embedded server
listens on a Unix socket in a folder that only its owner may enter, so it needs neither a port nor a password. It outlives
the command that started it, because several commands in a row would otherwise pay for a start each; `stop` ends it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from warehouse.postgres_files import (
    DATA,
    Binaries,
    DatabaseError,
    Owner,
    exclusive,
    find_binaries,
    major_of,
    remove_stale_pid,
    server_socket,
)

MAIN = "onefact"
"""Name of the warehouse database, and of the role that owns it in the embedded server."""

URL_VARIABLE = "ONEFACT_DATABASE_URL"
"""Environment variable with the URL of the user's own server."""

SOCKET_LIMIT = 107 - len("/.s.PGSQL.5432.lock")
"""Bytes that a socket folder's path may have (`sun_path` of the operating system holds 108 with its end mark)."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}
"""Settings of the embedded server. It stays durable (fsync, synchronous_commit): the outbox is only worth something if a
committed row survives a power cut. No parallel workers: containers give them 64 MB of shared memory, and they fail."""


class DatabaseNotStarted(DatabaseError):
    """The embedded server did not start or did not stop."""


class DatabaseUnreachable(DatabaseError):
    """The server named by a URL does not answer or refuses the login."""


class DatabaseUrlInvalid(DatabaseError):
    """The URL given by the user is not one of PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL server that answers.

    Attributes:
        base: libpq URI of the server and its main database.
        embedded: True when `stop(home)` ends it.
    """

    base: str
    embedded: bool

    def dsn(self, database: str = MAIN) -> str:
        """Return the libpq URI of a database, for psycopg and ADBC.

        `onefact` means the warehouse, which is the database that the user's URL names, whatever it is called there.
        """
        if database == MAIN:
            return self.base
        parts = urlsplit(self.base)
        return _unsplit(parts.scheme, parts.netloc, f"/{quote(database, safe='')}", parts.query)

    def url(self, database: str = MAIN) -> str:
        """Return the SQLAlchemy URL of a database (driver psycopg)."""
        return self.dsn(database).replace("postgresql://", "postgresql+psycopg://", 1)

    def create_database(self, name: str) -> None:
        """Create a database if it is absent; needs the right CREATEDB on a server of the user's own.

        Raises:
            DatabaseUnreachable: the server does not answer, or the role may not create databases.
        """
        maintenance = self.dsn("postgres") if self.embedded else self.base
        try:
            with psycopg.connect(maintenance, autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
                if found is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.errors.DuplicateDatabase:
            return  # another process was quicker
        except psycopg.errors.InsufficientPrivilege as error:
            remedy = f"Let the administrator create the database {name}, or grant CREATEDB."
            raise DatabaseUnreachable(_place(self.base), "the role may not create a database", remedy) from error
        except psycopg.OperationalError as error:
            raise _unreachable(self.base, error) from error


def open(home: Path, url: str | None = None) -> Postgres:  # noqa: A001 - reads as postgres.open(home)
    """Return the server of this working folder, starting the embedded one when none runs yet.

    Args:
        home: the working folder; the embedded server lives in `<home>/postgres`.
        url: URL of the user's own server; default: the environment variable ONEFACT_DATABASE_URL.

    Raises:
        DatabaseUrlInvalid, DatabaseUnreachable: the user's own server cannot be used.
        DatabaseNotStarted, BinariesMissing, DatabaseBusy: the embedded server cannot be used.
    """
    given = url if url is not None else os.environ.get(URL_VARIABLE)
    if given:
        return _external(given)
    base = home.resolve() / "postgres"
    running = server_socket(base)
    if running is None:
        base.mkdir(parents=True, exist_ok=True)
        with exclusive(base / "lock"):
            running = server_socket(base)  # another process may have started it while we waited
            if running is None:
                return _start(base)
    return _at(running)


def stop(home: Path) -> bool:
    """Stop the embedded server of this working folder; return False when none was running."""
    base = home.resolve() / "postgres"
    if not (base / DATA).exists():
        return False
    with exclusive(base / "lock"):
        running = server_socket(base)
        if running is None:
            return False
        binaries = find_binaries(major_of(base))
        done = _run(binaries, Owner.of(base, binaries), "pg_ctl", "stop", "-w", "-m", "fast", "-D", str(base / DATA))
        if done.returncode != 0:
            raise DatabaseNotStarted(str(base), "the embedded server did not stop", "Try again, or end it by its id.")
        if running.parent != base:
            shutil.rmtree(running, ignore_errors=True)
    return True


def _external(given: str) -> Postgres:
    parts = urlsplit(given)
    scheme = parts.scheme.partition("+")[0]
    if scheme not in {"postgresql", "postgres"}:
        remedy = f"Set {URL_VARIABLE} to postgresql://user:password@host:5432/database."
        raise DatabaseUrlInvalid(URL_VARIABLE, "this is not the URL of a PostgreSQL server", remedy)
    base = _unsplit("postgresql", parts.netloc, parts.path if len(parts.path) > 1 else f"/{MAIN}", parts.query)
    try:
        psycopg.connect(base, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        raise _unreachable(base, error) from error
    return Postgres(base, embedded=False)


def _start(base: Path) -> Postgres:
    present = (base / DATA / "PG_VERSION").exists()
    binaries = find_binaries(major_of(base) if present else None)
    owner = Owner.of(base, binaries)
    owner.give(base)
    if not present:
        _initialise(base, binaries, owner)
    remove_stale_pid(base)
    sockets = _socket_folder(base, owner)
    options = " ".join(f"-c {name}={_quoted(value)}" for name, value in _settings(sockets).items())
    log = base / "server.log"
    arguments = ("start", "-w", "-t", "60", "-D", str(base / DATA), "-l", str(log), "-o", options)
    done = _run(binaries, owner, "pg_ctl", *arguments)
    if done.returncode != 0:
        remedy = f"Read {log}; check free disk space and memory. {_last_fatal(log)}".strip()
        raise DatabaseNotStarted(str(base), "the embedded PostgreSQL server did not start", remedy)
    server = _at(sockets)
    server.create_database(MAIN)
    return server


def _initialise(base: Path, binaries: Binaries, owner: Owner) -> None:
    fresh = base / "initialising"
    shutil.rmtree(fresh, ignore_errors=True)  # left by a process that died half-way
    arguments = ("-D", str(fresh), "-U", MAIN, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    done = _run(binaries, owner, "initdb", *arguments)
    if done.returncode != 0:
        what = f"initdb failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no message'}"
        remedy = "Check that the working folder is writable and on a local disk with 100 MB free."
        raise DatabaseNotStarted(str(base), what, remedy)
    fresh.rename(base / DATA)  # complete or not there at all


def _settings(sockets: Path) -> dict[str, str]:
    return {**SETTINGS, "unix_socket_directories": str(sockets)}


def _socket_folder(base: Path, owner: Owner) -> Path:
    # A folder of its own for every start: a server whose working folder was deleted under it lives on for a minute and
    # takes its socket away when it goes; that must not be the socket of the server that came after it.
    for left in base.glob("run-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = base / f"run-{secrets.token_hex(3)}"
    if len(os.fsencode(folder)) > SOCKET_LIMIT:
        folder = Path(tempfile.mkdtemp(prefix="onefact-"))
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    owner.give(folder)
    return folder


def _run(binaries: Binaries, owner: Owner, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    command = [*owner.prefix, str(binaries.folder / program), *arguments]
    # The server inherits these handles and would keep a pipe open for ever: temporary files instead.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, "cwd": "/", "env": clean}
        code = subprocess.run(command, check=False, **options, **owner.popen).returncode  # noqa: S603
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


def _at(sockets: Path) -> Postgres:
    query = urlencode({"host": str(sockets), "port": "5432"})
    return Postgres(_unsplit("postgresql", f"{MAIN}@", f"/{MAIN}", query), embedded=True)


def _unsplit(scheme: str, netloc: str, path: str, query: str) -> str:
    clean = urlencode(parse_qsl(query, keep_blank_values=True), quote_via=quote)
    return urlunsplit((scheme, netloc, path, clean, ""))


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _last_fatal(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    fatal = [line for line in lines if "FATAL:" in line]
    return f"The server said: {fatal[-1].partition('FATAL:')[2].strip()}." if fatal else ""


def _place(base: str) -> str:
    """The address without user and password, for messages."""
    parts = urlsplit(base)
    return f"{parts.netloc.rpartition('@')[2] or 'socket'}{parts.path}"


def _unreachable(base: str, error: psycopg.Error) -> DatabaseUnreachable:
    refused = isinstance(error, psycopg.errors.InvalidPassword) or "password authentication" in str(error)
    what = "the login is refused" if refused else "the PostgreSQL server does not answer"
    remedy = f"Check {URL_VARIABLE}: host, port, user, password and database; or unset it to use the embedded server."
    return DatabaseUnreachable(_place(base), what, remedy)
