"""When points activate and expire, in which order lots are used, how a claw-back is measured, how many points pay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from gamification.core.calendar import Calendar, add_months, month_of
from gamification.core.policy import Problem

_NEVER = datetime.max.replace(tzinfo=UTC)
BASIS = 10_000
"""Basis points in the whole."""
STEP_POINTS_MAX = 1_000_000
QUOTE_MINUTES_MAX = 60
HOLD_MINUTES_MAX = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long points live: `count` units after activation (None: for ever), rounded up to the end of a period.

    The last valid business day is the day `count` units after the day of activation, or the end of its month, quarter
    or year; points expire at the first instant after it.
    """

    count: int | None = None
    unit: Literal["day", "month", "year"] = "month"
    round_to_end_of: Literal["day", "month", "quarter", "year"] = "day"


@dataclass(frozen=True, slots=True)
class PointsPolicy:
    """How points live and die: expiry, days until they activate, and how far a claw-back may go."""

    kind: ClassVar[str] = "points"
    expiry: Expiry = Expiry()
    activation_days: int = 0
    claw_back: Literal["PENDING_ONLY", "TO_ZERO", "TO_DEBT"] = "TO_DEBT"

    def problems(self) -> Sequence[Problem]:
        found = []
        if self.expiry.count is not None and not 1 <= self.expiry.count <= 3660:
            found.append(Problem("expiry.count", "1 to 3660, or null for points that never expire"))
        if not 0 <= self.activation_days <= 366:
            found.append(Problem("activation_days", "0 to 366"))
        return found


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


def last_valid_day(expiry: Expiry, activated_on: date) -> date | None:
    """The last business day on which points that activated on a day can be used; None for ever."""
    if expiry.count is None:
        return None
    if expiry.unit == "day":
        day = activated_on + timedelta(days=expiry.count)
    else:
        day = add_months(activated_on, expiry.count * (12 if expiry.unit == "year" else 1))
    return _end_of(expiry.round_to_end_of, day)


def _end_of(period: str, day: date) -> date:
    if period == "day":
        return day
    months = {"month": 1, "quarter": 3, "year": 12}[period]
    first = month_of(day)
    start = first.replace(month=(first.month - 1) // months * months + 1)
    return add_months(start, months) - timedelta(days=1)


def lifetime(policy: PointsPolicy, booked_at: datetime, calendar: Calendar) -> tuple[datetime, datetime | None]:
    """When points booked at an instant activate, and when they expire (None: never)."""
    activates_at = booked_at
    if policy.activation_days:
        activates_at = calendar.starts_at(calendar.business_date(booked_at) + timedelta(days=policy.activation_days))
    last_day = last_valid_day(policy.expiry, calendar.business_date(activates_at))
    return activates_at, None if last_day is None else calendar.ends_at(last_day)


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
