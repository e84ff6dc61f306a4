"""Dirt on identity numbers and credit codes (证件号码、信用代码), one function per class of domain README §1.9.

No function touches the first six characters: the area stays the one that does not exist.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from sandbox.lens.dirt.spell import Rng, attach, by_distinct, edit_eighteen
from sandbox.town.draw import Text, where

_FULL_WIDTH: Final = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def fifteen_digits(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The old number of 15 digits: no century, no check digit (only births of the 1900s have one)."""
    old = attach(pc.utf8_slice_codeunits(values, 0, 6), pc.utf8_slice_codeunits(values, 8, 17))
    return where(np.asarray(pc.match_substring_regex(values, "^.{6}19[0-9]{9}[0-9X]$").fill_null(False)), old)


def lower_case_x(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The check character X typed small."""
    return pc.ascii_lower(values)


def full_width_digits(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Typed with the Chinese input method: ４２０１９９."""
    return by_distinct(values, lambda text: text.translate(_FULL_WIDTH))


def grouped_by_spaces(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Blanks between the groups, as printed on cards: 420199 19900101 1234."""
    return pc.replace_substring_regex(values, r"^(.{6})(.{8})(.{4})$", r"\1 \2 \3")


def leading_apostrophe(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The apostrophe that makes Excel keep a number as text, exported with it."""
    return attach("'", values)


def trailing_tab(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """A tab behind the number, the other trick to keep it text."""
    return attach(values, "\t")


def scientific_notation(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Opened in Excel and saved: 4.20199E+17; the last digits are lost."""
    shaped = pc.replace_substring_regex(values, r"^([0-9])([0-9]{5})[0-9]{12}$", r"\1.\2E+17")
    return where(np.asarray(pc.match_substring(shaped, "E+17").fill_null(False)), shaped)


def masked(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Exported with the middle hidden: 420199********1234."""
    return pc.replace_substring_regex(values, r"^(.{6}).{8}(.{4})$", r"\1********\2")


def one_digit_wrong(values: Text, rng: Rng) -> Text:
    """One digit of the birth date or the sequence mistyped; the check digit no longer fits."""

    def change(cells: npt.NDArray[np.uint8]) -> None:
        rows, place = np.arange(len(cells)), rng.integers(8, 17, len(cells))
        old = cells[rows, place]
        digit = (old >= 48) & (old <= 57)
        cells[rows, place] = np.where(digit, (old - 48 + rng.integers(1, 10, len(cells))) % 10 + 48, 48)

    return edit_eighteen(values, change)


def two_digits_swapped(values: Text, rng: Rng) -> Text:
    """Two neighbouring digits of the last part the wrong way round."""

    def change(cells: npt.NDArray[np.uint8]) -> None:
        rows, place = np.arange(len(cells)), rng.integers(12, 16, len(cells))
        cells[rows, place], cells[rows, place + 1] = cells[rows, place + 1].copy(), cells[rows, place].copy()

    return edit_eighteen(values, change)
