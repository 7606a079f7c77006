"""Checking in: the row, the points, the streak, and what the edges of a day do."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from gamification.checkins import queries
from gamification.checkins.rules import CheckInPolicy, Reward
from gamification.checkins.service import CheckedIn, check_in, preview_check_in
from gamification.core.actors import SYSTEM
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_row
from gamification.core.errors import NotFound
from gamification.core.ids import new_id
from gamification.core.policy import PolicyMissing, publish_policy
from gamification.core.work import Work
from gamification.points.ledger import PointsLedger
from tests.checkins.builders import (
    a_crowd_of_connections,
    a_member,
    a_programme,
    available,
    broken_invariants,
    checked_in_on,
    rows_written,
)
from tests.databases import Database

DAY = timedelta(days=1)
MONDAY = date(2026, 3, 2)


def at(clock: FixedClock, text: str) -> None:
    clock.set(datetime.fromisoformat(text))


async def state(work: Work, member_id: Any) -> queries.CheckInState:
    found = await queries.states_by_member_ids([member_id], work.clock.now(), work.policies, work.calendar)
    return found[member_id]


async def test_a_check_in_is_a_row_and_its_points(work: Work, clock: FixedClock) -> None:
    """The first check-in pays day 1 of the cycle: one row, one entry of its points, explained by its trace."""
    member_id = await a_member(clock)
    assert await check_in(work, member_id=member_id) == CheckedIn(MONDAY, 1, 1, 5, 1, 5, False)
    row = await fetch_row("SELECT * FROM check_in WHERE member_id = $1", member_id)
    assert row is not None
    assert dict(row) == {
        "member_id": member_id, "business_date": MONDAY, "run_first_on": MONDAY, "points": 5, "policy_version": 1,
        "entry_seq": 1, "checked_in_at": clock.now(), "bonus_points": 0,
    }  # fmt: skip
    entry = await fetch_row("SELECT kind, source_type, source_id, available, trace FROM entry")
    assert entry is not None
    assert tuple(entry)[:4] == ("ACCRUAL", "check_in", "2026-03-02", 5)
    assert '"streak": 1' in entry["trace"] and '"policy": ["checkins", 1]' in entry["trace"]


async def test_a_second_check_in_of_the_day_changes_nothing(work: Work, clock: FixedClock) -> None:
    """Later the same day the same row is answered, and nothing at all is written."""
    member_id = await a_member(clock)
    first = await check_in(work, member_id=member_id)
    before = await rows_written()
    at(clock, "2026-03-02T23:59:59.999999+08:00")
    second = await check_in(work, member_id=member_id)
    assert second == CheckedIn(first.business_date, 1, 1, 5, first.entry_seq, 5, True)
    assert await rows_written() == before


async def test_a_week_pays_its_cycle_and_begins_again(work: Work, clock: FixedClock) -> None:
    """Eight days in a row pay 5, 5, 10, 5, 5, 10, 20 and 5 points."""
    member_id = await a_member(clock)
    paid = []
    for _ in range(8):
        done = await check_in(work, member_id=member_id)
        paid.append((done.streak, done.cycle_day, done.points))
        clock.advance(DAY)
    assert paid == [(1, 1, 5), (2, 2, 5), (3, 3, 10), (4, 4, 5), (5, 5, 5), (6, 6, 10), (7, 7, 20), (8, 1, 5)]
    assert await available(member_id) == 65


async def test_a_missed_day_ends_the_streak(work: Work, clock: FixedClock) -> None:
    """After a day without a check-in the streak and the cycle start at 1."""
    member_id = await a_member(clock)
    await check_in(work, member_id=member_id)
    clock.advance(2 * DAY)
    assert (await state(work, member_id)).streak == 0
    done = await check_in(work, member_id=member_id)
    assert (done.streak, done.points) == (1, 5)


async def test_a_streak_of_years_is_decided_from_one_row(work: Work, clock: FixedClock) -> None:
    """A member with 2,000 days in a row is on day 2,001, which is day 6 of the cycle."""
    member_id = await a_member(clock)
    await checked_in_on(member_id, *(MONDAY - ago * DAY for ago in range(1, 2_001)))
    done = await check_in(work, member_id=member_id)
    assert (done.streak, done.cycle_day, done.points) == (2_001, 6, 10)


async def test_a_day_that_pays_nothing_is_kept_without_an_entry(database: Database, clock: FixedClock) -> None:
    """A policy may pay only at the end of a cycle: the other days have rows and no entries."""
    work = await a_programme(clock, daily_points=(0, 30))
    member_id = await a_member(clock)
    assert await check_in(work, member_id=member_id) == CheckedIn(MONDAY, 1, 1, 0, None, 0, False)
    clock.advance(DAY)
    assert await check_in(work, member_id=member_id) == CheckedIn(MONDAY + DAY, 2, 2, 30, 1, 30, False)
    assert await broken_invariants() == []


async def test_twenty_taps_at_once_are_one_check_in(database: Database, work: Work, clock: FixedClock) -> None:
    """Of twenty parallel calls one checks in, nineteen are told so; one row, one entry."""
    member_id = await a_member(clock)
    async with a_crowd_of_connections(database):
        answers = await asyncio.gather(*(check_in(work, member_id=member_id) for _ in range(20)))
    assert sorted(answer.already_checked_in for answer in answers) == [False] + [True] * 19
    assert {(answer.streak, answer.points, answer.available) for answer in answers} == {(1, 5, 5)}
    assert (await rows_written())[:3] == (1, 1, 1)


async def test_a_preview_says_what_the_check_in_will_and_writes_nothing(work: Work, clock: FixedClock) -> None:
    """The preview is the same decision, to the entry that it would post."""
    member_id = await a_member(clock)
    before = await rows_written()
    preview = await preview_check_in(work, member_id=member_id)
    assert preview.outcome() == CheckedIn(MONDAY, 1, 1, 5, 1, 5, False)
    assert await rows_written() == before
    done = await check_in(work, member_id=member_id)
    assert done == CheckedIn(MONDAY, 1, 1, 5, 1, 5, False)
    assert (await preview_check_in(work, member_id=member_id)).outcome() == CheckedIn(MONDAY, 1, 1, 5, 1, 5, True)


async def test_a_stranger_cannot_check_in(work: Work) -> None:
    """Nobody without an account checks in, nor is shown what it would pay."""
    nobody = new_id()
    with pytest.raises(NotFound):
        await check_in(work, member_id=nobody)
    with pytest.raises(NotFound):
        (await preview_check_in(work, member_id=nobody)).outcome()
    assert (await rows_written())[:2] == (0, 0)


async def test_without_a_policy_nothing_is_paid(database: Database, clock: FixedClock) -> None:
    """Before the programme has published what check-ins pay, they are refused."""
    member_id = await a_member(clock)
    with pytest.raises(PolicyMissing) as refusal:
        await check_in(Work(clock=clock, ledger=PointsLedger()), member_id=member_id)
    assert refusal.value.kind == "checkins"
    assert (await rows_written())[:2] == (0, 0)


async def test_the_policy_of_the_day_pays(work: Work, clock: FixedClock) -> None:
    """A new version pays from its instant on, along the streak that is already running."""
    member_id = await a_member(clock)
    await check_in(work, member_id=member_id)
    clock.advance(DAY)
    await publish_policy(CheckInPolicy((1, 7)), actor=SYSTEM, now=clock.now())
    done = await check_in(work, member_id=member_id)
    assert (done.streak, done.cycle_day, done.points) == (2, 2, 7)
    rows = await fetch("SELECT policy_version FROM check_in ORDER BY business_date")
    assert [row[0] for row in rows] == [1, 2]


@pytest.mark.parametrize(
    ("zone", "day_start", "last", "first", "on"),
    [
        ("Asia/Shanghai", 0, "2026-03-02T23:59:59+08:00", "2026-03-03T00:00:00+08:00", MONDAY),
        ("Asia/Shanghai", 4, "2026-03-03T03:59:59+08:00", "2026-03-03T04:00:00+08:00", MONDAY),
        ("Asia/Kathmandu", 0, "2026-03-02T23:59:59+05:45", "2026-03-03T00:00:00+05:45", MONDAY),
        ("Asia/Shanghai", 0, "2028-02-29T23:59:59+08:00", "2028-03-01T00:00:00+08:00", date(2028, 2, 29)),
        ("Pacific/Kiritimati", 4, "2027-01-01T03:59:59+14:00", "2027-01-01T04:00:00+14:00", date(2026, 12, 31)),
    ],
)
async def test_the_programmes_day_decides_to_the_second(
    database: Database, clock: FixedClock, zone: str, day_start: int, last: str, first: str, on: date
) -> None:
    """The last second of a business day and the first of the next are two days in a row, whatever the zone."""
    work = await a_programme(clock, calendar=Calendar(zone, timedelta(hours=day_start)))
    member_id = await a_member(clock)
    at(clock, last)
    before = await check_in(work, member_id=member_id)
    assert (before.business_date, before.streak) == (on, 1)
    at(clock, first)
    after = await check_in(work, member_id=member_id)
    assert (after.business_date, after.streak, after.already_checked_in) == (on + DAY, 2, False)
    assert await broken_invariants() == []


async def test_a_later_day_start_does_not_pay_a_day_twice(work: Work, clock: FixedClock) -> None:
    """Who checked in before the day start moved back is checked in until the calendar has passed that day."""
    member_id = await a_member(clock)
    at(clock, "2026-03-03T01:00:00+08:00")
    await check_in(work, member_id=member_id)
    moved = Work(clock=clock, ledger=PointsLedger(), calendar=Calendar(day_start=timedelta(hours=4)))
    again = await check_in(moved, member_id=member_id)
    assert (again.business_date, again.already_checked_in) == (MONDAY + DAY, True)
    await moved.policies.refresh()
    assert ((await state(moved, member_id)).is_checked_in, (await state(moved, member_id)).streak) == (True, 1)
    at(clock, "2026-03-04T04:00:00+08:00")
    assert (await check_in(moved, member_id=member_id)).streak == 2


async def test_the_state_says_where_the_member_stands(work: Work, clock: FixedClock) -> None:
    """Before and after a check-in: whether it is done, the streak, and what comes next."""
    member_id = await a_member(clock)
    await check_in(work, member_id=member_id)
    clock.advance(DAY)
    before = await state(work, member_id)
    assert (before.today, before.is_checked_in, before.streak, before.cycle_day) == (MONDAY + DAY, False, 1, 1)
    assert before.next_rewards(2) == [Reward(MONDAY + DAY, 2, 2, 5), Reward(MONDAY + 2 * DAY, 3, 3, 10)]
    await check_in(work, member_id=member_id)
    after = await state(work, member_id)
    assert (after.is_checked_in, after.streak, after.cycle_day) == (True, 2, 2)
    assert after.next_rewards(1) == [Reward(MONDAY + 2 * DAY, 3, 3, 10)]
    stranger = await a_member(clock)
    assert (await state(work, stranger)).latest is None


async def test_check_ins_come_by_page_newest_first(work: Work, clock: FixedClock) -> None:
    """A page holds the newest days before its cursor, each with its place in the run, of that member only."""
    member_id, other = await a_member(clock), await a_member(clock)
    await checked_in_on(member_id, *(date(2026, 2, day) for day in (1, 2, 3, 5)))
    await checked_in_on(other, date(2026, 2, 4))
    pages = await queries.check_in_pages([member_id, other], None, 2)
    assert [(line.business_date.day, line.streak) for line in pages[member_id]] == [(5, 1), (3, 3)]
    assert [line.business_date.day for line in pages[other]] == [4]
    rest = await queries.check_in_pages([member_id], date(2026, 2, 3), 10)
    assert [(line.business_date.day, line.streak) for line in rest[member_id]] == [(2, 2), (1, 1)]


@pytest.mark.parametrize("statement", ["UPDATE check_in SET points = 6", "DELETE FROM check_in"])
async def test_what_was_paid_cannot_be_rewritten(work: Work, clock: FixedClock, statement: str) -> None:
    """The application can change nothing of a check-in but the cached start of its run."""
    member_id = await a_member(clock)
    await check_in(work, member_id=member_id)
    with pytest.raises(asyncpg.PostgresError):
        await execute(statement)
    assert await execute("UPDATE check_in SET run_first_on = business_date") == 1


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE check_in SET run_first_on = run_first_on - 1", "the cached first day of a run is what the dates give"),
        (
            "INSERT INTO check_in SELECT member_id, business_date + 5, business_date + 5, 5, 1, 9, now() FROM check_in",
            "each rewarded check-in has one entry of its points",
        ),
    ],
)
async def test_the_invariants_see_what_is_wrong(
    database: Database, clock: FixedClock, statement: str, broken: str
) -> None:
    """A false cache, or a reward without its entry, is reported by name."""
    member_id = await a_member(clock)
    await check_in(await a_programme(clock), member_id=member_id)
    await execute(statement)
    assert await broken_invariants() == [broken]
