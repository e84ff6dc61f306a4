"""The work list (任务清单): what waits for a grid worker, by building and household, the urgent first.

待核查: rows that failed a quality rule and that only a look at the door can put right, and what forms ask for and nobody
knows; 冲突: newer values of other systems and pairs that may be one; 待同步: what has not reached a system yet; 退回: what a
system has refused. A task is a household with all that waits there: one visit, however many rows say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from onefact.enter import TITLES
from onefact.home import Home
from onefact.household import POINTS
from onefact.waiting import Area, Found, Kind, checks, deliveries, disputes, duplicates, gaps
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.tables import METADATA

WORDS: Final[Mapping[Kind, str]] = {"check": "待核查", "conflict": "冲突", "sync": "待同步", "refused": "退回"}

SOON: Final = timedelta(days=2)
"""What is due within this time is urgent."""


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do at a door.

    Attributes:
        what: in words, without values.
        building: name of the building or compound above the door; node_id: the door.
        number: of the review question, outbox change, form's gap or work order.
        by_hand: a form of a system that somebody has to type (照单录入).
        urgent: refused by a system, overdue, or due within two days.
    """

    kind: Kind
    entity_type: EntityType
    master_id: str
    title: str
    what: str
    building: str
    door: str
    node_id: str | None
    since: datetime | None
    due: datetime | None
    number: int | None
    by_hand: bool = False
    urgent: bool = False
    late: bool = False

    @property
    def word(self) -> str:
        """What the kind is called."""
        return WORDS[self.kind]


@dataclass(frozen=True, slots=True)
class Door:
    """The task of one household or firm: all that waits there, the urgent first."""

    door: str
    node_id: str | None
    tasks: tuple[Task, ...]

    @property
    def urgent(self) -> bool:
        """Whether something there is."""
        return any(t.urgent for t in self.tasks)


@dataclass(frozen=True, slots=True)
class Building:
    """The tasks of one building, door by door."""

    building: str
    doors: tuple[Door, ...]

    @property
    def count(self) -> int:
        """How many doors are to be gone to."""
        return len(self.doors)

    @property
    def urgent(self) -> int:
        """How many of them are urgent."""
        return sum(d.urgent for d in self.doors)


@dataclass(frozen=True, slots=True)
class Worklist:
    """All tasks of some grids, with how many doors have one of each kind."""

    tasks: tuple[Task, ...]

    @property
    def counts(self) -> dict[Kind, int]:
        """Kind -> at how many doors there is such a task; every kind is there."""
        return {kind: _doors(t for t in self.tasks if t.kind == kind) for kind in WORDS}

    @property
    def doors(self) -> int:
        """At how many doors something waits."""
        return _doors(self.tasks)

    def buildings(self, kind: Kind | None = None, building: str | None = None) -> list[Building]:
        """Return the tasks by building and door, of one kind or building where it is given.

        Buildings and doors where something is urgent come first, then by their numbers, as one walks.
        """
        chosen = [t for t in self.tasks if kind in {None, t.kind} and building in {None, t.building}]
        grouped: dict[str, dict[tuple[str, str | None], list[Task]]] = {}
        for t in chosen:
            grouped.setdefault(t.building, {}).setdefault((t.door, t.node_id), []).append(t)
        made = [
            Building(name, tuple(sorted((_door(d, n, ts) for (d, n), ts in doors.items()), key=_walked)))
            for name, doors in grouped.items()
        ]
        return sorted(made, key=lambda b: (not b.urgent, _natural(b.building)))

    @property
    def names(self) -> list[str]:
        """The buildings that have tasks."""
        return sorted({t.building for t in self.tasks}, key=_natural)


def portion(buildings: Sequence[Building], first: int, most: int) -> list[Building]:
    """Return so many doors from the given one on, in their buildings: a page of a long list."""
    told: list[Building] = []
    left = most
    for b in buildings:
        if first >= len(b.doors):
            first -= len(b.doors)
            continue
        doors = b.doors[first : first + left]
        first, left = 0, left - len(doors)
        if doors:
            told.append(Building(b.building, doors))
    return told


def _doors(tasks: Iterable[Task]) -> int:
    return len({(t.building, t.door, t.node_id) for t in tasks})


def _door(door: str, node: str | None, tasks: Sequence[Task]) -> Door:
    return Door(door, node, tuple(sorted(tasks, key=lambda t: (not t.urgent, t.title, list(WORDS).index(t.kind)))))


def _walked(door: Door) -> tuple[bool, tuple[tuple[int, str], ...]]:
    return not door.urgent, _natural(door.door)


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Order numbers in a text as numbers: 3栋 before 12栋."""
    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in re.findall(r"\d+|\D+", text))


def worklist(connection: sa.Connection, home: Home, grids: Sequence[str] | None) -> Worklist:
    """Return what waits in some grids.

    Args:
        connection: the master; under row-level security what may not be seen does not come.
        home: manifests and clock.
        grids: the worker's; None = all.
    """
    area = Area(None if grids is None else tuple(grids))
    found = [
        *checks(connection, home, area),
        *gaps(connection, area),
        *disputes(connection, home, area),
        *duplicates(connection, area),
        *deliveries(connection, home, area),
    ]
    places, titles, now = _places(connection, found), _titles(connection, found), home.now().astimezone()
    return Worklist(tuple(_task(f, titles.get(f.master_id, ""), places.get(f.master_id), now) for f in found))


def _task(f: Found, title: str, place: tuple[str, str, str | None] | None, now: datetime) -> Task:
    building, door, node = place or ("地址未定", "", None)
    late = f.due is not None and f.due < now
    urgent = f.kind == "refused" or (f.due is not None and f.due < now + SOON)
    return Task(
        f.kind, f.entity_type, f.master_id, title, f.what, building, door, node, f.since, f.due, f.number, f.by_hand, urgent, late
    )  # fmt: skip


PLACES: Final = """
WITH RECURSIVE at AS (
  SELECT DISTINCT ON (p.master_id) p.master_id, p.node_id FROM address_point p
  WHERE p.master_id = ANY(CAST(:ids AS uuid[])) AND (p.entity_type, p.field) IN ({points})
  ORDER BY p.master_id),
climb AS (
  SELECT d.node_id AS door, n.node_id, n.parent_id, n.level, n.name, 0 AS up FROM (SELECT DISTINCT node_id FROM at) d
  JOIN address_node n USING (node_id)
  UNION ALL
  SELECT c.door, n.node_id, n.parent_id, n.level, n.name, c.up + 1 FROM climb c JOIN address_node n ON n.node_id = c.parent_id
  WHERE n.level !~ '^[123]'),
named AS (
  SELECT door,
    string_agg(name, '' ORDER BY up DESC) FILTER (WHERE level !~ '^[123]' AND level NOT IN ('unit', 'floor', 'room')) AS building,
    string_agg(name, '' ORDER BY up DESC) FILTER (WHERE level IN ('unit', 'floor', 'room')) AS flat
  FROM climb GROUP BY door)
SELECT a.master_id::text, n.door::text, n.building, n.flat FROM at a JOIN named n ON n.door = a.node_id
"""
"""Building and door of each entity, from the tree of addresses; each door is climbed from once."""


def _places(connection: sa.Connection, found: Sequence[Found]) -> dict[str, tuple[str, str, str | None]]:
    points = ", ".join(f"('{e}', '{f}')" for e, f in (*POINTS.items(), ("address", "full_text")))
    rows = connection.execute(sa.text(PLACES.format(points=points)), {"ids": sorted({f.master_id for f in found})})
    return {m: (building or "地址未定", door or "", node) for m, node, building, door in rows}


def _titles(connection: sa.Connection, found: Sequence[Found]) -> dict[str, str]:
    told: dict[str, str] = {}
    for entity_type in ENTITIES:
        table = METADATA.tables[entity_type]
        ids = {f.master_id for f in found if f.entity_type == entity_type}
        if ids:
            query = sa.select(table.c.master_id, table.c[TITLES[entity_type]]).where(table.c.master_id.in_(ids))
            told |= {str(m): t or "" for m, t in connection.execute(query)}
    return told
