"""The lunar calendar (农历): from a lunar day to the Gregorian one, 1900 to 2060.

Old people give their birthday as their family keeps it; a form that asks for a date gets 1955年八月十五. What comes out
here is a candidate for linkage, never a claim: whether a date was lunar, and which of two months in a leap year was
meant, nobody can see in the text.
"""

from __future__ import annotations

import csv
import re
from datetime import date, timedelta
from functools import cache
from pathlib import Path

_DIGITS = str.maketrans("〇零○一二三四五六七八九", "000123456789")
_MONTH_NAMES = {"正": 1, "冬": 11, "腊": 12}
_NOISE = re.compile(r"[\s()（）\[\]【】]|农历|阴历|旧历|生日|[甲乙丙丁戊己庚辛壬癸][子丑寅卯辰巳午未申酉戌亥]年?")
_WRITTEN = re.compile(
    r"^([0-9〇零○一二三四五六七八九]{4})年?(闰)?([0-9]{1,2}|正|冬|腊|[一二三四五六七八九十]{1,2})月?份?"
    r"(初?[0-9一二三四五六七八九十廿卅]{1,3})?[日号生]*$"
)
_FIGURES = re.compile(r"^([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|([0-9]{2})([0-9]{2}))$")


def gregorian(year: int, month: int, day: int, *, leap: bool = False) -> date | None:
    """Return the Gregorian date of a lunar day, None where that day did not exist or lies outside the table.

    Args:
        year: lunar year, named by the Gregorian year in which most of it lies.
        month: 1 to 12.
        day: 1 to 30.
        leap: the second of the two months of that number (闰月).
    """
    known = _years().get(year)
    if known is None or not 1 <= month <= 12 or not 1 <= day <= 30:
        return None
    start, leap_month, lengths = known
    if leap and month != leap_month:
        return None
    place = month - 1 + (leap_month is not None and (month > leap_month or leap))
    if day > lengths[place]:
        return None
    return start + timedelta(days=sum(lengths[:place]) + day - 1)


def read(text: str) -> date | None:
    """Return the Gregorian date that a text means if its date is lunar: `农历1990年八月十五` is 1990-10-03.

    Texts without a year, or with a year of the sixty-year cycle only (庚午年), mean no single day: None.
    """
    plain = _NOISE.sub("", text)
    figures = _FIGURES.match(plain)
    if figures:
        month, day = (figures[3], figures[4]) if figures[2] else (figures[5], figures[6])
        return gregorian(int(figures[1]), int(month), int(day))
    written = _WRITTEN.match(plain)
    if not written or written[4] is None:
        return None
    month_number = _MONTH_NAMES.get(written[3]) or _numeral(written[3])
    day_number = _numeral(written[4].removeprefix("初"))
    if month_number is None or day_number is None:
        return None
    year = int(written[1].translate(_DIGITS))
    return gregorian(year, month_number, day_number, leap=written[2] is not None)


def _numeral(text: str) -> int | None:
    """Read 1 to 30 as lunar dates write them: 八, 十五, 廿三, 二十三, 卅, 15."""
    text = text.replace("廿", "二十").replace("卅", "三十")
    if "十" in text:
        tens, _, ones = text.partition("十")
        text = (tens or "一") + (ones or "0")
    plain = text.translate(_DIGITS)
    return int(plain) if plain.isdigit() else None


@cache
def _years() -> dict[int, tuple[date, int | None, tuple[int, ...]]]:
    with (Path(__file__).parent / "data" / "lunar_years.csv").open(encoding="utf-8", newline="") as lines:
        return {
            int(row["year"]): (
                date.fromisoformat(row["new_year"]),
                int(row["leap_month"]) if row["leap_month"] else None,
                tuple(29 + int(longer) for longer in row["months"]),
            )
            for row in csv.DictReader(lines)
        }
