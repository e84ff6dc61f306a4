"""The background process of the sandbox: all stand-ins and the control port in one event loop."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from connectors.manifest.model import Manifest
from sandbox.control import control_file
from sandbox.control_port import ControlPort, Server, by_system
from sandbox.keys import Keyring
from sandbox.servers.prompt_host import PromptHost

SERVERS: Mapping[str, tuple[str, ...]] = {
    "sandbox.servers.rest:RestServer": ("rest",),
    "sandbox.servers.frontdb:FrontdbServer": ("frontdb",),
    "sandbox.servers.sftp:SftpServer": ("sftp_csv",),
    "sandbox.servers.excel:ExcelServer": ("excel",),
    "sandbox.servers.form:FormServer": ("form",),
    "sandbox.servers.queue:QueueServer": ("queue", "webhook"),
}
"""`module:class` -> kinds it hosts. A one-way export has no server: nobody may read its other side."""


@dataclass(slots=True)
class Stage:
    """Everything that runs."""

    home: Path
    manifests: Mapping[str, Manifest]
    running: list[Server] = field(default_factory=list)
    control: ControlPort | None = None
    host: PromptHost = field(default_factory=PromptHost)

    async def start(self) -> None:
        """Start all servers, then write `endpoints.json` and, last, `control.json`: who sees it may begin."""
        variables, by_id = export_variables(self.home, self.manifests), dict[str, Server]()
        for place, kinds in SERVERS.items():
            mine = [m for m in self.manifests.values() if m.kind in kinds]
            if not mine:
                continue
            module, name = place.split(":")
            server: Server = getattr(import_module(module), name)(mine, self.home)
            self.running.append(server)
            variables |= await server.start()
            by_id |= by_system(mine, server)
        token = secrets.token_urlsafe(24)
        self.control = ControlPort(self.home, self.manifests, by_id, variables, token)
        url = await self.host.start(self.control.app)
        write_private(self.home / "endpoints.json", variables)
        where = {"pid": os.getpid(), "port": int(url.rpartition(":")[2]), "token": token}
        write_private(control_file(self.home), where)

    async def stop(self) -> None:
        """Withdraw the files, then stop everything in reverse order; one that fails does not keep the others up."""
        for path in (control_file(self.home), self.home / "endpoints.json"):
            path.unlink(missing_ok=True)
        await self.host.stop()
        if self.control is not None:
            self.control.close()
        failures = []
        for server in reversed(self.running):
            try:
                await server.stop()
            except Exception as error:  # noqa: BLE001  # reported below, after the others are down
                failures.append(error)
        self.running.clear()
        if failures:
            raise ExceptionGroup("stand-ins that did not stop in order", failures)


async def serve(home: Path, manifests: Mapping[str, Manifest]) -> None:
    """Run the sandbox until SIGTERM or SIGINT."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    stage = Stage(home, manifests)
    try:
        await stage.start()
        await ending.wait()
    finally:
        await stage.stop()


def export_variables(home: Path, manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """Folder and key (`<ID>_DIR`, `<ID>_KEY`) of the one-way exports: 16 bytes for SM4, 32 for AES."""
    keys, variables = Keyring.of(home), dict[str, str]()
    for manifest in manifests.values():
        if manifest.kind != "export":
            continue
        front = manifest.id.upper()
        folder = home / "sandbox" / "export" / manifest.id
        folder.mkdir(parents=True, exist_ok=True)
        size = 32 if manifest.connection.get("algorithm") == "aes-256-gcm" else 16
        key = keys.raw(f"{front}_KEY")[:size]
        variables |= {f"{front}_DIR": str(folder), f"{front}_KEY": base64.b64encode(key).decode()}
    return variables


def write_private(path: Path, content: object) -> None:
    """Write JSON for the owner's eyes only, in one step: a reader finds all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
    part.replace(path)
