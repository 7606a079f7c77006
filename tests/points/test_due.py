"""Activation and expiry: effective at their instant, booked by whoever comes first, once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.work import Work
from gamification.points import queries, service
from gamification.points.errors import InsufficientPoints
from gamification.points.jobs import sweep_due
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import (
    FOR_EVER,
    a_member,
    a_work,
    account,
    assert_invariants,
    balance,
    booked,
    claw_back,
    done,
    dump,
    earn,
    entries,
    lots,
    some_members,
    spend,
    thorough,
)
from tests.moves import MOVE, Earn, GiveBack, Moved, Spend, move_verb

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
START = datetime.fromisoformat("2026-03-02T10:00:00+08:00")


def living(work: Work, days: int | None, *, activation_days: int = 0) -> Work:
    """The same surroundings with points that live so many days after they activate."""
    return a_work(work.clock, PointsPolicy(Expiry(days, "day"), activation_days))


async def test_points_are_good_until_the_last_instant_of_their_last_day(work: Work, clock: FixedClock) -> None:
    """One microsecond before midnight after the last valid day they can be spent; at midnight they are gone."""
    mei = await a_member(clock)
    await earn(living(work, 3), mei, 10)
    clock.set(datetime.fromisoformat("2026-03-06T00:00+08:00") - TICK)
    assert (await balance(work, mei)).available == 10 and await spend(work, mei, 1) == Moved(2, 1, 9, 0, 0)
    clock.advance(TICK)
    assert (await balance(work, mei)).available == 0
    with pytest.raises(InsufficientPoints) as refusal:
        await spend(work, mei, 9)
    assert refusal.value.available == 0
    assert await entries(mei) == [("ACCRUAL", 10), ("REDEMPTION", -1), ("EXPIRY", -9)]
    assert (await balance(work, mei)).expired == 9


async def test_waiting_points_activate_at_the_start_of_their_day(work: Work, clock: FixedClock) -> None:
    """With two days of waiting, points of Monday are pending until Wednesday begins."""
    mei = await a_member(clock)
    assert await earn(living(work, None, activation_days=2), mei, 10) == Moved(1, 10, 0, 10, 0)
    clock.set(datetime.fromisoformat("2026-03-04T00:00+08:00") - TICK)
    with pytest.raises(InsufficientPoints):
        await spend(work, mei, 1)
    clock.advance(TICK)
    now = await balance(work, mei)
    assert (now.available, now.pending, await booked(mei)) == (10, 0, (0, 10, 0))
    assert await spend(work, mei, 4) == Moved(3, 4, 6, 0, 0)
    assert await entries(mei) == [("ACCRUAL", 10), ("ACTIVATION", 0), ("REDEMPTION", -4)]


async def test_what_is_due_is_booked_in_the_order_of_the_instants(work: Work, clock: FixedClock) -> None:
    """A lot that activated and expired unseen is booked as both, between its neighbours, at their instants."""
    mei = await a_member(clock)
    await earn(living(work, 9), mei, 1)
    await earn(living(work, 1, activation_days=2), mei, 20)
    await earn(living(work, None, activation_days=3), mei, 300)
    clock.advance(30 * DAY)
    assert await service.book_due(work, [mei]) == []
    rows = await fetch(
        """SELECT kind, source_id, occurred_at, booked_at, available, pending FROM entry
           WHERE member_id = $1 AND seq > 3 ORDER BY seq""",
        mei,
    )
    calendar = Calendar()
    days = [calendar.starts_at(calendar.business_date(START) + number * DAY) for number in (2, 3, 4, 10)]
    assert [tuple(row) for row in rows] == [
        ("ACTIVATION", "2.0", days[0], clock.now(), 21, 300),
        ("ACTIVATION", "3.0", days[1], clock.now(), 321, 0),
        ("EXPIRY", "2.0", days[2], clock.now(), 301, 0),
        ("EXPIRY", "1.0", days[3], clock.now(), 300, 0),
    ]
    assert (await account(mei))["next_due_at"] is None


async def test_an_activation_repays_debt_first(work: Work, clock: FixedClock) -> None:
    """Points that become usable pay what is owed; the rest is available."""
    mei = await a_member(clock)
    await earn(living(work, None, activation_days=1), mei, 10)
    assert await claw_back(work, mei, 4) == Moved(2, 4, 0, 10, 4)
    clock.advance(DAY)
    assert await spend(work, mei, 6) == Moved(4, 6, 0, 0, 0)
    assert await entries(mei) == [("ACCRUAL", 10), ("CLAW_BACK", -4), ("ACTIVATION", 0), ("REDEMPTION", -6)]


async def test_the_sweep_books_everything_once(work: Work, clock: FixedClock) -> None:
    """What nobody's request has booked the job books; a second run writes nothing at all."""
    members = await some_members(clock, 5)
    short = living(work, 1)
    done(await short.perform_all(MOVE, [Earn(member_id=each, points=9, source="a") for each in members]))
    clock.advance(5 * DAY)
    context: Any = _Context(work)
    assert set(members) <= {member_id for _, member_id in await queries.members_due(clock.now(), None, 500)}
    await sweep_due(context)
    assert [await booked(each) for each in members] == [(0, 0, 0)] * 5
    before = await dump()
    await sweep_due(context)
    assert await dump() == before and await queries.members_due(clock.now(), None, 500) == []


class _Context:
    """As much of a job's context as the sweep asks for."""

    def __init__(self, work: Work) -> None:
        self.work, self.clock = work, work.clock

    async def heartbeat(self) -> None:
        return None


async def test_more_expired_lots_than_are_loaded_are_all_booked(work: Work, clock: FixedClock) -> None:
    """150 lots on 150 different days: reading, booking and spending after them agree on zero."""
    mei = await a_member(clock)
    for days in range(1, 151):
        await earn(living(work, days), mei, 1)
    clock.advance(200 * DAY)
    assert (await balance(work, mei)).available == 0
    assert await service.book_due(work, [mei]) == []
    assert await booked(mei) == (0, 0, 0)
    assert (await entries(mei))[150:] == [("EXPIRY", -1)] * 150


async def test_expired_lots_behind_the_loaded_ones_are_booked_though_something_is_still_pending(
    work: Work, clock: FixedClock
) -> None:
    """Seventy lots expired and one waits for activation: the sweep leaves none of the seventy behind."""
    mei = await a_member(clock)
    short = living(work, 1)
    done(await short.perform_all(MOVE, [Earn(member_id=mei, points=1, source=f"{n}") for n in range(70)]))
    await earn(living(work, None, activation_days=90), mei, 5)
    clock.advance(5 * DAY)
    now = await balance(work, mei)
    assert (now.available, now.pending) == (0, 5)
    await service.book_due(work, [mei])
    assert await booked(mei) == (0, 5, 0)
    assert (await account(mei))["next_due_at"] > clock.now()


async def test_lots_that_were_not_loaded_are_used_before_a_later_one_that_was(work: Work, clock: FixedClock) -> None:
    """A lot activated just now expires after seventy others: those are spent first, however few were loaded."""
    mei = await a_member(clock)
    await earn(living(work, 300, activation_days=2), mei, 100)
    soon = living(work, 20)
    done(await soon.perform_all(MOVE, [Earn(member_id=mei, points=1, source=f"{n}") for n in range(70)]))
    clock.advance(3 * DAY)
    await work.perform(move_verb(1), Spend(member_id=mei, points=70, source="x"))
    assert await lots(mei) == [100]


async def test_a_lot_of_the_same_batch_waits_for_its_turn(work: Work, clock: FixedClock) -> None:
    """Earned and spent in one batch: what expires sooner goes first, also from beyond the loaded prefix."""
    mei = await a_member(clock)
    soon = living(work, 20)
    done(await soon.perform_all(MOVE, [Earn(member_id=mei, points=1, source=f"{n}") for n in range(70)]))
    moves = [Earn(member_id=mei, points=100, source="x"), Spend(member_id=mei, points=70, source="x")]
    done(await living(work, 300).perform_all(move_verb(1), moves))
    assert await lots(mei) == [100]


async def test_a_lot_given_back_in_the_same_batch_waits_for_its_turn(work: Work, clock: FixedClock) -> None:
    """Restored and spent in one batch: the restored lot is the last to go when it expires last."""
    mei = await a_member(clock)
    await earn(living(work, 300), mei, 100)
    taken = await spend(work, mei, 100)
    soon = living(work, 40)
    done(await soon.perform_all(MOVE, [Earn(member_id=mei, points=1, source=f"{n}") for n in range(70)]))
    moves = [GiveBack(member_id=mei, seq=taken.seq, source="x"), Spend(member_id=mei, points=70, source="x")]
    done(await work.perform_all(move_verb(1), moves))
    assert await lots(mei) == [100]


LIVES = st.tuples(
    st.integers(1, 50),
    st.sampled_from([None, 1, 2, 5, 9]),
    st.sampled_from([0, 0, 1, 2, 4]),
    st.integers(0, 40),
    st.booleans(),
)


@settings(max_examples=thorough(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=st.lists(LIVES, min_size=1, max_size=9), owed=st.integers(0, 30), hours=st.integers(0, 400))
async def test_a_balance_read_is_the_balance_booked_at_any_instant(
    work: Work, clock: FixedClock, lives: list[tuple[int, int | None, int, int, bool]], owed: int, hours: int
) -> None:
    """Whatever lots there are and whenever one asks: reading computes what booking then writes, and nothing due lies
    before `next_due_at`."""
    clock.set(START)
    mei = await a_member(clock)
    if owed:
        await claw_back(work, mei, owed)
    for points, days, activation_days, later, spends in lives:
        clock.advance(timedelta(hours=later))
        await earn(living(work, days, activation_days=activation_days), mei, points)
        if spends and (available := (await balance(work, mei)).available):
            await spend(work, mei, (available + 1) // 2)
    clock.advance(timedelta(hours=hours))
    await _assert_nothing_due_before_the_bound(mei)
    read = await balance(work, mei)
    await service.book_due(work, [mei])
    row = await account(mei)
    assert (read.available, read.pending, read.debt, read.expired) == tuple(
        row[name] for name in ("available", "pending", "debt", "expired")
    )
    assert await balance(work, mei) == read
    assert row["next_due_at"] is None or row["next_due_at"] > clock.now()
    await assert_invariants()


async def _assert_nothing_due_before_the_bound(member_id: UUID) -> None:
    bound = (await account(member_id))["next_due_at"]
    instants = await fetch(
        """SELECT CASE WHEN pending THEN activates_at ELSE expires_at END AS at FROM lot
           WHERE member_id = $1 AND remaining > 0""",
        member_id,
    )
    assert all(bound is not None and bound <= row["at"] for row in instants if row["at"] is not None)


async def test_a_policy_edit_leaves_existing_lots_alone(work: Work, clock: FixedClock) -> None:
    """What was accrued under ten days keeps its ten days whatever is published later."""
    mei = await a_member(clock)
    await earn(living(work, 10), mei, 5)
    clock.advance(9 * DAY)
    assert await spend(living(work, 1), mei, 1) == Moved(2, 1, 4, 0, 0)
    assert await earn(a_work(clock, FOR_EVER), mei, 1) == Moved(3, 1, 5, 0, 0)
