"""Business days, weeks and months of the programme: never those of the database or of a member's device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Calendar:
    """The programme's zone and the time of day at which its business day starts.

    With `day_start` of 4 hours, 03:59 local time still belongs to the day before.
    """

    zone: str = "Asia/Shanghai"
    day_start: timedelta = timedelta(0)

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def local(self, at: datetime) -> datetime:
        """The instant as the programme's wall clock shows it."""
        return at.astimezone(self._zone)

    def business_date(self, at: datetime) -> date:
        """The business day an instant belongs to."""
        return (self.local(at).replace(tzinfo=None) - self.day_start).date()

    def starts_at(self, on: date) -> datetime:
        """The first instant (UTC) of a business day."""
        wall = datetime.combine(on, time()) + self.day_start
        return wall.replace(tzinfo=self._zone).astimezone(UTC)

    def ends_at(self, on: date) -> datetime:
        """The first instant (UTC) after a business day."""
        return self.starts_at(on + timedelta(days=1))


def week_of(on: date) -> date:
    """The Monday of a day's week."""
    return on - timedelta(days=on.weekday())


def month_of(on: date) -> date:
    """The first day of a day's month."""
    return on.replace(day=1)


def days_in_month(on: date) -> int:
    """How many days a day's month has."""
    return (add_months(month_of(on), 1) - month_of(on)).days


def add_months(on: date, months: int) -> date:
    """The same day some months later; the last day of the month where that day does not exist."""
    index = on.year * 12 + on.month - 1 + months
    year, month = divmod(index, 12)
    first = date(year, month + 1, 1)
    length = (date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1) - first).days
    return first.replace(day=min(on.day, length))
