"""What the identifier modules share: clean a column of text, look at it as a matrix of characters, put it back.

Numbers of a fixed width are checked as byte matrices in numpy, a whole column at once; only the odd ones go through
Python, and each distinct text only once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Texts: TypeAlias = pa.Array | pa.ChunkedArray | Sequence[str | None]
"""A column of raw text; anything Arrow can cast to strings."""

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0xA0: 0x20}
_INVISIBLE = dict.fromkeys([0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x202A, 0x202C, 0x2060, 0xFEFF, 0xAD])
_FOLD = _HALF_WIDTH | _INVISIBLE
_WIDE = "[\uff01-\uff5e\u3000\u00a0" + "".join(map(chr, _INVISIBLE)) + "]"
_BLANKS_AND_QUOTES = re.compile(r"[\s'‘’`´\"“”]+")

SCIENTIFIC = re.compile(r"^[0-9](?:\.[0-9]+)?E\+?[0-9]{1,2}$")
"""What a spreadsheet makes of a long number; its last digits are gone for good (precision lost)."""

MASKED = re.compile(r"[*×●]|X{3,}")
"""A number shown with its middle hidden; nothing to repair, ask the source for the full one."""


def half_width(text: str) -> str:
    """Full-width ASCII to half-width, ideographic blank to blank, zero-width characters removed; nothing else.

    Not NFKC: that would also replace rare ideographs in names by their look-alikes.
    """
    return text.translate(_FOLD)


def as_strings(texts: Texts) -> pa.StringArray:
    """Return a column as one contiguous Arrow string array."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    column = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column if column.type == pa.string() else column.cast(pa.string())


def compact(column: pa.StringArray) -> pa.StringArray:
    """Half-width, capitals, without blanks, quotes and the spreadsheet's leading apostrophe; empty becomes NULL."""
    column = _change(column, pc.invert(pc.string_is_ascii(column)), _fold_one)
    column = pc.ascii_upper(column)
    dirty = pc.match_substring_regex(column, r"[\s'`\"]")
    if pc.any(dirty).as_py():
        column = pc.if_else(dirty, pc.replace_substring_regex(column, r"[\s'`\"]+", ""), column)
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def fold_width(column: pa.StringArray) -> pa.StringArray:
    """Apply `half_width` to a column; only texts that hold such characters leave the column-wise path."""
    return _change(column, pc.match_substring_regex(column, _WIDE), half_width)


def _change(column: pa.StringArray, odd: pa.BooleanArray, work: Callable[[str], str]) -> pa.StringArray:
    odd = pc.fill_null(odd, False)
    if not pc.any(odd).as_py():
        return column
    changed = pa.array([work(text) for text in column.filter(odd).to_pylist()], pa.string())
    return pc.replace_with_mask(column, odd, changed)


def _fold_one(text: str) -> str:
    return _BLANKS_AND_QUOTES.sub("", half_width(text))


def matches(column: pa.StringArray, pattern: str) -> Flags:
    """Return which rows match a regular expression (NULL does not)."""
    found = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    return flags(found)


def flags(column: pa.Array) -> Flags:
    """Return an Arrow boolean array without NULLs as numpy."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.bool_)


def matrix(column: pa.StringArray, width: int) -> Bytes:
    """Return texts of exactly `width` ASCII characters, no NULLs, as a matrix of bytes, one row per text."""
    if len(column) == 0:
        return np.zeros((0, width), np.uint8)
    offsets, data = column.buffers()[1:]
    start = int(np.frombuffer(offsets, np.int32, count=1, offset=4 * column.offset)[0])
    return np.frombuffer(data, np.uint8, count=width * len(column), offset=start).reshape(-1, width)


def from_matrix(cells: Bytes) -> pa.StringArray:
    """Return a matrix of ASCII bytes as an Arrow string array: the inverse of `matrix`."""
    rows, width = cells.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(cells)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data.tobytes()))


def number(cells: Bytes, start: int, stop: int) -> Ints:
    """Read the digits in columns `start` to `stop` of a byte matrix as integers."""
    total = np.zeros(len(cells), np.int64)
    for column in range(start, stop):
        total = total * 10 + (cells[:, column].astype(np.int64) - 48)
    return total


def valid_dates(years: Ints, months: Ints, days: Ints) -> Flags:
    """Return which (year, month, day) exist in the calendar."""
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
    leap = (years % 4 == 0) & ((years % 100 != 0) | (years % 400 == 0))
    inside = (months >= 1) & (months <= 12) & (years >= 1)
    longest = lengths[np.where(inside, months, 0)] + (leap & (months == 2))
    return np.asarray(inside & (days >= 1) & (days <= longest), dtype=np.bool_)


def iso_dates(years: Ints, months: Ints, days: Ints) -> pa.StringArray:
    """Write dates as `YYYY-MM-DD`, a whole column at once."""
    cells = np.full((len(years), 10), ord("-"), np.uint8)
    places = ((0, years, 1000), (1, years, 100), (2, years, 10), (3, years, 1),
              (5, months, 10), (6, months, 1), (8, days, 10), (9, days, 1))  # fmt: skip
    for column, part, unit in places:
        cells[:, column] = 48 + (part // unit) % 10
    return from_matrix(cells)


def where(chosen: Flags, values: pa.Array) -> pa.Array:
    """Spread `values` (one per chosen row) over all rows; NULL elsewhere."""
    indices = np.cumsum(chosen) - 1
    return values.take(pa.array(np.where(chosen, indices, 0), mask=~chosen))


def labels(codes: Ints, names: Sequence[str | None]) -> pa.StringArray:
    """Turn small integers into texts: `names[code]`."""
    return pa.array(names, pa.string()).take(pa.array(codes))


def per_distinct(texts: Texts, work: Callable[[pa.StringArray], pa.Table]) -> pa.Table:
    """Run `work` on the distinct texts only and spread its answer over all rows."""
    column = as_strings(texts)
    coded = column.dictionary_encode()
    if len(coded.dictionary) == len(column):
        return work(column)
    return work(coded.dictionary.cast(pa.string())).take(coded.indices)


def text_table(columns: Mapping[str, Any]) -> pa.Table:
    """Build a table of text columns from Arrow arrays or lists."""
    return pa.table({k: v if isinstance(v, pa.Array) else pa.array(v, pa.string()) for k, v in columns.items()})
