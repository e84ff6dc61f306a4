"""Starts, stops and describes the sandbox of a working folder: forty stand-ins in one background process.

`start` makes the synthetic town at first, starts `python -m sandbox.supervisor` detached from the terminal, and returns
when every stand-in answers. `<home>/endpoints.json` then holds the value of every `${NAME}` of the manifests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import connectors
from connectors.manifest import Manifest, load_all
from sandbox import lock
from sandbox.control import Control, NotRunning, ask, control_file
from sandbox.process import serve

LOG_LINES = 12


class SandboxFailed(Exception):
    """The stand-ins did not start or did not stop.

    Attributes:
        log: path of the log file.
        lines: its last lines.
    """

    def __init__(self, what: str, log: Path, lines: tuple[str, ...]) -> None:
        self.log, self.lines = log, lines
        super().__init__("\n".join((f"{what} The log {log.name} ends:", *(f"  {line}" for line in lines))))


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """One stand-in: its address (without password) and how many rows it holds."""

    system_id: str
    kind: str
    url: str
    rows: int


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """Whether the sandbox of a working folder runs, and what is in it."""

    running: bool
    pid: int | None = None
    systems: tuple[SystemStatus, ...] = ()


def start(
    home: Path, people: int = 2000, seed: int = 1, systems_folder: Path | None = None, *, wait_seconds: float = 180
) -> None:
    """Start the stand-ins of a working folder and return when all answer; does nothing when they run already.

    Args:
        home: working folder; made when absent.
        people: size of the synthetic town (only when the folder has none yet).
        seed: seed of the town and of its dirt.
        systems_folder: folder of manifests; default: the forty that ship with onefact.
        wait_seconds: how long the servers may take to come up.

    Raises:
        SandboxFailed: they did not come up in time; carries the log's last lines.
        ManifestError: a manifest is not valid.
    """
    if status(home).running:
        return
    home = home.resolve()
    folder = (systems_folder or Path(connectors.__file__).parent / "systems").resolve()
    _seed(home, load_all(folder), people, seed)
    for leftover in (control_file(home), home / "endpoints.json"):
        leftover.unlink(missing_ok=True)
    child = _launch(home, folder)
    _until(lambda: control_file(home).exists() or child.poll() is not None, wait_seconds)
    if not status(home).running:
        lines = _tail(_log(home))
        _end(child.pid, lambda: child.poll() is not None, 5)
        raise SandboxFailed("The stand-ins did not start.", _log(home), lines)


def stop(home: Path, *, wait_seconds: float = 20) -> bool:
    """Stop the stand-ins, first by asking, then by force; return False when none were running."""
    home = home.resolve()
    pid = lock.holder(home)
    if pid is not None:
        _end(pid, lambda: _gone(pid), wait_seconds)
    for leftover in (control_file(home), home / "endpoints.json"):
        leftover.unlink(missing_ok=True)
    if lock.holder(home) is not None:
        raise SandboxFailed("The stand-ins did not stop.", _log(home), _tail(_log(home)))
    return pid is not None


def status(home: Path) -> SandboxStatus:
    """Ask the running supervisor; a folder whose supervisor does not answer counts as not running."""
    try:
        answer = ask(home, "GET", "status")
        control = Control.of(home)
    except NotRunning:
        return SandboxStatus(running=False)
    systems = tuple(SystemStatus(**one) for one in answer["systems"])
    return SandboxStatus(running=True, pid=control.pid, systems=systems)


def _seed(home: Path, manifests: Mapping[str, Manifest], people: int, seed: int) -> None:
    if (home / "sandbox" / "truth.parquet").exists():
        return
    from sandbox.lens import seed_all  # the town's generator is needed only once per folder

    seed_all(home, manifests, people, seed)


def _launch(home: Path, folder: Path) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "sandbox.supervisor", "--home", str(home), "--systems", str(folder)]
    _log(home).parent.mkdir(parents=True, exist_ok=True)
    with _log(home).open("wb") as log:
        return subprocess.Popen(  # noqa: S603  # our own interpreter and module
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )


def _end(pid: int, ended: Callable[[], bool], wait_seconds: float) -> None:
    """Ask the supervisor to end, then end it and what it started (it leads its own process group) by force."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        _until(ended, wait_seconds)
        if not ended():
            os.killpg(pid, signal.SIGKILL)
            _until(ended, 5)


def _gone(pid: int) -> bool:
    """True when the process has ended; one that we started ourselves is collected first."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
    except ChildProcessError:
        pass  # started by another process, which collects it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _until(ready: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not ready() and time.monotonic() < end:
        time.sleep(0.05)


def _log(home: Path) -> Path:
    return home / "sandbox" / "supervisor.log"


def _tail(log: Path) -> tuple[str, ...]:
    """The log's last sentences; a traceback stays in the log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    plain = [line for line in lines if line and not line.startswith((" ", "Traceback"))]
    return tuple(plain[-LOG_LINES:])


def _main() -> None:
    parser = argparse.ArgumentParser(description="Host the stand-ins of a working folder until stopped.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--systems", type=Path, required=True)
    given = parser.parse_args()
    with lock.held(given.home):
        asyncio.run(serve(given.home, load_all(given.systems)))


if __name__ == "__main__":
    _main()
