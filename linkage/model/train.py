"""Training of match weights (权重训练) by Splink 5: m and u of every level, from comparable records.

u is counted on random pairs of records of different entities: where records carry valid identifiers, one record of each
identifier is drawn, so that no pair is one entity. m comes from pairs with one identifier; for comparisons that the
identifier itself fills in (the birth date in a citizen number), and where there are no identifiers, it is estimated by
expectation maximisation over the model's blocking rules, on the pairs that will be scored. Sampling goes by hashes of
the records' names and a seed, so a training gives the same file twice.

Fellegi and Sunter, "A Theory for Record Linkage" (1969); Splink, https://moj-analytical-services.github.io/splink/.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from math import log2
from typing import Final

import duckdb

from linkage.comparison import kind_of
from linkage.model import estimate
from linkage.model.estimate import HOME, Learned, Material, Settings, Shares
from linkage.model.schema import Comparison, Level, Model, document

__all__ = ["Settings", "TooLittle", "Trained", "train"]

_FEWEST: Final = 100
"""Records below which nothing can be learned."""

_NEVER: Final = "never seen in training"


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model, and what a person should know before using it."""

    model: Model
    warnings: tuple[str, ...]


class TooLittle(Exception):
    """There is too little to learn from; carries the entity."""

    def __init__(self, entity: str, records: int) -> None:
        self.entity, self.records = entity, records
        super().__init__(f"A model of {entity} cannot be trained on {records} records; a few thousand are needed.")


def train(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    *,
    now: datetime,
    settings: Settings | None = None,
    records: str = "comparable",
    implied: frozenset[str] = frozenset(),
) -> Trained:
    """Return the model with weights estimated from comparable records; what training cannot know stays as it was.

    Blocking, guards, thresholds, the discount and the bounds of the term frequencies are kept, and so are the weights of
    levels that were never seen.

    Args:
        con: holds the comparable records (`linkage.comparable.build`).
        model: base model.
        now: the moment to write into the model.
        settings: how to train.
        records: the relation of comparable records.
        implied: comparisons whose columns the identifier fills in: they agree wherever identifiers do, which says
            nothing of records without one.

    Raises:
        TooLittle: too few records for an estimate.
    """
    how = settings or Settings()
    material = estimate.prepare(con, model, records, how)
    if material.records < _FEWEST:
        raise TooLittle(model.entity, material.records)
    u = estimate.among_strangers(material)
    m, learned = _m(material, u, implied)
    if material.labelled:
        prior = estimate.prior_by_identifiers(material)
    else:
        # Random pairs contain the true ones at the prior's share; with them taken out of u, m is estimated anew.
        prior = estimate.prior_by_sessions(material, learned)
        u = {name: _without_true(shares, m.get(name), prior) for name, shares in u.items()}
        m, learned = _m(material, u, implied)
        prior = estimate.prior_by_sessions(material, learned)
    sources = {
        c.name: "base model"
        if c.name not in m
        else "expectation maximisation"
        if c.name in learned.m
        else "identifiers"
        for c in model.comparisons
    }
    warnings = learned.warnings
    times = how.population / material.identifiers if how.population and material.labelled else 1.0
    grown = {c.name for c in model.comparisons if c.group == HOME and c.name in m and times != 1.0}
    u |= {name: u[name].among(times, m[name]) for name in grown}
    comparisons: list[Comparison] = []
    more: list[str] = []
    for comparison in model.comparisons:
        home, said = _home(material, comparison) if comparison.name in m else (None, ())
        more += said
        comparisons.append(_weighed(comparison, m.get(comparison.name), u[comparison.name], home))
    warnings = (*warnings, *more)
    homes = material.labelled and any(c.group == HOME for c in model.comparisons)
    at_home = estimate.prior_at_home(material) if homes else None
    trained = {
        "how": "Splink",
        "splink": version("splink"),
        "when": now.isoformat(timespec="seconds"),
        "base": model.version,
        "records": material.records,
        "identifiers": material.identifiers,
        "population": how.population or material.identifiers or material.records,
        "pairs": how.pairs,
        "seed": how.seed,
        "m_from": sources,
        "warnings": list(warnings),
    }
    fresh = replace(
        model,
        version="",
        prior=round(prior - log2(times), 3),
        prior_at_home=model.prior_at_home if at_home is None else round(at_home, 3),
        comparisons=tuple(comparisons),
        trained=trained,
    )
    return Trained(replace(fresh, version=f"{now:%Y-%m-%d}-{_digest(fresh)}"), warnings)


def _digest(model: Model) -> str:
    """Tell models of one day apart: six digits of a hash of all that they say."""
    written = json.dumps(document(model), ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(written.encode(), digest_size=3).hexdigest()


def _m(material: Material, u: Mapping[str, Shares], implied: frozenset[str]) -> tuple[dict[str, Shares], Learned]:
    """Return m of the comparisons that can be learned, and what of it expectation maximisation taught."""
    everything = frozenset(c.name for c in material.model.comparisons)
    unlabelled = everything & implied if material.labelled else everything
    counted = estimate.among_same_identifier(material) if material.labelled else {}
    m = {name: shares for name, shares in counted.items() if name not in unlabelled and shares.pairs}
    if not unlabelled:
        return m, Learned({}, (), ())
    learned = estimate.by_maximisation(material, _started(material.model, u), unlabelled)
    return m | dict(learned.m), learned


def _started(model: Model, u: Mapping[str, Shares]) -> Model:
    """The model with u as counted and m as its weights have it: where expectation maximisation starts."""
    comparisons = []
    for comparison in model.comparisons:
        names = kind_of(comparison.kind).levels
        us = u[comparison.name].smoothed()
        ms = [share * 2.0 ** comparison.weight(name) for name, share in zip(names, us, strict=True)]
        shares = [share / sum(ms) for share in ms]
        levels = (Level(name, a, b, log2(a / b)) for name, a, b in zip(names, shares, us, strict=True))
        comparisons.append(replace(comparison, levels=tuple(levels)))
    return replace(model, comparisons=tuple(comparisons))


def _without_true(u: Shares, m: Shares | None, prior: float) -> Shares:
    if m is None:
        return u
    true = 2.0**prior / (1 + 2.0**prior)
    levels = (max(0.0, a - true * b) / (1 - true) for a, b in zip(u.levels, m.smoothed(), strict=True))
    return Shares(tuple(levels), u.pairs)


def _home(material: Material, comparison: Comparison) -> tuple[Shares | None, tuple[str, ...]]:
    """Return u at home, for comparisons that weigh differently there, and a warning when there is too little."""
    differs = comparison.group == HOME or any(entry.at_home is not None for entry in comparison.levels)
    homes = any(c.group == HOME for c in material.model.comparisons)
    if not (material.labelled and differs and homes):
        return None, ()
    shares = estimate.at_home(material, comparison)
    if shares.pairs >= material.settings.session:
        return shares, ()
    return None, (f"{shares.pairs} pairs of one home are too few for the weights of {comparison.name} there",)


def _weighed(comparison: Comparison, m: Shares | None, u: Shares, home: Shares | None) -> Comparison:
    """The comparison with trained m, u and weights; a level that says nothing new keeps the base model's weight."""
    if m is None:
        return comparison
    names = kind_of(comparison.kind).levels
    held = {entry.name: entry for entry in comparison.levels}
    levels = []
    for i, (name, share_m, share_u) in enumerate(zip(names, m.smoothed(), u.smoothed(), strict=True)):
        base = held.get(name, Level(name, None, None, 0.0))
        if base.fixed:
            levels.append(replace(base, m=share_m, u=share_u))
            continue
        if not m.levels[i] and not u.levels[i]:  # the quotient of two levels never seen says nothing
            levels.append(replace(base, m=share_m, u=share_u, why=base.why or _NEVER))
            continue
        at_home = base.at_home  # where there is none, the likeness is no likeness of families
        if home is not None and (comparison.group == HOME or (at_home is not None and home.levels[i])):
            at_home = round(log2(share_m / home.smoothed()[i]), 3)
        why = "" if base.why == _NEVER else base.why
        levels.append(Level(name, share_m, share_u, round(log2(share_m / share_u), 3), at_home, why))
    return replace(comparison, levels=tuple(levels))
