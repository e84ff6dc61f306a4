"""What changed since a cursor (变更): from the runs that wrote the golden records; ids and versions, never values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from schemas.model import EntityType
from warehouse.tables import METADATA, REDIRECT, RUN

PAGE: Final = 100
SEPARATOR: Final = "|"


class WrongCursor(Exception):
    """A cursor that was not made here."""

    def __init__(self) -> None:
        super().__init__("cursor 无效；从头读取时不要带 cursor。")


@dataclass(frozen=True, slots=True)
class Change:
    """One golden record that a run wrote or ended."""

    type: Literal["changed", "merged"]
    entity_type: EntityType
    id: str
    version: int | None
    heir: str | None
    run: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands: after this run and, in it, after this record."""

    at: datetime
    run: str
    last: str = ""

    def text(self) -> str:
        """Return the cursor."""
        return SEPARATOR.join((self.at.isoformat(), self.run, self.last))


def place(cursor: str) -> Place:
    """Read a cursor; raises `WrongCursor`."""
    at, _, rest = cursor.partition(SEPARATOR)
    run, _, last = rest.partition(SEPARATOR)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as problem:
        raise WrongCursor from problem
    if not run or moment.tzinfo is None:
        raise WrongCursor
    return Place(moment, run, last)


def now_place(connection: sa.Connection) -> str:
    """Return the cursor behind everything that is there."""
    row = connection.execute(
        sa.select(RUN.c.started_at, RUN.c.run_id).order_by(RUN.c.started_at.desc(), RUN.c.run_id.desc()).limit(1)
    ).first()
    return Place(row[0], row[1], "~").text() if row else ""


def changes(
    connection: sa.Connection, cursor: str, entity_types: Sequence[EntityType], limit: int = PAGE
) -> tuple[list[Change], str, bool]:
    """Return changes after a cursor in the order of the runs, the next cursor, and whether there are more.

    Read in the portal's role, so that an account learns of records in its own area only. A record that several runs wrote
    is told with the last of them.
    """
    after = place(cursor) if cursor else None
    runs = sa.select(RUN.c.run_id, RUN.c.started_at)
    if after is not None:
        runs = runs.where(
            sa.tuple_(RUN.c.started_at, RUN.c.run_id) >= sa.tuple_(sa.literal(after.at), sa.literal(after.run))
        )
    recent: dict[str, datetime] = {row.run_id: row.started_at for row in connection.execute(runs)}
    if not recent:
        return [], cursor, False
    found = [c for e in entity_types for c in _of(connection, e, recent)]
    found.sort(key=_order)
    if after is not None:
        begin = (after.at, after.run, after.last)
        found = [c for c in found if _order(c) > begin]
    page = found[:limit]
    following = Place(page[-1].at, page[-1].run, _last(page[-1])).text() if page else cursor
    return page, following, len(found) > limit


def _of(connection: sa.Connection, entity_type: EntityType, recent: dict[str, datetime]) -> list[Change]:
    table = METADATA.tables[entity_type]
    written = sa.select(table.c.master_id, table.c.version, table.c.run_id).where(table.c.run_id.in_(list(recent)))
    found = [
        Change("changed", entity_type, str(i), version, None, run, recent[run])
        for i, version, run in connection.execute(written)
    ]
    ended = sa.select(REDIRECT.c.old_id, REDIRECT.c.new_id, REDIRECT.c.run_id).where(
        REDIRECT.c.entity_type == entity_type,
        REDIRECT.c.run_id.in_(list(recent)),
        REDIRECT.c.new_id.in_(sa.select(table.c.master_id)),  # only where the heir may be seen
    )
    found += [
        Change("merged", entity_type, str(old), None, str(new), run, recent[run])
        for old, new, run in connection.execute(ended)
    ]
    return found


def _last(change: Change) -> str:
    return f"{change.entity_type}/{change.id}"


def _order(change: Change) -> tuple[datetime, str, str]:
    return change.at, change.run, _last(change)
