"""Drawing and composing whole columns: seeded random streams, picks by weight, digits and dates as Arrow text.

The town has up to millions of people, so nothing here loops over them; a value is an index until the last moment and
becomes text by one `take` or one element-wise join.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Text: TypeAlias = Any
"""A `pa.StringArray` (pyarrow ships no types)."""


class Dice:
    """Independent random streams by topic, so that drawing more of one topic never shifts another.

    `Dice(seed).on("phones")` is a NumPy generator that depends on the seed and the topic alone.
    """

    __slots__ = ("_seed",)

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on(self, topic: str) -> np.random.Generator:
        """Return the stream of a topic, from its beginning."""
        return np.random.default_rng([self._seed, zlib.crc32(topic.encode())])


def picks(rng: np.random.Generator, weights: Sequence[float] | npt.NDArray[Any], size: int) -> Ints:
    """Draw `size` indices with the given weights (any positive scale)."""
    cumulated = np.cumsum(np.asarray(weights, dtype=np.float64))
    drawn: Ints = np.searchsorted(cumulated, rng.random(size) * cumulated[-1], side="right").astype(np.int64)
    return drawn


def zipf(count: int, flat: float = 5.0) -> npt.NDArray[np.float64]:
    """Weights that fall with the rank: word lists are written most common first."""
    return 1.0 / (np.arange(count, dtype=np.float64) + flat)


def chance(rng: np.random.Generator, probability: float | npt.NDArray[Any], size: int) -> Mask:
    """Draw a mask that is true with the given probability (one, or one per element)."""
    return rng.random(size) < probability


def take(words: Sequence[str | None] | Text, indices: npt.NDArray[Any]) -> Text:
    """Look words up by index; a negative index gives NULL."""
    source = words if isinstance(words, pa.Array) else pa.array(list(words), pa.string())
    missing = indices < 0
    return source.take(pa.array(np.where(missing, 0, indices), mask=missing if missing.any() else None))


def draw_words(
    rng: np.random.Generator, words: Sequence[str], size: int, weights: Sequence[float] | None = None
) -> Text:
    """Draw `size` words; without weights earlier words are more common."""
    return take(words, picks(rng, zipf(len(words)) if weights is None else weights, size))


def join(*parts: Text | str) -> Text:
    """Join columns and constants element by element; a NULL part counts as empty text."""
    return pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="")


def where(mask: npt.NDArray[np.bool_], yes: Text | str | None, no: Text | str | None = None) -> Text:
    """Choose element by element; None stands for NULL."""
    null = pa.scalar(None, pa.string())
    return pc.if_else(pa.array(mask), null if yes is None else yes, null if no is None else no)


def from_characters(matrix: npt.NDArray[np.uint8]) -> Text:
    """Turn a matrix of ASCII codes (one row per value) into a text column without a Python string per row."""
    rows, width = matrix.shape
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    kind, offset_type = (pa.string(), np.int32) if rows * width < 2**31 else (pa.large_string(), np.int64)
    buffers = [None, pa.py_buffer(offsets.astype(offset_type)), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(kind, rows, buffers)


def digit_matrix(values: npt.NDArray[Any], width: int) -> npt.NDArray[np.uint8]:
    """The decimal digits of each number, zero padded to `width`, as ASCII codes."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (values.astype(np.int64)[:, None] // powers % 10 + 48).astype(np.uint8)


def digits(values: npt.NDArray[Any], width: int) -> Text:
    """Numbers as zero-padded text of a fixed width."""
    return from_characters(digit_matrix(values, width))


def plain(values: npt.NDArray[Any]) -> Text:
    """Numbers as their shortest text."""
    return pc.cast(pa.array(values), pa.string())


def decimals(scaled: npt.NDArray[Any], places: int) -> Text:
    """Integers of 10^-places as plain decimals without trailing zeros: (9040, 2) is 90.4."""
    whole = join(plain(scaled // 10**places), ".", digits(scaled % 10**places, places))
    return pc.utf8_rtrim(pc.utf8_rtrim(whole, "0"), ".")


def dates(days: npt.NDArray[Any]) -> Text:
    """Days since 1970-01-01 as ISO dates."""
    return pc.cast(pa.array(days.astype("datetime64[D]")), pa.string())


def civil(days: npt.NDArray[Any]) -> tuple[Ints, Ints, Ints]:
    """Year, month and day of days since 1970-01-01."""
    stamps = days.astype("datetime64[D]")
    months = stamps.astype("datetime64[M]")
    year = stamps.astype("datetime64[Y]").astype(np.int64) + 1970
    return year, months.astype(np.int64) % 12 + 1, (stamps - months).astype(np.int64) + 1
