"""The linkage models of an installation (链接模型): which one counts, and training it on the records that are here.

A model in `<home>/models/` outranks the one that ships with onefact, because it has seen this installation's records.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from linkage.chart import Curve, curve
from linkage.comparable import SPECS, Inputs, Spec, build, name_joins
from linkage.compare_pairs import score_all
from linkage.engine import DuckEngine
from linkage.model import Model, frequencies, load, save, shipped, shipped_names
from linkage.model.train import Settings, Trained, train
from linkage.prepare import prepare
from onefact.home import Home
from schemas.model import EntityType
from warehouse.duck import standardised_table

FLOOR_OF_CHART: Final = -10.0
"""Weight from which pairs are looked at for the chart: well below any threshold that makes sense."""


class NoModel(Exception):
    """No model links this entity by weights; carries the name asked for and the names there are."""

    def __init__(self, entity: str, known: tuple[str, ...]) -> None:
        self.entity, self.known = entity, known
        super().__init__(f"There is no linkage model of {entity!r}. There are: {', '.join(known)}.")


@dataclass(frozen=True, slots=True)
class Found:
    """A model and where it comes from.

    Attributes:
        path: file of the installation's own model, None for a shipped one.
        counts: it is the one that links records.
    """

    model: Model
    path: Path | None
    counts: bool


def own(home: Home, entity: str) -> Path:
    """Return the file of an installation's own model, whether or not it exists."""
    return home.path / "models" / f"{entity}.json"


def current(home: Home, entity: str) -> Model:
    """Return the model that counts: the installation's own, else the shipped one; raises `NoModel`."""
    path = own(home, entity)
    if path.is_file():
        return load(path)
    if entity not in shipped_names():
        raise NoModel(entity, tuple(f.model.entity for f in every(home) if f.counts))
    return shipped(entity)


def every(home: Home) -> list[Found]:
    """Return all models, shipped and own."""
    paths = sorted((home.path / "models").glob("*.json"))
    mine = [Found(load(path), path, counts=True) for path in paths]
    outranked = {path.stem for path in paths}
    return [*(Found(shipped(name), None, counts=name not in outranked) for name in shipped_names()), *mine]


def name_frequencies(home: Home, entity: str) -> pa.Table:
    """Return how common names are: beside the installation's own model, else as shipped."""
    path = own(home, entity)
    return frequencies.read(frequencies.beside(path) if path.is_file() else None, entity)


def fit(
    home: Home, entity: EntityType, out: Path | None = None, settings: Settings | None = None
) -> tuple[Trained, Path]:
    """Train the model of an entity on this installation's records and write it, with name frequencies beside it.

    Args:
        home: the installation.
        entity: whose model.
        out: file to write; the installation's own model when None, which then counts from the next consolidation on.
        settings: how to train.

    Raises:
        NoModel: nothing links this entity by weights.
        TooLittle: too few records.
    """
    base, spec, path = current(home, entity), _spec(home, entity), out or own(home, entity)
    with home.warehouse() as con:
        relations = _comparable(con, home, spec, base)
        result = train(con, base, now=home.now(), settings=settings, implied=frozenset(spec.implied))
        floors = [c.frequency.floor for c in base.comparisons if c.frequency]
        save(result.model, path)
        if floors:
            joins = name_joins(spec, relations)
            counted = frequencies.counted(
                con, relations.records, "comparable", joins, spec.frequencies, floor=floors[0]
            )
            frequencies.write(counted, frequencies.beside(path))
    return result, path


def thresholds(home: Home, entity: EntityType) -> tuple[Model, Curve]:
    """Return the model that counts and what each link threshold would give on this installation's records."""
    model, spec = current(home, entity), _spec(home, entity)
    wide = model.at(review=min(FLOOR_OF_CHART, model.thresholds.review))
    with home.warehouse() as con:
        _comparable(con, home, spec, wide)
        engine = DuckEngine(con)
        score_all(engine, wide, records="comparable")
        weights = engine.arrow("SELECT weight FROM scored")["weight"].to_numpy()
    return model, curve(weights, lowest=wide.thresholds.review)


def _spec(home: Home, entity: EntityType) -> Spec:
    if entity not in SPECS:
        raise NoModel(entity, tuple(f.model.entity for f in every(home) if f.counts))
    return SPECS[entity]


def _comparable(con: duckdb.DuckDBPyConnection, home: Home, spec: Spec, model: Model) -> Inputs:
    """Make the table `comparable` of an entity from the working copy, leaving its state as it is."""
    engine = DuckEngine(con)
    engine.table("current", f"SELECT * FROM {standardised_table(spec.entity_type)} WHERE NOT deleted")
    relations = prepare(engine, spec, model, records="current", known=name_frequencies(home, model.entity))
    build(engine, spec, model, relations, into="comparable")
    return relations
