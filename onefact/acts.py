"""Acts (录入动作): several facts entered together, once, from a device that may repeat itself.

An act is taken whole or not at all. Its id is made by the device: whatever is sent again under it changes nothing and gets
the first answer. Each fact carries the stamp of the state that the worker saw; where somebody else has changed the field
since, the act is a conflict and nothing is overwritten.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from typing import Final

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from onefact.acting import NOWHERE, Origin, entered
from onefact.enter import TITLES, current_id, is_uuid
from onefact.home import Home
from onefact.household import shown, stamps
from onefact.law.tickets import open_ticket
from onefact.policy import ENTRY
from schemas.entities import ENTITIES
from schemas.identifiers import citizen_id
from schemas.model import EntityType, Field, UnknownField
from schemas.values import ValueOptions, normalise, reason
from warehouse.seals import seals_of
from warehouse.tables import ACT, DECISION, ENTRY_WAKE, METADATA
from warehouse.tables import ENTRY as ENTRIES

NEW: Final = "new"
"""How the name of an entity begins that the act itself brings into being: `new`, `new-2`."""

MOST: Final = 500
"""Facts of one act."""


class ActRefused(Exception):
    """An act that cannot be taken; `problems` says for each fact why, without its value."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("；".join(p.sentence for p in problems))


class ActConflict(Exception):
    """Somebody else has changed what the worker saw; nothing is taken. `fields` says what stands now."""

    def __init__(self, fields: Sequence[Standing]) -> None:
        self.fields = tuple(fields)
        super().__init__("这些项在您打开之后已被更改，请核对后再保存：" + "、".join(s.cn for s in fields))


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one fact; `entity` as the act names it."""

    entity: str
    field: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A field that was changed meanwhile: the value that stands now, and the stamp to save against."""

    entity_type: EntityType
    entity: str
    field: str
    cn: str
    value: str
    stamp: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of an act.

    Attributes:
        entity: a master id, or a name that begins with `new`.
        value: as typed; empty takes an earlier entry of the field back.
        seen: stamp of the field as the worker saw it; None = whatever it was.
    """

    entity_type: EntityType
    entity: str
    field: str
    value: str
    seen: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What a worker saves at once.

    Attributes:
        act_id: UUID made by the device.
        kind: correct, check, move_in, move_out, birth, death, marriage, new_owner, create, undo.
    """

    act_id: str
    kind: str
    facts: tuple[Fact, ...]

    def digest(self) -> str:
        """Return the hash of what is entered, by which a repetition is known from another act under the same id."""
        body = [self.kind, *([f.entity_type, f.entity, f.field, f.value] for f in self.facts)]
        return sha256(json.dumps(body, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Line:
    """One fact of a taken act; `counts`: it holds at once, else it waits for the authority under a ticket."""

    entity_type: EntityType
    master_id: str
    field: str
    value: str | None
    counts: bool
    taken: bool
    before: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """A taken act: its receipt.

    Attributes:
        repeated: it had been taken before; this is the answer it got then.
        created: name in the act -> the id of the new entity.
        undone_by: the act that took it back.
    """

    act_id: str
    kind: str
    actor: str
    at: datetime
    created: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    repeated: bool = False
    undoes: str | None = None
    undone_by: str | None = None


May = Callable[[EntityType, str], bool]
"""(entity, master id) -> whether the actor may enter facts about it."""


def take(home: Home, act: Act, actor: str, may: May = lambda *_: True, origin: Origin = NOWHERE) -> Taken:
    """Take an act in one transaction; its entries keep the device of `origin`.

    Raises:
        ActRefused: a fact does not stand, or the act's id was used for another act.
        ActConflict: a field is no longer what the worker saw.
    """
    with home.engine.begin() as connection:
        return take_in(connection, home, act, actor, may, origin=origin)


def take_in(
    connection: sa.Connection, home: Home, act: Act, actor: str, may: May = lambda *_: True, undoes: str | None = None,
    origin: Origin = NOWHERE,
) -> Taken:  # fmt: skip
    """Take an act in a transaction that is open already; raises as `take`."""
    if not is_uuid(act.act_id):
        raise ActRefused([Problem("", "", "录入编号无效，请刷新页面后重新保存。")])
    alone(connection, act.act_id, 0)
    digest = seals_of(connection).blind(act.digest())  # a plain hash of a phone number is soon tried out
    if known := connection.execute(sa.select(ACT).where(ACT.c.act_id == act.act_id)).mappings().first():
        if known["actor"] != actor or known["body_sha256"] not in {digest, act.digest()}:
            raise ActRefused([Problem("", "", "这个录入编号已用于另一次录入，请刷新页面后重新保存。")])
        return find(connection, act.act_id, repeated=True)
    facts, canonical = _checked(connection, act, may, home.now().date())
    for master_id in sorted({f.entity for f in facts if not f.entity.startswith(NEW)}):
        alone(connection, master_id, 1)
    _hold_against(connection, facts)
    created = {
        name: str(_uuid7(home.now())) for name in dict.fromkeys(f.entity for f in facts if f.entity.startswith(NEW))
    }
    connection.execute(
        ACT.insert().values(
            act_id=act.act_id, kind=act.kind, actor=actor, at=home.now().astimezone(), body_sha256=digest, created=created,
            undoes=undoes,
        )
    )  # fmt: skip
    _write(connection, home, act, facts, canonical, created, actor, origin)
    _note(connection, home, act, facts, created, actor, undoes, origin)
    connection.execute(sa.select(sa.func.pg_notify(ENTRY_WAKE, "")))  # told when the transaction commits
    return find(connection, act.act_id)


def _write(
    connection: sa.Connection, home: Home, act: Act, facts: Sequence[Fact], canonical: Mapping[int, str | None],
    created: Mapping[str, str], actor: str, origin: Origin,
) -> None:  # fmt: skip
    at, seals = home.now().isoformat(timespec="microseconds"), seals_of(connection)
    rows, decided = [], {}
    for i, f in enumerate(facts):
        master_id = created.get(f.entity, f.entity)
        key = master_id if f.entity in created else None
        rows.append(
            {
                "entry_id": str(uuid.uuid4()), "entity_type": f.entity_type, "master_id": master_id, "field": f.field,
                "value": seals.value(f.entity_type, f.field, master_id, canonical[i]), "actor": actor, "entered_at": at, "act_id": act.act_id, "record_key": key,
                "device": origin.device[:80] or None,
            }
        )  # fmt: skip
        decided[key or f"{master_id}/{f.field}"] = (f, master_id, "founded" if key else "entry")
    connection.execute(sa.insert(ENTRIES), rows)
    connection.execute(
        insert(DECISION).on_conflict_do_nothing(),
        [
            {"system_id": ENTRY, "record_key": key, "entity_type": f.entity_type, "role": f.entity_type, "master_id": m, "reason": why}
            for key, (f, m, why) in decided.items()
        ],
    )  # fmt: skip
    for i, f in enumerate(facts):
        if f.entity not in created:
            entity_field = ENTITIES[f.entity_type].field(f.field)
            open_ticket(connection, home, f.entity_type, f.entity, entity_field, canonical[i], actor)


def _note(
    connection: sa.Connection, home: Home, act: Act, facts: Sequence[Fact], created: Mapping[str, str], actor: str,
    undoes: str | None, origin: Origin,
) -> None:  # fmt: skip
    """Write the act into the sealed log: whom and which fields, without values."""
    types = {f.entity_type for f in facts}
    entered(
        connection, home, "undo" if undoes else "enter", types.pop() if len(types) == 1 else "act",
        [created.get(f.entity, f.entity) for f in facts], count=len(facts), actor=actor, origin=origin, act_id=act.act_id,
        kind=act.kind, fields=sorted({f.field for f in facts}), device=origin.device or None,
    )  # fmt: skip


def _checked(connection: sa.Connection, act: Act, may: May, today: date) -> tuple[list[Fact], dict[int, str | None]]:
    """Return the facts under the ids that stand, and their canonical values; raises `ActRefused` naming every problem."""
    problems: list[Problem] = []
    if not act.facts:
        problems.append(Problem("", "", "没有要保存的内容。"))
    if len(act.facts) > MOST:
        problems.append(Problem("", "", f"一次最多保存 {MOST} 项。"))
    facts: list[Fact] = []
    canonical: dict[int, str | None] = {}
    for given in act.facts[:MOST]:
        try:
            entity_field = ENTITIES[given.entity_type].field(given.field)
        except (KeyError, UnknownField):
            problems.append(Problem(given.entity, given.field, f"没有“{given.field}”这一项。"))
            continue
        fact = given
        if not given.entity.startswith(NEW):
            master_id = current_id(connection, given.entity) if is_uuid(given.entity) else ""
            if not master_id or not may(given.entity_type, master_id):
                problems.append(Problem(given.entity, given.field, "没有这个对象，或者不在您的网格内。"))
                continue
            fact = Fact(given.entity_type, master_id, given.field, given.value, given.seen)
        value, sentence = _canonical(entity_field, given.value)
        sentence = sentence or _too_late(entity_field, value, today)
        if sentence:
            problems.append(Problem(given.entity, given.field, sentence))
        canonical[len(facts)] = value
        facts.append(fact)
    twice = len({(f.entity, f.field) for f in facts}) < len(facts)
    if twice:
        problems.append(Problem("", "", "同一项在一次保存中出现了两次。"))
    problems += _unfounded(facts)
    if problems:
        raise ActRefused(problems)
    return facts, canonical


def look(act: Act, today: date) -> dict[tuple[str, str], str]:
    """Return (entity, field) -> canonical value; say before anything is saved what could not be.

    Raises:
        ActRefused: naming every problem.
    """
    problems, values = [], {}
    for f in act.facts:
        if f.entity_type in ENTITIES and f.field in ENTITIES[f.entity_type].names:
            declared = ENTITIES[f.entity_type].field(f.field)
            value, sentence = _canonical(declared, f.value)
            sentence = sentence or _too_late(declared, value, today)
            if sentence:
                problems.append(Problem(f.entity, f.field, sentence))
            elif value is not None:
                values[f.entity, f.field] = value
    problems += _unfounded(act.facts)
    if problems:
        raise ActRefused(problems)
    return values


HAPPENED: Final = frozenset({"birth_date", "death_date", "visited_on"})
"""Days of what has happened: none of them lies ahead."""


def _too_late(declared: Field, value: str | None, today: date) -> str:
    late = declared.name in HAPPENED and value is not None and value[:10] > today.isoformat()
    return f"{declared.cn}：不能晚于今天" if late else ""


def _unfounded(facts: Sequence[Fact]) -> list[Problem]:
    """A new entity needs the field by which people call it, and a person a number or a birth date beside the name."""
    problems = []
    for name, entity_type in dict.fromkeys((f.entity, f.entity_type) for f in facts if f.entity.startswith(NEW)):
        filled = {f.field for f in facts if f.entity == name and f.value.strip()}
        title = ENTITIES[entity_type].field(TITLES[entity_type])
        if title.name not in filled:
            problems.append(Problem(name, title.name, f"新增{ENTITIES[entity_type].cn}必须填写{title.cn}。"))
        if entity_type == "person" and not filled & {"id_number", "birth_date"}:
            problems.append(Problem(name, "id_number", "新增人员请填写证件号码；确实没有的，填写出生日期。"))
    return problems


def _canonical(entity_field: Field, value: str) -> tuple[str | None, str]:
    """Return (canonical value, what is wrong)."""
    if not value.strip():
        return None, ""
    if not entity_field.propagate:
        return None, f"{entity_field.cn}依规定不采集、不外传，不能录入。"
    options = ValueOptions(code_set=entity_field.code_set, length=entity_field.length, scale=entity_field.scale)
    row = normalise(entity_field.kind, pa.array([value]), options).to_pylist()[0]
    if row["issue"] or row["value"] is None:
        return None, f"{entity_field.cn}：{reason(row['issue']) if row['issue'] else '是空值'}"
    return str(row["value"]), ""


def _hold_against(connection: sa.Connection, facts: Sequence[Fact]) -> None:
    """Raise `ActConflict` where a field is no longer what the worker saw."""
    seen = [f for f in facts if f.seen is not None and not f.entity.startswith(NEW)]
    changed: list[Standing] = []
    for entity_type in dict.fromkeys(f.entity_type for f in seen):
        mine = [f for f in seen if f.entity_type == entity_type]
        now = stamps(connection, entity_type, {f.entity for f in mine})
        changed += [
            _standing(connection, f, now.get((f.entity, f.field), ""))
            for f in mine
            if now.get((f.entity, f.field)) != f.seen
        ]
    if changed:
        raise ActConflict(changed)


def _standing(connection: sa.Connection, fact: Fact, now: str) -> Standing:
    entity_field, table = ENTITIES[fact.entity_type].field(fact.field), METADATA.tables[fact.entity_type]
    mine = (ENTRIES.c.master_id == fact.entity) & (ENTRIES.c.field == fact.field) & ENTRIES.c.taken_by.is_(None)
    waiting = sa.select(ENTRIES.c.value).where(mine).order_by(ENTRIES.c.entered_at.desc()).limit(1)
    value = connection.execute(waiting).scalar()
    if value is None:
        value = connection.execute(sa.select(table.c[fact.field]).where(table.c.master_id == fact.entity)).scalar()
    text = "" if value is None else shown(entity_field, str(value))
    return Standing(fact.entity_type, fact.entity, fact.field, entity_field.cn, text, now)


def find(connection: sa.Connection, act_id: str, *, repeated: bool = False) -> Taken:
    """Return a taken act.

    Raises:
        KeyError: there is none of this id.
    """
    row = (
        connection.execute(sa.select(ACT).where(ACT.c.act_id == act_id)).mappings().first() if is_uuid(act_id) else None
    )
    if row is None:
        raise KeyError(act_id)
    query = (
        sa.select(ENTRIES)
        .where(ENTRIES.c.act_id == act_id)
        .order_by(ENTRIES.c.entity_type, ENTRIES.c.master_id, ENTRIES.c.field)
    )
    lines = tuple(
        Line(
            e["entity_type"], str(e["master_id"]), e["field"], e["value"],
            ENTITIES[e["entity_type"]].field(e["field"]).worker or e["record_key"] is not None, e["taken_by"] is not None,
        )
        for e in connection.execute(query).mappings()
    )  # fmt: skip
    undone = connection.execute(sa.select(ACT.c.act_id).where(ACT.c.undoes == act_id)).scalar()
    return Taken(
        str(row["act_id"]), row["kind"], row["actor"], row["at"], row["created"], lines, repeated,
        str(row["undoes"]) if row["undoes"] else None, str(undone) if undone else None,
    )  # fmt: skip


def recent(connection: sa.Connection, actor: str, limit: int = 50) -> list[Taken]:
    """Return the acts of an actor, the newest first."""
    ids = sa.select(ACT.c.act_id).where(ACT.c.actor == actor).order_by(ACT.c.at.desc(), ACT.c.act_id).limit(limit)
    return [find(connection, str(i)) for i in connection.execute(ids).scalars().all()]


def alone(connection: sa.Connection, what: str, kind: int) -> None:
    """Wait until nobody else works on an act (0) or an entity (1), until the end of the transaction."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(what, kind))))


def _uuid7(now: datetime) -> uuid.UUID:
    """Mint an id whose order is that of time (UUIDv7, RFC 9562 §5.7)."""
    bits = int.from_bytes(uuid.uuid4().bytes)
    stamp = int(now.timestamp() * 1000) << 80
    return uuid.UUID(int=stamp | 0x7 << 76 | (bits & 0x0FFF << 64) | 0b10 << 62 | (bits & (1 << 62) - 1))


def read_from_number(number: str) -> dict[str, str]:
    """Return what a valid citizen number says: birth date and sex; empty when it says nothing."""
    row = citizen_id.parse(pa.array([number])).to_pylist()[0]
    if row["value"] is None:
        return {}
    told = {"birth_date": row.get("birth_date"), "sex": row.get("sex")}
    return {k: str(v) for k, v in told.items() if v is not None}
