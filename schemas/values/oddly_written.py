"""Dates in the less common spellings, one distinct text at a time: Chinese numerals, serials, offsets, two-digit years."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa

from schemas.identifiers import columns
from schemas.values.answer import Row

One = Callable[[str], Row]

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China standard time as a fixed offset: needs no time zone data on a closed machine."""

_LUNAR = re.compile(r"农历|阴历|旧历|闰|正月|冬月|腊月|初[一二三四五六七八九十]|廿|卅")
_CHINESE_DATE = re.compile(
    r"^([〇零○一二三四五六七八九0-9]{2}|[〇零○一二三四五六七八九0-9]{4})年"
    r"(?:([一二三四五六七八九十0-9]{1,3})月(?:份)?(?:([一二三四五六七八九十0-9]{1,4})[日号]?)?)?$"
)
_DIGITS = str.maketrans("〇零○一二三四五六七八九", "000123456789")
_SHORT_YEAR = re.compile(r"^'?([0-9]{2})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?$")
_YEAR_ONLY = re.compile(r"^(?:18|19|20|21)[0-9]{2}(?:\.0)?$")
_YEAR_MONTH = re.compile(r"^(?:18|19|20|21)[0-9]{2}(?:[-/.](?:0?[1-9]|1[0-2])|(?:0[1-9]|1[0-2]))(?:[-/.](?:0?0)?)?$")
_SERIAL = re.compile(r"^([0-9]{1,5})(\.[0-9]+)?$")
_SIX = re.compile(r"^([0-9]{2})([0-9]{2})([0-9]{2})$")
_CLOCK = re.compile(
    r"^(?P<day>.*?[0-9日])(?:[ T]+|(?<=日))(?P<h>[0-9]{1,2})[:时点](?P<m>[0-9]{1,2})(?:[:分](?P<s>[0-9]{1,2})?(?:\.[0-9]+)?秒?)?"
    r"(?:\s*(?P<zone>Z|UTC|[-+][0-9]{2}:?(?:[0-9]{2})?))?$",
    re.IGNORECASE,
)
_COMPACT_CLOCK = re.compile(
    r"^(?P<day>[0-9]{8})[T ]?(?P<h>[0-9]{2})(?P<m>[0-9]{2})(?P<s>[0-9]{2})?(?P<zone>Z|[-+][0-9]{2}:?[0-9]{2})?$"
)
_EPOCH = re.compile(r"^([0-9]{10})(?:\.[0-9]+)?$|^([0-9]{13})$")
_BUILT_IN = re.compile(r"^%Y(?:[-/.]%m[-/.]%d|年%m月%d日?|%m%d)(?:[ T]%H:%M(?::%S)?)?$")
"""Formats whose texts the built-in shapes read just the same, all rows at once."""
_LAST_SERIAL = 80000
_PHANTOM_DAY = 60  # spreadsheets believe in 29 February 1900


def own_formats(column: pa.StringArray, formats: tuple[str, ...], *, moments: bool = False) -> pa.StringArray:
    """Read texts by a system's own strptime formats, the first that fits; NULL where none does."""
    special = tuple(shape for shape in formats if not _BUILT_IN.match(shape))
    if not special:
        return pa.nulls(len(column), pa.string())
    return pa.array([_own(text, special, moments=moments) for text in column.to_pylist()], pa.string())


def _own(text: str, formats: tuple[str, ...], *, moments: bool) -> str | None:
    for shape in formats:
        try:
            moment = datetime.strptime(text.strip(), shape)  # noqa: DTZ007 - made local just below
        except ValueError:
            continue
        local = moment.astimezone(CHINA) if moment.tzinfo else moment
        return local.strftime("%Y-%m-%dT%H:%M:%S") if moments else local.strftime("%Y-%m-%d")
    return None


def one_date(text: str, pivot: int) -> Row:
    """Read one text as a date: (ISO date, issue, warning)."""
    plain = re.sub(r"\s+", " ", columns.half_width(text)).strip(" '")
    if _LUNAR.search(plain):
        return None, "lunar", None
    found = _calendar(plain.replace(" ", "") if "年" in plain else plain, pivot)
    if found[1] != "unparseable":
        return found
    moment, issue, warning = _with_clock(plain, pivot)
    return (moment[:10], None, warning) if moment else (None, issue, None)


def one_moment(text: str, pivot: int) -> Row:
    """Read one text as a moment: (ISO date and time, issue, warning); a date alone is its midnight."""
    plain = re.sub(r"\s+", " ", columns.half_width(text)).strip(" '")
    if _LUNAR.search(plain):
        return None, "lunar", None
    found = _with_clock(plain, pivot)
    if found[1] != "unparseable":
        return found
    serial = _SERIAL.match(plain)
    if serial and serial[2]:
        return _serial_moment(serial)
    day, issue, warning = _calendar(plain, pivot)
    return (f"{day}T00:00:00", None, warning) if day else (None, issue, None)


def _calendar(plain: str, pivot: int) -> Row:
    chinese = _CHINESE_DATE.match(plain)
    if chinese:
        return _chinese(chinese, pivot)
    if _YEAR_ONLY.match(plain) or _YEAR_MONTH.match(plain):
        return None, "partial", None
    full = re.match(r"^([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})$", plain) or re.match(
        r"^([0-9]{4})([0-9]{2})([0-9]{2})$", plain
    )
    if full:
        return _day(int(full[1]), int(full[2]), int(full[3]))
    short = _SHORT_YEAR.match(plain) or _SIX.match(plain)
    if short:
        return _short_year(short, pivot)
    serial = _SERIAL.match(plain)
    return _serial(int(serial[1])) if serial else (None, "unparseable", None)


def _chinese(found: re.Match[str], pivot: int) -> Row:
    if found[3] is None:
        return None, "partial", None
    year = int(found[1].translate(_DIGITS))
    month, day = _numeral(found[2]), _numeral(found[3])
    if month is None or day is None:
        return None, "unparseable", None
    if len(found[1]) == 2:
        value, issue, _ = _day(_century(year, pivot), month, day)
        return value, issue, "two_digit_year" if value else None
    return _day(year, month, day)


def _numeral(text: str) -> int | None:
    """Read a number below a hundred: 七, 十二, 三十一, also 12."""
    if "十" in text:
        tens, _, ones = text.partition("十")
        text = (tens or "1") + (ones or "0")
    plain = text.translate(_DIGITS)
    return int(plain) if plain.isdigit() else None


def _short_year(found: re.Match[str], pivot: int) -> Row:
    value, issue, _ = _day(_century(int(found[1]), pivot), int(found[2]), int(found[3]))
    return value, issue, "two_digit_year" if value else None


def _century(year: int, pivot: int) -> int:
    return 1900 + year if year > pivot else 2000 + year


def _day(year: int, month: int, day: int) -> Row:
    if not 1800 <= year <= 2199:
        return None, "impossible", None
    try:
        return date(year, month, day).isoformat(), None, None
    except ValueError:
        return None, "impossible", None


def _serial(number: int) -> Row:
    """Read a spreadsheet's day number; day 1 is 1900-01-01, and one day that never was is counted in."""
    if not 1 <= number <= _LAST_SERIAL or number == _PHANTOM_DAY:
        return None, "unparseable", None
    start = date(1899, 12, 30) if number > _PHANTOM_DAY else date(1899, 12, 31)
    return (start + timedelta(days=number)).isoformat(), None, None


def _serial_moment(found: re.Match[str]) -> Row:
    day, issue, _ = _serial(int(found[1]))
    if day is None:
        return None, issue, None
    moment = datetime.fromisoformat(day) + timedelta(seconds=round(float(found[2]) * 86400))
    return moment.isoformat(), None, None


def _with_clock(plain: str, pivot: int) -> Row:
    epoch = _EPOCH.match(plain)
    if epoch:
        seconds = int(epoch[1]) if epoch[1] else int(epoch[2]) // 1000
        return _local(datetime.fromtimestamp(seconds, UTC)), None, None
    found = _COMPACT_CLOCK.match(plain) or _CLOCK.match(plain)
    if not found:
        return None, "unparseable", None
    day, issue, warning = _calendar(found["day"].replace(" ", ""), pivot)
    if day is None:
        return None, issue, None
    hour, minute, second = (int(found[part] or 0) for part in ("h", "m", "s"))
    if hour > 23 or minute > 59 or second > 59:
        return None, "impossible", None
    moment = datetime.fromisoformat(day).replace(hour=hour, minute=minute, second=second)
    if found["zone"]:
        moment = moment.replace(tzinfo=_zone(found["zone"]))
        return _local(moment), None, warning
    return moment.isoformat(), None, warning


def _zone(text: str) -> timezone:
    if text.upper() in ("Z", "UTC"):
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _local(moment: datetime) -> str:
    return moment.astimezone(CHINA).strftime("%Y-%m-%dT%H:%M:%S")
