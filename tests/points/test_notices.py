"""Members are told 30, 7 and 1 business days before points end: once, with what there is then, late but never stale."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch
from gamification.core.work import Work
from gamification.points import jobs, service
from gamification.points.jobs import tell_of_expiry
from gamification.points.rules import DeductionPolicy, Expiry, NoticeDue, PointsPolicy, notices_due
from tests.builders import (
    EARNING,
    TIERS,
    a_crowd_of_connections,
    a_member,
    claw_back,
    done,
    dump,
    earn,
    give_back,
    publish,
    rows_in,
    some_members,
    spend,
)
from tests.databases import Database
from tests.moves import MOVE, Earn
from tests.points.lives import a_work_under, shanghai, versions_of


class _Context:
    """As much of a job's context as the job asks for."""

    def __init__(self, work: Work) -> None:
        self.work, self.clock = work, work.clock

    async def heartbeat(self) -> None:
        return None


async def tell(work: Work) -> None:
    """The job runs once."""
    context: Any = _Context(work)
    await tell_of_expiry(context)


async def notices(member_id: UUID) -> list[tuple[str, int, int]]:
    """What a member was told: the last day as MM-DD, how many days before it, how many points; the first one first."""
    rows = await fetch(
        """SELECT expires_on, days, points FROM expiry_notice WHERE member_id = $1
           ORDER BY told_at, expires_on, days""",
        member_id,
    )
    return [(f"{row['expires_on']:%m-%d}", row["days"], row["points"]) for row in rows]


async def run_daily(work: Work, clock: FixedClock, *days: str) -> None:
    """The job runs at nine in the morning of each of these days."""
    for day in days:
        clock.set(shanghai(f"{day}T09:00"))
        await tell(work)


MARCH = [f"03-{day:02d}" for day in range(1, 32)]


async def test_a_member_is_told_thirty_seven_and_one_days_before_the_last_day(work: Work, clock: FixedClock) -> None:
    """Points that can be used until 31 March: told on 1, 24 and 30 March, and on no other day."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(60, "day"))), await a_member(clock)
    clock.set(shanghai("01-30T10:00"))
    await earn(lasting, mei, 10)
    await run_daily(lasting, clock, "02-27", "02-28", *MARCH, "04-01")
    assert await notices(mei) == [("03-31", 30, 10), ("03-31", 7, 10), ("03-31", 1, 10)]
    rows = await fetch("SELECT told_at FROM expiry_notice ORDER BY told_at")
    assert [row[0] for row in rows] == [shanghai(f"{day}T09:00") for day in ("03-01", "03-24", "03-30")]
    assert await rows_in("expiry_notice_day") == 34


async def test_the_figure_is_what_there_is_then(work: Work, clock: FixedClock) -> None:
    """What was used is not told of any more, lots that end together are one figure, and nothing left is no notice."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(1, "month", "month"))), await a_member(clock)
    clock.set(shanghai("02-20T10:00"))
    await earn(lasting, mei, 10)
    await earn(lasting, mei, 20)
    await run_daily(lasting, clock, "02-28", "03-01")
    await spend(lasting, mei, 4)
    await run_daily(lasting, clock, "03-24")
    await spend(lasting, mei, 26)
    await run_daily(lasting, clock, "03-30", "03-31")
    assert await notices(mei) == [("03-31", 30, 30), ("03-31", 7, 26)]


async def test_a_second_run_tells_nobody_twice(work: Work, clock: FixedClock) -> None:
    """A day that is finished is not looked at again."""
    lasting, members = a_work_under(clock, PointsPolicy(Expiry(30, "day"))), await some_members(clock, 3)
    done(await lasting.perform_all(MOVE, [Earn(member_id=each, points=9, source="a") for each in members]))
    await tell(lasting)
    assert [await notices(each) for each in members] == [[("04-01", 30, 9)]] * 3
    before = await dump()
    await tell(lasting)
    assert await dump() == before


@pytest.mark.parametrize(
    ("back_on", "expected"),
    [
        ("03-05", [("03-31", 30, 10)]),
        ("03-23", [("03-31", 30, 10)]),
        ("03-24", [("03-31", 7, 10)]),
        ("03-31", [("03-31", 1, 10)]),
        ("04-01", []),
    ],
)
async def test_after_an_outage_only_the_most_urgent_notice_is_told(
    work: Work, clock: FixedClock, back_on: str, expected: list[tuple[str, int, int]]
) -> None:
    """Late while the points can still be used, one and not all that were missed, and nothing once they are gone."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(60, "day"))), await a_member(clock)
    clock.set(shanghai("01-30T10:00"))
    await earn(lasting, mei, 10)
    await run_daily(lasting, clock, "02-20", back_on)
    assert await notices(mei) == expected


async def test_a_day_that_was_cut_short_is_taken_up_again(work: Work, clock: FixedClock, monkeypatch: Any) -> None:
    """A run that ends in the middle has told some; the next day tells the others what was missed, and nobody twice."""
    monkeypatch.setattr(jobs, "NOTICE_MEMBERS_MAX", 2)
    lasting, members = a_work_under(clock, PointsPolicy(Expiry(30, "day"))), await some_members(clock, 5)
    done(await lasting.perform_all(MOVE, [Earn(member_id=each, points=9, source="a") for each in members]))
    context: Any = _Context(lasting)
    context.heartbeat = _failing_after(1)
    with pytest.raises(RuntimeError):
        await tell_of_expiry(context)
    assert await rows_in("expiry_notice") == 4 and await rows_in("expiry_notice_day") == 0
    clock.advance(timedelta(days=1))
    await run_after_yesterday(lasting)
    assert [await notices(each) for each in members] == [[("04-01", 30, 9)]] * 5


async def run_after_yesterday(work: Work) -> None:
    """The job runs, knowing that the day before yesterday was the last one finished."""
    day = work.calendar.business_date(work.clock.now()) - timedelta(days=2)
    await service.finish_day(day, work.clock.now())
    await tell(work)


def _failing_after(times: int) -> Any:
    left = [times]

    async def heartbeat() -> None:
        if not left[0]:
            raise RuntimeError("the worker is gone")
        left[0] -= 1

    return heartbeat


async def test_runs_at_once_tell_each_member_once(work: Work, clock: FixedClock, database: Database) -> None:
    """A lease that was lost, other workers in the middle of it: the notices' keys keep them apart."""
    lasting, members = a_work_under(clock, PointsPolicy(Expiry(30, "day"))), await some_members(clock, 3)
    done(await lasting.perform_all(MOVE, [Earn(member_id=each, points=9, source="a") for each in members]))
    due = [NoticeDue(date(2026, 4, 1), 30)]
    async with a_crowd_of_connections(database):
        runs = (service.tell_of_expiry(lasting, members, due, clock.now()) for _ in range(8))
        told = await asyncio.gather(*runs)
    assert sum(told) == 3 and await rows_in("expiry_notice") == 3
    assert await service.tell_of_expiry(lasting, members, due, clock.now()) == 0


async def test_points_that_slid_away_are_not_told_of_on_their_old_day(work: Work, clock: FixedClock) -> None:
    """Activity moved the end: no notice for the old day, one for the new when it is due."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(40, "day", sliding=True))), await a_member(clock)
    await earn(lasting, mei, 10)
    clock.set(shanghai("03-11T10:00"))
    await earn(lasting, mei, 1)
    await run_daily(lasting, clock, "03-12", "03-21")
    assert await notices(mei) == [("04-20", 30, 11)]


async def test_points_that_live_shorter_than_a_notice_are_told_of_when_the_next_one_is_due(
    work: Work, clock: FixedClock
) -> None:
    """Ten days of life, renewed every day: nobody is told thirty days before what has ten, only seven and one."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(10, "day", sliding=True))), await a_member(clock)
    for day in ("03-02", "03-03", "03-04"):
        clock.set(shanghai(f"{day}T10:00"))
        await earn(lasting, mei, 1)
        await tell(lasting)
    assert await notices(mei) == []
    await run_daily(lasting, clock, *(f"03-{day:02d}" for day in range(5, 15)))
    assert await notices(mei) == [("03-14", 7, 3), ("03-14", 1, 3)]


async def test_what_is_due_is_booked_before_it_is_told_of(work: Work, clock: FixedClock) -> None:
    """A hold that has timed out gave its points back, and what activated repaid debt, whether or not anybody looked."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(30, "day"))), await a_member(clock)
    lasting.policies = versions_of((None, PointsPolicy(Expiry(30, "day"))), others=(EARNING, TIERS, DeductionPolicy()))
    await earn(lasting, mei, 10)
    command = service.HoldPoints(member_id=mei, actor=SYSTEM, key="k", order_external_id="A", points=8, minutes=30)
    await service.hold_points(lasting, command)
    clock.advance(timedelta(hours=1))
    await tell(lasting)
    assert await notices(mei) == [("04-01", 30, 10)]
    lan = await a_member(clock)
    await claw_back(lasting, lan, 3)
    await earn(a_work_under(clock, PointsPolicy(Expiry(24, "day"), 1)), lan, 10)
    await run_daily(lasting, clock, "03-03", "03-20")
    assert await notices(lan) == [("03-27", 7, 7)]


async def test_pending_points_are_told_of_as_well(work: Work, clock: FixedClock) -> None:
    """They are the member's, and end on the day that is known, unless an event brings it forward."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(20, "day"), 10)), await a_member(clock)
    await earn(lasting, mei, 10)
    await tell(lasting)
    assert await notices(mei) == [("04-01", 30, 10)]


async def test_restored_points_with_an_end_of_their_own_are_told_of(work: Work, clock: FixedClock) -> None:
    """A child lives until an instant in the middle of a day: that day is the last on which it can be used."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(9, "day"))), await a_member(clock)
    await earn(lasting, mei, 10)
    await give_back(lasting, mei, (await spend(lasting, mei, 10)).seq)
    await run_daily(lasting, clock, "03-24", "03-25", "03-26")
    assert await notices(mei) == [("04-01", 7, 10)]


async def test_the_days_are_those_of_the_policy_in_force(work: Work, clock: FixedClock) -> None:
    """Ten and three days before, and from another policy on none at all."""
    months = Expiry(1, "month", "month")
    dated = [(None, PointsPolicy(months, notice_days=(10, 3))), ("03-25", PointsPolicy(months, notice_days=()))]
    lasting, mei = a_work_under(clock, *dated), await a_member(clock)
    clock.set(shanghai("02-20T10:00"))
    await earn(lasting, mei, 10)
    await run_daily(lasting, clock, "02-28", *MARCH)
    assert await notices(mei) == [("03-31", 10, 10)]
    assert await rows_in("expiry_notice_day") == 32


async def test_nobody_is_told_before_there_is_a_policy(work: Work, clock: FixedClock) -> None:
    """A programme that was not published yet has no points, and the job nothing to do."""
    before = await dump()
    await tell(Work(clock=clock, ledger=work.ledger))
    assert await dump() == before


async def test_a_tombstone_is_told_nothing(work: Work, clock: FixedClock) -> None:
    """Who was merged or erased has nobody to be told."""
    lasting, (mei, lan) = a_work_under(clock, PointsPolicy(Expiry(30, "day"))), await some_members(clock, 2)
    for member_id in (mei, lan):
        await earn(lasting, member_id, 10)
    await execute("UPDATE member SET status = 'ERASED' WHERE id = $1", mei)
    await tell(lasting)
    assert (await notices(mei), await notices(lan)) == ([], [("04-01", 30, 10)])
    await execute("UPDATE member SET status = 'ACTIVE' WHERE id = $1", mei)


async def test_each_notice_is_told_to_the_listeners_once(work: Work, clock: FixedClock) -> None:
    """One outbox row for each notice and listener, written with the notices."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(30, "day"))), await a_member(clock)
    lasting.listeners = {"points.expiring": ("messaging.tell", "segments.note")}
    await earn(lasting, mei, 10)
    await tell(lasting)
    await tell(lasting)
    rows = await fetch("SELECT job, payload, run_at FROM outbox ORDER BY job")
    assert [(row["job"], orjson.loads(row["payload"]), row["run_at"]) for row in rows] == [
        (job, {"member_id": str(mei), "expires_on": "2026-04-01", "days": 30, "points": 10}, clock.now())
        for job in ("messaging.tell", "segments.note")
    ]


async def test_a_published_policy_is_seen_by_the_job(work: Work, clock: FixedClock) -> None:
    """The job's process may never have decided anything: it reads what was published."""
    elsewhere = Work(clock=clock, ledger=work.ledger)
    await publish(clock, PointsPolicy(Expiry(5, "day"), notice_days=(5,)))
    mei = await a_member(clock)
    await earn(a_work_under(clock, PointsPolicy(Expiry(5, "day"))), mei, 10)
    await tell(elsewhere)
    assert await notices(mei) == [("03-07", 5, 10)]


DAYS = st.lists(st.integers(1, 90), max_size=5, unique=True)
TODAY = date(2026, 3, 2)


@given(notice_days=DAYS, gap=st.integers(0, 200))
def test_each_end_that_is_due_is_named_once_with_its_last_notice(notice_days: list[int], gap: int) -> None:
    """Exactly the ends from today on of which a notice fell due since, each with the fewest days of those."""
    until = TODAY - timedelta(days=gap)
    due = notices_due(notice_days, until, TODAY)
    assert len({each.expires_on for each in due}) == len(due)
    for ahead in range(100):
        ends = TODAY + timedelta(days=ahead)
        missed = [days for days in notice_days if until < ends - timedelta(days=days) <= TODAY]
        assert [each.days for each in due if each.expires_on == ends] == ([min(missed)] if missed else [])


def test_a_day_of_last_days_is_what_falls_due_on_an_ordinary_day() -> None:
    """Thirty, seven and one days ahead, and nothing else; nothing on a day that is finished."""
    due = notices_due((30, 7, 1), TODAY - timedelta(days=1), TODAY)
    assert due == [
        NoticeDue(date(2026, 3, 3), 1), NoticeDue(date(2026, 3, 9), 7), NoticeDue(date(2026, 4, 1), 30),
    ]  # fmt: skip
    assert notices_due((30, 7, 1), TODAY, TODAY) == []
