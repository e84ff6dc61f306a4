"""Dirt that takes another person's fact for one's own (张冠李戴): it needs the town, so it is applied before spelling.

Each function returns the replacement for every row of a canonical table, NULL where the mistake cannot happen. The row
still describes the person it names: the truth does not change with the mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from sandbox.lens.dirt.spell import Rng
from sandbox.town import Town
from sandbox.town.draw import Ints, Text, take

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


def shop_sign(town: Town, rows: Ints, rng: Rng) -> Text:  # noqa: ARG001
    """The shop's sign where its address should stand."""
    return take(town.tables["organisation"].column("sign_name").combine_chunks(), rows)
