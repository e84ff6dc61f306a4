"""Master values → the texts a system writes them in (编码): the inverse of `decode`, column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import EntityMap, FieldMap, Manifest
from connectors.mapping.errors import Inexpressible, Problem
from connectors.mapping.values import CODED

Speller = Callable[[str], str | None]
"""Canonical value -> raw text; None when the system has no spelling for it."""

Split = Callable[[str, FieldMap, pa.StringArray], Sequence[pa.StringArray]]
"""(field name, its mapping, canonical values) -> one array for each of its columns."""

ISO_DATE = "%Y-%m-%d"
ISO_TIME = "%Y-%m-%dT%H:%M:%S"


def encode(manifest: Manifest, dataset: str, role: str, values: Mapping[str, str | None]) -> dict[str, str]:
    """Return column -> raw text for the given canonical values of one entity.

    Only fields that the manifest allows to be written are in the answer; others are left out silently, since the
    caller hands over golden values of the whole entity. None becomes an empty text: the field is cleared.

    Raises:
        Inexpressible: some values have no spelling in this system; it carries the columns of all the others.
    """
    entity = manifest.dataset(dataset).entity(role)
    columns: dict[str, str] = {}
    problems: list[Problem] = []
    for name, value in values.items():
        mapped = entity.fields.get(name)
        if mapped is None or not mapped.writable:
            continue
        raw = "" if value is None else speller(manifest, entity, name)(value)
        if raw is None:
            problems.append(Problem(name, _reason(manifest, mapped)))
        else:
            columns[mapped.column[0]] = raw
    if problems:
        raise Inexpressible(manifest.id, tuple(problems), columns)
    return columns


def encode_table(
    manifest: Manifest, dataset: str, tables: Mapping[str, pa.Table], split: Split | None = None
) -> pa.Table:
    """Return the raw text columns of whole tables of canonical values: a system's own view of them.

    The direction of a field is ignored: a system holds also what we may only read. A value without spelling becomes
    NULL (the system cannot know it). Where two fields share a column the first that is filled stands.

    Args:
        manifest: the system's manifest.
        dataset: name of the dataset.
        tables: role -> table with master fields as columns; all tables row for row beside one another.
        split: makes the columns of a composed value (`column: [a, b]`); without it those columns are left out.
    """
    columns: dict[str, pa.StringArray] = {}
    for entity in manifest.dataset(dataset).entities:
        if entity.role not in tables:
            continue
        table = tables[entity.role]
        for name, mapped in entity.fields.items():
            if name not in table.column_names or not mapped.column:
                continue
            values = _one_array(table.column(name))
            if len(mapped.column) == 1:
                arrays: Sequence[pa.StringArray] = [_spelled(speller(manifest, entity, name), values)]
            else:
                arrays = split(name, mapped, values) if split is not None else ()
            for column, array in zip(mapped.column, arrays, strict=bool(arrays)):
                columns[column] = pc.coalesce(columns[column], array) if column in columns else array
    return pa.table(columns)


def speller(manifest: Manifest, entity: EntityMap, name: str) -> Speller:
    """Return the function that writes one field's canonical values in the system's spelling."""
    mapped = entity.fields[name]
    kind = mapped.kind or manifest.master_field(entity.type, name).kind
    table = manifest.code_map(mapped)
    if table is not None:
        reverse = table.reverse()
        return reverse.get if kind in CODED else lambda value: _reworded(value, reverse, table.codes)
    if kind in {"date", "datetime"}:
        default = ISO_DATE if kind == "date" else ISO_TIME
        form = mapped.write_format or (mapped.formats[0] if mapped.formats else default)
        return lambda value: _dated(value, form)
    return lambda value: value


def _reworded(value: str, reverse: Mapping[str, str], codes: Mapping[str, str]) -> str | None:
    # A text that the map does not have stands for itself, unless it would be read back as something else.
    return reverse.get(value, value if value not in codes else None)


def _dated(value: str, form: str) -> str | None:
    try:
        return datetime.fromisoformat(value).strftime(form)
    except ValueError:
        return None  # an incomplete date (1987-06) has no day to write


def _spelled(spell: Speller, values: pa.StringArray) -> pa.StringArray:
    coded = values.dictionary_encode()
    spelled = [None if value is None else spell(value) for value in coded.dictionary.to_pylist()]
    return pa.array(spelled, pa.string()).take(coded.indices)


def _reason(manifest: Manifest, mapped: FieldMap) -> str:
    table = manifest.code_map(mapped)
    if table is None:
        return "the value is no complete date"
    return f"the system has no spelling for this code ({table.lossy or 'not in its code map'})"


def _one_array(column: pa.ChunkedArray) -> pa.StringArray:
    chunks = column.chunks
    array = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks) if chunks else pa.nulls(0, pa.string())
    return array if array.type == pa.string() else array.cast(pa.string())
