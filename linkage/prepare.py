"""What linking all of a table of standardised records needs beside it: forms of names, places of addresses, rarities."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from linkage import names, organisations
from linkage.comparable import Inputs, Spec
from linkage.engine import Engine
from linkage.model import Model
from linkage.model import frequencies as name_frequencies
from schemas import address

ELEMENTS = "coalesce(road || road_no, compound)"
"""A place by its own text alone: the door, or the estate. Where a working copy is at hand its places say more."""

FORMS: Final = pa.schema([(n, pa.string()) for n in ("text", "folded", "surname", "pinyin", "pinyin_fuzzy")])
ORGANISATIONS: Final = pa.schema(
    [(n, pa.string()) for n in ("text", "name", "plain", "folded", "place", "family", "branch", "pinyin")]
)
ELEMENT: Final = pa.schema(
    [(n, pa.string()) for n in ("text", "road", "road_no", "compound", "building", "room", "normal_key")]
)
"""What comparable records need of names (`linkage.names`, `linkage.organisations`) and of addresses (`schemas.address`)."""


def prepare(
    engine: Engine, spec: Spec, model: Model, *, records: str, known: pa.Table | None = None, hints: str | None = None
) -> Inputs:
    """Make `name_form`, `org_form`, `place` and `name_rarity` for `records`; every distinct text is worked once.

    Args:
        engine: where `records` is.
        spec: which entity.
        model: whose name frequencies count.
        records: relation of standardised records.
        known: how common names are (`linkage.model.frequencies`); as shipped with the model when None.
        hints: relation of what refused values still say (`schemas.records.HINT_SCHEMA`), if there are any.
    """
    engine.apply("name_form", _distinct(records, spec.names), _forms, FORMS)
    if spec.organisations:
        engine.apply("org_form", _distinct(records, spec.organisations), _organisations, ORGANISATIONS)
    engine.apply("address_text", _distinct(records, spec.places), _elements, ELEMENT)
    engine.table(
        "place",
        "SELECT text, CASE WHEN room IS NOT NULL AND normal_key IS NOT NULL THEN hash(normal_key, '~' || normal_key) END AS flat, "
        f"CASE WHEN building IS NOT NULL AND {ELEMENTS} IS NOT NULL THEN hash({ELEMENTS}, building) END AS building, "
        f"CASE WHEN {ELEMENTS} IS NOT NULL THEN hash({ELEMENTS}) END AS site FROM address_text",
    )
    if spec.frequencies:
        frequencies = name_frequencies.read(None, model.entity) if known is None else known
        engine.put("name_rarity", name_frequencies.rarity(model, model.comparison("name"), frequencies))
    return Inputs(records, hints=hints)


def _distinct(records: str, fields: tuple[str, ...]) -> str:
    """Return the SQL of the distinct texts of some fields."""
    union = " UNION ".join(f"SELECT {field} AS text FROM {records} WHERE {field} IS NOT NULL" for field in fields)
    return f"SELECT DISTINCT text FROM ({union}) t"


def _forms(rows: pa.Table) -> pa.Table:
    texts = rows["text"].combine_chunks()
    return names.standardise(texts).append_column("text", texts).select(FORMS.names)


def _organisations(rows: pa.Table) -> pa.Table:
    texts = rows["text"].combine_chunks()
    return organisations.standardise(texts).append_column("text", texts).select(ORGANISATIONS.names)


def _elements(rows: pa.Table) -> pa.Table:
    texts = rows["text"].combine_chunks()
    parsed = address.parse(texts)
    return (
        parsed.append_column("normal_key", address.normal_key(parsed))
        .append_column("text", texts)
        .select(ELEMENT.names)
    )
