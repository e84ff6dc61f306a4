"""Applying the dirt: mix-ups on canonical tables, then misspellings on the system's own text, a few values of each column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import Dataset, Manifest
from sandbox.lens.dirt import CLASSES, MIXUPS
from sandbox.lens.rows import Rows
from sandbox.lens.settings import Lens
from sandbox.town import Town
from sandbox.town.draw import Dice, Mask, Text, chance, where

_ELEMENTS: Final = frozenset({"building", "unit", "floor", "room", "road_no"})


def mix_up(town: Town, rows: Rows, tables: Mapping[str, pa.Table], lens: Lens, dice: Dice) -> dict[str, pa.Table]:
    """Put other people's numbers, phones and names on a few rows; the row still describes whom it described."""
    return {role: _mixed(town, (role, rows), table, lens, dice) for role, table in tables.items()}


def _mixed(town: Town, where_: tuple[str, Rows], table: pa.Table, lens: Lens, dice: Dice) -> pa.Table:
    role, rows = where_
    for name, (entity, field, other_fact) in MIXUPS.items():
        if rows.types[role] == entity and lens.rates.get(name):
            rng = dice.on(f"{role} {name}")
            picked = chance(rng, lens.rates[name], table.num_rows)
            other = other_fact(town, rows.entities[role], rng)
            picked &= np.asarray(other.is_valid())
            if picked.any():
                column = where(picked, other, _whole(table.column(field)))
                table = table.set_column(table.column_names.index(field), field, column)
    return table


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a raw column comes from: the role and field that fill it, and its kind of dirt."""

    role: str
    field: str
    kind: str


def soil(
    manifest: Manifest,
    dataset: Dataset,
    raw: Mapping[str, Text],
    tables: Mapping[str, pa.Table],
    lens: Lens,
    dice: Dice,
) -> dict[str, Text]:
    """Misspell a few values of every column but the keys; at most one class of dirt per value."""
    soiled = dict(raw)
    for column, origin in _origins(manifest, dataset).items():
        if column in soiled and column not in dataset.key:
            canonical = _whole(tables[origin.role].column(origin.field))
            soiled[column] = _soil_column(
                manifest.kind, soiled[column], (origin.kind, canonical), lens, dice.on(f"dirt {column}")
            )
    return soiled


def _soil_column(channel: str, values: Text, origin: tuple[str, Text], lens: Lens, rng: np.random.Generator) -> Text:
    kind, canonical = origin
    clean: Mask = np.asarray(values.is_valid())
    for name, dirt in CLASSES.items():
        rate = lens.rates.get(name, 0.0)
        if kind not in dirt.kinds or not rate or (dirt.channels is not None and channel not in dirt.channels):
            continue
        index = np.flatnonzero(chance(rng, rate, len(values)) & clean)
        if not index.size:
            continue
        source = (canonical if dirt.canonical else values).take(pa.array(index))
        changed = dirt.change(source, rng)
        usable = np.asarray(pc.not_equal(changed, values.take(pa.array(index))).fill_null(dirt.removes))
        if usable.any():
            mask = np.zeros(len(values), dtype=bool)
            mask[index[usable]] = True
            values = pc.replace_with_mask(values, pa.array(mask), changed.filter(pa.array(usable)))
            clean &= ~mask
    return values


def _origins(manifest: Manifest, dataset: Dataset) -> dict[str, _Origin]:
    """The first mapped single-column field of each column, with the kind of dirt it can take."""
    origins: dict[str, _Origin] = {}
    for entity in dataset.entities:
        for field, mapped in entity.fields.items():
            if len(mapped.column) != 1 or mapped.column[0] in origins:
                continue
            kind: str = mapped.kind or manifest.master_field(entity.type, field).kind
            if mapped.codes is not None:
                kind = "code"
            elif entity.type == "address" and field in _ELEMENTS:
                kind = "element"
            origins[mapped.column[0]] = _Origin(entity.role, field, kind)
    return origins


def _whole(column: Text) -> Text:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
