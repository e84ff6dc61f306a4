"""Standardisation for linking (链接前的标准化): what is derived from texts, each distinct text worked once.

The road keeps these tables beside its records and adds to them; here they are made for records that come from anywhere,
on the engine that links them.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from linkage.comparable import Inputs, Spec
from linkage.engine import Engine
from linkage.model import Model
from linkage.model.frequencies import rarity
from linkage.names import standardise
from schemas import address

NAMES: Final = pa.schema(
    [(n, pa.string()) for n in ("text", "folded", "surname", "pinyin", "pinyin_fuzzy")]
)
"""The forms of a name that comparable records are made of (`linkage.names`)."""

PLACES: Final = pa.schema([(n, pa.string()) for n in ("text", "road", "road_no", "compound", "building", "room", "key")])
"""The elements of an address that say which place it is; `key` is `schemas.address.normal_key`."""

RARITIES: Final = pa.schema(
    [("folded", pa.string()), ("sex", pa.string()), ("decade", pa.string()), ("rarity", pa.float64())]
)


def prepare(engine: Engine, spec: Spec, model: Model, *, records: str, frequencies: pa.Table) -> Inputs:
    """Make the tables that comparable records are made from; return their names.

    Args:
        engine: where they are made.
        spec: which fields are names and addresses.
        model: whose name frequencies count.
        records: relation of standardised records.
        frequencies: `linkage.model.frequencies.SCHEMA`.
    """
    engine.apply("name_now", _distinct(spec.names, records), _names, NAMES)
    engine.apply("element_now", _distinct(spec.places, records), _elements, PLACES)
    # A place without road number and without compound is none: two of them have nothing in common.
    site = "coalesce(road || road_no, compound)"
    engine.table(
        "place_now",
        f"SELECT text, CASE WHEN {site} IS NOT NULL AND room IS NOT NULL THEN hash(key) END AS flat, "
        f"CASE WHEN {site} IS NOT NULL AND building IS NOT NULL THEN hash({site}, building) END AS building, "
        f"CASE WHEN {site} IS NOT NULL THEN hash({site}) END AS site FROM element_now",
    )
    engine.drop("element_now")
    corrected = [c for c in model.comparisons if c.frequency]
    rare = rarity(model, corrected[0], frequencies) if corrected else RARITIES.empty_table()
    engine.put("frequency_now", rare.cast(RARITIES))
    return Inputs(records, "name_now", "place_now", "frequency_now")


def _distinct(fields: tuple[str, ...], records: str) -> str:
    """Return the SQL of the distinct texts of some fields, none where there are no fields."""
    parts = [f"SELECT {field} AS text FROM {records} WHERE {field} IS NOT NULL" for field in fields]
    return " UNION ".join(parts) if len(parts) > 1 else f"SELECT DISTINCT text FROM ({parts[0] if parts else NOTHING}) e"


NOTHING: Final = "SELECT '' AS text WHERE 1 = 0"


def _names(texts: pa.Table) -> pa.Table:
    column = texts["text"].combine_chunks()
    return standardise(column).append_column("text", column).select(NAMES.names)


def _elements(texts: pa.Table) -> pa.Table:
    column = texts["text"].combine_chunks()
    parsed = address.parse(column)
    return parsed.append_column("key", address.normal_key(parsed)).append_column("text", column).select(PLACES.names)
