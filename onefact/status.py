"""Status (状态): what each system delivered and received, every record and every change counted exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from onefact.home import Home
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse import outbox
from warehouse.tables import BATCH, METADATA


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """One system: totals over its batches, its last pull (ISO with offset), its outbox by state."""

    system_id: str
    name: str
    received: int
    taken: int
    unchanged: int
    rejected: int
    duplicates: int
    rejected_values: int
    last_pull: str | None
    error: str | None
    outbox: Mapping[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """True when the outcomes add up to what was received."""
        return self.received == self.taken + self.unchanged + self.rejected + self.duplicates


@dataclass(frozen=True, slots=True)
class Status:
    """The whole installation."""

    systems: tuple[SystemStatus, ...]
    entities: Mapping[EntityType, int]

    @property
    def balanced(self) -> bool:
        """True when every system's sums agree."""
        return all(s.balanced for s in self.systems)


def status(home: Home) -> Status:
    """Return the state of every system of the installation."""
    states: dict[str, dict[str, int]] = {}
    for row in outbox.states(home.engine):
        by_state = states.setdefault(row["system_id"], {})
        name = "superseded" if row["code"] == "superseded" else row["state"]
        by_state[name] = by_state.get(name, 0) + row["n"]
    counted = ("received", "taken", "unchanged", "rejected", "duplicates", "rejected_values")
    sums = sa.select(BATCH.c.system_id, *(sa.func.sum(BATCH.c[c]).label(c) for c in counted)).group_by(
        BATCH.c.system_id
    )
    last = sa.select(BATCH.c.system_id, BATCH.c.pulled_at, BATCH.c.error).distinct(BATCH.c.system_id)
    last = last.order_by(BATCH.c.system_id, BATCH.c.pulled_at.desc(), BATCH.c.batch_id.desc())
    with home.engine.connect() as connection:
        totals = {r["system_id"]: r for r in connection.execute(sums).mappings()}
        newest = {r["system_id"]: r for r in connection.execute(last).mappings()}
        entities = {
            e: connection.execute(sa.select(sa.func.count()).select_from(METADATA.tables[e])).scalar_one()
            for e in ENTITIES
        }
    systems = []
    for system_id, manifest in sorted(home.manifests.items()):
        total, recent = totals.get(system_id), newest.get(system_id)
        systems.append(
            SystemStatus(
                system_id,
                manifest.name,
                **{c: int(total[c]) if total else 0 for c in counted},
                last_pull=datetime.fromisoformat(recent["pulled_at"]).astimezone().isoformat() if recent else None,
                error=recent["error"] if recent else None,
                outbox=states.get(system_id, {}),
            )
        )
    return Status(tuple(systems), entities)
