"""Why two records are one, or not (链接解释): the weight of each comparison, adding up to the match weight exactly.

An explanation is computed by the same SQL that scores, then taken apart; nothing in it is an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from linkage.compare_pairs import levels_of
from linkage.comparison import kind_of
from linkage.engine import DuckEngine
from linkage.model import Comparison, Model


@dataclass(frozen=True, slots=True)
class Step:
    """One comparison: the level that holds (None = a side says nothing), its weight, and what of it counts."""

    comparison: str
    level: str | None
    weight: float
    counted: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """How two records compare.

    Attributes:
        model: version of the model.
        prior: where the sum begins, log2 odds.
        at_home: the pair shares phone, home or household, and the odds of two of one family decided.
        steps: the comparisons, in the order of the model; `prior` plus what of them counts is `weight`.
        weight: the match weight, as scoring gives it.
        same_number: both have the same valid identifier; two_numbers: both have one, and they differ.
        contradicted: columns of the facts that one entity may not contradict and these two do.
    """

    model: str
    prior: float
    at_home: bool
    steps: tuple[Step, ...]
    weight: float
    same_number: bool
    two_numbers: bool
    contradicted: tuple[str, ...]


def explain(con: duckdb.DuckDBPyConnection, model: Model, records: str, left: int, right: int) -> Explanation:
    """Explain a pair of comparable records.

    Args:
        con: where the records are.
        model: by which they are weighed.
        records: relation of comparable records (`linkage.comparable`).
        left: number of one record (`rid`).
        right: number of the other.

    Raises:
        KeyError: a record is not there.
    """
    engine = DuckEngine(con)
    con.execute(f"CREATE OR REPLACE TEMP TABLE two AS SELECT * FROM {records} WHERE rid IN ({left}, {right})")
    rows = {row["rid"]: row for row in con.sql("SELECT * FROM two").to_arrow_table().to_pylist()}
    for rid in (left, right):
        if rid not in rows:
            raise KeyError(rid)
    con.execute(f"CREATE OR REPLACE TEMP TABLE asked AS SELECT {left}::UBIGINT AS l, {right}::UBIGINT AS r")
    levels_of(engine, model, pairs="asked", records="two")
    found = con.sql("SELECT * FROM scored").to_arrow_table().to_pylist()[0]
    engine.drop("two", "asked", "scored")
    one, other = rows[left], rows[right]
    labels = (one["label"], other["label"])
    known = None not in labels
    prior, at_home, steps = _steps(model, found)
    return Explanation(
        model=model.version,
        prior=prior,
        at_home=at_home,
        steps=steps,
        weight=float(found["weight"]),
        same_number=known and labels[0] == labels[1],
        two_numbers=known and labels[0] != labels[1],
        contradicted=_contradicted(model, one, other),
    )


def take_apart(model: Model, compared: Mapping[str, Any]) -> tuple[float, bool, tuple[Step, ...]]:
    """Take the weight of a published question apart: (prior, at home, steps); prior plus what counts is the weight.

    Args:
        model: by which it was weighed.
        compared: column `compared` of the question: the number of each comparison's level, and how rare equal names are.
    """
    names = [f"g_{c.name}" for c in model.comparisons] + [f"rarity_{c.name}" for c in model.comparisons]
    return _steps(model, {name: compared.get(name) or 0 for name in names})


def _contradicted(model: Model, one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for guard in model.guards:
        pairs = [(one[c], other[c]) for c in guard.on]
        agreeing = sum(a is None or b is None or a == b for a, b in pairs)
        if None not in pairs[0] and agreeing < guard.agree:
            found |= dict.fromkeys(guard.on)
    return tuple(found)


def _steps(model: Model, found: Mapping[str, Any]) -> tuple[float, bool, tuple[Step, ...]]:
    """Take the weight apart as `linkage.scoring.weight_sql` puts it together."""
    home = any(c.group == "home" and found[f"g_{c.name}"] == 1 for c in model.comparisons)
    stranger = _counted(model, found, at_home=False)
    if not home:
        return model.prior, False, stranger
    relative = _counted(model, found, at_home=True)
    if model.prior_at_home is None:
        return model.prior, True, relative
    if _sum(model.prior_at_home, relative) < _sum(model.prior, stranger):
        return model.prior_at_home, True, relative
    return model.prior, False, stranger


def _sum(prior: float, steps: tuple[Step, ...]) -> float:
    return prior + sum(step.counted for step in steps)


def _counted(model: Model, found: Mapping[str, Any], *, at_home: bool) -> tuple[Step, ...]:
    """The steps of one of the two ways to weigh; of a group the strongest agreement counts in full, the others in part."""
    weights = {c.name: _weight(c, found, at_home) for c in model.comparisons}
    groups: dict[str, list[str]] = {}
    for comparison in model.comparisons:
        groups.setdefault(comparison.group or comparison.name, []).append(comparison.name)
    counted: dict[str, float] = {}
    for members in groups.values():
        best = max(members, key=lambda name: weights[name])
        for name in members:
            part = 1.0 if name == best or weights[name] <= 0 else model.discount
            counted[name] = weights[name] * part
    return tuple(Step(c.name, _level(c, found), weights[c.name], counted[c.name]) for c in model.comparisons)


def _level(comparison: Comparison, found: Mapping[str, Any]) -> str | None:
    number = found[f"g_{comparison.name}"]
    return kind_of(comparison.kind).levels[number - 1] if number else None


def _weight(comparison: Comparison, found: Mapping[str, Any], at_home: bool) -> float:
    level = _level(comparison, found)
    if level is None:
        return 0.0
    entry = next((e for e in comparison.levels if e.name == level), None)
    weight = 0.0
    if entry is not None:
        weight = entry.at_home if at_home and entry.at_home is not None else entry.weight
    if comparison.frequency and level in comparison.frequency.levels:
        weight += float(found[f"rarity_{comparison.name}"])
    return weight
