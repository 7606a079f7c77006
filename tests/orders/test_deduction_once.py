"""An order is paid with points once, whoever holds, captures, sends and cancels, and whenever."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.orders import service as orders
from gamification.orders.errors import OrderRecordedAlready
from gamification.points import service as points
from gamification.points.errors import HoldCaptured, OrderAlreadyHeld
from gamification.points.service import HoldPoints
from tests.builders import FOR_EVER, TIERS, a_work, assert_invariants, booked, dump
from tests.databases import Database
from tests.orders.builders import Shop, figures
from tests.orders.tills import DAY, PAYING, RATE, a_buyer, cancel, capture, deducted, hold, holds, release


@pytest.fixture
async def shop(database: Database, clock: FixedClock) -> AsyncIterator[Shop]:
    """1 % and no ladder, holds of half an hour; the books agree in the end."""
    yield Shop(a_work(clock, FOR_EVER, RATE, TIERS, PAYING))
    await assert_invariants()


async def test_an_order_said_to_be_paid_in_cash_is_refused_while_points_have_paid(shop: Shop) -> None:
    """Captured by the till, then sent without deduction: refused with what was captured, until it has come back."""
    mei = await a_buyer(shop, 1_000)
    await capture(shop, await hold(shop, mei, 600))
    before = await dump()
    (refused,) = await shop.send(shop.order("o1", 10_000))
    assert (refused.code, refused.requested, refused.captured, refused.restored) == ("HOLD_CAPTURED", 0, 600, 0)
    assert await dump() == before
    assert (await cancel(shop)).available == 1_000
    (recorded,) = await shop.sent(shop.order("o1", 10_000))
    assert (recorded.points, recorded.available) == (100, 1_100)


async def test_what_was_paid_for_with_points_is_not_held_again(shop: Shop) -> None:
    """After a capture no till holds for the order, the member's own or another's; once cancelled it is free."""
    mei, lan = await a_buyer(shop, 1_000), await a_buyer(shop, 1_000, "lan")
    await capture(shop, await hold(shop, mei, 600), 500)
    before = await dump()
    for member in (mei, lan):
        with pytest.raises(HoldCaptured) as refusal:
            await hold(shop, member, 100)
        assert (refusal.value.requested, refusal.value.captured, refusal.value.restored) == (100, 500, 0)
    assert await dump() == before
    await cancel(shop)
    assert (await hold(shop, lan, 100)).available == 900


async def test_a_second_hold_of_a_paid_order_is_not_captured_late(shop: Shop, clock: FixedClock) -> None:
    """Two holds timed out; the order took 300 through the later: the earlier one's late capture takes nothing."""
    mei = await a_buyer(shop, 1_000)
    first = await hold(shop, mei, 600)
    clock.advance(DAY)
    await hold(shop, mei, 300)
    clock.advance(DAY)
    await shop.sent(deducted(shop, 300, 10_000))
    before = await dump()
    with pytest.raises(HoldCaptured) as refusal:
        await capture(shop, first)
    assert (refusal.value.requested, refusal.value.captured) == (600, 300) and await dump() == before


async def test_points_of_one_member_and_an_order_of_another_are_refused(shop: Shop) -> None:
    """Mei's points paid for the order, which comes under Lan's name: Lan's points are not taken as well."""
    mei, lan = await a_buyer(shop, 1_000), await a_buyer(shop, 1_000, "lan")
    await capture(shop, await hold(shop, mei, 600))
    before = await dump()
    (refused,) = await shop.send(deducted(shop, 600, 10_000, member="lan"))
    assert (refused.code, refused.captured, await dump()) == ("HOLD_CAPTURED", 600, before)
    await cancel(shop)
    (recorded,) = await shop.sent(deducted(shop, 600, 10_000, member="lan"))
    assert (recorded.available, (await booked(mei))[0], await holds(lan)) == (494, 1_000, [("CAPTURED", 600, 0, 0)])


async def test_a_late_capture_gives_way_to_whoever_holds_the_order_now(shop: Shop, clock: FixedClock) -> None:
    """Mei's hold timed out and Lan's took its place: Mei's is not captured beside it, and later it is again."""
    mei, lan = await a_buyer(shop, 1_000), await a_buyer(shop, 1_000, "lan")
    late = await hold(shop, mei, 600)
    clock.advance(DAY)
    taken_over = await hold(shop, lan, 100)
    before = await dump()
    with pytest.raises(OrderAlreadyHeld) as refusal:
        await capture(shop, late)
    assert (refusal.value.points, refusal.value.expires_at) == (100, taken_over.expires_at)
    assert await dump() == before
    clock.advance(DAY)
    preview = await points.preview_capture(shop.work, member_id=mei, seq=late.seq, points=None, actor=SYSTEM)
    captured = await capture(shop, late)
    assert preview.outcome() == captured and (captured.captured, captured.available) == (600, 400)
    assert await holds(lan) == [("TIMED_OUT", 0, 100, 0)]


async def test_a_hold_that_timed_out_stands_in_nobodys_way(shop: Shop, clock: FixedClock) -> None:
    """Booked or not, Mei's ended hold keeps neither Lan's hold nor Lan's order, in a preview as in earnest."""
    mei, lan = await a_buyer(shop, 1_000), await a_buyer(shop, 1_000, "lan")
    for order in ("o1", "o2"):
        await hold(shop, mei, 300, order)
    clock.advance(DAY)
    command = HoldPoints(member_id=lan, actor=SYSTEM, key="k", order_external_id=shop.named("o1"), points=100)
    before = await dump()
    seen = (await points.preview_hold(shop.work, command)).outcome()
    foreseen = (await orders.preview(shop.work, deducted(shop, 200, 10_000, name="o2", member="lan"))).outcome()
    assert await dump() == before
    assert await points.hold_points(shop.work, command) == seen == await points.hold_points(shop.work, command)
    (recorded,) = await shop.sent(deducted(shop, 200, 10_000, name="o2", member="lan"))
    assert (recorded.points, recorded.available) == (foreseen.points, foreseen.available - 100) == (98, 798)
    assert await holds(mei) == [("TIMED_OUT", 0, 300, 0)] * 2


async def test_what_was_captured_beside_a_recorded_order_comes_back(shop: Shop) -> None:
    """Sent without deduction, the order freed its hold; a late capture of that hold is cancelled, once."""
    mei = await a_buyer(shop, 1_000)
    held = await hold(shop, mei, 600)
    await shop.sent(shop.order("o1", 10_000))
    assert (await capture(shop, held)).available == 500
    assert [(await cancel(shop)).points for _ in range(2)] == [600, 0]
    assert await booked(mei) == (1_100, 0, 0)


async def test_a_cancellation_finds_whose_points_were_captured(shop: Shop, clock: FixedClock) -> None:
    """Mei's are captured; a hold that Lan made and gave up before is no reason to give nothing back."""
    mei, lan = await a_buyer(shop, 1_000), await a_buyer(shop, 1_000, "lan")
    late = await hold(shop, mei, 600)
    clock.advance(DAY)
    await release(shop, await hold(shop, lan, 100))
    await capture(shop, late)
    assert ((await cancel(shop)).member_id, (await booked(mei))[0]) == (mei, 1_000)


async def test_an_order_paid_with_points_is_cancelled_by_its_refund_alone(shop: Shop) -> None:
    """While points of a recorded order are out, nothing is cancelled; after its refund nothing is left to cancel."""
    mei = await a_buyer(shop, 1_000)
    await shop.sent(deducted(shop, 500, 10_000))
    before = await dump()
    with pytest.raises(OrderRecordedAlready):
        await cancel(shop)
    assert await dump() == before
    assert figures(await shop.sent(shop.refund("r1", "o1"))) == [("PLACED", 9_500, 95, 95)]
    assert ((await cancel(shop)).points, await booked(mei)) == (0, (1_000, 0, 0))
