"""What a system holds in the fields of a change (现值), told by the very texts where that is enough.

A system that writes a value as we would spell it holds that value: nothing needs to be decoded. Only rows that hold a
third text are, since decoding one row costs more than asking for it, and a website shows one record at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import EntityMap, FieldMap, Manifest
from connectors.mapping import decode
from connectors.mapping.encode import speller
from connectors.mapping.rows import record_keys
from schemas.model import EntityType
from schemas.records import RECORD_COLUMNS, Change, FieldChange

FAR_DAY = "9999-12-31"
"""Day of reading handed to `decode`: whether a date lies in the future is of no interest here."""

Records = Mapping[tuple[str, str], Mapping[str, str | None]]
"""(record_key, role) -> field -> canonical value."""

PROVEN_BY_NUMBER = frozenset({"id_type", "birth_date", "sex"})
"""Fields of a person that the ID number of the row overrules: their own text says nothing for sure."""


def held_of(manifest: Manifest, dataset: str, changes: Sequence[Change], rows: pa.Table) -> Records:
    """Return (record key, role) -> field -> canonical value, for the fields of changes at least.

    Args:
        manifest: the system's manifest.
        dataset: dataset of rows and changes.
        changes: what is or was to be written.
        rows: raw rows that the system holds now.
    """
    if rows.num_rows == 0:
        return {}
    keys = record_keys(rows, manifest, manifest.dataset(dataset))
    concerned = pc.is_in(keys, value_set=pa.array({c.record_key for c in changes if c.record_key}, pa.string()))
    rows, keys = rows.filter(concerned), keys.filter(concerned)
    shown = dict(zip(keys.to_pylist(), rows.to_pylist(), strict=True))  # of several rows with one key the last counts
    told: dict[tuple[str, str], dict[str, str | None]] = {}
    unclear: set[str] = set()
    for change in changes:
        row = shown.get(change.record_key)
        if row is None or change.record_key is None:
            continue
        found = _told(manifest, dataset, change, row)
        if found is None:
            unclear.add(change.record_key)
        else:
            told.setdefault((change.record_key, change.role), {}).update(found)
    if not unclear:
        return told
    whole = records(manifest, dataset, rows.filter(pc.is_in(keys, value_set=pa.array(unclear, pa.string()))))
    return {place: values for place, values in told.items() if place[0] not in unclear} | dict(whole)


def _told(
    manifest: Manifest, dataset: str, change: Change, row: Mapping[str, str | None]
) -> Mapping[str, str | None] | None:
    """The canonical values that a row holds in the fields of a change; None where its texts do not tell."""
    entity = manifest.dataset(dataset).entity(change.role)
    if entity.required:
        return None  # whether there is such an entity in the row depends on other fields
    found: dict[str, str | None] = {}
    for item in change.changes:
        mapped = entity.fields.get(item.field)
        if mapped is None or not mapped.writable:
            continue
        if len(mapped.column) > 1:
            return None
        text = row.get(mapped.column[0])
        if not text or (entity.type == "person" and item.field in PROVEN_BY_NUMBER):
            return None
        value = _meant(manifest, entity, item, mapped, text)
        if value is None:
            return None
        found[item.field] = value
    return found or None


def _meant(manifest: Manifest, entity: EntityMap, item: FieldChange, mapped: FieldMap, text: str) -> str | None:
    """The one of the values we know of a field that is spelled like this, and read like this again."""
    spell, table = speller(manifest, entity, item.field), manifest.code_map(mapped)
    for value in (item.new, item.old, item.pushed):
        if value is not None and spell(value) == text and (table is None or table.codes.get(text) == value):
            return value
    return None


def records(manifest: Manifest, dataset: str, rows: pa.Table) -> Records:
    """Return the canonical values of rows by (record key, role), also of fields that are only written."""
    if rows.num_rows == 0:
        return {}
    decoded = decode(rows, manifest, dataset, FAR_DAY, written_too=True)
    front = {name for name, _ in RECORD_COLUMNS}
    return {
        (record["record_key"], record["role"]): {k: v for k, v in record.items() if k not in front}
        for table in _mapped_only(manifest, dataset, decoded.tables)
        for record in table.to_pylist()
    }


def _mapped_only(manifest: Manifest, dataset: str, tables: Mapping[EntityType, pa.Table]) -> list[pa.Table]:
    """Tables without the many master fields that this system does not have."""
    front = [name for name, _ in RECORD_COLUMNS]
    result = []
    for entity_type, table in tables.items():
        entities = [e for e in manifest.dataset(dataset).entities if e.type == entity_type]
        result.append(table.select([*front, *dict.fromkeys(f for e in entities for f in e.fields)]))
    return result
