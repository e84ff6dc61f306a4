"""What changed since a cursor (变更): from the runs that wrote the golden records; ids and versions, never values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from onefact.enter import is_uuid
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.tables import METADATA, REDIRECT, RUN

PAGE: Final = 100
SEPARATOR: Final = "|"

END: Final = "~"
"""Place in a run that is behind everything in it."""

_ID = RUN.c.run_id.collate("C")


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
    entity, _, record = last.partition("/")
    behind = last in {"", END} or (entity in ENTITIES and is_uuid(record))
    if not run or moment.tzinfo is None or not behind:
        raise WrongCursor
    return Place(moment, run, last)


def now_place(connection: sa.Connection) -> str:
    """Return the cursor behind everything that is there."""
    row = connection.execute(
        sa.select(RUN.c.started_at, RUN.c.run_id).order_by(RUN.c.started_at.desc(), RUN.c.run_id.desc()).limit(1)
    ).first()
    return Place(row[0], row[1], END).text() if row else ""


def changes(
    connection: sa.Connection, cursor: str, entity_types: Sequence[EntityType], limit: int = PAGE
) -> tuple[list[Change], str, bool]:
    """Return changes after a cursor in the order of the runs, the next cursor, and whether there are more.

    Read in the portal's role, so that an account learns of records in its own area only. A record that several runs wrote
    is told with the last of them. A page costs what it holds, however much lies behind it.
    """
    after = place(cursor) if cursor else None
    types = sorted(set(entity_types))
    found = _of(connection, types, after, limit + 1) if after is not None else []
    if len(found) <= limit:
        for run in _runs(connection, types, after, limit + 1 - len(found)):
            found += _of(connection, types, run, limit + 1 - len(found))
            if len(found) > limit:
                break
    page = found[:limit]
    following = Place(page[-1].at, page[-1].run, _last(page[-1])).text() if page else cursor
    return page, following, len(found) > limit


def _runs(connection: sa.Connection, types: Sequence[EntityType], after: Place | None, limit: int) -> list[Place]:
    """Return the next runs that wrote or ended something, each at its beginning."""
    told = [sa.exists(_written(e).where(METADATA.tables[e].c.run_id == RUN.c.run_id)) for e in types]
    told += [sa.exists(_ended(e).where(REDIRECT.c.run_id == RUN.c.run_id)) for e in types]
    query = sa.select(RUN.c.started_at, RUN.c.run_id).where(sa.or_(*told)).order_by(RUN.c.started_at, _ID)
    if after is not None:
        query = query.where(sa.tuple_(RUN.c.started_at, _ID) > sa.tuple_(sa.literal(after.at), sa.literal(after.run)))
    return [Place(at, run) for at, run in connection.execute(query.limit(limit))]


def _of(connection: sa.Connection, types: Sequence[EntityType], after: Place, limit: int) -> list[Change]:
    """Return what one run wrote or ended, from a place in it on."""
    entity, _, last = after.last.partition("/")
    parts: list[sa.Select[Any]] = []
    for number, e in enumerate(types):
        if e < entity:
            continue
        for query, table, id_ in (
            (_written(e), METADATA.tables[e], METADATA.tables[e].c.master_id),
            (_ended(e), REDIRECT, REDIRECT.c.old_id),
        ):
            mine = query.add_columns(sa.literal(number).label("n")).where(table.c.run_id == after.run)
            if e == entity:
                mine = mine.where(id_ > last)
            parts.append(sa.select(mine.order_by(id_).limit(limit).subquery()))
    if not parts:
        return []
    both = sa.union_all(*parts).subquery()
    rows = connection.execute(sa.select(both).order_by(both.c.n, both.c.id).limit(limit))
    return [
        Change(
            "changed" if r.heir is None else "merged", types[r.n], str(r.id), r.version, r.heir and str(r.heir), after.run, after.at
        )
        for r in rows
    ]  # fmt: skip


def _written(entity_type: EntityType) -> sa.Select[Any]:
    c = METADATA.tables[entity_type].c
    return sa.select(c.master_id.label("id"), c.version, sa.cast(None, REDIRECT.c.new_id.type).label("heir"))


def _ended(entity_type: EntityType) -> sa.Select[Any]:
    """Merged records, only where the heir may be seen."""
    c, heirs = REDIRECT.c, METADATA.tables[entity_type].c.master_id
    query = sa.select(c.old_id.label("id"), sa.cast(None, sa.Integer).label("version"), c.new_id.label("heir"))
    return query.where(c.entity_type == entity_type, c.new_id.in_(sa.select(heirs)))


def _last(change: Change) -> str:
    return f"{change.entity_type}/{change.id}"
