"""Dirt that takes another person's fact for one's own (张冠李戴): it needs the town, so it is applied before spelling.

Each function returns the replacement for every row of a canonical table, NULL where the mistake cannot happen. The row
still describes the person it names: the truth does not change with the mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.lens.dirt.spell import Rng, by_distinct
from sandbox.town import Town
from sandbox.town.draw import Ints, Text, join, take, where
from schemas.model import EntityType

Mixup: TypeAlias = Callable[[Town, Ints, Rng], Text]
"""(town, rows of the entity, stream) -> replacement values."""


def _fact(town: Town, field: str, rows: Ints) -> Any:
    return take(town.tables["person"].column(field).combine_chunks(), rows)


def spouse_id(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """The spouse's identity number on the row."""
    return _fact(town, "id_number", town.related("person", "spouse", rows))


def guardian_id(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """A parent's identity number on a child's row."""
    return _fact(town, "id_number", town.related("person", "guardian", rows))


def used_name(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """The name before the change of name."""
    return _fact(town, "used_name", rows)


def childs_phone(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """The grown child's phone on an elder's row."""
    return _fact(town, "phone", town.related("person", "grown_child", rows))


def guardians_phone(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """A parent's phone on a child's row, who has none."""
    return _fact(town, "phone", town.related("person", "guardian", rows))


def recycled_phone(town: Town, rows: Ints, rng: Rng) -> Text:
    """A number that by now belongs to somebody else."""
    change = town.history["person", "phone"]
    given_up = np.flatnonzero(change.day >= 0)
    if not given_up.size:
        return pa.nulls(len(rows), pa.string())
    return take(change.old, rng.choice(given_up, len(rows)))


def swapped_birth(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """Day and month of the birth date the wrong way round, where that is a date too."""
    born = _fact(town, "birth_date", rows)
    year, month, day = (pc.utf8_slice_codeunits(born, a, b) for a, b in ((0, 4), (5, 7), (8, 10)))
    able = np.asarray(pc.and_(pc.less_equal(day, "12"), pc.not_equal(day, month)).fill_null(False))
    return where(able, join(year, "-", day, "-", month))


def first_of_january(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """Only the year was known: the first of January stands for it."""
    born = _fact(town, "birth_date", rows)
    return where(np.asarray(born.is_valid()), join(pc.utf8_slice_codeunits(born, 0, 4), "-01-01"))


def _second_name(town: Town, entity: EntityType, field: str, rows: Ints) -> Text:
    """The address with the estate's second name; NULL where the estate has one name only."""
    texts = take(town.tables[entity].column(field).combine_chunks(), rows)
    if not town.second_names:
        return pa.nulls(len(rows), pa.string())
    estates = re.compile("|".join(map(re.escape, sorted(town.second_names, key=len, reverse=True))))
    changed = by_distinct(texts, lambda text: estates.sub(lambda hit: town.second_names[hit[0]], text))
    return where(np.asarray(pc.not_equal(changed, texts).fill_null(False)), changed)


def home_by_second_name(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """A home in an estate that has two names, under the other one."""
    return _second_name(town, "person", "residence_address", rows)


def house_by_second_name(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """A house in an estate that has two names, under the other one."""
    return _second_name(town, "house", "address", rows)


def place_by_second_name(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """An address in an estate that has two names, under the other one."""
    return _second_name(town, "address", "full_text", rows)


def firm_without_region(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """A firm's name as people say it, without the place it is registered in: 老王小吃店."""
    names = _firm(town, rows)
    short = pc.replace_substring_regex(names, "^(湖北省?|武汉市?)?(武昌区)?", "")
    return where(np.asarray(pc.greater_equal(pc.utf8_length(short), 5).fill_null(False)), short)


def firm_of_another_form(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """有限责任公司 for 有限公司, which mean the same."""
    return pc.replace_substring_regex(_firm(town, rows), "有限公司", "有限责任公司")


def firm_by_its_sign(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """The shop's sign where the registered name should stand."""
    return take(town.tables["organisation"].column("sign_name").combine_chunks(), rows)


def _firm(town: Town, rows: Ints) -> Text:
    return take(town.tables["organisation"].column("name").combine_chunks(), rows)


def shop_sign(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """The shop's sign where its address should stand."""
    return take(town.tables["organisation"].column("sign_name").combine_chunks(), rows)
