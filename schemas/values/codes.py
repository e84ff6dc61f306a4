"""Kinds code, boolean, region: values out of a closed set."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from schemas.codes import code_set, fold
from schemas.identifiers import columns
from schemas.identifiers.areas import known_and_retired
from schemas.values.answer import NOTHING, Answer, Row, each
from schemas.values.options import ValueOptions

_NO_YEAR_LIMIT = -1


def code(column: pa.StringArray, options: ValueOptions) -> Answer:
    """Codes: the system's own map decides, and alone unless it may fall through; else the standard's code set.

    A code of the standard is not a safe guess for a system with its own coding (01 and 13 of the political status
    are swapped in one), so a map that is silent about a value makes it an issue.
    """
    chosen = code_set(options.code_set) if options.code_set else None
    mapped = {fold(spelling): code for spelling, code in (options.code_map or {}).items()}
    alone = options.code_map is not None and not options.code_map_falls_through

    def one(text: str) -> Row:
        found = mapped.get(fold(text))
        if found is None and chosen is not None and not alone:
            found = chosen.resolve(_whole_number(text))
        return (found, None, None) if found is not None else (None, "unknown", None)

    return each(column, one)


def boolean(column: pa.StringArray, options: ValueOptions) -> Answer:
    """是否: `1` or `0`; a code map of the system is honoured as for codes."""
    chosen = code_set("boolean")
    mapped = {fold(spelling): code for spelling, code in (options.code_map or {}).items()}
    alone = options.code_map is not None and not options.code_map_falls_through

    def one(text: str) -> Row:
        found = mapped.get(fold(text)) or (None if alone else chosen.resolve(_whole_number(text)))
        return (found, None, None) if found is not None else (None, "unknown", None)

    return each(column, one)


def region(column: pa.StringArray, options: ValueOptions) -> Answer:
    """行政区划代码: 6 digits county (GB/T 2260), 9 street (GB/T 10114), 12 community (NBS); a prefix if the field is short."""
    plain = pc.replace_substring_regex(columns.compact(column), r"\.0$", "")
    if options.length is not None:
        plain = pc.utf8_slice_codeunits(plain, 0, options.length)
    digits = columns.matches(plain, r"^[0-9]+$")
    sized = columns.matches(plain, r"^(?:[0-9]{6}|[0-9]{9}|[0-9]{12})$")
    lost = columns.matches(plain, columns.SCIENTIFIC.pattern)
    numbers = columns.number(columns.matrix(pc.utf8_slice_codeunits(plain.filter(pa.array(sized)), 0, 6), 6), 0, 6)
    known, _ = known_and_retired(numbers, numbers * 0 + _NO_YEAR_LIMIT, options.test_areas)
    unknown = pc.fill_null(pc.invert(columns.where(sized, pa.array(known))), False)
    why = pc.if_else(pa.array(lost), "precision_lost", pc.if_else(pa.array(digits), "length", "not_a_code"))
    return Answer(
        pc.if_else(pa.array(sized), plain, NOTHING),
        pc.if_else(pa.array(sized), NOTHING, why),
        pc.if_else(unknown, "unknown_area", NOTHING),
    )


def _whole_number(text: str) -> str:
    """Undo the spreadsheet's `1.0` for a code `1`."""
    plain = columns.half_width(text).strip()
    return plain[:-2] if plain.endswith(".0") and plain[:-2].isdigit() else plain
