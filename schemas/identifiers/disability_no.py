"""残疾人证号: the holder's 18-digit ID number, one digit category, one digit grade, `B` and a count after reissue.

Category 1 视力 2 听力 3 言语 4 肢体 5 智力 6 精神 7 多重, grade 1 (most severe) to 4 (GB/T 26341-2010).
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from schemas.identifiers import citizen_id, columns
from schemas.identifiers.areas import DEFAULT_TEST_AREAS
from schemas.identifiers.columns import MASKED, SCIENTIFIC, Texts

_SHAPE = re.compile(r"([0-9]{17}[0-9X])([1-7])([1-4])(?:B([0-9]{1,2}))?")


def parse(texts: Texts, *, test_areas: frozenset[str] = DEFAULT_TEST_AREAS) -> pa.Table:
    """Clean, check and anatomise disability card numbers, row for row.

    Returns:
        Text columns `value` (20 characters, 22 or more after reissue), `kind` (disability), `issue` (masked,
        precision_lost, length, characters, or the issue of the ID number inside), `warning` (of the ID number),
        `id_number`, `disability_type`, `disability_grade`, `reissue`.
    """
    return columns.per_distinct(texts, lambda column: _parse_distinct(column, test_areas))


def _parse_distinct(raw: pa.StringArray, test_areas: frozenset[str]) -> pa.Table:
    column = columns.compact(raw).to_pylist()
    shapes = [_SHAPE.fullmatch(text) if text else None for text in column]
    holders = citizen_id.parse([m[1] if m else None for m in shapes], test_areas=test_areas).to_pylist()
    rows = [_row(*parts) for parts in zip(column, shapes, holders, strict=True)]
    names = ("value", "kind", "issue", "warning", "id_number", "disability_type", "disability_grade", "reissue")
    return columns.text_table({name: [row[i] for row in rows] for i, name in enumerate(names)})


def _row(text: str | None, shape: re.Match[str] | None, holder: dict[str, Any]) -> tuple[str | None, ...]:
    if text is None:
        return (None,) * 8
    if shape is None:
        return None, None, _why(text), None, None, None, None, None
    if holder["issue"]:
        return None, None, holder["issue"], None, None, None, None, None
    return text, "disability", None, holder["warning"], shape[1], shape[2], shape[3], shape[4]


def _why(text: str) -> str:
    if SCIENTIFIC.match(text):
        return "precision_lost"
    if MASKED.search(text):
        return "masked"
    return "length" if re.fullmatch(r"[0-9XB]+", text) and not re.fullmatch(r".{20,24}", text) else "characters"
