"""Talking to a running sandbox: act as a system's own user, look at a row on its screen, switch a fault on.

The supervisor listens on a control port of 127.0.0.1; its number and token stand in `<home>/sandbox/control.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from sandbox.faults import Fault

TOKEN_HEADER = "X-Sandbox-Token"  # noqa: S105  # the name of the header, not a token
SECONDS = 30.0


class NotRunning(Exception):
    """No sandbox of this working folder answers. Remedy: `onefact sandbox start`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        super().__init__("The sandbox is not running. Start it: onefact sandbox start")


class ControlRefused(Exception):
    """The sandbox does not do what was asked; carries the reason (unknown system, dataset, row or column)."""


@dataclass(frozen=True, slots=True)
class Control:
    """Where the running supervisor listens."""

    pid: int
    port: int
    token: str

    @classmethod
    def of(cls, home: Path) -> Control:
        """Read `<home>/sandbox/control.json`; raises `NotRunning` when there is none."""
        try:
            stored = json.loads(control_file(home).read_text(encoding="utf-8"))
            return cls(int(stored["pid"]), int(stored["port"]), str(stored["token"]))
        except (FileNotFoundError, ValueError, KeyError):
            raise NotRunning(home) from None


def control_file(home: Path) -> Path:
    """Where the supervisor writes its process id, port and token."""
    return home / "sandbox" / "control.json"


def edit(home: Path, system: str, dataset: str, key: str, columns: Mapping[str, str | None]) -> dict[str, str | None]:
    """Change a row as the system's own user does; return the row as it is now. Raises `ControlRefused`, `NotRunning`."""
    body = {"system": system, "dataset": dataset, "key": key, "columns": dict(columns)}
    row: dict[str, str | None] = ask(home, "POST", "edit", body)["row"]
    return row


def row(home: Path, system: str, dataset: str, key: str) -> dict[str, str | None]:
    """Return a row as the system's own user sees it, raw text by column. Raises `ControlRefused`, `NotRunning`."""
    place = "/".join(quote(part, safe="") for part in (system, dataset, key))
    found: dict[str, str | None] = ask(home, "GET", f"rows/{place}")["row"]
    return found


def fault(home: Path, system: str, fault: Fault | None) -> None:
    """Switch a fault of a system on, or with None off. Raises `ControlRefused` where its kind has no faults."""
    ask(home, "POST", "faults", {"system": system, "fault": asdict(fault) if fault is not None else None})


def ask(home: Path, method: str, place: str, body: object = None) -> dict[str, Any]:
    """Send one request to the control port and return its JSON answer."""
    control = Control.of(home)
    url = f"http://127.0.0.1:{control.port}/_sandbox/{place}"
    try:
        with httpx.Client(trust_env=False, timeout=SECONDS) as client:
            response = client.request(method, url, json=body, headers={TOKEN_HEADER: control.token})
            answer: dict[str, Any] = response.json()
    except (httpx.TransportError, ValueError):
        raise NotRunning(home) from None
    if response.status_code >= 400:
        raise ControlRefused(str(answer.get("message", "refused")))
    return answer
