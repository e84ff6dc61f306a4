"""What the tests of deliveries share: an outbox with chosen rows, a system model, a pusher whose clock and luck are given."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from road_support import Town
from target_model import ModelSystem

from onefact.delivery.backoff import Backoff
from onefact.delivery.pusher import Pushed, Settings
from onefact.push import push
from warehouse.tables import OUTBOX

SYSTEM = "sg_etong"


def phone(short: str | None) -> str | None:
    """A valid phone number for a short one, so that tests read `1` becomes `2`."""
    return f"139{int(short):08d}" if short and short.isdigit() else short


@dataclass
class Yard:
    """An installation whose system `sg_etong` is a model."""

    town: Town
    system: ModelSystem = field(default_factory=ModelSystem)
    chance: float = 0.5
    plans: int = 0

    @property
    def engine(self) -> sa.Engine:
        return self.town.home.engine

    def settings(self, owner: str = "p1", at: Callable[[str], None] = lambda _: None, lease: float = 0.0) -> Settings:
        return Settings(
            owner, Backoff(lambda: self.chance, first=10.0), lease=lease, settle_seconds=0.0, at=at,
            connect=self.system.connector,
        )  # fmt: skip

    def push(self, owner: str = "p1", at: Callable[[str], None] = lambda _: None, lease: float = 0.0) -> list[Pushed]:
        return push(self.town.home, [SYSTEM], settings=self.settings(owner, at, lease))

    def holds(self, key: str, **columns: str | None) -> None:
        self.system.rows[key] = {"name": "王伟", **{c: phone(v) for c, v in columns.items()}}

    def plan(self, key: str | None, **fields: tuple[str | None, str | None]) -> int:
        """Put a change of a person's record into the outbox; return its number."""
        self.plans += 1
        changes = [{"field": f, "old": phone(old), "new": phone(new)} for f, (old, new) in fields.items()]
        values = {
            "run_id": "test", "system_id": SYSTEM, "dataset": self.dataset, "entity_type": "person", "role": "person",
            "master_id": str(uuid.UUID(int=self.plans)), "record_key": key, "operation": "update" if key else "create",
            "changes": changes, "base_version": "v1", "idempotency_key": f"{SYSTEM}:{key}:{json.dumps(changes)}:{self.plans}",
        }  # fmt: skip
        with self.engine.begin() as connection:
            return int(connection.execute(sa.insert(OUTBOX).values(values).returning(OUTBOX.c.change_id)).scalar_one())

    def shows(self, key: str) -> str:
        """The short phone number that the system holds."""
        return str(int((self.system.rows[key]["phone"] or "0")[3:]))

    def never_reads(self) -> None:
        """The system has no read path."""
        manifests = self.town.home.manifests
        manifest = manifests[SYSTEM]
        blind = manifest.model_copy(update={"capabilities": manifest.capabilities.model_copy(update={"read": "none"})})
        self.town.home.__dict__["manifests"] = {**manifests, SYSTEM: blind}

    @property
    def dataset(self) -> str:
        return self.town.home.manifests[SYSTEM].datasets[0].name

    def row(self, change: int) -> dict[str, Any]:
        return self.town.query("SELECT * FROM outbox WHERE change_id = %s", change)[0]

    def state(self, change: int) -> str:
        return str(self.row(change)["state"])

    def steps(self, change: int) -> list[str]:
        found = self.town.query("SELECT state FROM delivery WHERE change_id = %s ORDER BY delivery_id", change)
        return [r["state"] for r in found]

    def sql(self, statement: str, *values: object) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement, tuple(values))

    def let_time_pass(self) -> None:
        """Everything that waits for the clock is due."""
        self.sql(
            "UPDATE outbox SET next_try_at = NULL, lease_until = now() WHERE next_try_at IS NOT NULL OR lease_until IS NOT NULL"
        )
        self.sql("UPDATE target SET until = now() WHERE until IS NOT NULL")


def cut_at(steps: Iterable[str], cut: type[BaseException]) -> Callable[[str], None]:
    """A hook that dies when the first of `steps` comes, once."""
    left = list(steps)

    def at(step: str) -> None:
        if left and step == left[0]:
            left.pop(0)
            raise cut

    return at
