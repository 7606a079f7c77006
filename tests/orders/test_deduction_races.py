"""Many tills at once on the same points and the same orders: nothing is deducted twice, restored twice or lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.errors import Refusal
from gamification.core.work import ATTEMPTS
from gamification.earning.rules import EarningPolicy
from gamification.orders import service as orders
from gamification.orders.errors import OrderRecordedAlready
from gamification.points import service as points
from gamification.points.errors import OrderAlreadyHeld
from gamification.points.rules import DeductionPolicy
from gamification.points.service import HoldPoints
from tests.builders import FOR_EVER, TIERS, a_crowd_of_connections, a_work, assert_invariants, balance, earn, spend
from tests.databases import Database
from tests.moves import Overtaken
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


async def test_tills_sweepers_and_members_meet_on_the_same_orders(database: Database, clock: FixedClock) -> None:
    """Three members' tills hold, capture, release, cancel, send and refund the same twelve orders while sweepers book
    their ends: only refusals, and each member has what was earned less what was spent and what still pays."""
    random = Random(11)
    async with a_crowd_of_connections(database):
        work = a_work(clock, FOR_EVER, NO_EARNING, TIERS, DeductionPolicy(hold_minutes=30))
        shop = Shop(work)
        members = {name: await shop.member(name) for name in ("mei", "lan", "bao")}
        for member in members.values():
            await earn(work, member, 1_000)
        spent = dict.fromkeys(members.values(), 0)

        async def a_till(number: int) -> None:
            name, order = random.choice(list(members)), f"o{random.randrange(12)}"
            command = HoldPoints(member_id=members[name], actor=SYSTEM, order_external_id=shop.named(order), points=100)
            held = await points.hold_points(work, command)
            ending: Any = {"member_id": held.member_id, "seq": held.seq, "actor": SYSTEM}
            match number % 4:
                case 0:
                    await points.capture_hold(work, points=60, **ending)
                case 1:
                    await points.release_hold(work, **ending)
                case 2:
                    await orders.cancel_deduction(work, order_external_id=shop.named(order), actor=SYSTEM)
            await points.capture_hold(work, points=60, **ending)

        async def a_sale(number: int) -> Any:
            order = f"o{random.randrange(12)}"
            if number % 3 == 0:
                return await shop.send(shop.refund(f"r{number % 5}", order, 100))
            pays = random.choice([0, 60, 60, 100])
            return await shop.send(
                shop.order(order, 500, paid_fen=500 - pays, deduction_points=pays, member=random.choice(list(members)))
            )

        async def a_spending() -> None:
            member = random.choice(list(members.values()))
            await spend(work, member, 30)
            spent[member] += 30

        for _ in range(4):
            calls: list[Any] = [a_till(number) for number in range(24)] + [a_sale(number) for number in range(36)]
            calls += [a_spending() for _ in range(6)]
            calls += [points.book_due(work, list(members.values())) for _ in range(4)]
            random.shuffle(calls)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            flat = [each for outcome in outcomes for each in (outcome if isinstance(outcome, list) else [outcome])]
            assert [each for each in flat if isinstance(each, Exception) and not isinstance(each, Refusal)] == []
            await assert_invariants()
            clock.advance(timedelta(minutes=31))
        for member in members.values():
            rows = await fetch("SELECT captured - restored FROM points_hold WHERE member_id = $1", member)
            now = await balance(work, member)
            still_paying = sum(row[0] for row in rows)
            assert (now.available, now.held, now.debt) == (1_000 - spent[member] - still_paying, 0, 0)


async def test_an_order_that_another_takes_up_under_a_busy_members_locks_is_refused(
    database: Database, clock: FixedClock
) -> None:
    """Four times Mei's account moved on; then, under her locks, Lan holds the order: Mei reads so, it is no fault."""
    async with a_crowd_of_connections(database):
        work = a_work(clock, FOR_EVER, NO_EARNING, TIERS, DeductionPolicy())
        shop = Shop(work)
        mei, lan = await shop.member(), await shop.member("lan")
        for member in (mei, lan):
            await earn(work, member, 1_000)
        command = HoldPoints(member_id=mei, actor=SYSTEM, order_external_id=shop.named("o1"), points=100)
        outside, tries = copy_context(), iter(range(99))

        async def meanwhile() -> None:
            if next(tries) < ATTEMPTS:
                await earn(work, mei, 1)
            else:
                taking_up = points.hold_points(work, replace(command, member_id=lan))
                await asyncio.create_task(taking_up, context=outside)

        with pytest.raises(OrderAlreadyHeld) as refusal:
            await points.hold_points(Overtaken(work, meanwhile, ATTEMPTS + 1), command)
        assert refusal.value.points == 100
        assert ((await balance(work, mei)).available, (await balance(work, lan)).held) == (1_000 + ATTEMPTS, 100)
        await assert_invariants()


async def test_points_captured_beside_another_members_order_come_back(database: Database, clock: FixedClock) -> None:
    """Mei's order came between the load and the write of Lan's hold, which is captured then: the order keeps Mei's
    points, and the cancellation finds Lan's."""
    async with a_crowd_of_connections(database):
        work = a_work(clock, FOR_EVER, NO_EARNING, TIERS, DeductionPolicy())
        shop = Shop(work)
        mei, lan = await shop.member(), await shop.member("lan")
        for member in (mei, lan):
            await earn(work, member, 1_000)

        async def meanwhile() -> None:
            clock.advance(timedelta(seconds=1))
            await shop.sent(shop.order("o1", 500, paid_fen=400, deduction_points=100))

        command = HoldPoints(member_id=lan, actor=SYSTEM, order_external_id=shop.named("o1"), points=100)
        held = await points.hold_points(Overtaken(work, meanwhile), command)
        await points.capture_hold(work, member_id=lan, seq=held.seq, points=100, actor=SYSTEM)
        cancelled = await orders.cancel_deduction(work, order_external_id=shop.named("o1"), actor=SYSTEM)
        assert (cancelled.member_id, cancelled.points, cancelled.available) == (lan, 100, 1_000)
        with pytest.raises(OrderRecordedAlready):
            await orders.cancel_deduction(work, order_external_id=shop.named("o1"), actor=SYSTEM)
        assert (await balance(work, mei)).available == 900
        await assert_invariants()
