"""工商注册号 (GS 15-2006): 6 digits registrar, 8 digits sequence, 1 check digit (ISO 7064 MOD 11,10).

Replaced by the credit code since 2015, still found in records of self-employed businesses. Numbers of 13 digits are
older than the rule and carry no check digit: accepted with a warning.
"""

from __future__ import annotations

import re

import pyarrow as pa

from schemas.identifiers import columns
from schemas.identifiers.columns import MASKED, SCIENTIFIC, Texts


def check_digit(body: str) -> str:
    """Return the check digit for the first 14 digits: `check_digit("11010800000001") == "6"`.

    Raises:
        ValueError: the body is not 14 digits.
    """
    if len(body) != 14 or not (body.isascii() and body.isdigit()):
        raise ValueError("the body of a registration number is 14 digits")
    product = 10
    for digit in body:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def parse(texts: Texts) -> pa.Table:
    """Clean and check registration numbers, row for row.

    Returns:
        Text columns `value`, `kind` (registration, registration_13), `issue` (masked, precision_lost, length,
        characters, check_digit), `warning` (unchecked for 13 digits), `area_code` (of the registrar).
    """
    return columns.per_distinct(texts, _parse_distinct)


def _parse_distinct(raw: pa.StringArray) -> pa.Table:
    rows = [_parse_one(text) for text in columns.compact(raw).to_pylist()]
    names = ("value", "kind", "issue", "warning", "area_code")
    return columns.text_table({name: [row[i] for row in rows] for i, name in enumerate(names)})


def _parse_one(text: str | None) -> tuple[str | None, ...]:
    if text is None:
        return (None,) * 5
    number = re.sub(r"[-号]", "", text)
    if re.fullmatch(r"[0-9]{15}", number):
        if check_digit(number[:14]) != number[14]:
            return None, None, "check_digit", None, None
        return number, "registration", None, None, number[:6]
    if re.fullmatch(r"[0-9]{13}", number):
        return number, "registration_13", None, "unchecked", number[:6]
    return None, None, _why(text, number), None, None


def _why(text: str, number: str) -> str:
    if SCIENTIFIC.match(text):
        return "precision_lost"
    if MASKED.search(text):
        return "masked"
    return "length" if number.isascii() and number.isdigit() else "characters"
