"""What is known (底数): a golden record field by field with source, date and confidence, and who lives at one door.

Only what is missing, stale or disputed is asked for again; everything else is shown with where it comes from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final, Literal

import sqlalchemy as sa

from onefact import policy
from onefact.enter import TITLES, current_id
from onefact.home import Home
from schemas.codes import code_set
from schemas.entities import ENTITIES
from schemas.model import Compartment, EntityType, Field
from warehouse.publish import as_text
from warehouse.tables import CANDIDATE, ENTRY, METADATA, TICKET

Confidence = Literal["高", "中", "低"]

STALE_DAYS: Final = {
    "phone": 365,
    "residence_address": 180,
    "status": 180,
    "address": 365,
    "contact_name": 365,
    "sign_name": 365,
}
"""After so many days a value that a worker may decide is looked at again at the next visit."""

OLD_DAYS: Final = 730
"""A value older than this is doubted, whoever says it."""

TRUSTED: Final = 60
"""Rank from which a system that is not the authority is believed as far as it is fresh."""

EXTERNAL: Final = {
    "external:marriage": "婚姻登记机关", "external:education": "教育部门", "external:real_estate": "不动产登记机构",
    "external:social_ins": "社保部门", "external:none": "尚无主管部门", "derived": "由地址推出", "system": "系统生成",
}  # fmt: skip
"""Authorities that are none of the forty systems, in words."""

FIRST: Final[dict[EntityType, tuple[str, ...]]] = {
    "person": (
        "name", "id_type", "id_number", "sex", "birth_date", "ethnicity", "phone", "residence_address", "registered_address",
        "residence_consistency", "population_type", "household_no", "household_relation", "marital_status", "education",
        "employer_name", "visited_on",
    ),
    "house": ("address", "house_code", "usage", "status", "area_m2", "owner_name", "owner_phone", "rent_usage", "tenant_name",
              "tenant_phone", "lease_end", "hazard", "safety_grade"),
    "organisation": ("name", "sign_name", "uscc", "org_class", "industry", "address", "registered_address", "legal_representative",
                     "contact_name", "phone", "employee_count", "status"),
    "address": ("full_text", "standard_code", "street", "community", "grid_code"),
}  # fmt: skip
"""The fields that are shown even when empty, in the order in which people ask for them."""


BASE: Final[tuple[Compartment, ...]] = ("base",)
"""What is shown unless more is asked for."""


@dataclass(frozen=True, slots=True)
class Other:
    """What another system says: the value, who, when, and how many systems say so."""

    value: str
    shown: str
    system: str
    observed_at: str
    systems: int


@dataclass(frozen=True, slots=True)
class Value:
    """One field of a golden record.

    Attributes:
        value, shown: canonical, and as people read it (the name of a code); None when nobody knows it.
        system_id, system: who says so, by id and Chinese name.
        observed_at: since when it is said (ISO).
        confidence: 高, 中, 低; None when there is no value.
        missing, stale, disputed: why it is asked for.
        others: newer values of other systems.
        worker: a grid worker may decide it; else `decides` says who does.
        waiting: an entry of a worker that no run has taken yet, or a ticket that is open.
        awaited: the worker's value that waits for its authority, canonical.
        stamp: names this state of the field; a save that saw another state is a conflict.
    """

    field: Field
    value: str | None
    shown: str
    system_id: str
    system: str
    observed_at: str
    confidence: Confidence | None
    missing: bool
    stale: bool
    disputed: bool
    others: tuple[Other, ...]
    worker: bool
    decides: str
    waiting: str
    stamp: str
    awaited: str | None = None

    @property
    def open(self) -> bool:
        """Whether the worker is asked for it."""
        return self.missing or self.stale or self.disputed


@dataclass(frozen=True, slots=True)
class Card:
    """A golden record as it is shown."""

    entity_type: EntityType
    master_id: str
    title: str
    version: int
    values: tuple[Value, ...]

    def __getitem__(self, name: str) -> Value:
        return next(v for v in self.values if v.field.name == name)

    @property
    def asked(self) -> tuple[Value, ...]:
        """The fields that are missing, stale or disputed and that a worker may decide."""
        return tuple(v for v in self.values if v.open and v.worker)


@dataclass(frozen=True, slots=True)
class Household:
    """One door: the house or flat, who lives there, who trades there."""

    node_id: str
    full_text: str
    houses: tuple[Card, ...]
    persons: tuple[Card, ...]
    organisations: tuple[Card, ...]

    @property
    def cards(self) -> tuple[Card, ...]:
        """All of them."""
        return (*self.houses, *self.persons, *self.organisations)


def cards(
    connection: sa.Connection,
    home: Home,
    entity_type: EntityType,
    ids: Collection[str],
    compartments: Collection[Compartment] = BASE,
) -> list[Card]:
    """Return golden records as people look at them, in the order of their titles.

    Args:
        connection: the master; under row-level security what may not be seen does not come.
        home: manifests and clock.
        entity_type: of all of them.
        ids: master ids.
        compartments: whose facts are shown.
    """
    if not ids:
        return []
    entity, table = ENTITIES[entity_type], METADATA.tables[entity_type]
    columns = ", ".join(f'{as_text(f)} AS "{f.name}"' for f in entity.fields)
    query = sa.text(
        f"SELECT master_id::text AS master_id, version, provenance, {columns} FROM {table.name} WHERE master_id = ANY(:ids ::uuid[])"
    )
    rows = connection.execute(query, {"ids": list(ids)}).mappings().all()
    beside = _Beside.of(connection, home, [r["master_id"] for r in rows])
    fields = _shown_fields(entity_type, compartments)
    told = [_card(home, entity_type, dict(r), fields, beside) for r in rows]
    return sorted(told, key=lambda c: (c.title, c.master_id))


def card(
    connection: sa.Connection,
    home: Home,
    entity_type: EntityType,
    master_id: str,
    compartments: Collection[Compartment] = BASE,
) -> Card | None:
    """Return one golden record (a merged id leads to its heir); None when there is none to be seen."""
    found = cards(connection, home, entity_type, [current_id(connection, master_id)], compartments)
    return found[0] if found else None


POINTS: Final[Mapping[EntityType, str]] = {"house": "address", "person": "residence_address", "organisation": "address"}
"""By which address an entity belongs to a door."""


def household(connection: sa.Connection, home: Home, node_id: str) -> Household | None:
    """Return what is at one node of the address tree; None when nothing that may be seen is there."""
    node = METADATA.tables["address_node"]
    text = connection.execute(sa.select(node.c.full_text).where(node.c.node_id == node_id)).scalar()
    if text is None:
        return None
    point = METADATA.tables["address_point"]
    query = sa.select(point.c.entity_type, point.c.master_id).where(point.c.node_id == node_id)
    tests = [sa.and_(point.c.entity_type == e, point.c.field == f) for e, f in POINTS.items()]
    ids: dict[str, list[str]] = {}
    for entity, master in connection.execute(query.where(sa.or_(*tests))):
        ids.setdefault(entity, []).append(str(master))
    there = {e: tuple(cards(connection, home, e, ids.get(e, ()))) for e in POINTS}
    if not any(there.values()):
        return None
    return Household(node_id, text, there["house"], there["person"], there["organisation"])


def node_of(connection: sa.Connection, entity_type: EntityType, master_id: str) -> str | None:
    """Return the node of the address tree at which an entity is."""
    point = METADATA.tables["address_point"]
    query = sa.select(point.c.node_id).where(
        point.c.entity_type == entity_type,
        point.c.master_id == master_id,
        point.c.field == POINTS.get(entity_type, "full_text"),
    )
    found = connection.execute(query).scalar()
    return None if found is None else str(found)


def stamp(reference: str | None, value: str | None, entry: str | None) -> str:
    """Name the state of a field: who says what, and which entry was the last."""
    return sha256("|".join((reference or "", value or "", entry or "")).encode()).hexdigest()[:16]


def stamps(connection: sa.Connection, entity_type: EntityType, ids: Collection[str]) -> dict[tuple[str, str], str]:
    """Return (master id, field) -> the stamp of its present state, for every field."""
    entity, table = ENTITIES[entity_type], METADATA.tables[entity_type]
    columns = ", ".join(f'{as_text(f)} AS "{f.name}"' for f in entity.fields)
    query = sa.text(
        f"SELECT master_id::text AS id, provenance, {columns} FROM {table.name} WHERE master_id = ANY(:ids ::uuid[])"
    )
    entries = _entries(connection, ids)
    return {
        (r["id"], f.name): stamp(r["provenance"].get(f.name), r[f.name], entries.get((r["id"], f.name), (None,))[0])
        for r in connection.execute(query, {"ids": list(ids)}).mappings()
        for f in entity.fields
    }


def _entries(connection: sa.Connection, ids: Collection[str]) -> dict[tuple[str, str], tuple[str, str | None, bool]]:
    """Return (master id, field) -> (newest entry, its value, whether a run has taken it)."""
    query = (
        sa.select(ENTRY.c.master_id, ENTRY.c.field, ENTRY.c.entry_id, ENTRY.c.value, ENTRY.c.taken_by)
        .where(ENTRY.c.master_id.in_(list(ids)))
        .order_by(ENTRY.c.entered_at, ENTRY.c.entry_id)
    )
    return {(str(m), f): (str(e), v, t is not None) for m, f, e, v, t in connection.execute(query)}


@dataclass(frozen=True, slots=True)
class _Beside:
    """What stands beside the golden records: entries, candidates, tickets, ranks."""

    entries: Mapping[tuple[str, str], tuple[str, str | None, bool]]
    candidates: Mapping[tuple[str, str], Sequence[Any]]
    tickets: Mapping[tuple[str, str], str]
    ranks: Mapping[tuple[str, EntityType, str, str], int]

    @classmethod
    def of(cls, connection: sa.Connection, home: Home, ids: Sequence[str]) -> _Beside:
        candidates: dict[tuple[str, str], list[Any]] = {}
        for r in connection.execute(sa.select(CANDIDATE).where(CANDIDATE.c.master_id.in_(ids))):
            candidates.setdefault((str(r.master_id), r.field), []).append(r)
        open_ = sa.select(TICKET.c.master_id, TICKET.c.field, TICKET.c.value).where(
            TICKET.c.master_id.in_(ids), TICKET.c.state == "open"
        )
        tickets = {(str(m), f): v for m, f, v in connection.execute(open_)}
        return cls(_entries(connection, ids), candidates, tickets, home.ranks)


def _shown_fields(entity_type: EntityType, compartments: Collection[Compartment]) -> list[Field]:
    entity, first = ENTITIES[entity_type], FIRST[entity_type]
    open_ = [f for f in entity.fields if f.compartment in compartments and f.sensitivity < 4 and f.propagate]
    return sorted(
        open_, key=lambda f: (first.index(f.name) if f.name in first else len(first), entity.names.index(f.name))
    )


def _card(
    home: Home, entity_type: EntityType, row: Mapping[str, Any], fields: Sequence[Field], beside: _Beside
) -> Card:
    values = [_value(home, entity_type, row, f, beside) for f in fields]
    title = str(row[TITLES[entity_type]] or "（未登记）")
    kept = tuple(v for v in values if v.value is not None or v.waiting or v.field.name in FIRST[entity_type])
    return Card(entity_type, row["master_id"], title, row["version"], kept)


def _value(home: Home, entity_type: EntityType, row: Mapping[str, Any], field: Field, beside: _Beside) -> Value:
    value, reference = row[field.name], (row["provenance"] or {}).get(field.name)
    system_id, _, role, observed = split(reference)
    key = (row["master_id"], field.name)
    entry = beside.entries.get(key)
    others = tuple(
        Other(c.value, shown(field, c.value), name_of(home, split(c.ref)[0]), split(c.ref)[3], c.systems)
        for c in beside.candidates.get(key, ())
        if split(c.ref)[3] > observed
    )
    age = _days(home, observed)
    rank = beside.ranks.get((system_id, entity_type, role, field.name), 20)
    waiting = "ticket" if key in beside.tickets else "entry" if entry and not entry[2] else ""
    return Value(
        field, value, shown(field, value), system_id, name_of(home, system_id), observed,
        None if value is None else _confidence(rank, age),
        missing=value is None and (field.mandatory == "M" or field.worker) and field.name in FIRST[entity_type] and field.name != "visited_on",
        stale=value is not None and field.worker and age is not None and age > STALE_DAYS.get(field.name, 10**6),
        disputed=field.worker and bool(others), others=others, worker=field.worker, decides=decides(home, field), waiting=waiting,
        stamp=stamp(reference, value, entry[0] if entry else None), awaited=beside.tickets.get(key),
    )  # fmt: skip


def split(reference: str | None) -> tuple[str, str, str, str]:
    """Return (system, record key, role, observed at) of a provenance reference; the key may hold bars itself."""
    if not reference:
        return "", "", "", ""
    system, _, rest = reference.partition("|")
    key, role, observed = rest.rsplit("|", 2)
    return system, key, role, observed


def _days(home: Home, observed: str) -> int | None:
    try:
        return (home.now().date() - date.fromisoformat(observed[:10])).days
    except ValueError:
        return None


def _confidence(rank: int, age: int | None) -> Confidence:
    if age is None or age > OLD_DAYS:
        return "低" if rank < policy.AUTHORITY_RANK else "中"
    if rank >= policy.AUTHORITY_RANK:
        return "高"
    return "中" if rank >= TRUSTED or age <= 365 else "低"


def shown(field: Field, value: str | None) -> str:
    """Return a canonical value as people read it: the name of a code, 是 and 否."""
    if value is None:
        return ""
    if field.kind == "code" and field.code_set:
        return code_set(field.code_set).codes.get(value, value)
    if field.kind == "boolean":
        return {"1": "是", "0": "否", "true": "是", "false": "否"}.get(value, value)
    return value


def name_of(home: Home, system_id: str) -> str:
    """Return the Chinese name of a system; entries are 网格员录入."""
    if system_id == policy.ENTRY:
        return "网格员录入"
    manifest = home.manifests.get(system_id)
    return manifest.name if manifest else system_id


def decides(home: Home, field: Field) -> str:
    """Return who decides a field, in words."""
    if field.worker:
        return "网格员"
    manifest = home.manifests.get(field.authority)
    return f"{manifest.department}（{manifest.name}）" if manifest else EXTERNAL.get(field.authority, "主管部门")
