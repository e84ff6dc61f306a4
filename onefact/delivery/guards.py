"""Guards (护栏): a push that would change too much of a system, or erase anything, waits until a person has looked.

A wrong mapping or an emptied source shows as a flood of changes; it is cheaper to ask once than to repair a system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.manifest import Manifest
from onefact.home import Home
from warehouse.outbox import targets
from warehouse.outbox.targets import Standing

FILE = "guards.yaml"
"""In the home; without it the defaults count."""


class GuardsUnreadable(Exception):
    """The file of the guards is not what it should be; nothing is pushed by guessed limits."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"{path.name}: {why}. Correct it, or remove it: the defaults count then.")


class Limits(BaseModel):
    """How much one push may change in a system without asking.

    Attributes:
        share: changed records, as a share of the records we know there.
        floor: up to this many changes the share is not looked at.
        deletes: records deleted or fields emptied.
        first: `allow` lets the first push to a system through: it puts right what has diverged for years. `ask` asks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(default=0.2, ge=0, le=1)
    floor: int = Field(default=50, ge=0)
    deletes: int = Field(default=0, ge=0)
    first: Literal["ask", "allow"] = "ask"


class Guards(Limits):
    """The limits of all systems, and those of single ones (whole, they do not add up)."""

    systems: Mapping[str, Limits] = Field(default_factory=dict)

    def of(self, system_id: str) -> Limits:
        """Return the limits of a system."""
        return self.systems.get(system_id, self)


@dataclass(frozen=True, slots=True)
class Planned:
    """What waits for a system: changed records (new ones too), deleted records or emptied fields, and its first push?"""

    changes: int
    deletes: int = 0
    first: bool = False


def load(home: Home) -> Guards:
    """Return the guards of a home; raises `GuardsUnreadable`."""
    path = home.path / FILE
    if not path.exists():
        return Guards()
    try:
        return Guards.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as problem:
        raise GuardsUnreadable(path, "no valid YAML") from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        raise GuardsUnreadable(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from problem


def let_first_through(home: Home) -> None:
    """Write a file of guards that allows first pushes, unless there is one: for stand-ins, which nobody can harm."""
    path = home.path / FILE
    if not path.exists():
        home.path.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "# 仿真系统：首次回写放行 (stand-ins: first pushes are allowed)\nfirst: allow\n", encoding="utf-8"
        )


def judge(planned: Mapping[str, Planned], records: Mapping[str, int], guards: Guards) -> dict[str, str]:
    """Return system -> why a person must look first. A system of which we know no record is empty: its first load passes."""
    stopped = {}
    for system_id, plan in planned.items():
        limits, known = guards.of(system_id), records.get(system_id, 0)
        if plan.deletes > limits.deletes:
            stopped[system_id] = f"将删除或清空 {plan.deletes} 处（上限 {limits.deletes}）。"
        elif plan.first and limits.first == "allow":
            continue
        elif known and plan.changes > limits.floor and plan.changes > known * limits.share:
            stopped[system_id] = (
                f"将改动 {plan.changes} 条，占已知 {known} 条的 {plan.changes / known:.0%}（上限 {limits.share:.0%}）。"
            )
    return stopped


PLANNED = """
SELECT system_id, count(DISTINCT coalesce(record_key, idempotency_key)) AS changes,
       count(*) FILTER (WHERE operation = 'delete' OR changes @> '[{"new": null}]') AS deletes
FROM outbox WHERE state = 'planned' AND system_id = ANY(:systems) GROUP BY system_id
"""

WRITTEN = """
SELECT s FROM unnest(CAST(:systems AS text[])) s
WHERE EXISTS (SELECT 1 FROM outbox o WHERE o.system_id = s AND o.state IN ('sent', 'verified', 'awaiting_person'))
"""
"""Asked system by system: a push must not read all that was ever delivered."""

KNOWN = "SELECT system_id, count(DISTINCT record_key) AS n FROM crosswalk WHERE system_id = ANY(:systems) GROUP BY system_id"


def planned_of(home: Home, systems: Sequence[str]) -> dict[str, Planned]:
    """Return what waits for each system that anything waits for."""
    with home.engine.connect() as connection:
        rows = connection.execute(sa.text(PLANNED), {"systems": list(systems)}).all()
        written = set(connection.execute(sa.text(WRITTEN), {"systems": [r.system_id for r in rows]}).scalars())
    return {r.system_id: Planned(r.changes, r.deletes, r.system_id not in written) for r in rows}


def known_of(home: Home, systems: Sequence[str]) -> dict[str, int]:
    """Return how many records of each system are known."""
    if not systems:
        return {}
    with home.engine.connect() as connection:
        return {r.system_id: r.n for r in connection.execute(sa.text(KNOWN), {"systems": list(systems)})}


def stand(home: Home, manifests: Sequence[Manifest]) -> Mapping[str, Standing]:
    """Hold the systems for which too much is planned, and return how all stand. What a person let through passes."""
    standings, guards = targets.standings(home.engine), load(home)
    planned = planned_of(home, [m.id for m in manifests])
    # Records are counted only where the number of changes can matter.
    many = [system for system, plan in planned.items() if plan.changes > guards.of(system).floor]
    held = judge(planned, known_of(home, many), guards)
    for system_id, reason in held.items():
        standing = standings.get(system_id)
        if standing is not None and (standing.state == "held" or planned[system_id].changes <= (standing.allowed or 0)):
            continue
        targets.hold(home.engine, system_id, reason)
    return targets.standings(home.engine) if held else standings


def used_up(home: Home, standings: Mapping[str, Standing]) -> None:
    """Take back the allowance of released systems for which nothing waits any more: the next flood is asked about."""
    allowed = [s.holder for s in standings.values() if s.allowed is not None]
    if not allowed:
        return
    planned = planned_of(home, allowed)
    for system_id in allowed:
        if system_id not in planned:
            targets.used(home.engine, system_id)
