"""Sealing whole batches on their way into PostgreSQL (批量加密): a publication streams Arrow, so values are sealed by column."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.seals.values import Seals, sealed_fields
from warehouse.search_keys import BLINDED

Work = Callable[[pa.RecordBatch], pa.RecordBatch]

_NAMES: Final = sorted({f.name for e in ENTITIES for f in sealed_fields(e)})
_SPEAKS: Final = rf'"field":"({"|".join(_NAMES)})"'


def rows_sealed(seals: Seals, entity_type: EntityType) -> Work:
    """Return what seals golden records: columns `master_id` and the fields that are there."""
    fields = {f.name: f for f in sealed_fields(entity_type)}

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        ids = batch.column("master_id")
        for i, name in enumerate(batch.schema.names):
            if name in fields:
                batch = batch.set_column(i, name, seals.column(entity_type, fields[name], batch.column(i), ids))
        return batch

    return work


def facts_sealed(seals: Seals) -> Work:
    """Return what seals rows of one fact each: entity_type, master_id, field, value."""

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        if seals.ring is None or not pc.any(pc.is_in(batch.column("field"), pa.array(_NAMES))).as_py():
            return batch
        rows = zip(*(batch.column(n).to_pylist() for n in ("entity_type", "master_id", "field", "value")), strict=True)
        return _with(batch, "value", [seals.value(e, f, str(m), v) for e, m, f, v in rows])

    return work


def changes_sealed(seals: Seals) -> Work:
    """Return what seals planned changes: entity_type, master_id, changes (JSON of field, old, new)."""

    def sealed(entity_type: EntityType, master_id: Any, changes: str) -> str:
        return json.dumps(seals.changes(entity_type, str(master_id), json.loads(changes)), ensure_ascii=False)

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        concerned = pc.match_substring_regex(batch.column("changes"), _SPEAKS).to_pylist()
        if seals.ring is None or not any(concerned):
            return batch
        rows = zip(*(batch.column(n).to_pylist() for n in ("entity_type", "master_id", "changes")), strict=True)
        told = [sealed(*row) if speaks else row[2] for row, speaks in zip(rows, concerned, strict=True)]
        return _with(batch, "changes", told)

    return work


def keys_blinded(seals: Seals) -> Work:
    """Return what turns search keys of numbers into blind indexes: kind, key."""

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        blind = pc.is_in(batch.column("kind"), pa.array(BLINDED))
        if seals.ring is None or not pc.any(blind).as_py():
            return batch
        keys = batch.column("key")
        return _with(batch, "key", pc.if_else(blind, seals.blinded(pc.if_else(blind, keys, None)), keys))

    return work


def _with(batch: pa.RecordBatch, name: str, values: Any) -> pa.RecordBatch:
    column = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    return batch.set_column(batch.schema.get_field_index(name), name, column)
