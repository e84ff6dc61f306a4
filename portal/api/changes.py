"""What changed since a cursor (变更): from the runs that wrote the golden records; ids and versions, never values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from onefact.enter import is_uuid
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
    _, named, last_id = last.partition("/")
    if not run or moment.tzinfo is None or (named and not is_uuid(last_id)):
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
    is told with the last of them. A page costs what it holds: the first run of a master may have written a million records.
    """
    after = place(cursor) if cursor else None
    found: list[Change] = []
    for run, at in _runs(connection, after, entity_types, limit + 1):
        last = after.last if after is not None and (after.at, after.run) == (at, run) else ""
        for entity_type in sorted(entity_types):
            if len(found) <= limit and last < f"{entity_type}0":  # "0" follows "/": not all of this kind are told
                told = last.removeprefix(f"{entity_type}/") if last.startswith(f"{entity_type}/") else ""
                found += _of(connection, entity_type, Place(at, run, told), limit + 1 - len(found))
    page = found[:limit]
    following = Place(page[-1].at, page[-1].run, _last(page[-1])).text() if page else cursor
    return page, following, len(found) > limit


def _runs(
    connection: sa.Connection, after: Place | None, entity_types: Sequence[EntityType], most: int
) -> Sequence[tuple[str, datetime]]:
    """Return the runs after a place, that run itself too, that wrote or ended something to be seen."""
    tables = [METADATA.tables[e] for e in entity_types]
    wrote = [sa.exists(sa.select(1).where(t.c.run_id == RUN.c.run_id)) for t in tables]
    ended = sa.exists(sa.select(1).where(REDIRECT.c.run_id == RUN.c.run_id))
    query = sa.select(RUN.c.run_id, RUN.c.started_at).where(sa.or_(*wrote, ended))
    if after is not None:
        query = query.where(
            sa.tuple_(RUN.c.started_at, RUN.c.run_id) >= sa.tuple_(sa.literal(after.at), sa.literal(after.run))
        )
    rows = connection.execute(query.order_by(RUN.c.started_at, RUN.c.run_id))
    return [(row[0], row[1]) for row in rows.fetchmany(most + 1)]


def _of(connection: sa.Connection, entity_type: EntityType, after: Place, most: int) -> list[Change]:
    """Return what one run wrote and ended of one kind, after an id (`after.last`), by id."""
    table = METADATA.tables[entity_type]
    written = sa.select(table.c.master_id, table.c.version).where(table.c.run_id == after.run)
    ended = sa.select(REDIRECT.c.old_id, REDIRECT.c.new_id).where(
        REDIRECT.c.entity_type == entity_type,
        REDIRECT.c.run_id == after.run,
        REDIRECT.c.new_id.in_(sa.select(table.c.master_id)),  # only where the heir may be seen
    )
    if after.last:
        written, ended = written.where(table.c.master_id > after.last), ended.where(REDIRECT.c.old_id > after.last)
    found = [
        Change("changed", entity_type, str(i), version, None, after.run, after.at)
        for i, version in connection.execute(written.order_by(table.c.master_id).limit(most))
    ]
    found += [
        Change("merged", entity_type, str(old), None, str(new), after.run, after.at)
        for old, new in connection.execute(ended.order_by(REDIRECT.c.old_id).limit(most))
    ]
    return sorted(found, key=lambda c: c.id)[:most]


def _last(change: Change) -> str:
    return f"{change.entity_type}/{change.id}"
