"""What every connector offers, and the errors it may raise.

A connector turns one manifest into pages of raw rows and changes into outcomes. It knows its channel (REST, database,
files …) and nothing of linking or of golden values; what a channel can do stands in the manifest's `capabilities`.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from connectors.manifest.model import Manifest
from connectors.quota import Quota, Quotas
from schemas.records import Change, Outcome, Page


class ConnectorError(Exception):
    """A system could not be read or written; carries system, place and remedy, never a value of a record.

    Attributes:
        system: the system id.
        place: URL path, table, file and row, or sheet and cell.
        remedy: what the data engineer can do.
        transient: True when trying again later may help.
        retry_after: seconds after which the system wants to be asked again, where it said so.
    """

    transient = False
    retry_after: float | None = None

    def __init__(self, system: str, place: str, what: str, remedy: str) -> None:
        self.system, self.place, self.what, self.remedy = system, place, what, remedy
        super().__init__(f"{system}: {what} (at {place}). {remedy}")


class Unreachable(ConnectorError):
    """The system does not answer (down, refused, timed out)."""

    transient = True


class LoginRefused(ConnectorError):
    """The system does not accept our credentials or signature."""


class Malformed(ConnectorError):
    """The answer or file is not what the manifest promises (not JSON, truncated, moved header, wrong encoding)."""


class NotAllowed(ConnectorError):
    """The manifest or the law forbids this (no read path, no authorisation)."""


class MissingVariable(ConnectorError):
    """A `${NAME}` in a manifest has no value."""


@dataclass(frozen=True, slots=True)
class Variables:
    """Values of `${NAME}` in manifests: the environment first, then `<home>/endpoints.json`."""

    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, home: Path) -> Variables:
        """Read `<home>/endpoints.json` (the sandbox writes it) below the process environment."""
        path = home / "endpoints.json"
        stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return cls({**stored, **os.environ})

    def resolve(self, manifest: Manifest, value: Any) -> Any:
        """Replace `${NAME}` and `${NAME:-default}` in every string of a nested structure; raises `MissingVariable`."""
        if isinstance(value, str):
            return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: self._one(manifest, m), value)
        if isinstance(value, dict):
            return {k: self.resolve(manifest, v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.resolve(manifest, v) for v in value]
        return value

    def _one(self, manifest: Manifest, match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        if name in self.values:
            return self.values[name]
        if default is not None:
            return default
        remedy = f"Set the environment variable {name}, or start the sandbox (onefact sandbox start)."
        raise MissingVariable(manifest.id, f"${{{name}}}", f"the variable {name} has no value", remedy)


@dataclass(frozen=True, slots=True)
class Context:
    """What a connector needs from outside; clock and sleep are injected so that tests own time.

    Attributes:
        home: the working folder (`--home`), for spools and known hosts.
        folder: folder of the manifest file, base of relative paths.
        at: told the name of each step just before it happens (`send`, `sent`, `read_back` ...); does nothing. Crash tests
            put a power cut here.
        quotas: the quotas of this process; systems share one only where their contexts do.
        looks: a dry run: a reading leaves no mark at the system (rows flagged as read), so that it can be repeated.
    """

    home: Path
    folder: Path
    variables: Variables
    now: Callable[[], datetime] = datetime.now
    sleep: Callable[[float], None] = time.sleep
    at: Callable[[str], None] = lambda _: None
    quotas: Quotas = field(default_factory=Quotas)
    looks: bool = False

    def quota(self, manifest: Manifest) -> Quota:
        """Return what the quota holder of a system may use."""
        return self.quotas.of(manifest, lambda: self.now().timestamp(), self.sleep)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of trying a connection: one line per thing tried, (what, ok, remark)."""

    lines: tuple[tuple[str, bool, str], ...]

    @property
    def ok(self) -> bool:
        """True when everything tried worked."""
        return all(ok for _, ok, _ in self.lines)


class Connector(Protocol):
    """One system, ready to be read and written.

    A class takes `(manifest, context)`; `connectors.registry` chooses it by the manifest's kind. Every method raises
    `ConnectorError` for trouble with the whole system and reports trouble with one row as reject or outcome.
    """

    def check(self) -> Check:
        """Try reachability, login and the columns of each dataset; change nothing."""
        ...

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:
        """Yield pages of raw rows after `cursor` (None = from the beginning)."""
        ...

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Write changes; yield exactly one outcome for each, never raise for a single row."""
        ...

    def read_back(self, dataset: str, record_keys: Sequence[str]) -> pa.Table:
        """Return the raw rows now held for these keys, shaped like a pulled page; empty if the channel cannot read."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
