"""What came in, what went out, and whether both sides still agree (来数、投递、核对), per system, as the period left it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from onefact.home import Home
from onefact.report.period.burden import LAST
from onefact.report.period.span import Period
from onefact.report.sharing import brief
from warehouse.tables import BATCH, FINDING, RUN

STEPPED = f"""
SELECT o.system_id, CASE WHEN s.state = 'dead' AND s.code = 'superseded' THEN 'superseded'
    WHEN s.state = 'sent' AND s.code = 'exported' THEN 'exported' ELSE s.state END AS state,
    count(*) AS changes, sum(jsonb_array_length(o.changes)) AS fields, count(s.receipt) AS receipts
FROM outbox o {LAST}
WHERE o.created_at >= :begin AND o.created_at < :end GROUP BY 1, 2
"""
"""Changes planned in the period, by the state in which it left them; the steps say so, whatever came later."""

FAILED = ("rejected", "conflict", "no_answer", "dead")
WAITING = ("planned", "pending")

KINDS: Mapping[str, str] = {
    "ghost": "多出的记录",
    "stale": "旧值",
    "silent_loss": "写后丢失",
    "explained": "有原因的旧值",
    "near_miss": "写法不同",
}
"""Kinds of findings in words."""

DIFFERENT = ("ghost", "stale", "silent_loss")
"""Kinds that are differences; `explained`, `pending` and `news` have a reason that is known."""

COUNTED = ("batches", "failed_batches", "received", "taken", "unchanged", "rejected", "duplicates")

NOT_COMPARED = "本期没有核对（onefact reconcile）"
UNREADABLE = "没有读取通道，无法核对"


@dataclass(frozen=True, slots=True)
class SystemFlow:
    """One system in a period.

    Attributes:
        batches, failed_batches: readings, and those that failed.
        received to duplicates: what became of the records; `received` is the sum of the other four.
        delivered: state -> changes; fields: state -> fields; receipts: changes with a receipt.
        compared: records compared in the last reconciliation of the period; None = 未评价, and `why` says why.
        found: kind -> differences that it saw; opened, closed: findings of the period; open: when it ended.
    """

    system_id: str
    name: str
    department: str
    batches: int
    failed_batches: int
    received: int
    taken: int
    unchanged: int
    rejected: int
    duplicates: int
    delivered: Mapping[str, int]
    fields: Mapping[str, int]
    receipts: int
    compared: int | None
    why: str
    found: Mapping[str, int] = field(default_factory=dict)
    opened: int = 0
    closed: int = 0
    open: int = 0

    @property
    def balanced(self) -> bool:
        """True when the outcomes of its records add up."""
        return self.received == self.taken + self.unchanged + self.rejected + self.duplicates

    def count(self, *states: str) -> int:
        """Changes that the period left in one of these states."""
        return sum(self.delivered.get(s, 0) for s in states)

    @property
    def planned(self) -> int:
        """Changes of the period that no newer one replaced."""
        return sum(n for s, n in self.delivered.items() if s != "superseded")

    @property
    def failed(self) -> int:
        """Changes that have not arrived."""
        return self.count(*FAILED)

    @property
    def differences(self) -> int:
        """Differences of the last comparison that nothing explains; another spelling, or a change on its way, is none."""
        return sum(self.found.get(k, 0) for k in DIFFERENT)

    @property
    def explained(self) -> int:
        """Old values of which it is known why they stay: no write path, or a person has to type them."""
        return self.found.get("explained", 0)

    @property
    def verdict(self) -> str:
        """How the system stands, in one word."""
        if self.failed_batches and self.failed_batches == self.batches:
            return "未读到"
        if not self.balanced or self.found.get("silent_loss") or self.found.get("ghost"):
            return "异常"
        return "待处理" if self.failed or self.failed_batches or self.differences else "正常"


def flows(home: Home, period: Period) -> list[SystemFlow]:
    """Read every system's flows of a period."""
    with home.engine.connect() as connection:
        came = _came(connection, period)
        went, fields, receipts = _went(connection, period)
        summary = _compared(connection, period)
        opened, closed, still = _findings(connection, period)
    rows = []
    for system_id, manifest in sorted(home.manifests.items()):
        batch = {n: int(came.get(system_id, {}).get(n) or 0) for n in COUNTED}
        compared = summary.get(system_id) if summary is not None else None
        why = NOT_COMPARED if compared is None else _why(compared)
        rows.append(
            SystemFlow(
                system_id, brief(manifest.name), manifest.department, **batch,
                delivered=went.get(system_id, {}), fields=fields.get(system_id, {}), receipts=receipts.get(system_id, 0),
                compared=None if compared is None or why else int(compared["records"]), why=why,
                found=compared["kinds"] if compared else {},
                opened=opened.get(system_id, 0), closed=closed.get(system_id, 0), open=still.get(system_id, 0),
            )
        )  # fmt: skip
    return rows


def _why(compared: Mapping[str, Any]) -> str:
    if compared.get("unreadable"):
        return UNREADABLE
    return "未能读到该系统" if compared.get("error") else ""


def _came(connection: sa.Connection, period: Period) -> dict[str, Mapping[str, Any]]:
    query = (
        sa.select(
            BATCH.c.system_id, sa.func.count().label("batches"), sa.func.count(BATCH.c.error).label("failed_batches"),
            *(sa.func.sum(BATCH.c[n]).label(n) for n in COUNTED[2:]),
        )
        .where(BATCH.c.pulled_at >= period.begin.replace(tzinfo=None).isoformat(), BATCH.c.pulled_at < period.end.replace(tzinfo=None).isoformat())
        .group_by(BATCH.c.system_id)
    )  # fmt: skip
    return {r["system_id"]: dict(r) for r in connection.execute(query).mappings()}


def _went(
    connection: sa.Connection, period: Period
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]], dict[str, int]]:
    went: dict[str, dict[str, int]] = {}
    fields: dict[str, dict[str, int]] = {}
    receipts: dict[str, int] = {}
    for r in connection.execute(sa.text(STEPPED), {"begin": period.begin, "end": period.end}):
        went.setdefault(r.system_id, {})[r.state] = int(r.changes)
        fields.setdefault(r.system_id, {})[r.state] = int(r.fields or 0)
        receipts[r.system_id] = receipts.get(r.system_id, 0) + int(r.receipts)
    return went, fields, receipts


def _compared(connection: sa.Connection, period: Period) -> dict[str, Mapping[str, Any]] | None:
    """What the period's reconciliations said of each system, the newest counts; None when there was none."""
    query = sa.select(RUN.c.summary).where(
        RUN.c.verb == "reconcile", RUN.c.started_at >= period.begin, RUN.c.started_at < period.end
    )
    runs = connection.execute(query.order_by(RUN.c.started_at, RUN.c.run_id)).scalars().all()
    if not runs:
        return None
    return {system: told for summary in runs for system, told in summary["systems"].items()}


def _findings(connection: sa.Connection, period: Period) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    f = FINDING.c
    tests: Sequence[sa.ColumnElement[bool]] = (
        sa.and_(f.found_at >= period.begin, f.found_at < period.end),
        sa.and_(f.closed_at >= period.begin, f.closed_at < period.end),
        sa.and_(f.found_at < period.end, sa.or_(f.closed_at.is_(None), f.closed_at >= period.end)),
    )
    query = sa.select(f.system_id, *(sa.func.count().filter(t) for t in tests)).group_by(f.system_id)
    rows = connection.execute(query).all()
    opened, closed, still = ({r[0]: int(r[i]) for r in rows} for i in (1, 2, 3))
    return opened, closed, still
