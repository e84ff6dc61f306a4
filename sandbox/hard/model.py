"""What a set of hard negatives is, and how many of its groups were wrongly merged (误并计数)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.standardised import record_of
from sandbox.town.draw import Dice, Ints, Text, digits, join, take
from schemas.model import EntityType
from schemas.records import standardised_schema

SYSTEMS: Final = 40


@dataclass(frozen=True, slots=True)
class HardNegatives:
    """Groups of entities that must stay apart.

    Attributes:
        entity: what they are.
        records: standardised records (`schemas.records.standardised_schema`), two or three of each entity, shuffled.
        truth: one row per record: system_id, record_key, entity_type, role, truth_id (whom it describes), group_id;
            `record` names it as `sandbox.standardised.record_of` does and `truth` repeats truth_id, for `linkage.score`.
    """

    entity: EntityType
    records: pa.Table
    truth: pa.Table

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return int(pc.count_distinct(self.truth["group_id"]).as_py())


def merged(links: pa.Table, negatives: HardNegatives) -> int:
    """Count the groups in which records of two entities have one master.

    Args:
        links: columns record (`sandbox.standardised.record_of`) and master.
        negatives: the set that was linked.
    """
    joined = negatives.truth.select(["record", "truth_id", "group_id"]).join(links, "record", join_type="inner")
    within = joined.group_by(["master", "group_id"]).aggregate([("truth_id", "count_distinct")])
    wrong = within.filter(pc.greater(within["truth_id_count_distinct"], 1))
    return int(pc.count_distinct(wrong["group_id"]).as_py())


@dataclass(frozen=True, slots=True)
class Sheet:
    """The records to be written: which entity each describes, and which of the entity's records it is.

    Attributes:
        dice: streams of this set.
        entity: what is described.
        member: number of the entity per record; entities 2g and 2g + 1 are group g.
        turn: 0 for the first record of an entity, which always identifies it best; 1 and 2 after it.
    """

    dice: Dice
    entity: EntityType
    member: Ints
    turn: Ints

    @classmethod
    def of(cls, dice: Dice, entity: EntityType, members: int) -> Sheet:
        """Plan two or three records for each entity, in any order."""
        rng = dice.on("records")
        times = rng.integers(2, 4, members)
        member = np.repeat(np.arange(members), times)
        turn = np.arange(len(member)) - np.repeat(np.cumsum(times) - times, times)
        order = rng.permutation(len(member))
        return cls(dice, entity, member[order], turn[order])

    @property
    def count(self) -> int:
        """Number of records."""
        return len(self.member)

    def of_members(self, column: Text) -> Text:
        """Repeat a column that has one value per entity, for each of its records."""
        return column.take(pa.array(self.member))

    def write(self, columns: Mapping[str, Text]) -> HardNegatives:
        """Put the columns into the standard shape; what is not given is absent."""
        system = take(
            [f"source_{n:02d}" for n in range(SYSTEMS)], self.dice.on("systems").integers(0, SYSTEMS, self.count)
        )
        key = digits(np.arange(self.count), 8)
        same = {"role": self.entity, "dataset": f"{self.entity}s", "observed_at": "2026-10-01T08:00:00"}
        filled = {
            "system_id": system,
            "record_key": key,
            "deleted": pa.array(np.zeros(self.count, dtype=bool)),
            **columns,
        }
        filled |= {name: self._constant(text) for name, text in same.items()}
        schema = standardised_schema(self.entity)
        records = pa.table(
            [filled[f.name].cast(f.type) if f.name in filled else pa.nulls(self.count, f.type) for f in schema],
            schema=schema,
        )
        group, which = np.divmod(self.member, 2)
        truth = join(self.entity[0].upper(), digits(group, 7), ".", digits(which, 1))
        described = {
            "system_id": system, "record_key": key, "entity_type": self._constant(self.entity), "role": records["role"],
            "truth_id": truth, "group_id": pa.array(group), "record": record_of(records), "truth": truth,
        }  # fmt: skip
        return HardNegatives(self.entity, records, pa.table(described))

    def _constant(self, text: str) -> Text:
        return take([text], np.zeros(self.count, dtype=np.int64))
