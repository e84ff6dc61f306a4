"""The records on the two sides of a judgement (判定双方): who stands for whom, and what evidence lies between."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from onefact.enter import TITLES, current_id, is_uuid
from onefact.policy import ENTRY
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.judgements import Pair, Record
from warehouse.tables import CROSSWALK, EDGE, METADATA


class JudgementRefused(Exception):
    """A judgement that cannot be taken, with the reason and what to do (中文), without repeating personal data."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side: a master entity and those of its records that can be judged (entries go where their id goes).

    Attributes:
        entity_type: which entity.
        master_id: the id that stands.
        rules: record -> the rule that linked it.
    """

    entity_type: EntityType
    master_id: str
    rules: dict[Record, str]

    def representative(self) -> Record:
        """Return the record that speaks for all: with a valid identifier before others, then the smallest."""
        return min(self.rules, key=lambda record: (self.rules[record] != "anchor", record))

    def numbered(self) -> list[Record]:
        """Return the records that a valid identifier links; an entity has one such identifier."""
        return [record for record, rule in self.rules.items() if rule == "anchor"]

    def part(self, records: Collection[Record]) -> Side:
        """Return the side with only these of its records."""
        return Side(self.entity_type, self.master_id, {r: rule for r, rule in self.rules.items() if r in records})


def entity_of(connection: sa.Connection, master_id: str) -> Side:
    """Return the entity of a master id that stands, or that was merged into one that stands.

    Raises:
        JudgementRefused: this is no master id, or no records are left of it.
    """
    if not is_uuid(master_id):
        raise JudgementRefused(f"“{master_id}”不是主数据编号。用 onefact trace 按证件号码、姓名或电话可查到编号。")
    standing = current_id(connection, master_id)
    rows = connection.execute(sa.select(CROSSWALK).where(CROSSWALK.c.master_id == standing)).mappings().all()
    judged = {_record(r): str(r["rule"]) for r in rows if r["system_id"] != ENTRY}
    if not judged:
        raise JudgementRefused(f"主数据编号 {master_id} 不存在，或其下已没有来源记录。请核对编号（onefact trace）。")
    return Side(rows[0]["entity_type"], standing, judged)


def _record(row: sa.RowMapping) -> Record:
    return Record(row["system_id"], row["record_key"], row["role"])


def between(connection: sa.Connection, one: Side, other: Side) -> dict[Pair, set[str]]:
    """Return the open edges between two sides: pair -> its judgements (auto, positive, negative, unsure)."""
    keys = {r.record_key for r in one.rules}
    query = sa.select(EDGE).where(
        EDGE.c.ended_at.is_(None),
        EDGE.c.entity_type == one.entity_type,
        sa.or_(EDGE.c.left_key.in_(keys), EDGE.c.right_key.in_(keys)),
    )
    found: dict[Pair, set[str]] = {}
    for row in connection.execute(query).mappings():
        left, right = (Record(row[f"{s}_system"], row[f"{s}_key"], row[f"{s}_role"]) for s in ("left", "right"))
        if (left in one.rules and right in other.rules) or (right in one.rules and left in other.rules):
            found.setdefault(Pair(one.entity_type, left, right), set()).add(row["judgement"])
    return found


def judged(edges: dict[Pair, set[str]], *judgements: str) -> list[Pair]:
    """Return the pairs of which one of these judgements stands."""
    return [pair for pair, found in edges.items() if found & set(judgements)]


def titles(connection: sa.Connection, masters: Iterable[tuple[EntityType, str]]) -> dict[str, str]:
    """Return master id -> the name, address or full text by which its golden record is called."""
    by_type: dict[EntityType, set[str]] = {}
    for entity_type, master_id in masters:
        by_type.setdefault(entity_type, set()).add(master_id)
    found: dict[str, str] = {}
    for entity_type, ids in by_type.items():
        table = METADATA.tables[entity_type]
        query = sa.select(table.c.master_id, table.c[TITLES[entity_type]]).where(table.c.master_id.in_(ids))
        found |= {str(master): title or "" for master, title in connection.execute(query)}
    return found


def master_of(connection: sa.Connection, entity_type: EntityType, record: Record) -> str | None:
    """Return the master id under which a record stands now; None when it is gone."""
    query = sa.select(CROSSWALK.c.master_id).where(
        CROSSWALK.c.entity_type == entity_type, CROSSWALK.c.system_id == record.system_id,
        CROSSWALK.c.record_key == record.record_key, CROSSWALK.c.role == record.role,
    )  # fmt: skip
    found = connection.execute(query).scalar()
    return None if found is None else str(found)


def cn(entity_type: EntityType) -> str:
    """Return the Chinese name of an entity type."""
    return ENTITIES[entity_type].cn
