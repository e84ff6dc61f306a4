"""Reach (去向): before saving, field by field, which system gets a value and how, which does not, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

import sqlalchemy as sa

from connectors.manifest import Manifest
from connectors.manifest.model import Condition, EntityMap, FieldMap
from onefact.acts import NEW
from onefact.home import Home
from onefact.household import decides
from onefact.law import register
from onefact.law.rules import forbids_field
from schemas.entities import ENTITIES
from schemas.model import EntityType, Field
from warehouse.tables import CROSSWALK

How = Literal["machine", "batch", "assisted", "ticket", "none"]
"""machine 自动写入, batch 随批次文件, assisted 人工辅助录入, ticket 转权威部门, none 不写入."""

WORDS: Final[Mapping[How, str]] = {
    "machine": "自动写入", "batch": "随批次文件送达", "assisted": "待人工录入", "ticket": "转权威部门核实", "none": "不写入",
}  # fmt: skip

BATCHES: Final = frozenset({"sftp_csv", "excel", "files", "export"})
"""Kinds of integration that deliver files."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a value gets to one system, or why it does not.

    Attributes:
        held: records of this entity that the system has.
        why: in words; empty where there is nothing to say.
    """

    system_id: str
    system: str
    how: How
    why: str
    held: int

    @property
    def word(self) -> str:
        """What it is called."""
        return WORDS[self.how]


@dataclass(frozen=True, slots=True)
class Reach:
    """Where one fact goes; `counts`: the worker's value holds at once."""

    entity_type: EntityType
    entity: str
    field: Field
    counts: bool
    decides: str
    ways: tuple[Way, ...]

    @property
    def numbers(self) -> dict[How, int]:
        """How many systems are reached in which way."""
        return {h: n for h in WORDS if (n := sum(w.how == h for w in self.ways))}


def reach(
    connection: sa.Connection,
    home: Home,
    facts: Sequence[tuple[EntityType, str, str]],
    authorised: register.Authorised | None = None,
    values: Mapping[tuple[str, str], str] | None = None,
) -> list[Reach]:
    """Tell for each fact (entity, master id or `new…`, field) where it goes.

    Args:
        connection: the master.
        home: manifests and register.
        facts: what is about to be saved.
        authorised: (system, entity, field) -> whether it may be written today; read from the register when not given.
        values: (`new…`, field) -> canonical value of what comes into being: it decides whether a system takes somebody in.
    """
    authorised = authorised or register.read_in(connection, {f for _, _, f in facts}).may("out", home.now().date())
    ids = {entity for _, entity, _ in facts if not entity.startswith(NEW)}
    query = sa.select(CROSSWALK.c.master_id, CROSSWALK.c.system_id, CROSSWALK.c.role, sa.func.count())
    rows = connection.execute(
        query.where(CROSSWALK.c.master_id.in_(ids)).group_by(
            CROSSWALK.c.master_id, CROSSWALK.c.system_id, CROSSWALK.c.role
        )
    )
    held = {(str(m), s, r): int(n) for m, s, r, n in rows}
    told = [_reach(home, held, fact, authorised) for fact in facts]
    return [_taken_in(home, r, values) if r.entity.startswith(NEW) and values else r for r in told]


def _taken_in(home: Home, reach: Reach, values: Mapping[tuple[str, str], str]) -> Reach:
    """Say of systems whose conditions somebody new does not meet that they do not receive it, as far as that is known."""
    known = {f: v for (entity, f), v in values.items() if entity == reach.entity}
    ways = []
    for w in reach.ways:
        manifest = home.manifests.get(w.system_id)
        scopes = [
            e.scope.where
            for d in (manifest.datasets if manifest else ())
            for e in d.entities
            if e.type == reach.entity_type and reach.field.name in e.fields
        ]
        out = bool(scopes) and all(any(_fails(c, known, home.now().date()) for c in where) for where in scopes)
        ways.append(
            Way(w.system_id, w.system, "none", "不符合该系统的纳管条件", w.held) if out and w.how != "none" else w
        )
    return replace(reach, ways=tuple(sorted(ways, key=lambda w: (ORDER.index(w.how), w.system_id))))


def _fails(condition: Condition, known: Mapping[str, str], today: date) -> bool:
    """Whether a known value does not meet a condition; of what is not known nothing is said."""
    value = known.get(condition.field)
    if value is None:
        return False
    if condition.equals is not None and value != condition.equals:
        return True
    if condition.one_of is not None and value not in condition.one_of:
        return True
    if condition.present is False or (
        condition.starts_with is not None and not value.startswith(condition.starts_with)
    ):
        return True
    if condition.age is None:
        return False
    born = date.fromisoformat(value)
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    least, most = condition.age.at_least, condition.age.at_most
    return (least is not None and age < least) or (most is not None and age > most)


def _reach(
    home: Home,
    held: Mapping[tuple[str, str, str], int],
    fact: tuple[EntityType, str, str],
    authorised: Callable[..., bool],
) -> Reach:
    entity_type, entity, name = fact
    field = ENTITIES[entity_type].field(name)
    counts = field.worker or entity.startswith(NEW)
    ways: list[Way] = []
    if not counts:
        ways.append(
            Way(
                field.authority,
                decides(home, field),
                "ticket",
                "这一项由该部门负责；开出纠错工单，确认后各系统自动更新",
                0,
            )
        )
    for manifest in home.manifests.values():
        for dataset in manifest.datasets:
            for mapped in dataset.entities:
                if mapped.type == entity_type and name in mapped.fields and (counts or manifest.id != field.authority):
                    records = held.get((entity, manifest.id, mapped.role), 0)
                    way = _way(manifest, mapped, mapped.fields[name], field, records, authorised)
                    if way is not None:
                        ways.append(_later(way) if not counts and way.how != "none" else way)
    return Reach(entity_type, entity, field, counts, decides(home, field), _one_each(ways))


def _way(
    manifest: Manifest,
    mapped: EntityMap,
    field_map: FieldMap,
    field: Field,
    records: int,
    authorised: Callable[..., bool],
) -> Way | None:
    can = manifest.capabilities

    def way(how: How, why: str = "") -> Way:
        return Way(manifest.id, manifest.name, how, why, records)

    creates = can.create and mapped.scope.members == "all"
    if rule := forbids_field(manifest, mapped.type, field):
        return way("none", f"依规定不外传：{rule.cn}")
    if not records and not creates:
        return None  # it is not there and not to be there: nothing to say about this system
    if not field_map.writable or not (can.update or not records):
        return way("none", "该系统只供读取")
    if not authorised(manifest.id, mapped.type, field.name):
        return way("none", "没有有效的写入授权")
    how, why = _channel(manifest)
    return way(how, why if records else f"符合纳管条件时新建记录{'，' * bool(why)}{why}")


def _channel(manifest: Manifest) -> tuple[How, str]:
    """How values get to a system that takes them, and what there is to say about it."""
    if manifest.kind == "form" and not manifest.authorisation.automation:
        return "assisted", "只有网页表单：已备好内容，照单录入后确认"
    if manifest.kind in BATCHES:
        return (
            "batch",
            "单向导出，无法回读" if manifest.capabilities.read == "none" else "下一批文件送出，收到回执后确认",
        )
    return "machine", ""


def _later(way: Way) -> Way:
    return Way(way.system_id, way.system, "none", "待权威部门确认后自动更新", way.held)


ORDER: Final = tuple(WORDS)


def _one_each(ways: Sequence[Way]) -> tuple[Way, ...]:
    """Keep one line for a system: the one that reaches it, if any does."""
    best: dict[tuple[str, bool], Way] = {}
    for way in ways:
        key = (way.system_id, way.how == "ticket")
        if key not in best or ORDER.index(way.how) < ORDER.index(best[key].how):
            best[key] = way
    return tuple(sorted(best.values(), key=lambda w: (ORDER.index(w.how), w.system_id)))
