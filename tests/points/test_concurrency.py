"""Many at once over real connections: nothing is overdrawn, nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.points import service
from gamification.points.errors import InsufficientPoints
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import (
    FOR_EVER,
    a_crowd_of_connections,
    a_member,
    a_work,
    account,
    assert_invariants,
    booked,
    done,
    earn,
    entries,
    rows_in,
    some_members,
    spend,
)
from tests.databases import Database
from tests.moves import MOVE, ClawBack, Earn, Move, Moved, Spend


@pytest.fixture(params=[False, True], ids=["alone", "in lanes"])
def laned(request: pytest.FixtureRequest) -> bool:
    """Whether single commands share flushes: what is promised here holds on both paths."""
    return bool(request.param)


async def test_twenty_takes_from_a_hundred_points_never_overdraw(
    database: Database, clock: FixedClock, laned: bool
) -> None:
    """Of twenty spendings of 15 exactly six succeed; the others are refused with what was left for them."""
    async with a_crowd_of_connections(database):
        work, mei = a_work(clock, FOR_EVER, laned=laned), await a_member(clock, points=100)
        outcomes = await asyncio.gather(*(spend(work, mei, 15) for _ in range(20)), return_exceptions=True)
        assert Counter(type(each).__name__ for each in outcomes) == {"Moved": 6, "InsufficientPoints": 14}
        refusals = [each for each in outcomes if isinstance(each, InsufficientPoints)]
        assert all(each.available < 15 for each in refusals) or any(each.available == 10 for each in refusals)
        assert await booked(mei) == (10, 0, 0) and await rows_in("entry") == 7
        await assert_invariants()


async def test_batches_that_overlap_in_any_order_do_not_deadlock(database: Database, clock: FixedClock) -> None:
    """Eight batches over the same forty members, each in an order of its own: every command counts once."""
    async with a_crowd_of_connections(database):
        work, members = a_work(clock, FOR_EVER), await some_members(clock, 40, points=1000)
        random = Random(7)

        async def batch(number: int) -> None:
            moves: list[Move] = [
                kind(member_id=each, points=number + 1, source=f"{number}")
                for each in members
                for kind in (Spend, Earn)
            ]
            random.shuffle(moves)
            done(await work.perform_all(MOVE, moves))

        await asyncio.gather(*(batch(number) for number in range(8)))
        assert [await booked(each) for each in members] == [(1000, 0, 0)] * 40
        assert await rows_in("entry") == 40 * 17
        await assert_invariants()


async def test_a_row_that_somebody_holds_only_delays_its_own_member(
    database: Database, clock: FixedClock, laned: bool
) -> None:
    """While another transaction holds Mei's account, Lan's command is answered; Mei's waits and is then right."""
    async with a_crowd_of_connections(database):
        work, (mei, lan) = a_work(clock, FOR_EVER, laned=laned), await some_members(clock, 2, points=10)
        owner = await asyncpg.connect(database.url)
        holding = owner.transaction()
        await holding.start()
        await owner.execute("UPDATE account SET version = version + 1 WHERE member_id = $1", mei)
        waiting = asyncio.create_task(spend(work, mei, 4))
        assert await spend(work, lan, 4) == Moved(2, 4, 6, 0, 0)
        await holding.commit()
        await owner.close()
        assert await waiting == Moved(2, 4, 6, 0, 0)
        assert (await account(mei))["version"] == 3
        await assert_invariants()


async def test_a_sweep_beside_spenders_books_each_expiry_once(
    database: Database, clock: FixedClock, laned: bool
) -> None:
    """Sweepers and spenders meet at the instant of expiry: one EXPIRY per lot, no spending of what is gone."""
    async with a_crowd_of_connections(database):
        short, work = a_work(clock, PointsPolicy(Expiry(1, "day"))), a_work(clock, FOR_EVER, laned=laned)
        members = await some_members(clock, 10)
        for each in members:
            await earn(short, each, 30)
            await earn(work, each, 5)
        clock.advance(timedelta(days=3))
        outcomes = await asyncio.gather(
            *(service.book_due(work, members) for _ in range(4)),
            *(spend(work, each, points) for each in members for points in (5, 5)),
            return_exceptions=True,
        )
        assert outcomes[:4] == [[]] * 4
        assert Counter(type(each).__name__ for each in outcomes[4:]) == {"Moved": 10, "InsufficientPoints": 10}
        expected = {("ACCRUAL", 30), ("ACCRUAL", 5), ("EXPIRY", -30), ("REDEMPTION", -5)}
        for each in members:
            posted = await entries(each)
            assert len(posted) == 4 and set(posted) == expected
        await assert_invariants()


async def test_claw_backs_beside_accruals_end_in_the_same_sum(
    database: Database, clock: FixedClock, laned: bool
) -> None:
    """Debt and its repayment in any interleaving: what is owed and what is there differ by what was posted."""
    async with a_crowd_of_connections(database):
        work, mei = a_work(clock, FOR_EVER, laned=laned), await a_member(clock)
        moves: list[Move] = [ClawBack(member_id=mei, points=7, source=f"c{n}") for n in range(10)]
        moves += [Earn(member_id=mei, points=6, source=f"e{n}") for n in range(10)]
        Random(3).shuffle(moves)
        await asyncio.gather(*(work.perform(MOVE, move) for move in moves))
        assert await booked(mei) == (0, 0, 10) and await rows_in("entry") == 20
        await assert_invariants()
