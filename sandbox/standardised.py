"""The town's records as linkage meets them (标准化记录), without the servers: every system's view, decoded by its manifest.

What a connector does to a row on its way (pages, files, cells) is not done here; the values and their dirt are the same.
Accuracy can be measured on a fresh town in seconds, and any part of linkage be tried on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import Manifest
from connectors.mapping import decode
from sandbox.lens import lens_for, view
from sandbox.town import Town
from sandbox.town.draw import plain
from schemas.entities import ENTITIES
from schemas.model import EntityType
from schemas.records import HINT_SCHEMA, PLACE, REJECT_SCHEMA, standardised_schema


@dataclass(frozen=True, slots=True)
class Seen:
    """What all systems together say of a town.

    Attributes:
        tables: standardised records per entity (`schemas.records.standardised_schema`); closed and deleted rows are left out.
        truth: which entity each describes (`sandbox.lens.TRUTH`); holds the records of `tables` and those left out.
        rejects: values that were not taken (`schemas.records.REJECT_SCHEMA`).
        hints: what such values still say (`schemas.records.HINT_SCHEMA`).
        rows: the raw rows per (system, dataset), to look rejected values up.
    """

    tables: Mapping[EntityType, pa.Table]
    truth: pa.Table
    rejects: pa.Table
    hints: pa.Table
    rows: Mapping[tuple[str, str], pa.Table]


def standardised(town: Town, manifests: Mapping[str, Manifest], seed: int = 1) -> Seen:
    """Look at the town through every system that may be read, and decode what each holds."""
    tables: dict[EntityType, list[pa.Table]] = {
        entity: [standardised_schema(entity).empty_table()] for entity in ENTITIES
    }
    truth, rejects, hints, raw = [], [REJECT_SCHEMA.empty_table()], [HINT_SCHEMA.empty_table()], {}
    for system, manifest in sorted(manifests.items()):
        if manifest.capabilities.read == "none":
            continue
        seen = view(town, manifest, lens_for(system), seed)
        truth.append(seen.truth)
        for dataset, rows in seen.rows.items():
            placed = rows.append_column(PLACE, plain(np.arange(rows.num_rows)))
            decoded = decode(placed, manifest, dataset, f"{town.today.isoformat()}T00:00:00")
            raw[system, dataset] = placed
            rejects.append(decoded.rejects)
            hints.append(decoded.hints)
            for entity, table in decoded.tables.items():
                tables[entity].append(table.filter(pc.invert(table["deleted"].fill_null(False))))
    whole = {entity: pa.concat_tables(parts) for entity, parts in tables.items()}
    return Seen(whole, pa.concat_tables(truth), pa.concat_tables(rejects), pa.concat_tables(hints), raw)


def record_of(table: pa.Table) -> pa.ChunkedArray:
    """Name every record of a table by one text: system, key and role, as `linkage.score` wants it."""
    return pc.binary_join_element_wise(table["system_id"], table["record_key"], table["role"], "\x1f")


_NOTHING_ELSE: Final = (
    "id_number", "birth_date", "phone", "residence_address", "registered_address", "household_no", "head_id_number",
    "guardian_phone", "employer_name",
)  # fmt: skip
"""What ties a person's record to others besides the name."""


def bare(persons: pa.Table) -> pa.ChunkedArray:
    """Mark the records that say nothing of a person but a name: nobody can link them, and no recall can be had there."""
    known = [pc.is_valid(persons[name]) for name in _NOTHING_ELSE]
    return pc.invert(reduce(pc.or_, known))


def attainable(persons: pa.Table, truth: pa.Table) -> float:
    """Return the share of true pairs that hold no `bare` record: the highest recall that is not guessing.

    Args:
        persons: standardised records.
        truth: record (`record_of`) and truth.
    """
    marked = pa.table({"record": record_of(persons), "bare": bare(persons)}).join(truth, "record", join_type="inner")
    pairs = [
        pc.sum(pc.multiply(n, pc.subtract(n, 1))).as_py()
        for n in (
            table.group_by("truth").aggregate([("record", "count")])["record_count"]
            for table in (marked, marked.filter(pc.invert(marked["bare"])))
        )
    ]
    return float(pairs[1] / pairs[0])
