"""A model in the words of Splink 5: the levels of our comparison kinds as Splink's comparison levels.

The conditions are the very SQL that scores pairs (`linkage.comparison`), and the levels that need texts come from the
same function, offered to DuckDB as an Arrow function. What is trained is therefore what is scored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from threading import get_ident
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import ARROW, SPECIAL
from duckdb.sqltypes import INTEGER, VARCHAR

from linkage.comparison import Kind, kind_of
from linkage.model.schema import Comparison, Model

RECORD: Final = "rid"
"""Column that names a comparable record."""

_SIDE = re.compile(r"\b([lr])\.(\w+)")


def settings(model: Model, *, iterations: int, convergence: float, shares: bool = True) -> dict[str, Any]:
    """Return the Splink settings of a model: every level of every comparison.

    With `shares`, m and u of the model are what Splink starts from; it also leaves them at levels it never observes.
    """
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": RECORD,
        "probability_two_random_records_match": min(0.5, 2.0**model.prior),
        "em_convergence": convergence,
        "max_iterations": iterations,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "blocking_rules_to_generate_predictions": [],
        "comparisons": [
            {"output_column_name": comparison.name, "comparison_levels": _levels(comparison, shares=shares)}
            for comparison in model.comparisons
        ],
    }


def register(con: duckdb.DuckDBPyConnection, kinds: Iterable[str]) -> None:
    """Offer the textual levels of these kinds to a connection, as `textual_<kind>(left, right) -> level number`."""
    for name in sorted(set(kinds)):
        kind = kind_of(name)
        if kind.compare is None:
            continue
        function = f"textual_{name}"
        known = con.execute("SELECT count(*) FROM duckdb_functions() WHERE function_name = ?", [function]).fetchall()
        if known[0][0]:
            con.remove_function(function)
        con.create_function(function, _numbered(kind), [VARCHAR, VARCHAR], INTEGER, type=ARROW, null_handling=SPECIAL)


def level_number(comparison: Comparison, left: str = "l", right: str = "r") -> str:
    """Return the SQL of the level number of a pair, texts included, for a connection that `register` has seen.

    The numbers are those of `linkage.scoring.levels_sql`: the place among the kind's levels from 1, 0 = nothing to compare.
    """
    kind = kind_of(comparison.kind)
    tests = "".join(f" WHEN {sql} THEN {i}" for i, sql in enumerate(_tests(comparison), 1))
    said = f"CASE WHEN NOT ({kind.known}) THEN 0{tests} ELSE {len(kind.levels)} END"
    return said.format(l=left, r=right, c=comparison.name)


def rule(model: Model, on: Iterable[str]) -> str:
    """Return the condition of a blocking rule as Splink reads it.

    A code column that stands for a whole comparison (the birth date beside its parts) is spelled out in the columns that
    the comparison looks at, so that Splink sees which comparisons the rule has used up.
    """
    terms: list[str] = []
    for column in on:
        terms.append(f"l.{column} = r.{column}")
        for comparison in model.comparisons:
            kind = kind_of(comparison.kind)
            looked_at = {f"{comparison.name}{suffix}" for suffix in kind.columns}
            if column == comparison.name and column not in looked_at:
                terms += [f"l.{c} = r.{c}" for c in sorted(looked_at)]
    return " AND ".join(dict.fromkeys(terms))


def used_up(model: Model, on: Iterable[str]) -> frozenset[str]:
    """Return the comparisons that pairs of a blocking rule cannot teach, because the rule looks at their columns."""
    columns = set(on)
    return frozenset(
        c.name
        for c in model.comparisons
        if c.name in columns or columns & {f"{c.name}{suffix}" for suffix in kind_of(c.kind).columns}
    )


def trained(document: dict[str, Any]) -> dict[str, list[tuple[float | None, float | None]]]:
    """Return m and u of each comparison's levels from a Splink model, None where a level was never observed."""
    return {
        comparison["output_column_name"]: [
            (_number(level.get("m_probability")), _number(level.get("u_probability")))
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        ]
        for comparison in document["comparisons"]
    }


def _levels(comparison: Comparison, *, shares: bool) -> list[dict[str, Any]]:
    kind = kind_of(comparison.kind)
    held = {entry.name: entry for entry in comparison.levels}
    conditions = [*(_placed(comparison, sql) for sql in _tests(comparison)), "ELSE"]
    levels: list[dict[str, Any]] = [
        {
            "sql_condition": f"NOT ({_placed(comparison, kind.known)})",
            "label_for_charts": "nothing",
            "is_null_level": True,
        }
    ]
    for name, condition in zip(kind.levels, conditions, strict=True):
        level: dict[str, Any] = {"sql_condition": condition, "label_for_charts": name}
        entry = held.get(name)
        if shares and entry and entry.m and entry.u:
            level |= {"m_probability": entry.m, "u_probability": entry.u}
        levels.append(level)
    return levels


def _tests(comparison: Comparison) -> list[str]:
    """The condition of every level but the last, best first."""
    kind = kind_of(comparison.kind)
    text = f"textual_{comparison.kind}({{l}}.{{c}}{kind.text}, {{r}}.{{c}}{kind.text})"
    offset = len(kind.better) + 1
    return [
        *(coded.sql for coded in kind.better),
        *(f"{text} = {offset + i}" for i in range(len(kind.textual))),
        *(coded.sql for coded in kind.worse),
    ]


def _placed(comparison: Comparison, sql: str) -> str:
    """`{l}.{c}_y` is `birth_y_l` to Splink."""
    return _SIDE.sub(r"\2_\1", sql.format(l="l", r="r", c=comparison.name))


def _numbered(kind: Kind) -> Any:
    compare, textual, offset = kind.compare, pa.array(kind.textual, pa.string()), len(kind.better) + 1
    if compare is None:
        raise TypeError("a kind without a function has no textual levels")

    last: dict[int, _Numbered] = {}

    def number(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.Array:
        one, other = _whole(left), _whole(right)
        known = last.get(get_ident())
        found = known.among(one, other, range(offset, offset + len(textual))) if known else None
        if found is None:
            found = pc.add(pc.index_in(compare(one, other), textual), pa.scalar(offset, pa.int32()))
            last[get_ident()] = _Numbered(one, other, found)
        return found

    return number


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Pairs of texts with the numbers of their levels (NULL = no textual level).

    DuckDB asks once for each level in a CASE: for the second level it brings those of the same pairs that do not have the
    first, and so on. Most pairs have none, and would be compared as often as there are levels.
    """

    one: pa.Array
    other: pa.Array
    level: pa.Array

    def among(self, one: pa.Array, other: pa.Array, numbers: range) -> pa.Array | None:
        """Return the levels of some pairs if they are what is left of these below one of the levels."""
        for below in numbers:
            left = pc.fill_null(pc.greater_equal(self.level, pa.scalar(below, pa.int32())), True)
            if pc.sum(left).as_py() != len(one):
                continue
            if self.one.filter(left).equals(one) and self.other.filter(left).equals(other):
                return self.level.filter(left)
        return None


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
