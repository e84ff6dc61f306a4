"""The few operations that the dirt functions share: edit by character matrix, and translate each distinct value once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.town.draw import Text, from_characters

Rng: TypeAlias = np.random.Generator
Dirty: TypeAlias = Callable[[Text, Rng], Text]
"""Column of texts -> the same column as somebody mistyped it; NULL or unchanged where this mistake cannot happen."""


def by_distinct(values: Text, change: Callable[[str], str]) -> Text:
    """Apply a change to each distinct text once."""
    coded = values.dictionary_encode()
    changed = [None if value is None else change(value) for value in coded.dictionary.to_pylist()]
    return pa.array(changed, pa.string()).take(coded.indices)


def not_collected(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Nobody asked, or nobody typed it: the cell is empty."""
    return pa.nulls(len(values), pa.string())


def table(pairs: str) -> dict[int, str]:
    """Read a character table written as `张張 刘劉`: from, to."""
    return {ord(pair[0]): pair[1] for pair in pairs.split()}


def edit_eighteen(values: Text, change: Callable[[npt.NDArray[np.uint8]], None]) -> Text:
    """Let `change` edit the characters of all values of exactly eighteen ASCII characters; others give NULL."""
    texts = np.array(["" if v is None else v for v in values.to_pylist()], dtype=object)
    fits = np.array([len(t) == 18 and t.isascii() for t in texts], dtype=bool)
    result = pa.nulls(len(texts), pa.string())
    if not fits.any():
        return result
    cells = np.frombuffer("".join(texts[fits]).encode(), np.uint8).reshape(-1, 18).copy()
    change(cells)
    position = np.full(len(texts), -1)
    position[fits] = np.arange(int(fits.sum()))
    return from_characters(cells).take(pa.array(np.maximum(position, 0), mask=position < 0))


def attach(*parts: Text | str) -> Text:
    """Join texts element by element; an absent value stays absent."""
    return pc.binary_join_element_wise(*parts, "", null_handling="emit_null")
