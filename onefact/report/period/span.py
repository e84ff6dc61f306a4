"""Which days a report is about (期间), and the period before, with which it is compared."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta


class NoPeriod(Exception):
    """The days of a report were not named, or end before they begin."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}请写成 --period 2026-11，或 --from 2026-11-01 --to 2026-11-15。")


@dataclass(frozen=True, slots=True)
class Period:
    """A span of whole days, both inclusive, in the site's local time."""

    first: date
    last: date

    @property
    def begin(self) -> datetime:
        """The moment at which it begins."""
        return datetime.combine(self.first, time.min).astimezone()

    @property
    def end(self) -> datetime:
        """The moment at which it is over (exclusive)."""
        return datetime.combine(self.last + timedelta(days=1), time.min).astimezone()

    @property
    def whole_month(self) -> bool:
        """Whether it is a calendar month."""
        return self == month_of(self.first)

    @property
    def title(self) -> str:
        """How the period is called in Chinese."""
        if self.whole_month:
            return f"{self.first.year} 年 {self.first.month} 月"
        return f"{_day(self.first)} 至 {_day(self.last)}"

    @property
    def name(self) -> str:
        """The period in a file name."""
        return f"{self.first:%Y-%m}" if self.whole_month else f"{self.first:%Y%m%d}-{self.last:%Y%m%d}"

    @property
    def before(self) -> Period:
        """The month before; for other spans as many days before."""
        last = self.first - timedelta(days=1)
        if self.whole_month:
            return month_of(last)
        return Period(last - (self.last - self.first), last)

    @property
    def months(self) -> tuple[str, ...]:
        """The calendar months that it touches, as 2026-11."""
        found, day = [], self.first.replace(day=1)
        while day <= self.last:
            found.append(f"{day:%Y-%m}")
            day = (day + timedelta(days=31)).replace(day=1)
        return tuple(found)


def month_of(day: date) -> Period:
    """Return the calendar month of a day."""
    return Period(day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1]))


def asked(today: date, month: str | None = None, since: str | None = None, until: str | None = None) -> Period:
    """Return the period that was asked for: a month, a span of days, or the current month when nothing was named.

    Raises:
        NoPeriod: it cannot be read, is given twice, or ends before it begins.
    """
    try:
        if month is not None:
            if since or until:
                raise NoPeriod("期间写了两次。")
            return month_of(date.fromisoformat(f"{month}-01"))
        if since is None and until is None:
            return month_of(today)
        last = today if until is None else date.fromisoformat(until)
        first = last.replace(day=1) if since is None else date.fromisoformat(since)
    except ValueError as problem:
        raise NoPeriod("期间无法识别。") from problem
    if last < first:
        raise NoPeriod("期间的结束早于开始。")
    return Period(first, last)


def _day(day: date) -> str:
    return f"{day.year} 年 {day.month} 月 {day.day} 日"
