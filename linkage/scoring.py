"""Match weights in SQL (匹配权重): from levels to a weight, first as a bound on codes, then exactly.

The level of each comparison is a small number (its place among the kind's levels, 0 = nothing to compare). A pair whose
codes do not decide a comparison gets the number `OPEN` there and counts with the best textual level: the bound can only
be too high, so no pair that reaches a threshold is lost before its texts have been looked at.
"""

from __future__ import annotations

from typing import Final

from linkage.comparison import kind_of
from linkage.comparison.kinds import REST
from linkage.model import Comparison, Model

OPEN: Final = 99
"""Level number of a comparison that only the texts can decide."""


def levels_sql(comparison: Comparison, left: str, right: str) -> str:
    """Return the SQL of a comparison's level number for a pair of comparable records."""
    kind = kind_of(comparison.kind)

    def placed(sql: str) -> str:
        return sql.format(l=left, r=right, c=comparison.name)

    number = {level: i for i, level in enumerate(kind.levels, 1)}
    tests = "".join(f" WHEN {placed(c.sql)} THEN {number[c.level]}" for c in kind.better)
    if kind.textual:
        rest = str(OPEN)
    else:
        tests += "".join(f" WHEN {placed(c.sql)} THEN {number[c.level]}" for c in kind.worse)
        rest = str(number[REST])
    return f"CASE WHEN NOT ({placed(kind.known)}) THEN 0{tests} ELSE {rest} END"


def worse_sql(comparison: Comparison, left: str, right: str) -> str:
    """Return the SQL of the level number of a pair that no textual level holds for."""
    kind = kind_of(comparison.kind)
    number = {level: i for i, level in enumerate(kind.levels, 1)}
    tests = "".join(
        f" WHEN {c.sql.format(l=left, r=right, c=comparison.name)} THEN {number[c.level]}" for c in kind.worse
    )
    return f"CASE{tests} ELSE {number[REST]} END" if tests else str(number[REST])


def weight_sql(model: Model) -> str:
    """Return the SQL of the match weight over the columns `g_<comparison>` and `rarity_<comparison>`.

    Within a group of comparisons that repeat each other the strongest agreement counts in full and the others at the
    model's discount; disagreements all count. At home the pair may be two of one family as well as two strangers: the
    less likely of the two ways to be one person counts, where the model tells them apart.
    """
    home = _home(model)
    if model.prior_at_home is None:
        differs = {c.name: any(entry.at_home is not None for entry in c.levels) for c in model.comparisons}
        return _total(
            model, model.prior, {c.name: _weight(c, home if differs[c.name] else None) for c in model.comparisons}
        )
    stranger = _total(model, model.prior, {c.name: _table(c, at_home=False) for c in model.comparisons})
    relative = _total(model, model.prior_at_home, {c.name: _table(c, at_home=True) for c in model.comparisons})
    return f"CASE WHEN {home} THEN least({stranger}, {relative}) ELSE {stranger} END"


def _total(model: Model, prior: float, weights: dict[str, str]) -> str:
    terms = [_number(prior)]
    grouped: dict[str, list[str]] = {}
    for comparison in model.comparisons:
        if comparison.group:
            grouped.setdefault(comparison.group, []).append(weights[comparison.name])
        else:
            terms.append(weights[comparison.name])
    terms += [_together(parts, model.discount) for parts in grouped.values()]
    return " + ".join(terms)


def _together(parts: list[str], discount: float) -> str:
    if len(parts) == 1:
        return parts[0]
    positive = ", ".join(f"greatest({p}, 0)" for p in parts)
    against = " + ".join(f"least({p}, 0)" for p in parts)
    best = f"greatest({positive})"
    if discount == 0:
        return f"({best} + {against})"
    total = " + ".join(f"greatest({p}, 0)" for p in parts)
    return f"({_number(1 - discount)} * {best} + {_number(discount)} * ({total}) + {against})"


def _number(value: float) -> str:
    """Write a number as a DOUBLE: without an exponent it would be a DECIMAL, in which each engine rounds its own way."""
    text = repr(float(value))
    return text if "e" in text else f"{text}e0"


def _home(model: Model) -> str:
    """Return the SQL that is true where the pair shares a home, a phone or a household: the best level of any of them.

    A shared building or estate makes no family.
    """
    tests = [f"g_{comparison.name} = 1" for comparison in model.comparisons if comparison.group == "home"]
    return f"({' OR '.join(tests)})" if tests else "false"


def _weight(comparison: Comparison, home: str | None) -> str:
    plain = _table(comparison, at_home=False)
    if home is None:
        return plain
    return f"CASE WHEN {home} THEN {_table(comparison, at_home=True)} ELSE {plain} END"


def _table(comparison: Comparison, *, at_home: bool) -> str:
    kind = kind_of(comparison.kind)
    weights = {
        entry.name: entry.at_home if at_home and entry.at_home is not None else entry.weight
        for entry in comparison.levels
    }
    frequent = comparison.frequency.levels if comparison.frequency else ()
    tests = []
    for i, level in enumerate(kind.levels, 1):
        weight = weights.get(level, 0.0)
        if level in frequent:
            tests.append(f"WHEN {i} THEN {_number(weight)} + rarity_{comparison.name}")
        elif weight:
            tests.append(f"WHEN {i} THEN {_number(weight)}")
    if kind.textual:
        below = [*kind.textual, *(c.level for c in kind.worse), REST]
        bound = max(weights.get(level, 0.0) for level in below)
        tests.append(f"WHEN {OPEN} THEN {_number(bound)}")
    return f"CASE g_{comparison.name} {' '.join(tests)} ELSE 0 END" if tests else "0"
