"""The cover of a report (封面): which runs it speaks of, and the checkpoint of the sealed log that it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from onefact.home import Home
from onefact.report.period.span import Period
from warehouse import sealed
from warehouse.tables import RUN

NO_CHECKPOINT = "本期末之前没有签发检查点（onefact log checkpoint）"

VERBS: Mapping[str, str] = {
    "consolidate": "归集", "gate": "质量闸门", "reconcile": "核对", "quality": "质量检查", "push": "回写", "pull": "采集",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one verb in the period."""

    verb: str
    cn: str
    ids: tuple[str, ...]


def runs(home: Home, period: Period) -> list[Runs]:
    """Return the registered runs of a period by verb."""
    query = sa.select(RUN.c.verb, RUN.c.run_id).where(RUN.c.started_at >= period.begin, RUN.c.started_at < period.end)
    found: dict[str, list[str]] = {}
    with home.engine.connect() as connection:
        for verb, run_id in connection.execute(query.order_by(RUN.c.started_at, RUN.c.run_id)):
            found.setdefault(verb, []).append(run_id)
    return [Runs(verb, VERBS.get(verb, verb), tuple(ids)) for verb, ids in sorted(found.items())]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The last checkpoint of the sealed log before the period ended: how many rows the log had, and the hash of its end."""

    size: int
    root: str
    at: str
    key: str


def checkpoint(home: Home, period: Period) -> Checkpoint | str:
    """Return the checkpoint, or why there is none (a sentence)."""
    with home.engine.connect() as connection:
        found = sealed.entries(
            connection, act="checkpoint", until=f"{period.end.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", limit=1
        )
    if not found:
        return NO_CHECKPOINT
    told = found[0].detail
    at = datetime.fromisoformat(found[0].at).astimezone()
    return Checkpoint(int(told["seq"]), str(told["hash"]), f"{at:%Y-%m-%d %H:%M}", str(told["key"]))
