"""Work orders (质量工单): what a grid worker looks at and what an authority corrects, because a row fails a rule.

`onefact quality run` opens and closes them. Beside these stand the correction tickets of `onefact.law.tickets`, which carry a
worker's value for a field that is not theirs; a work order carries no value, only which row of which system is wrong.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from onefact.acting import noted
from onefact.home import Home
from warehouse.tables import WORK_ORDER


class NoSuchOrder(Exception):
    """There is no open work order of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"没有编号为 {number} 的未结质量工单。清单：onefact quality orders")


def orders(
    home: Home,
    *,
    kind: str | None = None,
    grid: str | None = None,
    department: str | None = None,
    rule: str | None = None,
    closed: bool = False,
    limit: int = 50,
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many work orders there are and the first of them, the most urgent first; `late` says that one is overdue."""
    wanted = {"kind": kind, "grid": grid, "department": department, "rule_id": rule}
    where: list[sa.ColumnElement[bool]] = [
        WORK_ORDER.c.closed_at.is_not(None) if closed else WORK_ORDER.c.closed_at.is_(None)
    ]
    where += [WORK_ORDER.c[k] == v for k, v in wanted.items() if v is not None]
    query = sa.select(WORK_ORDER).where(*where).order_by(WORK_ORDER.c.due_at, WORK_ORDER.c.order_id).limit(limit)
    now = home.now().astimezone()
    with home.engine.connect() as connection:
        total = connection.execute(sa.select(sa.func.count()).select_from(WORK_ORDER).where(*where)).scalar_one()
        rows = [dict(r) for r in connection.execute(query).mappings()]
    return int(total), [{**r, "late": r["closed_at"] is None and r["due_at"] < now} for r in rows]


def dismiss(home: Home, number: int, actor: str, why: str) -> None:
    """Close an order because a person says that the row is right as it is; raises `NoSuchOrder`.

    It is not asked about again for a while (`warehouse.quality.DISMISSED_DAYS`); what is to stay needs a waiver.
    """
    closing = (
        sa.update(WORK_ORDER)
        .where(WORK_ORDER.c.order_id == number, WORK_ORDER.c.closed_at.is_(None))
        .values(closed_at=home.now().astimezone(), closed_by=actor, closing="dismissed", words=why)
    )
    with home.engine.begin() as connection:
        if not connection.execute(closing).rowcount:
            raise NoSuchOrder(number)
        noted(connection, home, "dismiss", "work_order", [number], actor=actor)
