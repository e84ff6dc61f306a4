"""Kinds integer and decimal: plain decimals without exponent, so that equal amounts are equal texts."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import columns
from schemas.values.answer import Answer, Row, unless
from schemas.values.options import ValueOptions

_UNITS = re.compile(
    r"(?:人民币|元整?|圆|平方米|平米|平方|M2|M²|㎡|户|人|个|层|楼|名|次|小时|时|年|岁|套|间|栋|件|份|%)+$",
    re.IGNORECASE,
)
_MYRIADS = {"万": 4, "亿": 8}
_GROUPS = re.compile(r"^[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?$")
_PLAIN = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:E[-+]?[0-9]{1,2})?$", re.IGNORECASE)


_UNITS_PART = "(?:0|[1-9][0-9]{0,14})"
_WHOLE = "^(?:0|[1-9][0-9]{0,8})$"
_GREATEST_INTEGER = 2**31 - 1
"""What a column of type INTEGER holds: one greater number would refuse the whole publication it travels in."""

_GREATEST_DECIMAL = 10**15
"""Fits a NUMERIC column of every scale that the master declares."""


def integer(column: pa.StringArray, _: ValueOptions) -> Answer:
    """Whole numbers; `12.0` is 12, `12.5` is an issue."""
    return unless(column, _WHOLE, _integer)


def decimal(column: pa.StringArray, options: ValueOptions) -> Answer:
    """Decimals without thousands separators and units; no trailing zeros, so `85.50` and `85.5` are one value."""
    quantum = None if options.scale is None else Decimal(1).scaleb(-options.scale)
    most = 24 if options.scale is None else options.scale
    short = columns.matches(column, rf"^{_UNITS_PART}\.[0-9]{{0,{most}}}$")
    cut = pc.if_else(pa.array(short), pc.utf8_rtrim(pc.utf8_rtrim(column, "0"), "."), column)
    return unless(cut, rf"^{_UNITS_PART}(?:\.[0-9]{{0,{most}}})?$", lambda text: _decimal(text, quantum))


def _integer(text: str) -> Row:
    number = _number(text)
    if number is None:
        return None, "unparseable", None
    if number != number.to_integral_value():
        return None, "not_whole", None
    if abs(number) > _GREATEST_INTEGER:
        return None, "too_large", None
    return _write(number), None, None


def _decimal(text: str, quantum: Decimal | None) -> Row:
    number = _number(text)
    if number is None:
        return None, "unparseable", None
    if abs(number) >= _GREATEST_DECIMAL:
        return None, "too_large", None
    if quantum is None:
        return _write(number), None, None
    rounded = number.quantize(quantum, ROUND_HALF_UP)
    return _write(rounded), None, None if rounded == number else "rounded"


def _number(text: str) -> Decimal | None:
    plain = columns.half_width(text).replace(" ", "").lstrip("¥￥'").removeprefix("约").removeprefix("人民币")
    plain = _UNITS.sub("", plain)
    tens = _MYRIADS.get(plain[-1:], 0)
    plain = plain[:-1] if tens else plain
    plain = plain.replace(",", "") if _GROUPS.match(plain) else plain
    if not _PLAIN.match(plain):
        return None
    try:
        number = Decimal(plain).scaleb(tens)
    except InvalidOperation:
        return None
    return number if number.is_zero() or abs(number.adjusted()) <= 24 else None


def _write(number: Decimal) -> str:
    plain = format(number, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("-0", "") else plain
