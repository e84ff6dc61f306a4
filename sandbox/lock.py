"""One supervisor per working folder: a lock file that the running process holds and that names it.

The operating system frees the lock when its holder ends, however it ends, so a process id in a stale file, which may belong
to somebody else's process by now, is never signalled.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyRunning(Exception):
    """Another supervisor holds this working folder. Remedy: `onefact sandbox stop`."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        super().__init__("The sandbox of this folder runs already. Stop it first: onefact sandbox stop")


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold the folder's lock and write our process id into it; raises `AlreadyRunning`."""
    path = _path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(holder(home)) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(home: Path) -> int | None:
    """The process id of the running supervisor, or None when nobody holds the lock."""
    try:
        with _path(home).open("r+", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read()
                return int(text) if text.isdigit() else None
    except FileNotFoundError:
        pass
    return None


def _path(home: Path) -> Path:
    return home / "sandbox" / "supervisor.lock"
