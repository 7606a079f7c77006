"""When points activate and expire, in which order lots are used, and how a claw-back is measured: pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from gamification.core.calendar import Calendar, add_months, days_in_month, month_of
from gamification.core.policy import Problem

DATES_MAX = 24
NOTICES_MAX = 5
WAIT_DAYS_MAX = 366
NOT_AN_ACTIVITY = frozenset({"ADJUSTMENT"})
"""Kinds of accruals and takings that staff make: they keep no points of a sliding policy alive."""

OrderEventType = Literal["RECEIVED", "REFUND_WINDOW_CLOSED"]

_NEVER = datetime.max.replace(tzinfo=UTC)
_LEAP_YEAR = 2028


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day of the year, or of every month where `month` is None.

    A month that has no such day stands with its last one: 31 of every month is each month's last day, and 29 February
    is 28 February in common years.
    """

    day: int
    month: int | None = None

    @property
    def exists(self) -> bool:
        """Whether some year has this day."""
        if self.month is None:
            return 1 <= self.day <= 31
        return 1 <= self.month <= 12 and 1 <= self.day <= days_in_month(date(_LEAP_YEAR, self.month, 1))


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long points live: `count` units after activation (None: for ever), rounded up to a period's end or a date.

    The last valid business day is the day `count` units after the day of activation, or the end of its month, quarter
    or year, or, where `dates` are listed, the first of them on or after it; points expire at the first instant after
    it. A `sliding` expiry is counted anew from each day on which the member is active.
    """

    count: int | None = None
    unit: Literal["day", "month", "year"] = "month"
    round_to_end_of: Literal["day", "month", "quarter", "year"] = "day"
    dates: tuple[CalendarDay, ...] = ()
    sliding: bool = False

    def problems(self) -> Sequence[Problem]:
        """What is wrong with it, by its place in a policy."""
        least = 0 if self.dates else 1
        found = []
        if self.count is not None and not least <= self.count <= 3660:
            found.append(Problem("expiry.count", f"{least} to 3660, or null for points that never expire"))
        if self.count is None and (self.dates or self.sliding):
            found.append(Problem("expiry.count", "a count: points without expiry have no dates and do not slide"))
        if self.dates and self.round_to_end_of != "day":
            found.append(Problem("expiry.round_to_end_of", "day, where dates are listed: they are the rounding"))
        if self.dates and self.sliding:
            found.append(Problem("expiry.sliding", "false, where dates are listed"))
        return [*found, *_problems_of_days("expiry.dates", self.dates)]


@dataclass(frozen=True, slots=True)
class EventActivation:
    """Points of an order wait for what happens to it, and no longer than `latest_days` business days.

    They activate at the event, or at the start of the business day `days` after that of the event. Points that belong
    to no order activate at once.
    """

    event: OrderEventType
    latest_days: int
    days: int = 0

    def problems(self) -> Sequence[Problem]:
        """What is wrong with it, by its place in a policy."""
        found = []
        if not 1 <= self.latest_days <= WAIT_DAYS_MAX:
            found.append(Problem("activation_event.latest_days", f"1 to {WAIT_DAYS_MAX}"))
        if not 0 <= self.days < max(self.latest_days, 1):
            found.append(Problem("activation_event.days", "0 or more, and fewer than the latest days"))
        return found


@dataclass(frozen=True, slots=True)
class PointsPolicy:
    """How points live and die: expiry, activation, how far a claw-back may go, and when members are told.

    Points activate at once, or one of: at the start of the day `activation_days` business days later, on an event of
    their order, or at the start of the next of some dates. `notice_days` before the last valid day a member is told.
    """

    kind: ClassVar[str] = "points"
    expiry: Expiry = Expiry()
    activation_days: int = 0
    claw_back: Literal["PENDING_ONLY", "TO_ZERO", "TO_DEBT"] = "TO_DEBT"
    activation_event: EventActivation | None = None
    activation_dates: tuple[CalendarDay, ...] = ()
    notice_days: tuple[int, ...] = (30, 7, 1)

    def problems(self) -> Sequence[Problem]:
        found = list(self.expiry.problems())
        if not 0 <= self.activation_days <= WAIT_DAYS_MAX:
            found.append(Problem("activation_days", f"0 to {WAIT_DAYS_MAX}"))
        if self.activation_event is not None:
            found += self.activation_event.problems()
            if self.activation_days:
                found.append(Problem("activation_days", "0, where points wait for an event"))
        if self.activation_dates and (self.activation_days or self.activation_event):
            found.append(Problem("activation_dates", "none, where points wait for days or for an event"))
        found += _problems_of_days("activation_dates", self.activation_dates)
        return [*found, *self._problems_of_notices()]

    def _problems_of_notices(self) -> list[Problem]:
        days = self.notice_days
        found = [] if len(days) <= NOTICES_MAX else [Problem("notice_days", f"at most {NOTICES_MAX}")]
        for index, each in enumerate(days):
            if not 1 <= each <= WAIT_DAYS_MAX:
                found.append(Problem(f"notice_days.{index}", f"1 to {WAIT_DAYS_MAX}"))
            if index and each >= days[index - 1]:
                found.append(Problem(f"notice_days.{index}", "fewer days than the one before"))
        return found


def _problems_of_days(path: str, listed: Sequence[CalendarDay]) -> list[Problem]:
    found = [] if len(listed) <= DATES_MAX else [Problem(path, f"at most {DATES_MAX} dates")]
    for index, each in enumerate(listed):
        if not each.exists:
            found.append(Problem(f"{path}.{index}", "a day that the month has in some year"))
        elif index and (each.month or 0, each.day) <= (listed[index - 1].month or 0, listed[index - 1].day):
            found.append(Problem(f"{path}.{index}", "later in the year than the one before; every month comes first"))
    return found


class Lot(NamedTuple):
    """The state of a lot in a decision. Changes make a new value; `key` stays."""

    member_id: UUID
    seq: int
    line: int
    original: int
    remaining: int
    expired: int
    pending: bool
    activates_at: datetime
    expires_at: datetime | None
    order_id: UUID | None
    order_line: int | None
    root_seq: int | None
    root_line: int | None
    policy_version: int | None

    @property
    def key(self) -> tuple[int, int]:
        """What names the lot within its account."""
        return self.seq, self.line

    @property
    def open(self) -> bool:
        """Whether anything of it is left."""
        return self.remaining > 0


class Taken(NamedTuple):
    """What an entry took from a lot: the lot's key, how much, as which of the entry's lots, and until when a child of
    that lot lives already (None: it has none)."""

    seq: int
    line: int
    points: int
    place: int
    extended_until: datetime | None

    @property
    def key(self) -> tuple[int, int]:
        """What names the lot within its account."""
        return self.seq, self.line


def consumption_order(lot: Lot) -> tuple[datetime, datetime, int, int]:
    """Soonest expiry first (no expiry last), then activation, then the oldest lot."""
    return lot.expires_at or _NEVER, lot.activates_at, lot.seq, lot.line


def last_taken_first(takes: Iterable[Taken], points: int, returned: int) -> list[tuple[Taken, int]]:
    """Which takes so many points go back to, and how many to each, once `returned` have gone back before."""
    parts = []
    for take in sorted(takes, key=lambda take: take.place, reverse=True):
        before = min(returned, take.points)
        returned -= before
        part = min(points, take.points - before)
        points -= part
        if part:
            parts.append((take, part))
    assert points == 0, "no more goes back than was taken"
    return parts


def last_valid_day(expiry: Expiry, activated_on: date) -> date | None:
    """The last business day on which points that activated on a day can be used; None for ever."""
    if expiry.count is None:
        return None
    if expiry.unit == "day":
        day = activated_on + timedelta(days=expiry.count)
    else:
        day = add_months(activated_on, expiry.count * (12 if expiry.unit == "year" else 1))
    return next_listed_day(expiry.dates, day) if expiry.dates else _end_of(expiry.round_to_end_of, day)


def _end_of(period: str, day: date) -> date:
    if period == "day":
        return day
    months = {"month": 1, "quarter": 3, "year": 12}[period]
    first = month_of(day)
    start = first.replace(month=(first.month - 1) // months * months + 1)
    return add_months(start, months) - timedelta(days=1)


def next_listed_day(listed: Sequence[CalendarDay], on: date) -> date:
    """The first of some days of the calendar that is this day or later. At least one is listed."""
    for ahead in range(13):
        first = add_months(month_of(on), ahead)
        days = (each.day for each in listed if each.month in (None, first.month))
        found = [first.replace(day=min(day, days_in_month(first))) for day in days]
        if later := [day for day in found if day >= on]:
            return min(later)
    raise AssertionError("every listed day comes within a year")


def activation(policy: PointsPolicy, booked_at: datetime, calendar: Calendar, *, of_order: bool) -> datetime:
    """When points booked at an instant activate; those that wait for an event of their order, at the latest."""
    on = calendar.business_date(booked_at)
    if policy.activation_event is not None:
        return calendar.starts_at(on + timedelta(days=policy.activation_event.latest_days)) if of_order else booked_at
    if policy.activation_dates:
        return calendar.starts_at(next_listed_day(policy.activation_dates, on + timedelta(days=1)))
    return calendar.starts_at(on + timedelta(days=policy.activation_days)) if policy.activation_days else booked_at


def activation_after(waits: EventActivation, occurred_at: datetime, now: datetime, calendar: Calendar) -> datetime:
    """When points activate that waited for an event of their order: never before it is known."""
    at = occurred_at
    if waits.days:
        at = calendar.starts_at(calendar.business_date(occurred_at) + timedelta(days=waits.days))
    return max(at, now)


def expiry_from(expiry: Expiry, at: datetime, calendar: Calendar) -> datetime | None:
    """When points expire whose life is counted from an instant; None: never."""
    last_day = last_valid_day(expiry, calendar.business_date(at))
    return None if last_day is None else calendar.ends_at(last_day)


def lifetime(
    policy: PointsPolicy, booked_at: datetime, calendar: Calendar, *, of_order: bool = False
) -> tuple[datetime, datetime | None]:
    """When points booked at an instant activate, and when they expire (None: never); life begins at activation."""
    activates_at = activation(policy, booked_at, calendar, of_order=of_order)
    return activates_at, expiry_from(policy.expiry, activates_at, calendar)


def claw_back_target(earned: int, refunded_fen: int, paid_fen: int) -> int:
    """Points of `earned` that are to be revoked once so much of what was paid is refunded; all when all is."""
    if refunded_fen >= paid_fen:
        return earned
    return earned * refunded_fen // paid_fen


def split_by_largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Split an integer in proportion to weights so that the parts sum exactly (Hamilton's method).

    Ties of the remainder go to the earlier part. Weights that sum to zero put everything on the first part.
    """
    whole = sum(weights)
    if whole == 0:
        return [total, *([0] * (len(weights) - 1))] if weights else []
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(total * weights[index] % whole), index))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts
