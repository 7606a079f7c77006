"""Many tills at once on the same points and the same orders: nothing is deducted twice, restored twice or lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.errors import Refusal
from gamification.earning.rules import EarningPolicy
from gamification.points import service as points
from gamification.points.rules import DeductionPolicy
from gamification.points.service import HoldPoints
from tests.builders import FOR_EVER, TIERS, a_crowd_of_connections, a_work, assert_invariants, balance, earn, spend
from tests.databases import Database
from tests.orders.builders import Shop

NO_EARNING = EarningPolicy(0, 0)


async def test_orders_refunds_and_spendings_race_for_one_balance(database: Database, clock: FixedClock) -> None:
    """Ten orders of 100 points each, sent three times, refunded twice and spent beside: 1,000 points end where each
    succeeded deduction was given back once, and no call fails."""
    async with a_crowd_of_connections(database):
        work = a_work(clock, FOR_EVER, NO_EARNING, TIERS, DeductionPolicy())
        shop = Shop(work)
        mei = await shop.member()
        await earn(work, mei, 1_000)
        orders = [shop.order(f"o{n}", 500, paid_fen=400, deduction_points=100) for n in range(10)]
        refunds = [shop.refund(f"r{n}", f"o{n}") for n in range(10)]
        calls: list[Any] = [shop.send(each) for each in orders * 3 + refunds * 2]
        calls += [spend(work, mei, 50) for _ in range(4)]
        Random(5).shuffle(calls)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        flat = [each for outcome in outcomes for each in (outcome if isinstance(outcome, list) else [outcome])]
        assert [each for each in flat if isinstance(each, Exception) and not isinstance(each, Refusal)] == []
        await shop.send(*orders, *refunds)  # what was refused or waits is settled now
        spent = 50 * sum(type(each).__name__ == "Moved" for each in flat)
        now = await balance(work, mei)
        assert (now.available, now.held, now.debt) == (1_000 - spent, 0, 0)
        await assert_invariants()


async def test_a_till_and_its_order_capture_the_same_hold_once(database: Database, clock: FixedClock) -> None:
    """captureHold, recordOrder and cancelDeduction's rival releaseHold meet on one hold: the points are used once."""
    async with a_crowd_of_connections(database):
        work = a_work(clock, FOR_EVER, NO_EARNING, TIERS, DeductionPolicy())
        shop = Shop(work)
        mei = await shop.member()
        await earn(work, mei, 1_000)
        for turn in range(5):
            name = f"t{turn}"
            command = HoldPoints(member_id=mei, actor=SYSTEM, order_external_id=shop.named(name), points=100)
            held = await points.hold_points(work, command)
            order = shop.order(name, 500, paid_fen=400, deduction_points=100)
            ending = {"member_id": mei, "seq": held.seq, "actor": SYSTEM}
            outcomes = await asyncio.gather(
                *(points.capture_hold(work, points=100, **ending) for _ in range(3)),  # type: ignore[arg-type]
                *(points.release_hold(work, **ending) for _ in range(3)),  # type: ignore[arg-type]
                *(shop.send(order) for _ in range(3)),
                return_exceptions=True,
            )
            faults = [each for each in outcomes if isinstance(each, Exception) and not isinstance(each, Refusal)]
            assert faults == [] and Counter(len(each) for each in outcomes if isinstance(each, list)) == {1: 3}
            now = await balance(work, mei)
            assert (now.available, now.held, now.redeemed) == (900 - 100 * turn, 0, 100 * (turn + 1))
            await assert_invariants()
