"""Streaks, cycles and rewards: pure decisions on dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, NamedTuple

from gamification.core.policy import Problem

CYCLE_DAYS_MAX = 31
POINTS_MAX = 100_000
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CheckInPolicy:
    """Points by day of the cycle; the cycle is as long as the list and begins again after its last day."""

    kind: ClassVar[str] = "checkins"
    daily_points: tuple[int, ...] = (5, 5, 10, 5, 5, 10, 20)

    def problems(self) -> Sequence[Problem]:
        if not 1 <= len(self.daily_points) <= CYCLE_DAYS_MAX:
            return [Problem("daily_points", f"a cycle of 1 to {CYCLE_DAYS_MAX} days")]
        return [
            Problem(f"daily_points.{index}", f"0 to {POINTS_MAX} points")
            for index, points in enumerate(self.daily_points)
            if not 0 <= points <= POINTS_MAX
        ]

    @property
    def cycle_days(self) -> int:
        """The number of days after which the rewards start anew."""
        return len(self.daily_points)

    def cycle_day(self, streak: int) -> int:
        """The day of the cycle, from 1, on the n-th day of a streak; 0 for no streak."""
        return (streak - 1) % self.cycle_days + 1 if streak else 0

    def points(self, streak: int) -> int:
        """What the n-th day of a streak pays."""
        return self.daily_points[self.cycle_day(streak) - 1]


class Run(NamedTuple):
    """Consecutive days of check-ins, first and last included."""

    first_on: date
    last_on: date


@dataclass(frozen=True, slots=True)
class Reward:
    """What a check-in on a day would pay, if none is missed until then."""

    on: date
    streak: int
    cycle_day: int
    points: int


def streak(dates: Iterable[date], today: date) -> int:
    """How many consecutive days a run that ends today or yesterday has; 0 when there is none."""
    days = set(dates)
    last_on = today if today in days else today - DAY
    length = 0
    while last_on - length * DAY in days:
        length += 1
    return length


def run_first_day(dates: Iterable[date], on: date) -> date:
    """The first day of the run that a day belongs to, given that a check-in stands on it."""
    days = set(dates)
    while on - DAY in days:
        on -= DAY
    return on


def today_of(latest: Run | None, calendar_day: date) -> date:
    """A member's day: the calendar's, but never before the newest check-in."""
    return max(calendar_day, latest.last_on) if latest else calendar_day


def streak_of(latest: Run | None, today: date) -> int:
    """The streak that the newest run gives: the same as `streak` over all dates, from one row."""
    if latest is None or latest.last_on < today - DAY:
        return 0
    return (latest.last_on - latest.first_on).days + 1


def continued(latest: Run | None, today: date) -> Run:
    """The run that a check-in today belongs to: yesterday's run, or a new one."""
    joins = latest is not None and latest.last_on == today - DAY
    return Run(latest.first_on if latest and joins else today, today)


def next_rewards(policy: CheckInPolicy, latest: Run | None, today: date, count: int) -> list[Reward]:
    """The next check-ins that are still open, today's first unless it is done, and what each would pay."""
    length = streak_of(latest, today)
    first_on = today + DAY if latest and latest.last_on == today else today
    return [
        Reward(first_on + ahead * DAY, number, policy.cycle_day(number), policy.points(number))
        for ahead in range(count)
        for number in [length + ahead + 1]
    ]
