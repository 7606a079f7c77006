"""The check-in: one row per member and business day, its points in the same write.

Lock order: the member's POINTS account, then the budgets of earning rules by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from gamification.checkins.models import CheckIn
from gamification.checkins.rules import CheckInPolicy, Run, continued, streak_of
from gamification.core.actors import Actor
from gamification.core.draft import Command, Load, Verb
from gamification.core.work import Preview, Work
from gamification.earning.conditions import Activity
from gamification.earning.service import award_for_activity, is_ruled, rule_loads
from gamification.points.book import Book
from gamification.points.rows import Source
from gamification.tiers.service import STANDING

A_DAY_AT_LEAST = timedelta(days=2)
"""A business day begins no longer before the instants that lie in it, whatever the zone."""


class CheckInRow(NamedTuple):
    """A member's check-in as it was loaded."""

    member_id: UUID
    business_date: date
    run_first_on: date
    points: int
    entry_seq: int | None
    bonus_points: int

    @property
    def run(self) -> Run:
        """The streak that this day belongs to, up to this day."""
        return Run(self.run_first_on, self.business_date)


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """The day's check-in: the streak with it, the day of the cycle (from 1), the points paid for it.

    `entry_seq` is the ledger entry of the reward (None where the day pays nothing), `bonus_points` what earning rules
    added, `available` the balance now.
    """

    business_date: date
    streak: int
    cycle_day: int
    points: int
    entry_seq: int | None
    available: int
    already_checked_in: bool
    bonus_points: int = 0


LATEST = Load(
    name="checkins.latest",
    row=CheckInRow,
    sql="""SELECT c.* FROM unnest({members}) AS m(id) CROSS JOIN LATERAL (
             SELECT member_id, business_date, run_first_on, points, entry_seq, bonus_points FROM check_in
             WHERE member_id = m.id ORDER BY business_date DESC LIMIT 1) c""",
)


def _decide(book: Book, command: Command) -> CheckedIn:
    rows: list[CheckInRow] = book.loaded(LATEST.name)
    if rows and rows[0].business_date >= book.on:
        return _answer(book, rows[0], already_checked_in=True)
    version = book.policy(CheckInPolicy)
    run = continued(rows[0].run if rows else None, book.on)
    number = streak_of(run, book.on)
    points = version.body.points(number)
    trace = {
        "rule": "check_in", "policy": ["checkins", version.version],
        "streak": number, "cycle_day": version.body.cycle_day(number), "result": points,
    }  # fmt: skip
    source = ("check_in", book.on.isoformat())
    entry_seq = book.accrue(points, source=source, trace=trace).seq if points else None
    bonus = _bonus(book, source)
    book.insert(
        CheckIn, business_date=book.on, run_first_on=run.first_on, points=points,
        policy_version=version.version, entry_seq=entry_seq, checked_in_at=book.now, bonus_points=bonus,
    )  # fmt: skip
    rows[:] = [CheckInRow(book.member_id, book.on, run.first_on, points, entry_seq, bonus)]
    return _answer(book, rows[0], already_checked_in=False)


def _bonus(book: Book, source: Source) -> int:
    """Post what earning rules add to a check-in; returns the points."""
    if not is_ruled(book):
        return 0
    activity = Activity("CHECK_IN", book.on, book.calendar.local(book.now))
    outcome, _ = award_for_activity(book, activity, at=book.now, source=source)
    return sum(award.points for award in outcome.awards)


def _answer(book: Book, row: CheckInRow, *, already_checked_in: bool) -> CheckedIn:
    number = streak_of(row.run, row.business_date)
    cycle_day = book.policy(CheckInPolicy).body.cycle_day(number)
    return CheckedIn(
        row.business_date, number, cycle_day, row.points, row.entry_seq, book.points.available, already_checked_in,
        row.bonus_points,
    )  # fmt: skip


CHECK_IN = Verb(
    "checkins.check_in",
    _decide,
    CheckedIn,
    loads=(LATEST, STANDING, *rule_loads(lambda commands, now: (now - A_DAY_AT_LEAST).date())),
    points_only=True,
)


async def check_in(work: Work, *, member_id: UUID) -> CheckedIn:
    """Check a member in for the business day; a second call the same day changes nothing and says so.

    Refuses: NotFound, PolicyMissing. Locks: account.
    """
    return await work.perform(CHECK_IN, _command(member_id))


async def preview_check_in(work: Work, *, member_id: UUID) -> Preview[CheckedIn]:
    """What a check-in now would answer and post, not written; its outcome refuses as `check_in` does."""
    return await work.preview(CHECK_IN, _command(member_id))


def _command(member_id: UUID) -> Command:
    return Command(member_id=member_id, actor=Actor("member", member_id))
