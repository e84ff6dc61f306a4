"""`view`: one system's rows of the town, in its own spelling and with its own dirt, and which entity each row describes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import Dataset, Manifest
from connectors.mapping import encode_table
from sandbox.lens.columns import RowFacts, local_columns, stamp
from sandbox.lens.keys import KeyFacts, make_keys
from sandbox.lens.rows import Rows, plan_rows
from sandbox.lens.settings import DatasetLens, Lens
from sandbox.lens.soil import mix_up, soil
from sandbox.town import Town
from sandbox.town.draw import Dice, Text, join, take, where

TRUTH: Final = pa.schema(
    [(name, pa.string()) for name in ("system_id", "record_key", "dataset", "entity_type", "role", "truth_id")]
)
"""Which true entity each role of each source record describes; `record_key` as in the landed rows."""


@dataclass(frozen=True, slots=True)
class SystemView:
    """What one system holds: dataset -> raw text rows as its manifest names the columns, and the truth beside them."""

    rows: Mapping[str, pa.Table]
    truth: pa.Table


def view(town: Town, manifest: Manifest, lens: Lens, seed: int) -> SystemView:
    """Look at the town through a system: its members, its spelling, its stale values, its dirt.

    The first entity of each dataset is the main one: one row per member; the other entities of a row follow from the
    town's relations by their role (owner, tenant, legal_representative, guardian, ...).
    """
    rows: dict[str, pa.Table] = {}
    truth: list[pa.Table] = []
    for dataset in manifest.datasets:
        dice = Dice(zlib.crc32(f"{seed} {manifest.id} {dataset.name}".encode()))
        table, described = _dataset_view(town, manifest, dataset, lens, dice)
        rows[dataset.name] = table
        truth.append(described)
    return SystemView(rows, pa.concat_tables(truth))


def _dataset_view(
    town: Town, manifest: Manifest, dataset: Dataset, lens: Lens, dice: Dice
) -> tuple[pa.Table, pa.Table]:
    settings = lens.dataset(dataset.name)
    rows = plan_rows(town, dataset, lens, settings, dice)
    tables = {role: town.as_of(rows.types[role], index, rows.seen) for role, index in rows.entities.items()}
    facts = _row_facts(town, rows, tables, dice)
    tables = mix_up(town, rows, tables, lens, dice)
    encoded = encode_table(manifest, dataset.name, tables)
    raw = {name: encoded.column(name).combine_chunks() for name in encoded.column_names}
    raw = soil(manifest, dataset, raw, tables, lens, dice)
    raw |= local_columns(dataset, lens, settings, facts, dice)
    raw |= _own_columns(dataset, settings, rows, facts, dice)
    for column in dataset.columns:
        if column not in raw:
            raw[column] = _composed(dataset, column, tables, len(rows.days))
    raw |= _keys(dataset, settings, raw, facts)
    table = pa.table({column: raw[column].cast(pa.string()) for column in dataset.columns})
    kept = _with_unique_key(dataset, table)
    key = join(*_interleave([table.column(k).combine_chunks() for k in dataset.key], "|"))
    keys = join(f"{dataset.name}/", key) if manifest.prefixed else key
    return table.filter(kept), _truth(town, manifest, dataset, rows, keys).filter(_repeat(kept, rows))


def _row_facts(town: Town, rows: Rows, tables: Mapping[str, pa.Table], dice: Dice) -> RowFacts:
    """Address, community, household and employer of the main entity of each row."""
    role, main = next(iter(rows.entities.items()))
    kind = rows.types[role]
    place = main if kind == "address" else town.related(kind, "address", main, rows.seen)
    nowhere = place < 0
    place = np.where(nowhere, np.arange(len(place)) % town.count("address"), place)
    addresses = town.tables["address"]
    community = take(addresses.column("community_code").combine_chunks(), place)
    head = town.related("person", "head", main) if kind == "person" else main
    employer = (
        tables[role].column("employer_name").combine_chunks() if kind == "person" else pa.nulls(len(main), pa.string())
    )
    keys = KeyFacts(dice.on("keys"), rows.days, community, np.maximum(head, 0))
    return RowFacts(keys, take(addresses.column("full_text").combine_chunks(), place), employer)


def _own_columns(dataset: Dataset, settings: DatasetLens, rows: Rows, facts: RowFacts, dice: Dice) -> dict[str, Text]:
    """The updated-at and delete columns."""
    columns: dict[str, Text] = {}
    if dataset.updated_at is not None:
        form = dataset.updated_at.formats[0] if dataset.updated_at.formats else "%Y-%m-%d %H:%M:%S"
        seconds = dice.on("seconds").integers(8 * 3600, 21 * 3600, facts.keys.count)
        columns[dataset.updated_at.column] = stamp(rows.days, seconds, form)
    if dataset.deleted.column is not None:
        columns[dataset.deleted.column] = where(rows.ended, dataset.deleted.values[0], settings.alive)
    return columns


def _composed(dataset: Dataset, column: str, tables: Mapping[str, pa.Table], count: int) -> Text:
    """A column that only composed values use: the first one takes the whole value, the others stay empty."""
    for entity in dataset.entities:
        for name, mapped in entity.fields.items():
            if len(mapped.column) > 1 and mapped.column[0] == column:
                return tables[entity.role].column(name).combine_chunks()
    return pa.nulls(count, pa.string())


def _keys(dataset: Dataset, settings: DatasetLens, raw: Mapping[str, Text], facts: RowFacts) -> dict[str, Text]:
    """Key columns that no field fills; the last of several takes the pattern, the others plain numbers."""
    open_keys = [k for k in dataset.key if raw[k].null_count == len(raw[k])]
    return {k: make_keys(settings.key if k == open_keys[-1] else "{n6}", facts.keys) for k in open_keys}


def _with_unique_key(dataset: Dataset, table: pa.Table) -> pa.Array:
    """Rows whose whole key is present and has not stood in an earlier row."""
    parts = [table.column(k).combine_chunks() for k in dataset.key]
    whole = pc.binary_join_element_wise(*parts, "|", null_handling="emit_null")
    coded = whole.dictionary_encode().indices
    known = np.asarray(coded.fill_null(-1))
    _, first = np.unique(known, return_index=True)
    keep = np.zeros(len(known), dtype=bool)
    keep[first] = True
    return pa.array(keep & (known >= 0))


def _interleave(parts: list[Text], separator: str) -> list[Text | str]:
    return [x for part in parts for x in (separator, part)][1:]


def _repeat(kept: pa.Array, rows: Rows) -> pa.Array:
    present = [np.asarray(index >= 0) for index in rows.entities.values()]
    return pa.array(np.concatenate([np.asarray(kept)[p] for p in present]))


def _truth(town: Town, manifest: Manifest, dataset: Dataset, rows: Rows, keys: Text) -> pa.Table:
    """One row per record and role that somebody fills."""
    parts = []
    for role, index in rows.entities.items():
        there = pa.array(index >= 0)
        kind = rows.types[role]
        record = keys.filter(there)
        same = {"system_id": manifest.id, "dataset": dataset.name, "entity_type": kind, "role": role}
        columns = {name: take([text], np.zeros(len(record), dtype=np.int64)) for name, text in same.items()}
        truth = take(town.tables[kind].column("truth_id").combine_chunks(), index[index >= 0])
        parts.append(pa.table({**columns, "record_key": record, "truth_id": truth}).select(TRUTH.names))
    return pa.concat_tables(parts)
