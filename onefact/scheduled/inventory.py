"""Which systems there are, read from their manifests without loading an engine (系统清单).

A scheduler reads its files every minute or so: checking forty manifests in full each time would cost more than the work.
They are checked when a task uses them. `tests/dags` compares this list with the full reading.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

VARIABLE = "ONEFACT_SYSTEMS"
"""Environment variable with another folder of manifests than the forty of onefact."""

OWN = Path(__file__).resolve().parents[2] / "connectors" / "systems"


@dataclass(frozen=True, slots=True)
class Listed:
    """A system as a scheduler needs it: what it is called, how often its records change, what its channel can do."""

    id: str
    name: str
    department: str
    kind: str
    cadence: str
    reads: bool
    writes: bool
    per_second: float | None
    note: str


def folder() -> Path:
    """Return the folder of manifests of this installation."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else OWN


def systems() -> tuple[Listed, ...]:
    """Return the systems of this installation by id; a file that is not readable as YAML is left to `systems check`."""
    here = folder()
    files = sorted([*here.glob("*.yaml"), *here.glob("*.yml")])
    return _read(tuple((str(f), f.stat().st_mtime_ns) for f in files))


@lru_cache(maxsize=4)
def _read(files: tuple[tuple[str, int], ...]) -> tuple[Listed, ...]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = []
    for path, _ in files:
        try:
            document = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - the safe loader
        except yaml.YAMLError:
            continue
        if isinstance(document, dict) and {"id", "name", "kind", "cadence"} <= document.keys():
            found.append(_listed(document))
    return tuple(sorted(found, key=lambda s: s.id))


def _listed(document: dict[str, Any]) -> Listed:
    can = document.get("capabilities") or {}
    return Listed(
        id=str(document["id"]),
        name=str(document["name"]),
        department=str(document.get("department", "")),
        kind=str(document["kind"]),
        cadence=str(document["cadence"]),
        reads=can.get("read", "full") != "none",
        writes=bool(can.get("update", True) or can.get("create", False)),
        per_second=(document.get("rate_limit") or {}).get("per_second"),
        note=str(document.get("purpose", "")),
    )
