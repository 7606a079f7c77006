"""Reads of check-ins: where a member stands today, and the days by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from gamification.checkins.rules import CheckInPolicy, Reward, Run, next_rewards, streak_of, today_of
from gamification.core.calendar import Calendar
from gamification.core.database import fetch
from gamification.core.policy import Policies


class CheckInLine(NamedTuple):
    """A check-in as it is shown; `run_first_on` is the first day of its run of consecutive days."""

    member_id: UUID
    business_date: date
    run_first_on: date
    points: int
    policy_version: int
    entry_seq: int | None
    checked_in_at: datetime

    @property
    def streak(self) -> int:
        """Which day of its run this check-in is, from 1."""
        return (self.business_date - self.run_first_on).days + 1


_COLUMNS = ", ".join(CheckInLine._fields)


@dataclass(frozen=True, slots=True)
class CheckInState:
    """A member's day: the newest check-in, the streak up to now, and what the policy in force pays."""

    member_id: UUID
    today: date
    latest: CheckInLine | None
    policy: CheckInPolicy

    @property
    def is_checked_in(self) -> bool:
        """Whether today's check-in is done."""
        return self.latest is not None and self.latest.business_date == self.today

    @property
    def streak(self) -> int:
        """Consecutive business days up to today or yesterday."""
        return streak_of(self._run, self.today)

    @property
    def cycle_day(self) -> int:
        """The day of the cycle that the streak has reached; 0 without a streak."""
        return self.policy.cycle_day(self.streak)

    def next_rewards(self, count: int) -> list[Reward]:
        """What the next check-ins pay if no day is missed."""
        return next_rewards(self.policy, self._run, self.today, count)

    @property
    def _run(self) -> Run | None:
        return Run(self.latest.run_first_on, self.latest.business_date) if self.latest else None


async def states_by_member_ids(
    member_ids: Sequence[UUID], now: datetime, policies: Policies, calendar: Calendar
) -> Mapping[UUID, CheckInState]:
    """Each member's day, in one statement. Refuses: PolicyMissing."""
    policy = policies.at(CheckInPolicy, now).body
    pages = await check_in_pages(member_ids, None, 1)
    on = calendar.business_date(now)
    return {each: _state(each, on, next(iter(pages.get(each, ())), None), policy) for each in member_ids}


def _state(member_id: UUID, on: date, latest: CheckInLine | None, policy: CheckInPolicy) -> CheckInState:
    run = Run(latest.run_first_on, latest.business_date) if latest else None
    return CheckInState(member_id, today_of(run, on), latest, policy)


async def check_in_pages(
    member_ids: Sequence[UUID], before: date | None, limit: int
) -> Mapping[UUID, list[CheckInLine]]:
    """For each member the newest check-ins before a day, newest first; one statement."""
    rows = await fetch(
        f"""SELECT c.* FROM unnest($1::uuid[]) AS m(id) CROSS JOIN LATERAL (
                SELECT {_COLUMNS} FROM check_in WHERE member_id = m.id AND ($2::date IS NULL OR business_date < $2)
                ORDER BY business_date DESC LIMIT $3) c""",
        list(member_ids), before, limit,
    )  # fmt: skip
    pages: dict[UUID, list[CheckInLine]] = {}
    for row in rows:
        pages.setdefault(row["member_id"], []).append(CheckInLine(*row))
    return pages


async def check_ins_by_dates(keys: Sequence[tuple[UUID, date]]) -> Mapping[tuple[UUID, date], CheckInLine]:
    """Check-ins by member and business day; days without one are absent."""
    members, dates = [key[0] for key in keys], [key[1] for key in keys]
    rows = await fetch(
        f"""SELECT {_COLUMNS} FROM check_in
            WHERE (member_id, business_date) IN (SELECT * FROM unnest($1::uuid[], $2::date[]))""",
        members, dates,
    )  # fmt: skip
    return {(row["member_id"], row["business_date"]): CheckInLine(*row) for row in rows}
