"""Which rows a dataset has: its members, some twice, each as of the day when the system last looked (记录与时效)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.manifest.model import Dataset
from sandbox.lens.population import members
from sandbox.lens.settings import DatasetLens, Lens
from sandbox.town import Town
from sandbox.town.draw import Dice, Ints, Mask, chance
from schemas.model import EntityType

_RELATIONS: Final[dict[tuple[EntityType, EntityType], tuple[str, ...]]] = {
    ("person", "house"): ("house",),
    ("person", "address"): ("address",),
    ("person", "organisation"): ("organisation",),
    ("person", "person"): ("guardian", "head", "spouse"),
    ("house", "address"): ("address",),
    ("house", "person"): ("owner", "tenant", "resident"),
    ("house", "organisation"): ("organisation",),
    ("organisation", "house"): ("house",),
    ("organisation", "address"): ("address",),
    ("organisation", "person"): ("legal_representative", "contact"),
    ("address", "house"): ("house",),
    ("address", "organisation"): ("organisation",),
    ("address", "person"): ("resident",),
}
"""(main entity, other entity) -> relations of the town; the role picks one by name, else the first is meant."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a dataset.

    Attributes:
        entities: role -> row in the town's table of that entity, -1 = nobody. days: last touched, since 1970-01-01.
        seen: the day as of which the values are; earlier than `days` where a closed row keeps what stood in it.
        ended: the system knows that the member died, left or closed.
    """

    entities: dict[str, Ints]
    types: dict[str, EntityType]
    days: Ints
    seen: Ints
    ended: Mask

    @property
    def main(self) -> Ints:
        """Rows of the main entity."""
        return next(iter(self.entities.values()))


def plan_rows(town: Town, dataset: Dataset, lens: Lens, settings: DatasetLens, dice: Dice) -> Rows:
    """Choose the members of a dataset, date them, and find the other entities of each row."""
    main = dataset.entities[0]
    rng = dice.on("members")
    pool = members(town, settings.who) if settings.who else np.arange(town.count(main.type))
    chosen = pool[chance(rng, settings.coverage, len(pool))]
    twice = chosen[chance(rng, lens.duplicates, len(chosen))]
    rows = rng.permutation(np.concatenate([chosen, twice]))
    days = _touched(town, lens, dice.on("touched"), len(rows))
    life = town.lives[main.type]
    days = np.maximum(days, np.minimum(life.since[rows], town.day - 1))
    over = (life.until[rows] >= 0) & (days >= life.until[rows])
    informed = chance(dice.on("informed"), lens.closes, len(rows))
    late = over & ~informed
    days = np.where(late, np.maximum(life.until[rows] - 1, life.since[rows]), days)
    ended = over & informed
    gone = ended & ~_dead(town, main.type, rows)
    seen = np.where(gone & (main.type == "person"), np.maximum(life.until[rows] - 1, life.since[rows]), days)
    if dataset.deleted.column is None:
        kept = ~ended | (_tells_the_end(dataset) & (~gone | (main.type != "person")))
        rows, days, seen, ended = rows[kept], days[kept], seen[kept], ended[kept]
    entities: dict[str, Ints] = {}
    types: dict[str, EntityType] = {}
    for entity in dataset.entities:
        first = entity is main
        found = rows if first else _other(town, main.type, rows, (entity.type, entity.role), seen, dice)
        entities[entity.role], types[entity.role] = found.astype(np.int64), entity.type
    return Rows(entities, types, days, seen, ended)


def _touched(town: Town, lens: Lens, rng: np.random.Generator, count: int) -> Ints:
    fresh = rng.integers(lens.fresh[0], lens.fresh[1] + 1, count)
    stale = rng.integers(lens.stale_days[0], lens.stale_days[1] + 1, count)
    return town.day - np.where(chance(rng, lens.stale, count), stale, fresh)


def _dead(town: Town, main: EntityType, rows: Ints) -> Mask:
    if main != "person":
        return np.zeros(len(rows), dtype=bool)
    return np.asarray(town.tables["person"].column("death_date").is_valid())[rows]


def _tells_the_end(dataset: Dataset) -> bool:
    """True when a mapped field says that the member is gone, so the row stays."""
    fields = {name for entity in dataset.entities for name in entity.fields}
    return bool(fields & {"death_date", "status"})


def _other(town: Town, main: EntityType, rows: Ints, wanted: tuple[EntityType, str], days: Ints, dice: Dice) -> Ints:
    kind, role = wanted
    if role in {"party", "reporter", "resident"} and kind == "person" and main != "house":
        residents = town.relations["town.residents"]
        return residents[dice.on(f"role {role}").integers(0, len(residents), len(rows))]
    relations = _RELATIONS.get((main, kind), ())
    if not relations:
        return np.full(len(rows), -1)
    return town.related(main, role if role in relations else relations[0], rows, days)
