"""The work list (任务清单): what waits for a grid worker, by building and household.

待核查: rows that failed a quality rule and that only a look at the door can put right; 冲突: newer values of other systems and
pairs that may be one; 待同步: what has not reached a system yet; 退回: what a system has refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from onefact.enter import TITLES
from onefact.home import Home
from onefact.household import POINTS, name_of, split
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.tables import METADATA

Kind = Literal["check", "conflict", "sync", "refused"]

WORDS: Final[Mapping[Kind, str]] = {"check": "待核查", "conflict": "冲突", "sync": "待同步", "refused": "退回"}

MOST: Final = 2000
"""Tasks of one kind that are fetched; a grid has a few hundred doors."""


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do.

    Attributes:
        what: in words, without values.
        building: name of the building or compound above the door; node_id: the door.
        number: of the review question, outbox change or work order.
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

    @property
    def word(self) -> str:
        """What the kind is called."""
        return WORDS[self.kind]


@dataclass(frozen=True, slots=True)
class Door:
    """The tasks of one household or firm."""

    door: str
    node_id: str | None
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Building:
    """The tasks of one building, door by door."""

    building: str
    doors: tuple[Door, ...]

    @property
    def count(self) -> int:
        """How many tasks there are."""
        return sum(len(d.tasks) for d in self.doors)


@dataclass(frozen=True, slots=True)
class Worklist:
    """All tasks of some grids, with how many of each kind."""

    tasks: tuple[Task, ...]

    @property
    def counts(self) -> dict[Kind, int]:
        """Kind -> how many; every kind is there."""
        return {kind: sum(t.kind == kind for t in self.tasks) for kind in WORDS}

    def buildings(self, kind: Kind | None = None, building: str | None = None) -> list[Building]:
        """Return the tasks by building and door, of one kind or building where it is given."""
        chosen = [t for t in self.tasks if kind in {None, t.kind} and building in {None, t.building}]
        grouped: dict[str, dict[tuple[str, str | None], list[Task]]] = {}
        for t in chosen:
            grouped.setdefault(t.building, {}).setdefault((t.door, t.node_id), []).append(t)
        return [
            Building(
                name,
                tuple(Door(d, n, tuple(ts)) for (d, n), ts in sorted(doors.items(), key=lambda i: _natural(i[0][0]))),
            )
            for name, doors in sorted(grouped.items(), key=lambda i: _natural(i[0]))
        ]

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


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Order numbers in a text as numbers: 3栋 before 12栋."""
    import re  # only here

    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in re.findall(r"\d+|\D+", text))


AREA: Final = "{0} IN (SELECT g.master_id FROM entity_grid g WHERE g.grid = ANY(:grids))"

CHECKS: Final = """SELECT entity_type, master_id::text, rule_id, field, opened_at, due_at, order_id FROM work_order
WHERE kind = 'grid' AND closed_at IS NULL AND master_id IS NOT NULL AND {area} ORDER BY due_at LIMIT :most"""

DISPUTES: Final = (
    """SELECT c.entity_type, c.master_id::text, c.field, c.ref, c.systems FROM candidate c WHERE {area} LIMIT :most"""
)

REVIEWS: Final = """SELECT entity_type, left_master::text, right_master::text, created_at, review_id FROM review
WHERE state = 'open' AND left_master <> right_master AND {area} ORDER BY gain DESC NULLS LAST LIMIT :most"""

MINE: Final = f"""review_id IN (SELECT r.review_id FROM review r WHERE {AREA.format("r.left_master")}
UNION SELECT r.review_id FROM review r WHERE {AREA.format("r.right_master")})"""
"""Questions with one side in the grids; each side by its own index."""

OPEN: Final = """SELECT entity_type, master_id::text, system_id, state, code, message, created_at, due_at, change_id,
(SELECT string_agg(c ->> 'field', ',') FROM jsonb_array_elements(changes) c) AS fields FROM outbox
WHERE state IN ('planned', 'pending', 'no_answer', 'awaiting_person', 'rejected', 'conflict') AND {area} ORDER BY change_id LIMIT :most"""


def worklist(
    connection: sa.Connection, home: Home, grids: Sequence[str] | None, rules: Mapping[str, str] | None = None
) -> Worklist:
    """Return what waits in some grids.

    Args:
        connection: the master.
        home: manifests and clock.
        grids: the worker's; None = all.
        rules: quality rule -> its Chinese name.
    """
    values = {"grids": list(grids or ()), "most": MOST}

    def area(column: str) -> str:
        return "true" if grids is None else AREA.format(column)

    found: list[tuple[Kind, str, str, str, datetime | None, datetime | None, int | None]] = []
    for e, m, rule, name, at, due, number in connection.execute(sa.text(CHECKS.format(area=area("master_id"))), values):
        found.append(("check", e, m, (rules or {}).get(rule, "") or f"{_cn(e, name)}需要核查", at, due, number))
    found += _disputes(connection, home, values, area("c.master_id"))
    sides = "true" if grids is None else MINE
    for e, left, _, at, number in connection.execute(sa.text(REVIEWS.format(area=sides)), values):
        found.append(("conflict", e, left, "可能与另一条登记重复", at, None, number))
    for e, m, system, state, _, message, at, due, number, fields in connection.execute(
        sa.text(OPEN.format(area=area("master_id"))), values
    ):
        named = "、".join(_cn(e, f) for f in (fields or "").split(",") if f)
        if state in {"rejected", "conflict"}:
            found.append(
                (
                    "refused",
                    e,
                    m,
                    f"{name_of(home, system)}没有接受{named}：{message or '原因未说明'}",
                    at,
                    None,
                    number,
                )
            )
        else:
            how = "等待照单录入" if state == "awaiting_person" else "排队送往"
            found.append(("sync", e, m, f"{how}{name_of(home, system)}：{named}", at, due, number))
    places, titles = _places(connection, found), _titles(connection, found)
    return Worklist(
        tuple(
            Task(k, e, m, titles.get(m, ""), what, *places.get(m, ("地址未定", "", None)), at, due, number)  # type: ignore[arg-type]
            for k, e, m, what, at, due, number in found
        )
    )


def _cn(entity_type: str, name: str) -> str:
    entity = ENTITIES.get(entity_type)  # type: ignore[call-overload]
    return str(entity.field(name).cn) if entity and name in entity.names else name


def _disputes(
    connection: sa.Connection, home: Home, values: Mapping[str, object], area: str
) -> list[tuple[Kind, str, str, str, datetime | None, datetime | None, int | None]]:
    """Values of other systems that are newer than the golden one: a worker says which is right."""
    rows = connection.execute(sa.text(DISPUTES.format(area=area)), values).all()
    golden: dict[str, Mapping[str, str]] = {}
    for entity_type in dict.fromkeys(r[0] for r in rows):
        table = METADATA.tables[entity_type]
        ids = {r[1] for r in rows if r[0] == entity_type}
        for master, provenance in connection.execute(
            sa.select(table.c.master_id, table.c.provenance).where(table.c.master_id.in_(ids))
        ):
            golden[str(master)] = provenance
    told = {}
    for e, m, name, ref, _ in rows:
        system, _, _, observed = split(ref)
        if observed > split(golden.get(m, {}).get(name))[3]:
            told[m, name] = (
                "conflict",
                e,
                m,
                f"{_cn(e, name)}：{name_of(home, system)}有更新的取值",
                _moment(observed),
                None,
                None,
            )
    return list(told.values())  # type: ignore[arg-type]


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return None


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


def _places(connection: sa.Connection, found: Sequence[tuple[object, ...]]) -> dict[str, tuple[str, str, str | None]]:
    points = ", ".join(f"('{e}', '{f}')" for e, f in (*POINTS.items(), ("address", "full_text")))
    rows = connection.execute(sa.text(PLACES.format(points=points)), {"ids": sorted({str(f[2]) for f in found})})
    return {m: (building or "地址未定", door or "", node) for m, node, building, door in rows}


def _titles(connection: sa.Connection, found: Sequence[tuple[object, ...]]) -> dict[str, str]:
    told: dict[str, str] = {}
    for entity_type in ENTITIES:
        table = METADATA.tables[entity_type]
        ids = {str(f[2]) for f in found if f[1] == entity_type}
        if ids:
            query = sa.select(table.c.master_id, table.c[TITLES[entity_type]]).where(table.c.master_id.in_(ids))
            told |= {str(m): t or "" for m, t in connection.execute(query)}
    return told
