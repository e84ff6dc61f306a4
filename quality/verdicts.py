"""Verdicts (逐行判定): for rows of one entity, a column per rule that says right, wrong or not concerned.

Great Expectations cannot say every rule by itself. Over these columns it can hold all of them to their thresholds: what it
judges then is the verdict of the rule's own SQL, while rules of a native form are worked out by it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from quality import relations
from quality.compile import Compiled, compile_rule
from quality.rule import Rule
from schemas.model import EntityType

VERDICT = "is:"
"""Prefix of a verdict's column, before the id of the rule."""


def verdicts(
    con: duckdb.DuckDBPyConnection, entity_type: EntityType, rules: Sequence[Rule], now: datetime, only: str
) -> pa.Table:
    """Return the records of `only` with the fields that the rules look at and a verdict per rule (NULL = not concerned).

    Args:
        con: the warehouse, after `quality.run.run`.
        entity_type: of the rules.
        rules: rules on records that can be judged row by row (no groups, no uniqueness).
        now: the day.
        only: relation (sid) of source records.
    """
    compiled = [compile_rule(r, now) for r in rules]
    texts = [f"{c.applies} {c.wrong}" for c in compiled]
    fields = dict.fromkeys(f for r in rules for f in r.check.fields)
    columns = ", ".join(["system_id", "record_key", "role", *(f'"{f}"' for f in fields), *map(_verdict, compiled)])
    source = relations.records(entity_type, texts, only)
    return con.sql(f"SELECT {columns} FROM ({source})").to_arrow_table()


def _verdict(compiled: Compiled) -> str:
    return f'CASE WHEN {compiled.applies} THEN NOT ({compiled.wrong}) END AS "{VERDICT}{compiled.rule.id}"'
