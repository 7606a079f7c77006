"""When points activate and expire, in which order lots are used, how a claw-back is measured, how many points pay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from gamification.core.calendar import Calendar, add_months, days_in_month, month_of
from gamification.core.policy import Problem

_NEVER = datetime.max.replace(tzinfo=UTC)
BASIS = 10_000
"""Basis points in the whole."""
STEP_POINTS_MAX = 1_000_000
ACTIVATION_DAYS_MAX = 366
DATES_MAX = 24
NOTICES_MAX = 5
NOTICE_DAYS_MAX = 90
LEAP_YEAR = 2000
QUOTE_MINUTES_MAX = 60
HOLD_MINUTES_MAX = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long points live: `count` units after activation, rounded up to the end of a period or to a listed date.

    The last valid business day is the day `count` units after the day of activation, or the end of its month, quarter
    or year, or the first of `dates` (MM-DD, or DD of every month) on or after it; points expire at the first instant
    after it. Neither count nor dates: for ever. `sliding` points live from the member's last activity instead, never
    shorter.
    """

    count: int | None = None
    unit: Literal["day", "month", "year"] = "month"
    round_to_end_of: Literal["day", "month", "quarter", "year"] = "day"
    dates: tuple[str, ...] = ()
    sliding: bool = False


ActivationEvent = Literal["RECEIVED", "REFUND_WINDOW_CLOSED"]
"""What a shop tells of an order: the goods arrived; they can no longer be sent back."""


@dataclass(frozen=True, slots=True)
class PointsPolicy:
    """How points live and die: expiry, when they become usable, how far a claw-back may go, when members are told.

    Points become usable at once; or `activation_days` business days later; or on the next of `activation_dates` (MM-DD,
    or DD of every month); or, points of an order, `activation_event_days` after `activation_event`, at the latest
    `activation_latest_days` after they were booked, so that a lost message keeps nobody's points for ever.
    """

    kind: ClassVar[str] = "points"
    expiry: Expiry = Expiry()
    activation_days: int = 0
    claw_back: Literal["PENDING_ONLY", "TO_ZERO", "TO_DEBT"] = "TO_DEBT"
    activation_event: ActivationEvent | None = None
    activation_event_days: int = 0
    activation_latest_days: int = 30
    activation_dates: tuple[str, ...] = ()
    notice_days: tuple[int, ...] = (30, 7, 1)

    def problems(self) -> Sequence[Problem]:
        found = [*_expiry_problems(self.expiry), *_dates_problems("activation_dates", self.activation_dates)]
        bounds = {"activation_days": 0, "activation_event_days": 0, "activation_latest_days": 1}
        found += [
            Problem(name, f"{least} to {ACTIVATION_DAYS_MAX}")
            for name, least in bounds.items()
            if not least <= getattr(self, name) <= ACTIVATION_DAYS_MAX
        ]
        ways = (self.activation_days > 0, self.activation_event is not None, bool(self.activation_dates))
        if sum(ways) > 1:
            found.append(Problem("activation_days", "one way to become usable: days, an event, or dates"))
        if self.activation_event_days > self.activation_latest_days:
            found.append(Problem("activation_latest_days", "not before the days after the event"))
        if len(self.notice_days) > NOTICES_MAX or any(not 1 <= days <= NOTICE_DAYS_MAX for days in self.notice_days):
            found.append(Problem("notice_days", f"at most {NOTICES_MAX}, each 1 to {NOTICE_DAYS_MAX}"))
        if len(set(self.notice_days)) < len(self.notice_days):
            found.append(Problem("notice_days", "each once"))
        return found


def _expiry_problems(expiry: Expiry) -> list[Problem]:
    found = _dates_problems("expiry.dates", expiry.dates)
    least = 0 if expiry.dates else 1
    if expiry.count is not None and not least <= expiry.count <= 3660:
        found.append(Problem("expiry.count", f"{least} to 3660, or null for points that never expire"))
    if expiry.dates and expiry.round_to_end_of != "day":
        found.append(Problem("expiry.round_to_end_of", "either dates or the end of a period"))
    if expiry.sliding and not expiry.count:
        found.append(Problem("expiry.sliding", "a life in days, months or years that activity renews"))
    if expiry.sliding and expiry.dates:
        found.append(Problem("expiry.sliding", "either dates or a life that activity renews"))
    return found


def _dates_problems(path: str, dates: Sequence[str]) -> list[Problem]:
    found = [
        Problem(f"{path}.{index}", "a day of the year as MM-DD, or of every month as DD")
        for index, each in enumerate(dates)
        if not _is_listable(each)
    ]
    if len(dates) > DATES_MAX or len(set(dates)) < len(dates):
        found.append(Problem(path, f"at most {DATES_MAX} days, each once"))
    return found


def _is_listable(text: str) -> bool:
    if not re.fullmatch(r"(\d\d-)?\d\d", text, re.ASCII):
        return False
    month, _, day = text.rpartition("-")
    try:
        date(LEAP_YEAR, int(month or 1), int(day))
    except ValueError:
        return False
    return True


def first_listed_day(dates: Sequence[str], since: date) -> date:
    """The first listed day on or after a day. A day that its month lacks is the month's last.

    So 02-29 is 28 February in common years, and 31 is the end of every month.
    """
    return min(day for text in dates for day in _days_of(text, since) if day >= since)


def _days_of(text: str, since: date) -> list[date]:
    month, _, day = text.rpartition("-")
    if month:
        firsts = [date(year, int(month), 1) for year in (since.year, since.year + 1)]
    else:
        firsts = [month_of(since), add_months(month_of(since), 1)]
    return [first.replace(day=min(int(day), days_in_month(first))) for first in firsts]


@dataclass(frozen=True, slots=True)
class DeductionPolicy:
    """How points pay: in steps of `step_points`, up to `share_max_bp` of what an order's lines cost (basis points).

    A quote stands for `quote_minutes`; a hold whose till names no time ends after `hold_minutes`.
    """

    kind: ClassVar[str] = "deduction"
    step_points: int = 100
    share_max_bp: int = BASIS
    quote_minutes: int = 10
    hold_minutes: int = 30

    def problems(self) -> Sequence[Problem]:
        bounds = {
            "step_points": (1, STEP_POINTS_MAX),
            "share_max_bp": (0, BASIS),
            "quote_minutes": (1, QUOTE_MINUTES_MAX),
            "hold_minutes": (1, HOLD_MINUTES_MAX),
        }
        return [
            Problem(name, f"{least} to {most}")
            for name, (least, most) in bounds.items()
            if not least <= getattr(self, name) <= most
        ]


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


def last_valid_day(expiry: Expiry, since: date) -> date | None:
    """The last business day on which points can be used that live from a day on; None for ever."""
    if expiry.count is None and not expiry.dates:
        return None
    count = expiry.count or 0
    if expiry.unit == "day":
        day = since + timedelta(days=count)
    else:
        day = add_months(since, count * (12 if expiry.unit == "year" else 1))
    if expiry.dates:
        return first_listed_day(expiry.dates, day)
    return _end_of(expiry.round_to_end_of, day)


def _end_of(period: str, day: date) -> date:
    if period == "day":
        return day
    months = {"month": 1, "quarter": 3, "year": 12}[period]
    first = month_of(day)
    start = first.replace(month=(first.month - 1) // months * months + 1)
    return add_months(start, months) - timedelta(days=1)


def lifetime(
    policy: PointsPolicy, booked_at: datetime, calendar: Calendar, *, of_order: bool = False
) -> tuple[datetime, datetime | None]:
    """When points booked at an instant activate at the latest, and when they then expire (None: never)."""
    activates_at = _activation(policy, booked_at, calendar, of_order)
    return activates_at, expiry_after(policy.expiry, activates_at, calendar)


def _activation(policy: PointsPolicy, booked_at: datetime, calendar: Calendar, of_order: bool) -> datetime:
    on = calendar.business_date(booked_at)
    if policy.activation_dates:
        return calendar.starts_at(first_listed_day(policy.activation_dates, on + timedelta(days=1)))
    days = policy.activation_days
    if policy.activation_event is not None and of_order:
        days = policy.activation_latest_days
    return calendar.starts_at(on + timedelta(days=days)) if days else booked_at


def activation_after(policy: PointsPolicy, event_at: datetime, calendar: Calendar) -> datetime:
    """When points activate that wait for an event, once it has happened."""
    days = policy.activation_event_days
    return calendar.starts_at(calendar.business_date(event_at) + timedelta(days=days)) if days else event_at


def expiry_after(expiry: Expiry, at: datetime, calendar: Calendar) -> datetime | None:
    """When points expire that live from an instant on; None for never."""
    last_day = last_valid_day(expiry, calendar.business_date(at))
    return None if last_day is None else calendar.ends_at(last_day)


class NoticeDue(NamedTuple):
    """A notice that is due for whatever points have this last business day, so many days before it."""

    expires_on: date
    days: int


def notices_due(notice_days: Sequence[int], told_until: date, today: date) -> list[NoticeDue]:
    """The notices that fell due after a business day, up to today, of points that can still be used.

    Of several for the same points, as after an outage, only the last one that fell due.
    """
    found: dict[date, int] = {}
    for days in notice_days:
        first = max(told_until + timedelta(days=1 + days), today)
        for ahead in range((today + timedelta(days=days) - first).days + 1):
            expires_on = first + timedelta(days=ahead)
            found[expires_on] = min(found.get(expires_on, days), days)
    return [NoticeDue(expires_on, days) for expires_on, days in sorted(found.items())]


def claw_back_target(earned: int, refunded_fen: int, paid_fen: int) -> int:
    """Points of `earned` that are to be revoked once so much of what was paid is refunded; all when all is."""
    if refunded_fen >= paid_fen:
        return earned
    return earned * refunded_fen // paid_fen


def split_by_largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Split an integer in proportion to weights so that the parts sum exactly (Hamilton's method).

    Ties of the remainder go to the earlier part. Weights that sum to zero put everything on the first part.
    """
    if len(weights) == 1:
        return [total]
    whole = sum(weights)
    if whole == 0:
        return [total, *([0] * (len(weights) - 1))] if weights else []
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(total * weights[index] % whole), index))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def deductible(policy: DeductionPolicy, *, payable_fen: int, available: int, requested: int | None) -> int:
    """Points that may be used: the least of what is asked for, available, the share, and payable; in whole steps.

    `requested` None asks for as many as possible. Never more than was asked for, and never a refusal: it may be 0.
    """
    share = payable_fen * policy.share_max_bp // BASIS
    most = min(available, share, payable_fen, *(() if requested is None else (requested,)))
    return max(most, 0) // policy.step_points * policy.step_points


def deduction_by_line(points: int, net_fen: Sequence[int]) -> list[int]:
    """A deduction over an order's lines in proportion to what they cost; the parts sum to it and none passes its line.

    Largest remainder. No part can pass its line: floor(points × net ÷ Σ net) + 1 > net only where points = Σ net.
    """
    assert 0 <= points <= sum(net_fen), "no more is deducted than the lines cost"
    return split_by_largest_remainder(points, net_fen)
