"""Dirt on dates (日期): each function takes canonical ISO dates and writes them as somebody else would."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.lens.dirt.spell import Rng
from sandbox.town.draw import Text, join, picks, take, where

_DIGITS = "〇一二三四五六七八九"


def _is_date(values: Text) -> np.ndarray:
    return np.asarray(pc.match_substring_regex(values, r"^\d{4}-\d{2}-\d{2}$").fill_null(False))


def other_separator(values: Text, rng: Rng) -> Text:
    """Written with slashes, dots, 年月日 or nothing: 1990/01/01, 1990.01.01, 19900101, 1990年01月01日."""
    style = picks(rng, [4, 3, 3, 2], len(values))
    year, month, day = (pc.utf8_slice_codeunits(values, a, b) for a, b in ((0, 4), (5, 7), (8, 10)))
    first, second, last = (
        take(words, style) for words in (["/", ".", "", "年"], ["/", ".", "", "月"], ["", "", "", "日"])
    )
    return where(_is_date(values), join(year, first, month, second, day, last))


def without_zeros(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Typed short: 1990-1-1."""
    return pc.replace_substring_regex(values, "-0", "-")


def two_digit_year(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The century left out: 90.1.1."""
    return where(_is_date(values), pc.replace_substring_regex(pc.utf8_slice_codeunits(values, 2, 10), "-0?", "."))


def excel_serial(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The number that Excel keeps for a date: 32874."""
    days = pc.cast(pc.cast(where(_is_date(values), values), pa.date32()), pa.int32())
    return pc.cast(pc.add(days, 25569), pa.string())


def default_date(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The date that a form offers when nobody types one: 1900-01-01."""
    return where(_is_date(values), "1900-01-01")


def chinese_numerals(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The year in characters: 二〇二〇年1月1日."""
    year, rest = pc.utf8_slice_codeunits(values, 0, 4), pc.utf8_slice_codeunits(values, 5, 10)
    for number, character in enumerate(_DIGITS):
        year = pc.replace_substring(year, str(number), character)
    month_day = pc.replace_substring_regex(rest, r"^0?(\d+)-0?(\d+)$", r"年\1月\2日")
    return where(_is_date(values), join(year, month_day))
