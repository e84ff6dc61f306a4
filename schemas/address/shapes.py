"""Shapes (同形地址): addresses which differ only in their digits are read once and filled in by column.

A register names the same streets and estates over and over with other numbers (3栋2单元602室, 5栋1单元301室). What the
reader makes of a text depends on how many digits a number has, hardly ever on which; so one text of each shape is
read, and Arrow puts the digits of the others into its places. The few rules that do look at values (basements, ranges
of storeys, phone numbers) keep their texts out.
"""

import re
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.address.arrays import integers, joined, numbers, strings
from schemas.address.elements import COLUMNS
from schemas.address.numerals import HAN_DIGITS, digits
from schemas.address.reader import read

Ints: TypeAlias = npt.NDArray[np.int64]
Template: TypeAlias = tuple[tuple[str | int, ...] | None, ...]
"""For each column the literal texts and the numbers of the digit runs, in turn, beginning with a text; None = NULL."""

_RUN: Final = re.compile("0+")
_TOKEN: Final = re.compile("[0-9]+")
_NUMERALS: Final = re.compile(f"[{HAN_DIGITS}]+")
_BY_VALUE: Final = re.compile(r"0{6}|00-00|B[^0-9\w]*0|0-[^-]{0,6}[层楼F]")
"""Shapes in which the values of digits matter: phone numbers, B1, 174-8楼 beside 1-3层."""
_ALWAYS_TAKEN: Final = frozenset({"1"})
"""Digits that the reader writes where the text has none (底层 is 1层)."""
_MOST_RUNS: Final = 3


def read_columns(texts: list[str]) -> list[pa.Array]:
    """Reads distinct normalised texts into one string array for each of `COLUMNS`, the floor as the text says it.

    Shapes that occur once are read as they are; a template would cost more than it saves.
    """
    if not texts:
        return [strings([])] * len(COLUMNS)
    column = strings(texts)
    encoded = pc.replace_substring_regex(column, "[0-9]", "0").dictionary_encode()
    shape = numbers(encoded.indices)
    counts = np.bincount(shape)
    repeated = np.flatnonzero(counts > 1)
    templates: list[Template] = []
    number = np.full(len(counts), -1, dtype=np.int64)
    for at, text in zip(repeated.tolist(), encoded.dictionary.take(integers(repeated)).to_pylist(), strict=True):
        template = _template(text)
        if template is not None:
            number[at] = len(templates)
            templates.append(template)
    which = number[shape]
    alone = np.flatnonzero(which < 0)
    rows = [read(texts[at]).row() for at in alone.tolist()]
    direct = [strings(values) for values in zip(*rows, strict=True)] if rows else None
    if not templates:
        return direct or []
    alike = np.flatnonzero(which >= 0)
    filled = _fill(column.take(integers(alike)), which[alike], templates)
    if direct is None:
        return filled
    order = integers(np.argsort(np.r_[alike, alone], kind="stable"))
    return [pa.concat_arrays(pair).take(order) for pair in zip(filled, direct, strict=True)]


@lru_cache(maxsize=1 << 15)
def _template(shape: str) -> Template | None:
    """What a shape (every digit written 0) says in each column; None where the digits themselves decide.

    The shape is read with digits that occur nowhere else in it, so that each is found again in the elements.
    """
    if _BY_VALUE.search(shape):
        return None
    taken = _ALWAYS_TAKEN.union(map(digits, _NUMERALS.findall(shape)))
    runs: dict[str, int] = {}
    parts: list[str] = []
    end = 0
    for match in _RUN.finditer(shape):
        token = _unused(len(match[0]), taken, runs)
        if token is None:
            return None
        runs[token] = len(runs)
        parts += (shape[end : match.start()], token)
        end = match.end()
    draft = read("".join(parts) + shape[end:])
    if draft.twice:  # whether the second number repeats the first or contradicts it depends on the digits
        return None
    template = [None if value is None else _pieces(value, runs, taken) for value in draft.row()]
    return None if any(piece == () for piece in template) else tuple(template)


def _unused(length: int, taken: frozenset[str], runs: dict[str, int]) -> str | None:
    """A number of that many digits, without leading zero, that stands for no other number of the text."""
    first: int = 10 ** (length - 1)
    for number in range(first + 1, min(first + 40, 10 * first)):
        if str(number) not in taken and str(number) not in runs:
            return str(number)
    return None


def _pieces(value: str, runs: dict[str, int], taken: frozenset[str]) -> tuple[str | int, ...]:
    """Splits a value at the digit runs of the text; () if digits of the text were joined with others or are too many."""
    pieces: list[str | int] = []
    literal, end = "", 0
    for match in _TOKEN.finditer(value):
        literal += value[end : match.start()]
        end = match.end()
        if match[0] in runs:
            pieces += (literal, runs[match[0]])
            literal = ""
        elif match[0] in taken:
            literal += match[0]
        else:
            return ()
    pieces.append(literal + value[end:])
    return tuple(pieces) if len(pieces) <= 2 * _MOST_RUNS + 1 else ()


def _fill(texts: pa.Array, which: Ints, templates: list[Template]) -> list[pa.Array]:
    """Puts the digit runs of each text into the template of its shape, column by column."""
    # A text is cut at everything that is no digit; a cut before its first digit leaves an empty piece in front.
    pieces = pc.split_pattern_regex(texts, "[^0-9]+")
    cut_before = pc.invert(pc.match_substring_regex(texts, "^[0-9]"))
    first = numbers(pieces.offsets)[:-1] + numbers(cut_before)
    runs = pieces.values
    columns = []
    for at in range(len(COLUMNS)):
        column = [template[at] for template in templates]
        known = [piece for piece in column if piece]
        if not known:
            columns.append(pa.nulls(len(texts), pa.string()))
            continue
        columns.append(_fill_column(column, max(map(len, known)), runs, first, which))
    return columns


def _fill_column(
    column: list[tuple[str | int, ...] | None], longest: int, runs: pa.Array, first: Ints, which: Ints
) -> pa.Array:
    rows = integers(which)
    literal = strings([None if piece is None else str(piece[0]) for piece in column])
    if longest == 1:
        return literal.take(rows)
    parts = [literal.take(rows)]
    for place in range(1, longest, 2):
        longer = [piece is not None and len(piece) > place for piece in column]
        number = np.array([piece[place] if more else -1 for piece, more in zip(column, longer, strict=True)], np.int64)  # type: ignore[index]
        of_row = number[which]
        index = integers(first + of_row, of_row >= 0)
        parts.append(runs.take(index))
        after = [str(piece[place + 1]) if more else "" for piece, more in zip(column, longer, strict=True)]  # type: ignore[index]
        parts.append(strings(after).take(rows))
    known = literal.is_valid().take(rows)
    return pc.if_else(known, joined(parts), pa.nulls(len(rows), pa.string()))
