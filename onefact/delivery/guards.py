"""Guards against a flood (护栏): when a push would change far more of a system than a day brings, a person is asked.

A broken reading, a wrong code map or a bad merge shows as very many changes at once. The system is held, nothing of it is
sent, and the others go on; `onefact target release` lets through what is planned at that moment. Nothing is ever deleted
at a system: the outbox knows no such operation, and a record missing from a reading is withheld where too many are missing
at once (`warehouse.standardised`). Erasing a value counts as a deletion here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from onefact.home import Home
from warehouse import outbox
from warehouse.outbox import Load, targets

FILE = "guards.toml"


class GuardsUnusable(Exception):
    """The guards' file has a mistake."""

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        super().__init__(
            f"{path.name}: {what}. It holds share, floor and erasures, and a table for each system that differs."
        )


@dataclass(frozen=True, slots=True)
class Guard:
    """How much of a system may change at once without asking.

    Attributes:
        share: part of the records that we know of the system, 0 to 1.
        floor: so many records may always change, however small the system is.
        erasures: so many values may be emptied.
    """

    share: float = 0.2
    floor: int = 50
    erasures: int = 0

    def objection(self, load: Load) -> str | None:
        """Return why a load needs a person, or None."""
        limit = max(self.floor, int(self.share * load.known))
        if load.erasures > self.erasures:
            return f"{load.erasures} values would be emptied, more than {self.erasures}."
        if load.known and load.records > limit:
            return f"{load.records} of {load.known} records would change, more than {limit}."
        return None


@dataclass(frozen=True, slots=True)
class Guards:
    """The guard of every system, and of those that differ."""

    general: Guard = Guard()
    systems: Mapping[str, Guard] = field(default_factory=dict)

    def of(self, system: str) -> Guard:
        """Return a system's guard."""
        return self.systems.get(system, self.general)


def read(home: Path) -> Guards:
    """Read `guards.toml` of the home, where there is one; raises `GuardsUnusable`."""
    path = home / FILE
    if not path.exists():
        return Guards()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise GuardsUnusable(path, f"it is no TOML ({problem})") from problem
    tables = {name: value for name, value in document.items() if isinstance(value, dict)}
    general = _guard(path, Guard(), {k: v for k, v in document.items() if k not in tables})
    return Guards(general, {name: _guard(path, general, table) for name, table in tables.items()})


def _guard(path: Path, base: Guard, values: Mapping[str, Any]) -> Guard:
    kinds = {"share": (int, float), "floor": (int,), "erasures": (int,)}
    for name, value in values.items():
        if name not in kinds:
            raise GuardsUnusable(path, f"{name!r} is unknown")
        if not isinstance(value, kinds[name]) or isinstance(value, bool) or value < 0:
            raise GuardsUnusable(path, f"{name} must be a number from 0")
    return replace(base, **values)


def stand_guard(home: Home, systems: Sequence[str]) -> dict[str, str]:
    """Hold the systems whose planned changes are too many; return system -> why."""
    guards = read(home.path)
    standings = targets.standings(home.engine)
    held: dict[str, str] = {}
    for system, load in outbox.loads(home.engine, systems).items():
        standing = standings.get(system)
        allowed = standing.allowed if standing else None
        if allowed is not None and load.changes <= allowed:
            continue
        if reason := guards.of(system).objection(load):
            targets.hold(home.engine, system, reason)
            held[system] = reason
    return held
