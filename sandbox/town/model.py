"""What a town is: tables of the truth, relations between them, and what was true before (真实数据与历史)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from sandbox.town.draw import Ints, Mask, Text, dates, digits, join, where
from schemas.entities import ENTITIES
from schemas.model import EntityType

LETTER: Final[Mapping[EntityType, str]] = {"address": "A", "house": "H", "organisation": "O", "person": "P"}
"""First letter of a truth id."""


@dataclass(frozen=True, slots=True)
class Change:
    """The value a field had before its last change.

    Attributes:
        old: earlier value per entity (meaningful where `day` >= 0; NULL = there was none).
        day: day of the change since 1970-01-01, -1 where nothing changed.
    """

    old: Text
    day: Ints


@dataclass(frozen=True, slots=True)
class Former:
    """Whom or what a relation pointed at before its last change: `rows` where `day` >= 0."""

    rows: Ints
    day: Ints


@dataclass(frozen=True, slots=True)
class Life:
    """When an entity came into being and ended, days since 1970-01-01; -1 = always there, never ended."""

    since: Ints
    until: Ints


@dataclass(frozen=True, slots=True)
class Town:
    """A synthetic town, the truth against which every system's copy and every golden record is measured.

    Attributes:
        seed, today: what it was made from; the same pair gives the same town to the last byte.
        tables: per entity `truth_id` and all master fields as canonical text (NULL = absent).
        relations: named index columns, e.g. `house.owner` gives the person's row per house, -1 = none.
        traits: named masks and texts that populations are chosen by, e.g. `person.resident`, `organisation.segment`.
        history: (entity, field) -> the value before and the day of the change.
        former: relation -> its earlier target and the day of the change.
        lives: when each entity appeared and ended.
        second_names: estate -> another name people use for it (还建、宿舍旧称); addresses of the truth have the first.
    """

    seed: int
    today: date
    tables: Mapping[EntityType, pa.Table]
    relations: Mapping[str, Ints]
    traits: Mapping[str, Mask | Text]
    history: Mapping[tuple[EntityType, str], Change]
    former: Mapping[str, Former]
    lives: Mapping[EntityType, Life]
    second_names: Mapping[str, str]

    @property
    def day(self) -> int:
        """Today as days since 1970-01-01."""
        return (self.today - date(1970, 1, 1)).days

    def count(self, entity: EntityType) -> int:
        """How many entities of a type there are."""
        return int(self.tables[entity].num_rows)

    def related(self, entity: EntityType, relation: str, rows: Ints, days: Ints | None = None) -> Ints:
        """Follow a relation from rows of an entity, as it was on `days` if given; -1 stays -1."""
        name, safe = f"{entity}.{relation}", np.maximum(rows, 0)
        target = self.relations[name][safe]
        if days is not None and name in self.former:
            former = self.former[name]
            target = np.where((former.day[safe] >= 0) & (days < former.day[safe]), former.rows[safe], target)
        return np.where(rows >= 0, target, -1)

    def as_of(self, entity: EntityType, rows: Ints, days: Ints) -> pa.Table:
        """The entities `rows` as they were known on `days` (one day per row); row -1 gives NULLs."""
        missing = rows < 0
        index = pa.array(np.where(missing, 0, rows), mask=missing if missing.any() else None)
        table = self.tables[entity].take(index).combine_chunks()
        columns = {name: table.column(name) for name in table.column_names}
        for (kind, field), change in self.history.items():
            if kind == entity:
                changed = change.day[np.maximum(rows, 0)]
                stale = (changed >= 0) & (days < changed) & ~missing
                if stale.any():
                    columns[field] = where(stale, change.old.take(index), _whole(columns[field]))
        return pa.table(columns)

    def events(self) -> pa.Table:
        """Every dated change: `day` (ISO), `entity`, `truth_id`, `event` (`changed`, `appeared`, `ended`), `field`, `old`, `new`."""
        parts = [self._changes(entity, field, change) for (entity, field), change in self.history.items()]
        for entity, life in self.lives.items():
            parts += [self._lives(entity, life.since, "appeared"), self._lives(entity, life.until, "ended")]
        return pa.concat_tables(parts).sort_by(
            [("day", "ascending"), ("truth_id", "ascending"), ("field", "ascending")]
        )

    def _changes(self, entity: EntityType, field: str, change: Change) -> pa.Table:
        rows = pa.array(np.flatnonzero(change.day >= 0))
        table = self.tables[entity]
        ids, days = table["truth_id"].take(rows), change.day[change.day >= 0]
        return _events(days, (entity, "changed", field), ids, old=change.old.take(rows), new=table[field].take(rows))

    def _lives(self, entity: EntityType, days: Ints, event: str) -> pa.Table:
        rows = pa.array(np.flatnonzero(days >= 0))
        none = pa.nulls(len(rows), pa.string())
        ids = self.tables[entity]["truth_id"].take(rows)
        return _events(days[days >= 0], (entity, event, None), ids, old=none, new=none)


def _events(days: Ints, what: tuple[str, str, str | None], ids: Text, *, old: Text, new: Text) -> pa.Table:
    nought = pa.array(np.zeros(len(days), dtype=np.int64))
    entity, event, field = (pa.array([value], pa.string()).take(nought) for value in what)
    columns = {"entity": entity, "truth_id": ids, "event": event, "field": field, "old": old, "new": new}
    return pa.table({"day": dates(days), **{name: _whole(column) for name, column in columns.items()}})


def _whole(column: Text) -> Text:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def entity_table(entity: EntityType, columns: Mapping[str, Text], count: int) -> pa.Table:
    """Arrange columns in the order of the master schema in front of which stands the truth id; missing ones are NULL."""
    unknown = sorted(set(columns) - set(ENTITIES[entity].names))
    if unknown:
        raise KeyError(f"{entity} has no master field {unknown[0]}")
    width = max(6, len(str(count)))
    arranged: dict[str, Text] = {"truth_id": join(LETTER[entity], digits(np.arange(count) + 1, width))}
    for name in ENTITIES[entity].names:
        arranged[name] = _whole(columns[name]).cast(pa.string()) if name in columns else pa.nulls(count, pa.string())
    return pa.table(arranged)
