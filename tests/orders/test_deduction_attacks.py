"""What a hostile or a broken till sends about points as money: refused by name, or done once, and never a fault."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute
from gamification.core.errors import InvalidInput, NotFound
from gamification.orders.rules import RefundLine
from gamification.orders.service import NewLine
from tests.builders import FOR_EVER, TIERS, a_work, assert_invariants, balance, booked, dump, earn, spend
from tests.databases import Database
from tests.orders.builders import Shop, figures
from tests.orders.tills import PAYING, RATE, a_buyer, cancel, capture, deducted, hold, holds, release

BEYOND = [0, -1, 2**53, 2**63 - 1, 2**63, -(2**63), 10**30]


@pytest.fixture
async def shop(database: Database, clock: FixedClock) -> AsyncIterator[Shop]:
    """1 % and no ladder, holds of half an hour; the books agree in the end."""
    yield Shop(a_work(clock, FOR_EVER, RATE, TIERS, PAYING))
    await assert_invariants()


@pytest.mark.parametrize("points", BEYOND)
async def test_points_out_of_bounds_are_neither_held_nor_captured(shop: Shop, points: int) -> None:
    """Nothing, less than nothing, and what no client can count: the refusal names the field."""
    mei = await a_buyer(shop, 1_000)
    held = await hold(shop, mei, 100)
    before = await dump()
    for attempt in (hold(shop, mei, points, "o2"), capture(shop, held, points)):
        with pytest.raises(InvalidInput) as refusal:
            await attempt
        assert refusal.value.field == "points"
    assert await dump() == before


@pytest.mark.parametrize("points", [-1, 10**12 + 1, 2**53, 2**63, 10**30])
async def test_a_deduction_out_of_bounds_is_refused_by_its_field(shop: Shop, points: int) -> None:
    """Also where the amounts would agree; and so are the points of a refund's line."""
    mei = await a_buyer(shop, 1_000)
    await shop.sent(deducted(shop, 100, 1_000))
    before = await dump()
    (order,) = await shop.send(shop.order("o2", 1_000, paid_fen=1_000 - points, deduction_points=points))
    (refund,) = await shop.send(replace(shop.refund("r1", "o1"), lines=(RefundLine(0, 0, 1, points),)))
    assert [(order.code, order.field), (refund.code, refund.field)] == [
        ("INVALID_INPUT", "deductionPoints"), ("INVALID_INPUT", "lines.0.points"),
    ]  # fmt: skip
    assert await dump() == before and (await booked(mei))[0] == 909


async def test_the_largest_order_and_deduction_are_counted_exactly(shop: Shop) -> None:
    """Lines of ten thousand million yuan, as many points: deducted, earned, given back to the last point."""
    mei, most = await a_buyer(shop, 10**12), 10**12
    lines = tuple(NewLine(None, None, 1_000_000, most) for _ in range(3))
    (order,) = await shop.sent(shop.order("o1", lines=lines, paid_fen=2 * most, deduction_points=most))
    assert (order.points, order.available) == (2 * 10**10, 2 * 10**10)
    (part,) = await shop.sent(shop.refund("r1", "o1", most))
    assert (part.placed_fen, part.points_restored) == (most, most // 2 - 1)
    (rest,) = await shop.sent(shop.refund("r2", "o1"))
    assert (rest.points_restored, await booked(mei), (await balance(shop.work, mei)).growth) == (
        most // 2 + 1, (most, 0, 0), 0,
    )  # fmt: skip


NAMES = ["积分🎁" * 25, "é" * 100, "\U0001f9ff" * 100, "a b", "'; --", "{0}%s"]
UNPRINTABLE = ["\u202eabc", "a\u200fb", "👨\u200d👩", "a\u0000", "a\nb", "\ud800", " \u00a0", "x" * 101, ""]


@pytest.mark.parametrize("name", NAMES)
async def test_an_order_may_be_called_anything_that_can_be_shown(shop: Shop, name: str) -> None:
    """A hundred characters, whatever their bytes: held, captured by the order, refunded and found again."""
    mei = await a_buyer(shop, 1_000)
    anything = Shop(shop.work, shop.prefix)
    order = replace(deducted(shop, 100, 1_000), external_id=name)
    await hold_named(anything, mei, name)
    (recorded,) = await anything.sent(order)
    (refund,) = await anything.sent(replace(shop.refund("r1", "o1"), order_external_id=name))
    assert (recorded.external_id, refund.points_restored) == (name, 100)
    assert await holds(mei) == [("CAPTURED", 100, 0, 100)]


@pytest.mark.parametrize("name", UNPRINTABLE)
async def test_an_order_is_not_called_what_cannot_be_shown(shop: Shop, name: str) -> None:
    """Marks that turn the text round or join what they stand between, controls, halves of characters, too much."""
    mei, before = await a_buyer(shop, 1_000), await dump()
    with pytest.raises(InvalidInput) as refusal:
        await hold_named(shop, mei, name)
    (order,) = await shop.send(replace(deducted(shop, 100, 1_000), external_id=name))
    assert (refusal.value.field, order.code, order.field) == ("orderExternalId", "INVALID_INPUT", "externalId")
    assert await dump() == before


async def hold_named(shop: Shop, member_id: Any, name: str) -> Any:
    """A hold for an order under this very name."""

    class Verbatim(Shop):
        def named(self, name: str) -> str:
            return name

    return await hold(Verbatim(shop.work, shop.prefix), member_id, 100, name)


async def test_points_captured_for_one_order_pay_for_no_other(shop: Shop) -> None:
    """One hold, two order ids: the second order takes points of its own, and each is given back its own."""
    mei = await a_buyer(shop, 1_000)
    await capture(shop, await hold(shop, mei, 300))
    (other,) = await shop.sent(deducted(shop, 300, 10_000, name="o2"))
    assert (other.available, await holds(mei)) == (497, [("CAPTURED", 300, 0, 0)] * 2)
    await shop.sent(deducted(shop, 300, 10_000), shop.refund("r2", "o2"))
    assert await holds(mei) == [("CAPTURED", 300, 0, 0), ("CAPTURED", 300, 0, 300)]
    await shop.sent(shop.refund("r1", "o1"))
    assert (await booked(mei), await holds(mei)) == ((1_000, 0, 0), [("CAPTURED", 300, 0, 300)] * 2)


async def test_no_line_gives_back_more_points_than_paid_for_it(shop: Shop) -> None:
    """Named once, twice in a refund, or after an earlier refund: what exceeds is refused with what is left."""
    mei = await a_buyer(shop, 1_000)
    await shop.sent(deducted(shop, 900, 6_000, 4_000))
    refund = shop.refund("r1", "o1")
    before = await dump()
    for lines in ((RefundLine(1, 0, 0, 361),), (RefundLine(1, 0, 0, 200), RefundLine(1, 0, 10, 161))):
        (refused,) = await shop.send(replace(refund, lines=lines))
        assert (refused.code, refused.requested, refused.restorable) == ("RESTORATION_EXCEEDS_DEDUCTION", 361, 360)
    assert await dump() == before
    await shop.sent(replace(refund, lines=(RefundLine(1, 0, 0, 300),)))
    (refused,) = await shop.send(replace(shop.refund("r2", "o1"), lines=(RefundLine(1, 0, 0, 61),)))
    assert (refused.requested, refused.restorable, await holds(mei)) == (61, 60, [("CAPTURED", 900, 0, 300)])


async def test_a_refund_without_an_order_gives_back_what_paid_for_the_orders_it_falls_on(shop: Shop) -> None:
    """Matched to the newest first: all of the second order's points come back, and the first one's in proportion."""
    mei = await a_buyer(shop, 1_000)
    await shop.sent(deducted(shop, 500, 1_000), deducted(shop, 400, 1_000, name="o2", paid="03-03"))
    (refund,) = await shop.sent(shop.refund("r1", None, 850))
    assert (refund.status, refund.matched, refund.placed_fen) == ("PLACED", True, 850)
    assert (refund.points_restored, await holds(mei)) == (
        650, [("CAPTURED", 500, 0, 250), ("CAPTURED", 400, 0, 400)],
    )  # fmt: skip
    before = await dump()
    (again,) = await shop.sent(shop.refund("r1", None, 850))
    assert (again.already_recorded, again.points_restored, await dump()) == (True, 650, before)


async def test_a_refund_without_an_order_that_finds_too_little_gives_back_everything(shop: Shop) -> None:
    """More cash than the orders cost: partly placed, all points back, the rest reported."""
    mei = await a_buyer(shop, 1_000)
    await shop.sent(deducted(shop, 900, 1_000))
    (refund,) = await shop.sent(shop.refund("r1", None, 500))
    assert (refund.status, refund.placed_fen, refund.points_restored) == ("PARTLY_PLACED", 100, 900)
    assert (await booked(mei), figures(await shop.sent(shop.refund("r2", "o1")))) == (
        (1_000, 0, 0),
        [("PLACED", 0, 0, 0)],
    )


async def test_a_member_who_became_another_pays_nothing_any_more(shop: Shop) -> None:
    """The tombstone of a claimed member neither holds nor buys; its card, which moved, buys for the other."""
    mei, lan = await shop.member("mei"), await a_buyer(shop, 1_000, "lan")
    await execute("UPDATE member_reference SET member_id = $2 WHERE member_id = $1", mei, lan)
    await execute("UPDATE member SET status = 'MERGED', merged_into_id = $2 WHERE id = $1", mei, lan)
    before = await dump()
    with pytest.raises(NotFound) as refusal:
        await hold(shop, mei, 100)
    assert (refusal.value.kind, await dump()) == ("member", before)
    (recorded,) = await shop.sent(deducted(shop, 100, 1_000))
    assert (recorded.member_id, recorded.available) == (lan, 909)


async def test_nothing_is_won_by_turning_points_in_a_circle(shop: Shop) -> None:
    """Held, captured, cancelled, deducted, refunded, spent and given back a hundred times: not a point more."""
    mei = await a_buyer(shop, 1_000)
    for turn in range(10):
        held = await hold(shop, mei, 1_000, f"a{turn}")
        await (release(shop, held) if turn % 2 else capture(shop, held))
        await cancel(shop, f"a{turn}")
        await shop.sent(deducted(shop, 1_000, 1_001, name=f"b{turn}"), shop.refund(f"r{turn}", f"b{turn}", 1))
    now = await balance(shop.work, mei)
    assert (now.available, now.redeemed, now.growth, now.debt) == (1_000, 0, 0, 0)
    await spend(shop.work, mei, 1_000)
    await earn(shop.work, mei, 1)
    assert (await booked(mei))[0] == 1
