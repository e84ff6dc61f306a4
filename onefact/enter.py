"""Enter (录入): one fact for one entity, typed once; it becomes a record of the system `entry` and travels from there."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from onefact.acting import Origin, entered, terminal
from onefact.home import Home
from onefact.law.tickets import open_ticket
from onefact.policy import ENTRY
from schemas.entities import ENTITIES
from schemas.model import EntityType, Field
from schemas.values import ValueOptions, normalise, reason
from warehouse.seals import seals_of
from warehouse.tables import DECISION, METADATA, REDIRECT
from warehouse.tables import ENTRY as ENTRIES

TITLES: dict[EntityType, str] = {
    "person": "name", "organisation": "name", "house": "address", "address": "full_text",
}  # fmt: skip
"""The field by which people call an entity."""


NOBODY = "没有这个编号、证件号、姓名或电话的主数据对象。请核对，或先执行 onefact pull 与 onefact consolidate。"
"""Told when nobody fits; it does not repeat what was looked for."""


class EntryRefused(Exception):
    """An entry that cannot be taken, with the reason and what to do, without repeating personal data."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A taken entry: which entity and field, and whether the value counts at once or waits for the authority."""

    entity_type: EntityType
    master_id: str
    field: Field
    counts: bool
    """True when a grid worker may decide this field (DESIGN.md, rule 3); else it is a candidate for the authority."""
    ticket: int | None = None
    """The correction ticket to the authority, where the value does not count by itself."""


@dataclass(frozen=True, slots=True)
class Found:
    """A golden record that a search found."""

    entity_type: EntityType
    master_id: str
    name: str


def find(home: Home, wanted: str, entity_type: EntityType | None = None) -> list[Found]:
    """Find golden records by master id, ID number, credit code, house code, name or phone (exact)."""
    by = {
        "person": ("id_number", "name", "phone"),
        "organisation": ("uscc", "name", "phone"),
        "house": ("house_code", "address"),
        "address": ("standard_code", "full_text"),
    }
    found: list[Found] = []
    with home.engine.connect() as connection:
        for name in [entity_type] if entity_type else ENTITIES:
            table = METADATA.tables[name]
            said = {c: home.seals.equal(ENTITIES[name].field(c), wanted) for c in by[name]}
            tests: list[sa.ColumnElement[bool]] = [table.c[c].in_(texts) for c, texts in said.items()]
            if is_uuid(wanted):
                tests = [table.c.master_id == current_id(connection, wanted)]
            query = sa.select(table.c.master_id, table.c[TITLES[name]]).where(sa.or_(*tests)).limit(20)
            found += [Found(name, str(i), t or "") for i, t in connection.execute(query)]
    return found


def is_uuid(text: str) -> bool:
    """Tell whether a text is written like a master id; Python reads more ways of writing one than PostgreSQL does."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def current_id(connection: sa.Connection, master_id: str) -> str:
    """Follow redirects from an id that was merged to its heir."""
    seen: set[str] = set()
    while master_id not in seen:
        seen.add(master_id)
        heir = connection.execute(sa.select(REDIRECT.c.new_id).where(REDIRECT.c.old_id == master_id)).scalar()
        if heir is None:
            return master_id
        master_id = str(heir)
    return master_id


def enter(
    home: Home, wanted: str, field_name: str, value: str, *, actor: str = "cli", dry_run: bool = False,
    origin: Origin | None = None,
) -> Entered:  # fmt: skip
    """Take one fact; raises `EntryRefused` when entity, field or value do not stand.

    Args:
        home: the installation.
        wanted: master id, ID number, credit code, name or phone of exactly one entity.
        field_name: a master field, e.g. `phone`.
        value: the new value; an empty text takes an earlier entry back.
        actor: who types.
        dry_run: find and check only.
        origin: from where; this machine when not given.
    """
    matches = [m for m in find(home, wanted) if field_name in ENTITIES[m.entity_type].names]
    if not matches:
        raise EntryRefused(_nobody(home, wanted, field_name))
    if len(matches) > 1:
        ids = ", ".join(m.master_id for m in matches[:5])
        raise EntryRefused(f"有 {len(matches)} 个主数据对象符合，请用主数据编号指明其中一个：{ids}")
    match = matches[0]
    field = ENTITIES[match.entity_type].field(field_name)
    if not field.propagate and value.strip():
        raise EntryRefused(f"{field.cn}（{field.name}）依规定不采集、不外传，不能录入。onefact law rules 列出条文。")
    canonical = _canonical(field, value) if value.strip() else None
    if dry_run:
        return Entered(match.entity_type, match.master_id, field, field.worker)
    base = {
        "system_id": ENTRY, "record_key": f"{match.master_id}/{field.name}", "entity_type": match.entity_type,
        "role": match.entity_type,
    }  # fmt: skip
    whence = origin or terminal()
    with home.engine.begin() as connection:
        connection.execute(
            insert(ENTRIES).values(
                entry_id=str(uuid.uuid4()), entity_type=match.entity_type, master_id=match.master_id, field=field.name,
                value=seals_of(connection).value(match.entity_type, field, match.master_id, canonical), actor=actor,
                entered_at=home.now().isoformat(timespec="microseconds"), device=whence.device or None,
            )
        )  # fmt: skip
        decision = insert(DECISION).values(**base, master_id=match.master_id, reason="entry")
        connection.execute(decision.on_conflict_do_nothing())
        ticket = open_ticket(connection, home, match.entity_type, match.master_id, field, canonical, actor)
        what = "enter" if canonical is not None else "undo"
        entered(
            connection, home, what, match.entity_type, [match.master_id], actor=actor, origin=whence, field=field.name, ticket=ticket,
            device=whence.device or None,
        )  # fmt: skip
    return Entered(match.entity_type, match.master_id, field, field.worker, ticket)


def _nobody(home: Home, wanted: str, field_name: str) -> str:
    known = {n for e in ENTITIES.values() for n in e.names}
    if field_name not in known:
        import difflib  # only to word the error

        near = difflib.get_close_matches(field_name, sorted(known), n=3)
        return f"主数据没有字段 {field_name}。" + (f"是否指 {'、'.join(near)}？" if near else "")
    if find(home, wanted):
        return f"找到的对象没有字段 {field_name}。"
    return NOBODY


def _canonical(field: Field, value: str) -> str:
    options = ValueOptions(code_set=field.code_set, length=field.length, scale=field.scale)
    row = normalise(field.kind, pa.array([value]), options).to_pylist()[0]
    if row["issue"] or row["value"] is None:
        why = reason(row["issue"]) if row["issue"] else "空值"
        raise EntryRefused(f"{field.cn}（{field.name}）的值无效：{why}")
    return str(row["value"])


def names(found: Sequence[Found]) -> list[str]:
    """Return one line per found record for a message."""
    return [f"{f.entity_type} {f.master_id}" for f in found]
