"""`lenses.yaml` as typed settings: what each system sees of the town and how badly it keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.lens.dirt import CLASSES, MIXUPS
from schemas.model import EntityType

_FILE: Final = Path(__file__).with_name("lenses.yaml")


@dataclass(frozen=True, slots=True)
class Population:
    """A named part of the town: conditions on one entity, all of which must hold."""

    name: str
    of: EntityType
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatasetLens:
    """One dataset: whom it holds and how its keys look.

    Attributes:
        who: population; None = everything of the main entity. coverage: share of it that is here.
        key: pattern of the key column (`sandbox.lens.keys`). alive: what the delete column holds in a living row.
        locals: generators of local columns by column name, before the general ones.
    """

    who: Population | None = None
    coverage: float = 0.9
    key: str = "{n8}"
    alive: str = "0"
    locals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lens:
    """One system's view.

    Attributes:
        fresh: a record was last touched between so many days ago. stale: share touched between `stale_days` days ago.
        duplicates: share of members present twice. closes: share of endings (death, departure, closure) known here.
        rates: class of dirt -> share of the filled values of a column.
        datasets: by name; a dataset that is not named gets the defaults.
        locals: generators of local columns by inventory id.
    """

    fresh: tuple[int, int]
    stale: float
    stale_days: tuple[int, int]
    duplicates: float
    closes: float
    rates: Mapping[str, float]
    datasets: Mapping[str, DatasetLens]
    locals: Mapping[str, Mapping[str, Any]]
    coverage: float

    def dataset(self, name: str) -> DatasetLens:
        """The settings of a dataset."""
        return self.datasets.get(name, DatasetLens(coverage=self.coverage))


class BadLens(ValueError):
    """A lens names a population or a class of dirt that there is not; says which and what there is."""

    def __init__(self, what: str, name: str, known: Mapping[str, object]) -> None:
        self.what, self.name = what, name
        super().__init__(f"lenses.yaml: no {what} {name!r}; there are {', '.join(sorted(known))}")


def lens_for(system: str) -> Lens:
    """The lens of a system; a system that `lenses.yaml` does not name sees with the defaults."""
    document = _document()
    return make_lens(document["systems"].get(system, {}))


def make_lens(block: Mapping[str, Any]) -> Lens:
    """A lens from a block in the shape of `systems.<id>` of `lenses.yaml`.

    Raises:
        BadLens: an unknown population or class of dirt.
    """
    document = _document()
    merged = {**document["defaults"], **block}
    factor = document["profiles"][merged["dirt"]]
    rates = {name: min(1.0, rate * factor) for name, rate in document["rates"].items()} | dict(block.get("rates", {}))
    known = {**CLASSES, **MIXUPS}
    for name in rates:
        if name not in known:
            raise BadLens("class of dirt", name, known)
    datasets = {name: _dataset(values, merged["coverage"]) for name, values in block.get("datasets", {}).items()}
    return Lens(
        tuple(merged["fresh"]), merged["stale"], tuple(merged["stale_days"]), merged["duplicates"], merged["closes"],
        rates, datasets, document["locals"], merged["coverage"],
    )  # fmt: skip


def _dataset(values: Mapping[str, Any], coverage: float) -> DatasetLens:
    settings: dict[str, Any] = {"coverage": coverage, **values}
    if "who" in settings:
        settings["who"] = population(settings["who"])
    return DatasetLens(**settings)


def population(name: str) -> Population:
    """The population of that name; raises `BadLens` when there is none."""
    known = _document()["populations"]
    if name not in known:
        raise BadLens("population", name, known)
    return Population(name, known[name]["of"], tuple(known[name]["where"]))


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return document
