"""Kinds date and datetime: the column-wise part; the odd spellings are in `oddly_written`.

Several formats in one column are normal (each worker has her own), so nothing is inferred from the column as a whole.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import columns
from schemas.identifiers.columns import Flags, Ints
from schemas.values import oddly_written
from schemas.values.answer import NOTHING, Answer, each
from schemas.values.options import ValueOptions

_DATE = (
    r"^(?P<y>[0-9]{4})(?:[-/.]|年)(?P<m>[0-9]{1,2})(?:[-/.]|月)(?P<d>[0-9]{1,2})日?"
    r"(?:[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?$"
)
_COMPACT = r"^(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})$"
_DATETIME = (
    r"^(?P<y>[0-9]{4})(?:[-/.]|年)(?P<m>[0-9]{1,2})(?:[-/.]|月)(?P<d>[0-9]{1,2})日?"
    r"(?:[ T](?P<h>[0-9]{1,2}):(?P<n>[0-9]{2})(?::(?P<s>[0-9]{2})(?:\.[0-9]+)?)?)?$"
)
_COMPACT_DATETIME = (
    r"^(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?:[T ]?(?P<h>[0-9]{2})(?P<n>[0-9]{2})(?P<s>[0-9]{2}))?$"
)
_FIRST_YEAR, _LAST_YEAR = 1800, 2199
_DEFAULT_DATE = "1900-01-01"


def date_values(column: pa.StringArray, options: ValueOptions) -> Answer:
    """Dates as `YYYY-MM-DD`; year-only, year-month and lunar dates are issues, never guessed."""
    own = oddly_written.own_formats(column, options.date_formats)
    plain = pc.utf8_trim(column, " \t\r\n'")
    value, issue = own, pa.nulls(len(column), pa.string())
    for shape in (_DATE, _COMPACT):
        value, issue = _read(plain, shape, value, issue)
    answer = _rest(plain, value, issue, lambda text: oddly_written.one_date(text, options.pivot))
    return _judge(answer, options.latest)


def datetime_values(column: pa.StringArray, options: ValueOptions) -> Answer:
    """Moments as `YYYY-MM-DDTHH:MM:SS`, China standard time, no zone; a date alone is its midnight."""
    own = oddly_written.own_formats(column, options.date_formats, moments=True)
    plain = pc.utf8_trim(column, " \t\r\n'")
    value, issue = _read(plain, _DATETIME, own, pa.nulls(len(column), pa.string()))
    value, issue = _read(plain, _COMPACT_DATETIME, value, issue)
    answer = _rest(plain, value, issue, lambda text: oddly_written.one_moment(text, options.pivot))
    return _judge(answer, options.latest)


def _read(
    plain: pa.StringArray, shape: str, value: pa.StringArray, issue: pa.StringArray
) -> tuple[pa.StringArray, pa.StringArray]:
    """Fill in the rows of one shape that are still open, all at once."""
    chosen = columns.flags(
        pc.and_(pc.and_(pc.is_null(value), pc.is_null(issue)), pa.array(columns.matches(plain, shape)))
    )
    if not chosen.any():
        return value, issue
    parts = pc.extract_regex(plain.filter(pa.array(chosen)), shape)
    numbers = [_integers(part) for part in parts.flatten()]
    years, months, days = numbers[:3]
    real = columns.valid_dates(years, months, days) & (years >= _FIRST_YEAR) & (years <= _LAST_YEAR)
    text = columns.iso_dates(years, months, days)
    if len(numbers) == 6:
        real &= (numbers[3] < 24) & (numbers[4] < 60) & (numbers[5] < 60)
        text = pc.binary_join_element_wise(text, _clock(numbers[3:]), "T")
    good = pc.if_else(pa.array(real), text, NOTHING)
    bad = pc.if_else(pa.array(real), NOTHING, "impossible")
    return pc.coalesce(value, columns.where(chosen, good)), pc.coalesce(issue, columns.where(chosen, bad))


def _integers(digits: pa.StringArray) -> Ints:
    """Cast a captured part to integers; a part that is not there (no seconds) counts as 0."""
    return np.asarray(pc.if_else(pc.equal(digits, ""), "0", digits).cast(pa.int64()))


def _clock(parts: list[Ints]) -> pa.StringArray:
    cells = np.full((len(parts[0]), 8), ord(":"), np.uint8)
    for place, part in zip((0, 3, 6), parts, strict=True):
        cells[:, place] = 48 + part // 10 % 10
        cells[:, place + 1] = 48 + part % 10
    return columns.from_matrix(cells)


def _rest(plain: pa.StringArray, value: pa.StringArray, issue: pa.StringArray, work: oddly_written.One) -> Answer:
    chosen: Flags = columns.flags(pc.and_(pc.is_null(value), pc.is_null(issue)))
    odd = (columns.where(chosen, part) for part in each(plain.filter(pa.array(chosen)), work))
    odd_value, odd_issue, warning = odd
    return Answer(pc.coalesce(value, odd_value), pc.coalesce(issue, odd_issue), warning)


def _judge(answer: Answer, latest: date | None) -> Answer:
    day = pc.utf8_slice_codeunits(answer.value, 0, 10)
    default = pc.and_(pc.equal(day, _DEFAULT_DATE), pc.is_null(answer.warning))
    answer = answer._replace(warning=pc.if_else(default, "default", answer.warning))
    if latest is None:
        return answer
    future = pc.fill_null(pc.greater(day, latest.isoformat()), False)
    return Answer(
        pc.if_else(future, NOTHING, answer.value),
        pc.if_else(future, "future", answer.issue),
        pc.if_else(future, NOTHING, answer.warning),
    )
