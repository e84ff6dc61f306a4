"""组织机构代码 (GB 11714-1997): 8 characters and a check character, `D2143569-X`, written here without the hyphen.

It lives on as positions 9–17 of the unified social credit code, and alone in records older than 2015.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import columns
from schemas.identifiers.columns import MASKED, SCIENTIFIC, Bytes, Flags, Texts

WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2], np.int64)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CHECK_CHARACTERS = np.frombuffer(b"0X987654321", np.uint8)
"""By remainder of the weighted sum: C = 11 - remainder, where 10 is written X and 11 is written 0."""

_VALUES = np.zeros(256, np.int64)
_VALUES[np.frombuffer(_ALPHABET.encode(), np.uint8)] = np.arange(36)
_VALUES.setflags(write=False)


def check_digit(body: str) -> str:
    """Return the check character for the first 8 characters: `check_digit("D2143569") == "X"`.

    Raises:
        ValueError: the body is not 8 digits or capital letters.
    """
    if len(body) != 8 or any(c not in _ALPHABET for c in body):
        raise ValueError("the body of an organisation code is 8 digits or capital letters")
    return chr(_expected(np.frombuffer(body.encode(), np.uint8).reshape(1, 8))[0])


def sound(cells: Bytes) -> Flags:
    """Return which rows of a matrix of 9 characters carry the right check character."""
    return np.asarray(_expected(cells[:, :8]) == cells[:, 8], dtype=np.bool_)


def _expected(cells: Bytes) -> Bytes:
    return np.asarray(_CHECK_CHARACTERS[_VALUES[cells] @ WEIGHTS % 11], dtype=np.uint8)


def parse(texts: Texts) -> pa.Table:
    """Clean and check organisation codes, row for row.

    Returns:
        Text columns `value` (9 characters, no hyphen), `kind` (organisation), `issue` (masked, precision_lost,
        length, characters, check_digit), `warning` (always NULL).
    """
    return columns.per_distinct(texts, _parse_distinct)


def _parse_distinct(raw: pa.StringArray) -> pa.Table:
    column = pc.replace_substring_regex(columns.compact(raw), r"[-－—–]", "")
    whole = columns.matches(column, r"^[0-9A-Z]{8}[0-9X]$") & ~columns.matches(column, SCIENTIFIC.pattern)
    numbers = column.filter(pa.array(whole))
    good = columns.where(whole, pa.array(sound(columns.matrix(numbers, 9))))
    odd = ~whole & columns.flags(column.is_valid())
    refused = columns.where(odd, pa.array([_why(t) for t in column.filter(pa.array(odd)).to_pylist()], pa.string()))
    nothing = pa.scalar(None, pa.string())
    usable = pc.fill_null(good, False)
    failed = pc.if_else(pc.fill_null(pc.invert(good), False), "check_digit", nothing)
    return columns.text_table(
        {
            "value": pc.if_else(usable, column, nothing),
            "kind": pc.if_else(usable, "organisation", nothing),
            "issue": pc.coalesce(refused, failed),
            "warning": pa.nulls(len(column), pa.string()),
        }
    )


def _why(text: str) -> str:
    if SCIENTIFIC.match(text):
        return "precision_lost"
    if MASKED.search(text):
        return "masked"
    return "length" if text.isascii() and text.isalnum() and len(text) != 9 else "characters"
