"""Hints of a page: what rejected texts still say, kept beside the records for linkage (`schemas.values.hints`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import EntityMap
from connectors.mapping.cross import Crossed
from connectors.mapping.values import Normalised
from schemas.entities import ENTITIES
from schemas.records import HINT_SCHEMA

BORN: Final = "birth_date"
"""The one date that tells persons apart; other dates leave no hints."""

HINTED: Final = frozenset({"id_number", "uscc", "phone"})
"""Kinds of which every field may leave hints: numbers that stand for a person, an organisation or a household."""


@dataclass(slots=True)
class Hints:
    """Collects the hints of one page, entity by entity."""

    system_id: str
    keys: pa.StringArray
    parts: list[pa.Table] = field(default_factory=list)

    def add(self, entity: EntityMap, told: Mapping[str, pa.Table], exists: pa.BooleanArray) -> None:
        """Add what the fields of an entity said (columns at, kind, value), in the rows where the entity exists."""
        for name, table in told.items():
            there = table.filter(exists.take(table["at"].combine_chunks())) if table.num_rows else table
            if not there.num_rows:
                continue
            constants = {"system_id": self.system_id, "entity_type": entity.type, "role": entity.role, "field": name}
            columns = {k: pa.repeat(pa.scalar(v, pa.string()), there.num_rows) for k, v in constants.items()}
            columns |= {
                "record_key": self.keys.take(there["at"].combine_chunks()), "kind": there["kind"], "value": there["value"],
            }  # fmt: skip
            self.parts.append(pa.table([columns[n] for n in HINT_SCHEMA.names], schema=HINT_SCHEMA))

    def table(self) -> pa.Table:
        """All hints as one table."""
        return pa.concat_tables(self.parts) if self.parts else HINT_SCHEMA.empty_table()


def hinted(entity: EntityMap, name: str, found: Normalised) -> bool:
    """True when texts of this field may say more than the values that were taken from them."""
    declared = ENTITIES[entity.type].field(name).kind
    if name == BORN:
        return bool(found.value.null_count < len(found.value) or found.issue.null_count < len(found.issue))
    doubted = found.issue.null_count < len(found.issue) or found.warning.null_count < len(found.warning)
    return doubted and declared in HINTED


def overruled(
    said: Mapping[str, pa.StringArray], crossed: Crossed, told: Mapping[str, pa.Table]
) -> dict[str, pa.Table]:
    """Return the hints of birth dates again, with those that an ID number overruled.

    Where the number is somebody else's (the guardian's on a child's row), the date that the row states is the only
    true one. Where the number proves the date, a doubt about it (1 January) is settled.
    """
    broken = crossed.broken.get(BORN)
    if broken is None or BORN not in said:
        return {}
    rows = np.flatnonzero(broken.is_valid().to_numpy(zero_copy_only=False)).astype(np.int32)
    at = pa.array(rows)
    more = pa.table({"at": at, "kind": pa.repeat(pa.scalar("overruled"), len(at)), "value": said[BORN].take(at)})
    before = told.get(BORN)
    if before is None or not before.num_rows:
        return {BORN: more}
    proven = pc.fill_null(crossed.proves, fill_value=False).take(before["at"].combine_chunks())
    settled = pc.and_(proven, pc.is_in(before["kind"].combine_chunks(), pa.array(["default", "century"])))
    return {BORN: pa.concat_tables([before.filter(pc.invert(settled)), more])}
