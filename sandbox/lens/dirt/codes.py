"""Dirt on coded values (代码)."""

from __future__ import annotations

from typing import Final

import numpy as np

from sandbox.lens.dirt.spell import Rng
from sandbox.town.draw import Text, picks, take, where

_UNKNOWN: Final = ("?", "待定", "ZZ", "其它(见备注)")


def unknown_code(values: Text, rng: Rng) -> Text:
    """A spelling that no dictionary of the system has."""
    return where(np.asarray(values.is_valid()), take(_UNKNOWN, picks(rng, [2, 3, 1, 1], len(values))))


def left_empty(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Nothing where something should stand: the literal 无."""
    return where(np.asarray(values.is_valid()), "无")
