"""When a system may not be disturbed (维护窗口): local times and weekdays, as data in the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

ZONE = ZoneInfo("Asia/Shanghai")
"""The one time zone of every system."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
CLOCK = r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$"
WEEK = timedelta(days=7)


class Window(BaseModel):
    """A time in which the system is maintained: nothing is written then, and with `reading: false` nothing is read.

    Attributes:
        begin, end: `from` and `to`, local time `HH:MM`; the end does not belong to it. An end before the beginning is on
            the next day; `24:00` is midnight.
        days: weekdays on which it begins; default every day.
        reason: shown to whoever wonders why nothing is sent.
        reading: false where the system may not be read then either.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    begin: str = Field(alias="from", pattern=CLOCK)
    end: str = Field(alias="to", pattern=CLOCK)
    days: list[Day] = Field(default_factory=lambda: list(DAYS), min_length=1)
    reason: str = "系统维护"
    reading: bool = True

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.begin in {self.end, "24:00"}:
            raise ValueError("the window has no length; for a whole day write `from: 00:00` and `to: 24:00`")
        return self

    def last(self, local: datetime) -> datetime | None:
        """Return when the window ends that the local moment lies in; None when it lies in none."""
        for back in (0, 1):  # begun today, or yesterday and over midnight
            day = (local - timedelta(days=back)).date()
            if DAYS[day.weekday()] not in self.days:
                continue
            begin = datetime.combine(day, _time(self.begin)) + _over(self.begin)
            end = datetime.combine(day, _time(self.end)) + _over(self.end)
            end += timedelta(days=1) if end <= begin else timedelta()
            if begin <= local < end:
                return end
        return None


def local_time(moment: datetime) -> datetime:
    """Return a moment as the systems' local time without zone; one without zone is local already."""
    return moment if moment.tzinfo is None else moment.astimezone(ZONE).replace(tzinfo=None)


def opens_at(windows: Sequence[Window], moment: datetime) -> datetime | None:
    """Return when no window is on from `moment` (local) on: the moment itself when it is open; None = not in a week."""
    local = local_time(moment)
    begin = local
    while local - begin <= WEEK:
        ends = [end for window in windows if (end := window.last(local)) is not None]
        if not ends:
            return local
        local = max(ends)
    return None


def _time(text: str) -> time:
    return time() if text == "24:00" else time.fromisoformat(text)


def _over(text: str) -> timedelta:
    return timedelta(days=1 if text == "24:00" else 0)
