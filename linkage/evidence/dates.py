"""How near two dates are (日期), as SQL over integer columns, so that no text is looked at in the blocking join.

1 January is a date like any other and also what forms say when nobody knows the day: where one side has it and the years
agree, nothing more than the year is told.
"""

from __future__ import annotations

from typing import Final

LEVELS: Final = ("exact", "swapped", "year_default", "one_part", "year_only", "different")
"""Comparison levels, nearest first: equal; day and month in the other order; the years agree and one side is 1 January;
two of year, month and day agree; only the years agree; none of these. 1 January of two years has no part in common."""


def conditions(left: str, right: str) -> tuple[tuple[str, str], ...]:
    """Return (level, SQL that is true where it or a better one holds) for every level but the last, best first.

    Symmetric; DuckDB's dialect in the part that sqlglot carries to Spark.

    Args:
        left: what stands before `_y`, `_m` and `_d` in the names of one date's integer columns; may be a template
            (`{l}.{c}`).
        right: the same of the other date.
    """
    y, m, d = (f"{left}_{part} = {right}_{part}" for part in "ymd")
    first, other = (f"({side}_m = 1 AND {side}_d = 1)" for side in (left, right))
    tests = (
        f"{y} AND {m} AND {d}",
        f"{y} AND {left}_m = {right}_d AND {left}_d = {right}_m",
        f"{y} AND ({first} OR {other})",
        f"({y} AND ({m} OR {d})) OR ({m} AND {d} AND NOT {first})",
        y,
    )
    return tuple(zip(LEVELS, tests, strict=False))
