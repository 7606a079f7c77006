"""What lies ahead of a member's points is complete, and right before anybody has booked what is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.points import service
from gamification.points.ahead_queries import What, points_ahead
from gamification.points.rules import DeductionPolicy, Expiry, PointsPolicy
from tests.builders import EARNING, TIERS, a_member, balance, claw_back, earn, some_members, spend, thorough
from tests.conftest import MONDAY_MORNING
from tests.points.lives import a_work_under, day_of, versions_of

Line = tuple[str | None, int]


async def ahead(
    work: Work, member_id: UUID, what: What = "EXPIRING", after: datetime | None = None, limit: int = 10_000
) -> list[Line]:
    """The days on which a member's points expire or activate, and how many."""
    found = await points_ahead(
        [member_id], work.clock.now(), work.policies, work.calendar, what=what, after=after, limit=limit
    )
    return [(day_of(each.at), each.points) for each in found.get(member_id, [])]


async def test_every_end_is_found_page_by_page(work: Work, clock: FixedClock) -> None:
    """Five hundred days of which each has its points: nothing is hidden behind a bound."""
    mei = await a_member(clock)
    for days in range(1, 501):
        await earn(a_work_under(clock, PointsPolicy(Expiry(days, "day"))), mei, days)
    seen: list[int] = []
    after: datetime | None = None
    while True:
        found = await points_ahead(
            [mei], clock.now(), work.policies, work.calendar, what="EXPIRING", after=after, limit=70
        )
        if not (page := found.get(mei)):
            break
        seen += [each.points for each in page]
        after = page[-1].at
    assert seen == list(range(1, 501))


async def test_ends_and_beginnings_are_summed_by_instant(work: Work, clock: FixedClock) -> None:
    """Lots that end together are one line; pending ones stand under both; points without end stand nowhere."""
    waiting, mei = a_work_under(clock, PointsPolicy(Expiry(9, "day"), 2)), await a_member(clock)
    await earn(waiting, mei, 10)
    await earn(waiting, mei, 5)
    await earn(a_work_under(clock, PointsPolicy(Expiry(11, "day"))), mei, 1)
    await earn(work, mei, 1_000)
    assert await ahead(work, mei) == [("03-14", 16)]
    assert await ahead(work, mei, "ACTIVATING") == [("03-04", 15)]
    clock.advance(timedelta(days=2))
    assert await ahead(work, mei, "ACTIVATING") == [] and await ahead(work, mei) == [("03-14", 16)]
    clock.advance(timedelta(days=10))
    assert await ahead(work, mei) == []


async def test_a_hold_that_timed_out_unseen_has_given_its_points_back(work: Work, clock: FixedClock) -> None:
    """Held points stand nowhere while they are held, and with their end once the time is up, booked or not."""
    policy, mei = PointsPolicy(Expiry(9, "day")), await a_member(clock)
    living = a_work_under(clock, policy)
    living.policies = versions_of((None, policy), others=(EARNING, TIERS, DeductionPolicy()))
    await earn(living, mei, 10)
    await service.hold_points(
        living,
        service.HoldPoints(member_id=mei, actor=SYSTEM, key="k", order_external_id="A", points=8, minutes=30),
    )
    assert await ahead(living, mei) == [("03-12", 2)]
    clock.advance(timedelta(minutes=30))
    assert await ahead(living, mei) == [("03-12", 10)]


async def test_members_due_and_not_due_are_read_together(work: Work, clock: FixedClock) -> None:
    """One page for many members: those for whom something is due are computed, the others are read."""
    members = await some_members(clock, 3)
    for days, member_id in zip((1, 5, 9), members, strict=True):
        living = a_work_under(clock, PointsPolicy(Expiry(days, "day")))
        await earn(living, member_id, days)
        await earn(a_work_under(clock, PointsPolicy(Expiry(20, "day"))), member_id, 100)
    clock.advance(timedelta(days=3))
    found = await points_ahead(
        [*members, new_id()], clock.now(), work.policies, work.calendar, what="EXPIRING", after=None, limit=9
    )
    assert [[each.points for each in found[member_id]] for member_id in members] == [[100], [5, 100], [9, 100]]
    assert len(found) == 3


@pytest.mark.parametrize("what", ["EXPIRING", "ACTIVATING"])
async def test_a_page_begins_behind_its_instant_booked_or_not(work: Work, clock: FixedClock, what: What) -> None:
    """The page behind the first line is the rest, for a member of whom something is due as for another."""
    waits = what == "ACTIVATING"
    (mei, lan) = await some_members(clock, 2)
    for member_id in (mei, lan):
        for days in (3, 4, 5):
            policy = PointsPolicy(Expiry(9, "day"), days) if waits else PointsPolicy(Expiry(days, "day"))
            await earn(a_work_under(clock, policy), member_id, days)
    await earn(a_work_under(clock, PointsPolicy(Expiry(1, "day"))), lan, 50)
    clock.advance(timedelta(days=2))
    for member_id in (mei, lan):
        first = await points_ahead(
            [member_id], clock.now(), work.policies, work.calendar, what=what, after=None, limit=1
        )
        assert [each.points for each in first[member_id]] == [3]
        rest = await ahead(work, member_id, what, after=first[member_id][0].at)
        assert [points for _, points in rest] == [4, 5]


LIVES = st.tuples(
    st.integers(1, 50),
    st.sampled_from(
        [
            PointsPolicy(),
            PointsPolicy(Expiry(1, "day")),
            PointsPolicy(Expiry(3, "day"), 2),
            PointsPolicy(Expiry(0, "day", dates=("10", "03-05", "31"))),
            PointsPolicy(Expiry(2, "day"), activation_dates=("04", "07")),
        ]
    ),
    st.integers(0, 40),
    st.booleans(),
)


@settings(max_examples=thorough(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=st.lists(LIVES, min_size=1, max_size=9), owed=st.integers(0, 30), hours=st.integers(0, 300))
async def test_what_lies_ahead_is_the_same_before_and_after_booking(
    work: Work, clock: FixedClock, lives: list[tuple[int, PointsPolicy, int, bool]], owed: int, hours: int
) -> None:
    """In every mode and at any instant: what is read before booking is what the lots say after it, and adds up to the
    balance."""
    clock.set(MONDAY_MORNING)
    mei = await a_member(clock)
    if owed:
        await claw_back(work, mei, owed)
    for points, policy, later, spends in lives:
        clock.advance(timedelta(hours=later))
        await earn(a_work_under(clock, policy), mei, points)
        if spends and (available := (await balance(work, mei)).available):
            await spend(work, mei, (available + 1) // 2)
    clock.advance(timedelta(hours=hours))
    read = [await ahead(work, mei, what) for what in ("EXPIRING", "ACTIVATING")]
    assert await service.book_due(work, [mei]) == []
    assert [await ahead(work, mei, what) for what in ("EXPIRING", "ACTIVATING")] == read
    rows = await fetch("SELECT remaining, pending, expires_at FROM lot WHERE member_id = $1 AND open", mei)
    now = await balance(work, mei)
    assert sum(points for _, points in read[0]) == sum(row["remaining"] for row in rows if row["expires_at"])
    assert sum(points for _, points in read[1]) == now.pending
    assert sum(row["remaining"] for row in rows) == now.available + now.pending
