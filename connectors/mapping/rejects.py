"""Reject rows: what was not taken, where it stands and why; never the value itself, which may be personal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from connectors.mapping.reasons import reason
from schemas.records import REJECT_SCHEMA

Level = Literal["value", "record", "warning"]


@dataclass(slots=True)
class Rejects:
    """Collects the rejects of one page, column by column."""

    system_id: str
    dataset: str
    parts: list[pa.Table] = field(default_factory=list)

    def add(
        self,
        rules: pa.StringArray,
        keys: pa.StringArray,
        places: pa.StringArray,
        *,
        level: Level,
        entity_type: str | None = None,
        role: str | None = None,
        name: str | None = None,
        column: str | None = None,
    ) -> None:
        """Add a reject for each row where `rules` holds a rule id; keys and places are row for row beside it."""
        if rules.null_count == len(rules):
            return
        hit = rules.is_valid()
        rules = rules.filter(hit)
        coded = rules.dictionary_encode()
        reasons = pa.array([reason(rule) for rule in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)
        count = len(rules)
        constants = {
            "system_id": self.system_id, "dataset": self.dataset, "entity_type": entity_type, "role": role,
            "field": name, "column": column, "level": level,
        }  # fmt: skip
        columns = {k: pa.repeat(pa.scalar(v, pa.string()), count) for k, v in constants.items()}
        columns |= {"record_key": keys.filter(hit), "place": places.filter(hit), "rule": rules, "reason": reasons}
        self.parts.append(pa.table([columns[n] for n in REJECT_SCHEMA.names], schema=REJECT_SCHEMA))

    def table(self) -> pa.Table:
        """All rejects as one table."""
        return pa.concat_tables(self.parts) if self.parts else REJECT_SCHEMA.empty_table()


def everywhere(rule: str, count: int) -> pa.StringArray:
    """The same rule id for `count` rows."""
    return pa.repeat(pa.scalar(rule, pa.string()), count)


def where(mask: pa.BooleanArray, rule: str) -> pa.StringArray:
    """The rule id where the mask is true, NULL elsewhere."""
    return pc.if_else(pc.fill_null(mask, fill_value=False), rule, pa.scalar(None, pa.string()))
