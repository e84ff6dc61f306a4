"""What waits for a grid worker (待办来源): failing rows, forms' gaps, conflicts, possible duplicates, deliveries.

One line for each thing to do, not one for each row: a phone that three systems spell wrongly is one question at one door.
What a worker cannot settle there is not asked: rules on fields that a department decides, values that have been entered
since, values of single systems where the golden one is another, pairs of whom one lives in another's grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal

import sqlalchemy as sa

from onefact.home import Home
from onefact.household import name_of, split
from quality.catalogue import load
from quality.rule import Rule
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.tables import METADATA

Kind = Literal["check", "conflict", "sync", "refused"]

MOST: Final = 2000
"""Lines of one source that are fetched; a grid has a few hundred doors."""

OF_ONE_VALUE: Final = frozenset({"refused", "codes", "regex", "length", "range"})
"""Checks that look at one value of one record: where the golden value is another record's, nobody need go there."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing to do, before it is known where; attributes as in `onefact.worklist.Task`."""

    kind: Kind
    entity_type: EntityType
    master_id: str
    what: str
    since: datetime | None = None
    due: datetime | None = None
    number: int | None = None
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """The grids whose tasks are wanted; None = all."""

    grids: tuple[str, ...] | None
    ids: tuple[str, ...] | None = None
    """Only of these entities."""

    def of(self, column: str) -> str:
        """Return the SQL condition that an entity is there."""
        if self.ids is not None:
            return f"{column} = ANY(CAST(:ids AS uuid[]))"
        if self.grids is None:
            return "true"
        return f"{column} IN (SELECT g.master_id FROM entity_grid g WHERE g.grid = ANY(:grids))"

    @property
    def values(self) -> dict[str, object]:
        """Parameters of the conditions."""
        return {"grids": list(self.grids or ()), "most": MOST} | ({} if self.ids is None else {"ids": list(self.ids)})


@cache
def rules_by_id() -> Mapping[str, Rule]:
    """Return the rules of the catalogue by their ids, read once."""
    return {r.id: r for r in load().rules}


CHECKS: Final = """
SELECT o.entity_type, o.master_id::text, o.rule_id, min(o.field), min(o.opened_at), min(o.due_at), min(o.order_id),
  array_agg(DISTINCT o.system_id || '|' || o.record_key), count(DISTINCT o.system_id) FROM work_order o
WHERE o.kind = 'grid' AND o.closed_at IS NULL AND o.master_id IS NOT NULL AND {area} AND NOT o.rule_id = ANY(:others)
AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.master_id = o.master_id AND e.entity_type = o.entity_type AND e.field = o.field
  AND CAST(e.entered_at || :zone AS timestamptz) > o.opened_at)
GROUP BY 1, 2, 3 ORDER BY 6, 7 LIMIT :most"""
"""Open work orders, one line for each rule and entity; a field that somebody has entered since is answered."""


def checks(connection: sa.Connection, home: Home, area: Area) -> list[Found]:
    """Return what a quality rule wants looked at and a worker can put right at the door."""
    return [
        Found("check", e, m, words + (f"（{systems} 个系统）" if systems > 1 else ""), since, due, number)
        for (e, m, _, _, since, due, number, _, systems), words in checked(connection, home, area)
    ]


def checked(connection: sa.Connection, home: Home, area: Area) -> list[tuple[sa.Row[Any], str]]:
    """Return the rows of `CHECKS` that are asked, each with its rule in words."""
    rules = rules_by_id()
    zone = f"{home.now().astimezone():%z}"  # entries carry the site's local time
    values = {**area.values, "others": [r.id for r in rules.values() if r.order != "grid"], "zone": zone}
    rows = connection.execute(sa.text(CHECKS.format(area=area.of("o.master_id"))), values).all()
    single = [r for r in rows if r[2] in rules and rules[r[2]].check.kind in OF_ONE_VALUE]
    golden = _provenance(connection, [(r[0], r[1]) for r in single])
    told = []
    for row in rows:
        e, m, rule, field, records = row[0], row[1], row[2], row[3], row[7]
        reference = golden.get(m, {}).get(field)
        if row in single and reference and "|".join(split(reference)[:2]) not in records:
            continue
        words = rules[rule].name if rule in rules else f"{cn(e, field)}需要核查"
        told.append((row, words))
    return told


def _provenance(connection: sa.Connection, wanted: Sequence[tuple[str, str]]) -> dict[str, Mapping[str, str]]:
    """Return master id -> field -> the reference of the record that the golden value is from."""
    found: dict[str, Mapping[str, str]] = {}
    for entity_type in dict.fromkeys(e for e, _ in wanted):
        table = METADATA.tables[entity_type]
        query = sa.select(table.c.master_id, table.c.provenance)
        ids = {m for e, m in wanted if e == entity_type}
        for master, provenance in connection.execute(query.where(table.c.master_id.in_(ids))):
            found[str(master)] = provenance or {}
    return found


GAPS: Final = """SELECT entity_type, master_id::text, array_agg(field ORDER BY field), min(opened_at), min(task_id) FROM form_task
WHERE closed_at IS NULL AND {area} GROUP BY 1, 2 ORDER BY 4 LIMIT :most"""


def gaps(connection: sa.Connection, area: Area) -> list[Found]:
    """Return what forms ask for and no system knows, as far as a worker decides it; one line for each entity."""
    told = []
    for e, m, fields, since, number in connection.execute(sa.text(GAPS.format(area=area.of("master_id"))), area.values):
        asked = [cn(e, f) for f in fields if f in ENTITIES[e].names and ENTITIES[e].field(f).worker]
        if asked:
            told.append(Found("check", e, m, "一表通缺：" + "、".join(asked), since, None, number))
    return told


DISPUTES: Final = (
    """SELECT c.entity_type, c.master_id::text, c.field, c.ref, c.systems FROM candidate c WHERE {area} LIMIT :most"""
)


def disputes(connection: sa.Connection, home: Home, area: Area) -> list[Found]:
    """Return values of other systems that are newer than the golden one: a worker says which is right."""
    rows = [
        r
        for r in connection.execute(sa.text(DISPUTES.format(area=area.of("c.master_id"))), area.values).all()
        if ENTITIES[r[0]].field(r[2]).worker
    ]
    golden = _provenance(connection, [(r[0], r[1]) for r in rows])
    told: dict[tuple[str, str], Found] = {}
    for e, m, field, ref, _ in rows:
        system, _, _, observed = split(ref)
        if observed > split(golden.get(m, {}).get(field))[3]:
            words = f"{cn(e, field)}：{name_of(home, system)}有更新的取值"
            told[m, field] = Found("conflict", e, m, words, _moment(observed))
    return list(told.values())


REVIEWS: Final = """SELECT entity_type, left_master::text, right_master::text, created_at, review_id FROM review
WHERE state = 'open' AND left_master <> right_master AND {left} AND {right} ORDER BY gain DESC NULLS LAST LIMIT :most"""


def duplicates(connection: sa.Connection, area: Area) -> list[Found]:
    """Return pairs that may be one and of which the area holds both: nobody judges one whom nobody may see."""
    query = REVIEWS.format(left=area.of("left_master"), right=area.of("right_master"))
    asked: dict[tuple[str, str], Found] = {}
    for e, left, right, at, number in connection.execute(sa.text(query), area.values):
        both = (min(left, right), max(left, right))
        asked.setdefault(both, Found("conflict", e, left, "可能与另一条登记重复", at, None, number))
    return list(asked.values())


OPEN: Final = """SELECT entity_type, master_id::text, system_id, state, message, created_at, due_at, change_id, operation,
(SELECT string_agg(c ->> 'field', ',') FROM jsonb_array_elements(changes) c) AS fields FROM outbox
WHERE state IN ('planned', 'pending', 'no_answer', 'awaiting_person', 'rejected', 'conflict') AND ({area} OR (operation = 'delete' AND EXISTS (SELECT 1 FROM entry e WHERE e.entity_type = outbox.entity_type
  AND e.master_id = outbox.master_id AND e.actor = current_setting('onefact.account', true)))) ORDER BY change_id LIMIT :most"""
"""Whoever was entered by mistake is in no grid any more: the records to be deleted are the task of who had entered them."""


def deliveries(connection: sa.Connection, home: Home, area: Area) -> list[Found]:
    """Return what has not reached a system: typed by hand one by one, queued and refused in one line for each fact."""
    rows = connection.execute(sa.text(OPEN.format(area=area.of("master_id"))), area.values).mappings().all()
    together: dict[tuple[Any, ...], list[sa.RowMapping]] = {}
    for r in rows:
        kind = "refused" if r["state"] in {"rejected", "conflict"} else "sync"
        by_hand = r["change_id"] if r["state"] == "awaiting_person" else None
        reason = r["message"] if kind == "refused" else None
        together.setdefault(
            (kind, r["entity_type"], r["master_id"], r["fields"], reason, by_hand, r["operation"]), []
        ).append(r)
    told = []
    for (kind, e, m, fields, reason, by_hand, operation), changes in together.items():
        named = "、".join(cn(e, f) for f in (fields or "").split(",") if f)
        systems = _counted([name_of(home, c["system_id"]) for c in changes])
        if operation == "delete":
            words = f"{systems}：误登记已撤销，对方的记录须注销"
        elif kind == "refused":
            words = f"{systems}没有接受{named}：{reason or '原因未说明'}"
        else:
            words = f"{'等待照单录入' if by_hand else '排队送往'}{systems}：{named}"
        since, due = (
            min(c["created_at"] for c in changes),
            min((c["due_at"] for c in changes if c["due_at"]), default=None),
        )
        told.append(Found(kind, e, m, words, since, due, changes[0]["change_id"], by_hand is not None))
    return told


def _counted(systems: Sequence[str]) -> str:
    """Return one system by its name, several by the first and how many they are."""
    names = list(dict.fromkeys(systems))
    return names[0] if len(names) == 1 else f"{names[0]}等 {len(names)} 个系统"


def cn(entity_type: str, name: str) -> str:
    """Return the Chinese name of a field; the name itself where the entity has none such."""
    entity = ENTITIES.get(entity_type)  # type: ignore[call-overload]
    return str(entity.field(name).cn) if entity and name in entity.names else name


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return None
