"""Columns that are no master facts: event numbers, times, places, descriptions, scores, periods (业务字段)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import Dataset, LocalColumn
from sandbox.lens.keys import KeyFacts, make_keys
from sandbox.lens.settings import DatasetLens, Lens
from sandbox.town.draw import Dice, Ints, Text, dates, draw_words, plain


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What local columns may refer to: keys, the address and community of the main entity, its employer's name."""

    keys: KeyFacts
    address: Text
    employer: Text


def stamp(days: Ints, seconds: Ints, form: str) -> Text:
    """Days and seconds of the day as text of a strftime format (`%z` is China's)."""
    moments = pa.array((days * 86_400 + seconds).astype("datetime64[s]"))
    return pc.strftime(moments, format=form.replace("%z", "+0800"))


def local_columns(dataset: Dataset, lens: Lens, settings: DatasetLens, facts: RowFacts, dice: Dice) -> dict[str, Text]:
    """Generate every local column of a dataset except its key."""
    columns: dict[str, Text] = {}
    for name, column in dataset.local.items():
        if name not in dataset.key:
            form = (
                dataset.updated_at.formats[0]
                if dataset.updated_at and dataset.updated_at.formats
                else "%Y-%m-%d %H:%M:%S"
            )
            columns[name] = _generate(_recipe(name, column, lens, settings), facts, dice.on(f"local {name}"), form)
    return columns


def _recipe(name: str, column: LocalColumn, lens: Lens, settings: DatasetLens) -> Mapping[str, Any]:
    if name in settings.locals:
        return settings.locals[name]
    if column.default is not None:
        return {"words": [column.default]}
    return lens.locals.get(column.inventory or "default", lens.locals["default"])


def _generate(recipe: Mapping[str, Any], facts: RowFacts, rng: np.random.Generator, form: str) -> Text:
    ((kind, value),) = recipe.items()
    return _GENERATORS[kind](value, facts, rng, form)


def _words(value: list[Any], facts: RowFacts, rng: np.random.Generator, _: str) -> Text:
    return draw_words(rng, [str(word) for word in value], facts.keys.count)


def _number(value: list[int], facts: RowFacts, rng: np.random.Generator, _: str) -> Text:
    return plain(rng.integers(value[0], value[1] + 1, facts.keys.count))


def _key(value: str, facts: RowFacts, rng: np.random.Generator, _: str) -> Text:
    return make_keys(value, replace(facts.keys, rng=rng))


def _time(value: list[int], facts: RowFacts, rng: np.random.Generator, form: str) -> Text:
    """A moment so many days before the row was touched, in the form of the row's own stamp."""
    count = facts.keys.count
    days = facts.keys.days - rng.integers(value[0], value[1], count)
    return stamp(days, rng.integers(8 * 3600, 20 * 3600, count), form if "%H" in form else form + " %H:%M")


def _day(value: list[int], facts: RowFacts, rng: np.random.Generator, _: str) -> Text:
    return dates(facts.keys.days + rng.integers(value[0], value[1], facts.keys.count))


_GENERATORS: Final[Mapping[str, Callable[[Any, RowFacts, np.random.Generator, str], Text]]] = {
    "words": _words,
    "number": _number,
    "key": _key,
    "time": _time,
    "day": _day,
    "address": lambda _value, facts, _rng, _form: facts.address,
    "community": lambda _value, facts, _rng, _form: facts.keys.community,
    "employer": lambda _value, facts, _rng, _form: facts.employer,
}
"""The one key of a recipe in `lenses.yaml` -> how the column is made from its value."""
