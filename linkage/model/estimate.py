"""What is counted and estimated in a training: u, m, the prior, and u among people of one home.

Every function reads comparable records from DuckDB and returns shares of pairs per level; what they mean for a model is
decided in `linkage.model.train`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import log2, prod
from statistics import median
from typing import TYPE_CHECKING, Final

import duckdb

from linkage.comparison import kind_of
from linkage.model import splink_settings as words
from linkage.model.schema import Comparison, Model

if TYPE_CHECKING:
    from splink import Linker

HOME: Final = "home"
"""Group of the comparisons that say who lives where; how many share a home does not depend on how many people there are."""

SMOOTH: Final = 0.5
"""Pairs that every level is given beyond those seen (Laplace's rule with a half): never seen means rare, not impossible."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train.

    Attributes:
        seed: of the samples.
        pairs: pairs from which u is counted, and the most that one session of expectation maximisation looks at.
        labels: valid identifiers from which on they serve as labels.
        persons: entities whose neighbours at home are looked at.
        iterations: of expectation maximisation before it counts as not converged.
        convergence: change of a share that counts as none.
        session: fewest pairs of a session.
        population: people (or other entities) that the weights are stated for, None = as many as were trained on. The
            more there are, the less likely two random ones are one, and the less likely they share a home; names and
            birth dates are as common as before.
    """

    seed: int = 1
    pairs: int = 2_000_000
    labels: int = 1000
    persons: int = 20_000
    iterations: int = 100
    convergence: float = 1e-4
    session: int = 200
    population: int | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """How pairs spread over the levels of a comparison, best first, and how many pairs that was counted on.

    A level that was never observed is 0.
    """

    levels: tuple[float, ...]
    pairs: float

    def among(self, times: float, true: Shares) -> Shares:
        """Return u with the levels that speak for a pair so many times rarer, `true` being m.

        A level that speaks against it (another flat of the building) goes on doing so in a larger town.
        """
        speak = [a > b for a, b in zip(true.smoothed(), self.smoothed(), strict=True)]
        levels = [share / times if rarer else share for share, rarer in zip(self.levels, speak, strict=True)]
        return Shares((*levels[:-1], 1.0 - sum(levels[:-1])), self.pairs * times)

    def smoothed(self) -> tuple[float, ...]:
        """Return shares that add up to one, none of them nought."""
        counts = [share * self.pairs + SMOOTH for share in self.levels]
        return tuple(float(f"{count / sum(counts):.4g}") for count in counts)


@dataclass(frozen=True, slots=True)
class Material:
    """What a training looks at: the tables `train_u` (one record of each entity, as far as known) and `train_m` (all).

    Attributes:
        con: where the tables are.
        model: base model.
        settings: how to train.
        records: comparable records.
        identifiers: distinct valid identifiers among them.
    """

    con: duckdb.DuckDBPyConnection
    model: Model
    settings: Settings
    records: int
    identifiers: int

    @property
    def labelled(self) -> bool:
        """There are enough identifiers to learn from."""
        return self.identifiers >= self.settings.labels

    def count(self, sql: str) -> int:
        """Return the single number that a query gives."""
        return int(self.con.execute(sql).fetchall()[0][0] or 0)

    def known(self, comparison: Comparison, table: str) -> float:
        """Return the share of pairs of a table in which both sides of a comparison say something."""
        said = kind_of(comparison.kind).known.format(l="x", r="x", c=comparison.name)
        return (self.count(f"SELECT count(*) FROM {table} x WHERE {said}") / max(1, self._size(table))) ** 2

    def _size(self, table: str) -> int:
        return self.count(f"SELECT count(*) FROM {table}")

    def linker(self, table: str, start: Model | None = None) -> Linker:
        """Return a Splink linker over a table, which starts from the shares of a model if one is given."""
        from splink import DuckDBAPI, Linker, SettingsCreator  # takes a second, which only training needs to spend

        logging.getLogger("splink").setLevel(logging.ERROR)
        how = words.settings(
            start or self.model,
            iterations=self.settings.iterations,
            convergence=self.settings.convergence,
            shares=start is not None,
        )
        frame = DuckDBAPI(connection=self.con).register(table)
        return Linker(frame, SettingsCreator.from_path_or_dict(how), log_level=None)


def prepare(con: duckdb.DuckDBPyConnection, model: Model, records: str, settings: Settings) -> Material:
    """Make the tables to train on, in the order of the records' numbers so that samples never depend on arrival."""
    words.register(con, (c.kind for c in model.comparisons))
    con.execute(f"CREATE OR REPLACE TEMP TABLE train_m AS SELECT * FROM {records} ORDER BY rid")
    size, identifiers = con.execute("SELECT count(*), count(DISTINCT label) FROM train_m").fetchall()[0]
    material = Material(con, model, settings, size, identifiers)
    chosen = f"QUALIFY row_number() OVER (PARTITION BY label ORDER BY hash(rid, {settings.seed}), rid) = 1"
    one_of_each = f"WHERE label IS NOT NULL {chosen}" if material.labelled else ""
    con.execute(f"CREATE OR REPLACE TEMP TABLE train_u AS SELECT * FROM train_m {one_of_each} ORDER BY rid")
    return material


@dataclass(frozen=True, slots=True)
class Session:
    """What expectation maximisation found on the pairs of one blocking rule.

    Attributes:
        rule: name of the blocking rule.
        used: comparisons that agree by the rule.
        true: true pairs expected among those of the rule.
    """

    rule: str
    used: frozenset[str]
    true: float


@dataclass(frozen=True, slots=True)
class Learned:
    """The m that expectation maximisation taught, from which sessions, and what a person should know of it."""

    m: Mapping[str, Shares]
    sessions: tuple[Session, ...]
    warnings: tuple[str, ...]


def prior_by_identifiers(material: Material) -> float:
    """Return the log2 odds that two records taken at random are one entity, as those with an identifier show it."""
    sizes = "SELECT count(*) AS n FROM train_m WHERE label IS NOT NULL GROUP BY label"
    same, total = material.con.execute(f"SELECT sum(n * (n - 1)), sum(n) FROM ({sizes})").fetchall()[0]
    return log2(max(1, int(same)) / (int(total) * (int(total) - 1)))


def prior_by_sessions(material: Material, learned: Learned) -> float:
    """Return the log2 odds that two records taken at random are one entity, without identifiers.

    The true pairs that a blocking rule finds are those of all true pairs that agree in what it looks at, and how many
    do is what the other rules taught (m of the best level). Rules that find few say little; the median is taken.
    """
    totals = []
    for session in learned.sessions:
        if session.used <= learned.m.keys():
            agree = [
                learned.m[n].levels[0] * material.known(material.model.comparison(n), "train_m") for n in session.used
            ]
            if agree and min(agree) > 0:
                totals.append(session.true / prod(agree))
    if not totals:
        return material.model.prior
    pairs = material.records * (material.records - 1) / 2
    share = min(0.5, median(totals) / pairs)
    return log2(share / (1 - share))


def among_strangers(material: Material) -> dict[str, Shares]:
    """Return u of every comparison, counted on random pairs; with identifiers, on records of different entities only."""
    linker = material.linker("train_u")
    linker.training.estimate_u_using_random_sampling(
        max_pairs=material.settings.pairs, seed=material.settings.seed, min_count_per_level=None, num_chunks=1
    )
    found = words.trained(linker.misc.save_model_to_json())
    size = material.count("SELECT count(*) FROM train_u")
    sampled = min(material.settings.pairs, size * (size - 1) // 2)
    return {
        c.name: Shares(tuple(u or 0.0 for _, u in found[c.name]), sampled * material.known(c, "train_u"))
        for c in material.model.comparisons
    }


def among_same_identifier(material: Material) -> dict[str, Shares]:
    """Return m of every comparison, counted on the pairs that share a valid identifier."""
    linker = material.linker("train_m")
    linker.training.estimate_m_from_label_column("label")
    found = words.trained(linker.misc.save_model_to_json())
    return {
        c.name: Shares(tuple(m or 0.0 for m, _ in found[c.name]), _same_identifier_pairs(material, c))
        for c in material.model.comparisons
    }


def by_maximisation(material: Material, start: Model, wanted: frozenset[str]) -> Learned:
    """Return m by expectation maximisation with u as in `start`.

    Every blocking rule is a session, which teaches the comparisons that it does not look at. Splink takes the median of
    the sessions. With identifiers, only pairs are looked at that no identifier decides: those that will be scored.
    """
    linker = material.linker("train_m", start)
    undecided = " AND (l.label IS NULL OR r.label IS NULL)" if material.labelled else ""
    behind: dict[str, float] = {}
    warnings: list[str] = []
    sessions: list[Session] = []
    kinds = {c.name: c.kind for c in material.model.comparisons}
    for entry in material.model.blocking:
        used = words.used_up(material.model, entry.on)
        if any(
            kinds[name] == "number" for name in used
        ):  # half a number says the birth date too: it would teach itself
            continue
        teaches = wanted - used
        condition = words.rule(material.model, entry.on) + undecided
        pairs = material.count(f"SELECT count(*) FROM train_m l JOIN train_m r ON {condition} WHERE l.rid < r.rid")
        if not teaches or pairs < material.settings.session:
            continue
        try:
            session = linker.training.estimate_parameters_using_expectation_maximisation(
                condition, fix_u_probabilities=True, max_pairs=float(material.settings.pairs)
            )
        except ValueError:  # Splink refuses a share that ran to nought
            warnings.append(f"the session on {entry.name} was given up: some level has too few pairs to hold its share")
            continue
        if len(session._core_model_settings_history) > material.settings.iterations:  # noqa: SLF001 - Splink says "converged" either way (its issue 1382)
            warnings.append(
                f"the session on {entry.name} did not converge in {material.settings.iterations} iterations"
            )
        true = pairs * float(session.core_model_settings.probability_two_random_records_match)
        sessions.append(Session(entry.name, used, true))
        looked_at = min(1.0, material.settings.pairs / pairs)
        for name in teaches:
            share = material.known(material.model.comparison(name), "train_m")
            behind[name] = behind.get(name, 0.0) + true * looked_at * share
    warnings += [
        f"no session teaches {name}: it keeps the base model's weights" for name in sorted(wanted - behind.keys())
    ]
    found = words.trained(linker.misc.save_model_to_json())
    # A level that no session has seen stands where it started.
    began = {c.name: [entry.m for entry in c.levels] for c in start.comparisons}
    shares = {
        n: tuple(0.0 if m is None or m == b else m for (m, _), b in zip(found[n], began[n], strict=True))
        for n in behind
    }
    m = {n: Shares(shares[n], behind[n]) for n in sorted(behind)}
    return Learned(m, tuple(sessions), tuple(warnings))


def at_home(material: Material, comparison: Comparison) -> Shares:
    """Return u of a comparison among different entities that share home, phone or household.

    Members of a family are alike in surname and generation name. A pair of persons counts once, with the level that most
    pairs of their records have: a row with the number of somebody else must not make two of them one.
    """
    kind = kind_of(comparison.kind)
    shared = _sharing(material, "l.label < r.label")
    counted = material.con.execute(
        f"WITH pair AS (SELECT l.label AS one, r.label AS other, {words.level_number(comparison)} AS level FROM ({shared}) p "
        "JOIN train_m l ON l.rid = p.a JOIN train_m r ON r.rid = p.b), "
        "often AS (SELECT one, other, level FROM pair WHERE level > 0 GROUP BY one, other, level "
        "QUALIFY row_number() OVER (PARTITION BY one, other ORDER BY count(*) DESC, level DESC) = 1) "
        "SELECT level, count(*) FROM often GROUP BY level"
    ).fetchall()
    number = {int(level): int(count) for level, count in counted}
    total = sum(number.values())
    return Shares(tuple(number.get(i, 0) / max(1, total) for i in range(1, len(kind.levels) + 1)), total)


def prior_at_home(material: Material) -> float | None:
    """Return the log2 odds that two records that share a home are one person's, None where too few share one."""
    same, other = (
        material.count(f"SELECT count(*) FROM ({_sharing(material, pair)})")
        for pair in ("l.label = r.label AND l.rid < r.rid", "l.label < r.label")
    )
    return log2(same / other) if min(same, other) >= material.settings.session else None


def _sharing(material: Material, pair: str) -> str:
    """Return the SQL of pairs of records (a, b) that share the best level of a home comparison; left persons are a sample."""
    every = max(1, material.identifiers // material.settings.persons)
    return " UNION ".join(
        "SELECT l.rid AS a, r.rid AS b FROM train_m l JOIN train_m r ON "
        f"{kind_of(c.kind).better[0].sql.format(l='l', r='r', c=c.name)} "
        f"WHERE {pair} AND hash(l.label, {material.settings.seed}) % {every} = 0"
        for c in material.model.comparisons
        if c.group == HOME
    )


def _same_identifier_pairs(material: Material, comparison: Comparison) -> int:
    known = kind_of(comparison.kind).known.format(l="x", r="x", c=comparison.name)
    sizes = f"SELECT count(*) AS n FROM train_m x WHERE label IS NOT NULL AND {known} GROUP BY label"
    return material.count(f"SELECT sum(n * (n - 1) // 2) FROM ({sizes})")
