"""What forms ask for and no system knows (待补清单): one task per fact, whichever forms ask; gone when the master has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import sqlalchemy as sa

from onefact.bulk.compare import copy
from onefact.home import Home
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.tables import FORM_TASK


@dataclass(frozen=True, slots=True)
class FormTask:
    """A fact that a form asks for and nobody knows."""

    task_id: int
    entity_type: EntityType
    master_id: str
    field: str
    grid: str
    opened_at: datetime


def open_tasks(
    connection: sa.Connection,
    filled_id: int,
    entity_type: EntityType,
    lacking: Sequence[tuple[str, str]],
    grid: str,
    now: datetime,
) -> int:
    """Open tasks for (master id, field) pairs that have none yet; return how many."""
    if not lacking:
        return 0
    connection.exec_driver_sql("CREATE TEMP TABLE form_lacking (master_id uuid, field text) ON COMMIT DROP")
    ids, fields = zip(*lacking, strict=True)
    copy(
        connection,
        "form_lacking",
        pa.table({"master_id": pa.array(ids, pa.string()), "field": pa.array(fields, pa.string())}),
    )
    made = connection.execute(
        sa.text(
            "INSERT INTO form_task (filled_id, entity_type, master_id, field, grid, opened_at) "
            "SELECT :filled, :entity, master_id, field, :grid, :now FROM form_lacking "
            "ON CONFLICT (entity_type, master_id, field) WHERE closed_at IS NULL DO NOTHING"
        ),
        {"filled": filled_id, "entity": entity_type, "grid": grid, "now": now},
    )
    return made.rowcount


def settle(home: Home) -> int:
    """Close the tasks whose fact the master has by now; return how many."""
    now, closed = home.now().astimezone(), 0
    with home.engine.begin() as connection:
        waiting = (
            sa.select(FORM_TASK.c.entity_type, FORM_TASK.c.field).where(FORM_TASK.c.closed_at.is_(None)).distinct()
        )
        for entity_type, name in connection.execute(waiting).all():
            field = ENTITIES[entity_type].field(name)
            closed += connection.execute(
                sa.text(
                    f"UPDATE form_task t SET closed_at = :now, closed_by = 'known' FROM {entity_type} g WHERE t.closed_at IS NULL "
                    f'AND t.entity_type = :entity AND t.field = :field AND g.master_id = t.master_id AND g."{field.name}" IS NOT NULL'
                ),
                {"now": now, "entity": entity_type, "field": name},
            ).rowcount
    return closed


def tasks(connection: sa.Connection, grids: Sequence[str] | None = None, limit: int = 500) -> list[FormTask]:
    """Return the open tasks of some grids, oldest first; of all when None."""
    query = sa.select(
        FORM_TASK.c.task_id,
        FORM_TASK.c.entity_type,
        FORM_TASK.c.master_id,
        FORM_TASK.c.field,
        FORM_TASK.c.grid,
        FORM_TASK.c.opened_at,
    ).where(FORM_TASK.c.closed_at.is_(None))
    if grids is not None:
        query = query.where(FORM_TASK.c.grid.in_(grids))
    return [FormTask(*row) for row in connection.execute(query.order_by(FORM_TASK.c.task_id).limit(limit))]
