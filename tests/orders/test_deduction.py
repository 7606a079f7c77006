"""Points as money on an order: quoted, held, captured with the order, given back with its refunds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.earning.rules import EarningPolicy
from gamification.orders import service as orders
from gamification.orders.errors import OrderRecordedAlready, QuoteExpired, QuoteInvalid
from gamification.orders.quotes import Quote, Quotes
from gamification.orders.rules import Line, RefundLine, share_of
from gamification.orders.service import NewLine, QuotedLine
from gamification.points import service as points
from gamification.points.rules import DeductionPolicy, Expiry, PointsPolicy, deductible, deduction_by_line
from tests.builders import (
    FOR_EVER,
    SPEC_LADDER,
    TIERS,
    a_work,
    account,
    assert_invariants,
    balance,
    booked,
    dump,
    earn,
    entries,
    give_back,
    lots,
    spend,
    thorough,
)
from tests.databases import Database
from tests.orders.builders import Shop, figures
from tests.orders.tills import DAY, PAYING, RATE, a_buyer, deducted, hold, holds


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """1 % and no ladder; points pay up to half, in steps of a hundred; the books agree in the end."""
    yield a_work(clock, FOR_EVER, RATE, TIERS, PAYING)
    await assert_invariants()


@pytest.fixture
def shop(work: Work) -> Shop:
    return Shop(work)


# -- rules -----------------------------------------------------------------------------------------------------------

GOLDEN = [
    # payable, available, requested → points
    (10_000, 99_999, None, 5_000),
    (10_000, 4_950, None, 4_900),
    (10_000, 99_999, 3_250, 3_200),
    (10_000, 99, None, 0),
    (10_199, 99_999, None, 5_000),
    (0, 99_999, None, 0),
    (10_000, 99_999, 0, 0),
]


@pytest.mark.parametrize(("payable", "available", "requested", "expected"), GOLDEN)
def test_points_are_clamped_to_what_may_pay(payable: int, available: int, requested: int | None, expected: int) -> None:
    """The least of what is wanted, what is there, half of the order, and the order; in steps of a hundred."""
    assert deductible(PAYING, payable_fen=payable, available=available, requested=requested) == expected


@settings(max_examples=thorough(100))
@given(net=st.lists(st.integers(0, 10**9), min_size=1, max_size=20), data=st.data())
def test_a_deduction_falls_on_lines_whole_and_passes_none(net: list[int], data: st.DataObject) -> None:
    """The parts sum to the points, and no line is paid with more points than it costs."""
    total = data.draw(st.integers(0, sum(net)))
    parts = deduction_by_line(total, net)
    assert sum(parts) == total and all(0 <= part <= cost for part, cost in zip(parts, net, strict=True))


def test_a_deduction_policy_names_what_is_out_of_bounds() -> None:
    """Steps, share and minutes have their bounds; each problem names its field."""
    assert DeductionPolicy().problems() == []
    paths = [problem.path for problem in DeductionPolicy(0, 10_001, 61, 10_081).problems()]
    assert paths == ["step_points", "share_max_bp", "quote_minutes", "hold_minutes"]


# -- quotes ----------------------------------------------------------------------------------------------------------


async def quoted(work: Work, member_id: UUID, *fen: int, requested: int | None = None) -> Any:
    lines = tuple(QuotedLine(each) for each in fen)
    return await orders.quote_deduction(work, member_id=member_id, lines=lines, requested=requested, actor=SYSTEM)


async def test_a_quote_says_what_points_pay_and_what_the_order_earns_either_way(
    database: Database, clock: FixedClock
) -> None:
    """450 yuan on top of nothing: 2,000 of 2,049 points pay; on the ladder 430 yuan earn 645 points, 450 earn 675."""
    work = a_work(clock, FOR_EVER, EarningPolicy(0, 100, SPEC_LADDER), TIERS, PAYING)
    mei = await a_buyer(Shop(work), 2_049)
    before = await dump()
    quote = await quoted(work, mei, 30_000, 15_000)
    assert (quote.points, quote.line_points, quote.payable_fen, quote.available) == (2_000, (1_333, 667), 45_000, 2_049)
    assert (quote.earned_if_used, quote.earned_if_not_used) == (645, 675)
    assert quote.valid_until == clock.now() + timedelta(minutes=10)
    assert await dump() == before


async def test_a_quote_is_never_refused_for_want_of_points(work: Work, shop: Shop) -> None:
    """A member without points is offered none; what is asked for beyond the share is cut, not refused."""
    mei = await shop.member()
    assert (await quoted(work, mei, 10_000)).points == 0
    await earn(work, mei, 9_999)
    assert (await quoted(work, mei, 10_000, requested=9_999)).points == 5_000


async def test_a_quote_of_nonsense_is_refused_by_its_field(work: Work, shop: Shop) -> None:
    """No lines, too many, or a negative amount: the refusal names the place."""
    mei = await shop.member()
    for fen, requested, field in (((), None, "lines"), ((-1,), None, "lines.0.netFen"), ((1,), -1, "requestedPoints")):
        with pytest.raises(InvalidInput) as refusal:
            await quoted(work, mei, *fen, requested=requested)
        assert refusal.value.field == field
    with pytest.raises(NotFound):
        await quoted(work, new_id(), 100)


def test_a_signed_quote_is_honoured_for_its_member_and_its_time_only(clock: FixedClock) -> None:
    """Another member's, another key's, a changed or an old quote is refused."""
    quotes, mei = Quotes(b"k" * 32), new_id()
    quote = Quote(mei, 500, clock.now() + timedelta(minutes=10))
    token = quotes.sign(quote)
    assert quotes.read(token, member_id=mei, now=clock.now()) == quote
    others = (Quotes(b"x" * 32).sign(quote), token[:-2] + "AA", "", "a.b.c", token * 10)
    for wrong in others:
        with pytest.raises(QuoteInvalid):
            quotes.read(wrong, member_id=mei, now=clock.now())
    with pytest.raises(QuoteInvalid):
        quotes.read(token, member_id=new_id(), now=clock.now())
    with pytest.raises(QuoteExpired):
        quotes.read(token, member_id=mei, now=quote.valid_until)


# -- orders ----------------------------------------------------------------------------------------------------------


async def test_an_order_captures_its_hold_and_earns_on_the_cash(work: Work, shop: Shop) -> None:
    """Of 1,000 held 900 pay: the cash of 100 yuan 91 earns 91; 100 come back; lines carry their part."""
    mei = await a_buyer(shop, 5_000)
    await hold(shop, mei, 1_000)
    (recorded,) = await shop.sent(deducted(shop, 900, 6_000, 4_000))
    assert (recorded.points, recorded.growth, recorded.deduction_points, recorded.available) == (91, 91, 900, 4_191)
    assert await holds(mei) == [("CAPTURED", 900, 100, 0)]
    rows = await fetch("SELECT paid_fen, deduction_points FROM order_line WHERE member_id = $1 ORDER BY line", mei)
    assert [tuple(row) for row in rows] == [(5_460, 540), (3_640, 360)]
    before = await dump()
    (again,) = await shop.sent(deducted(shop, 900, 6_000, 4_000))
    assert (again.already_recorded, again.deduction_points, await dump()) == (True, 900, before)


async def test_an_order_whose_till_captured_before_takes_no_points_twice(work: Work, shop: Shop) -> None:
    """What captureHold took is this order's deduction; the order posts what its cash earns and nothing else."""
    mei = await a_buyer(shop, 5_000)
    held = await hold(shop, mei, 1_000)
    await points.capture_hold(work, member_id=mei, seq=held.seq, points=1_000, actor=SYSTEM)
    (recorded,) = await shop.sent(deducted(shop, 1_000, 10_000))
    assert (recorded.points, recorded.available) == (90, 4_090) and await holds(mei) == [("CAPTURED", 1_000, 0, 0)]
    (other,) = await shop.send(deducted(shop, 900, 10_000, name="o1", paid="03-01"))
    assert figures([other]) == ["ORDER_CONFLICT"]


async def test_an_order_without_a_hold_takes_the_points_now_or_is_refused(work: Work, shop: Shop) -> None:
    """A till that was offline sends a deduction afterwards: taken where the points are there, else refused."""
    mei = await a_buyer(shop, 1_000)
    (recorded,) = await shop.sent(deducted(shop, 800, 10_000))
    assert (recorded.available, await holds(mei)) == (292, [("CAPTURED", 800, 0, 0)])
    before = await dump()
    (refused,) = await shop.send(deducted(shop, 800, 10_000, name="o2"))
    assert (refused.code, refused.required, refused.available) == ("INSUFFICIENT_POINTS", 800, 292)
    assert await dump() == before


async def test_an_order_after_its_hold_timed_out_holds_anew(work: Work, shop: Shop, clock: FixedClock) -> None:
    """The hold ended in the night; the order of the morning takes the points while they are there."""
    mei = await a_buyer(shop, 1_000)
    await hold(shop, mei, 1_000)
    clock.advance(DAY)
    (recorded,) = await shop.sent(deducted(shop, 900, 10_000))
    assert (recorded.available, await holds(mei)) == (191, [("TIMED_OUT", 0, 1_000, 0), ("CAPTURED", 900, 0, 0)])


async def test_an_order_paid_in_cash_frees_what_was_held_for_it(work: Work, shop: Shop) -> None:
    """The member changed their mind at the till: the hold is released with the order."""
    mei = await a_buyer(shop, 1_000)
    await hold(shop, mei, 1_000)
    (recorded,) = await shop.sent(shop.order("o1", 10_000))
    assert (recorded.available, await holds(mei)) == (1_100, [("RELEASED", 0, 1_000, 0)])


async def test_an_order_never_takes_what_is_held_for_another_member(work: Work, shop: Shop) -> None:
    """Held for the order on Mei's account, sent under Lan's name: refused, nothing changed."""
    mei = await a_buyer(shop, 1_000)
    lan = await shop.member("lan")
    await earn(work, lan, 1_000)
    await hold(shop, mei, 900)
    before = await dump()
    (refused,) = await shop.send(deducted(shop, 900, 10_000, member="lan"))
    assert (refused.code, refused.points, await dump()) == ("ORDER_ALREADY_HELD", 900, before)


async def test_amounts_that_cannot_be_are_refused(shop: Shop, work: Work) -> None:
    """More points than the lines cost, a paid amount that forgets the deduction, a capture beyond the hold."""
    mei = await a_buyer(shop, 5_000)
    await hold(shop, mei, 100)
    before = await dump()
    beyond = shop.order("o2", 1_000, paid_fen=0, deduction_points=1_001)
    forgets = shop.order("o3", 1_000, paid_fen=1_000, deduction_points=100)
    outcomes = await shop.send(beyond, forgets, deducted(shop, 200, 1_000))
    assert figures(outcomes) == ["DEDUCTION_EXCEEDS_LINES", "AMOUNTS_DISAGREE", "CAPTURE_EXCEEDS_HOLD"]
    assert (outcomes[1].expected_fen, outcomes[1].paid_fen, await dump()) == (900, 1_000, before)


async def test_what_points_paid_alone_earns_nothing_and_has_nothing_to_claw_back(work: Work, shop: Shop) -> None:
    """An order of 10 yuan paid with 1,000 points: no points earned; its return gives the 1,000 back by pieces."""
    mei = await a_buyer(shop, 1_000)
    two = (NewLine("a", None, 2, 1_000),)
    (recorded,) = await shop.sent(shop.order("o1", lines=two, paid_fen=0, deduction_points=1_000))
    assert (recorded.points, recorded.growth, recorded.available) == (0, 0, 0)
    (half,) = await shop.sent(replace(shop.refund("r1", "o1"), lines=(RefundLine(0, 1, 0),)))
    assert (half.status, half.placed_fen, half.points_restored, half.available) == ("PLACED", 0, 500, 500)
    (rest,) = await shop.sent(shop.refund("r2", "o1"))
    assert (rest.points_restored, rest.available, await holds(mei)) == (500, 1_000, [("CAPTURED", 1_000, 0, 1_000)])


# -- refunds ---------------------------------------------------------------------------------------------------------


async def test_a_refund_gives_back_points_in_proportion_to_the_cash(work: Work, shop: Shop) -> None:
    """100 yuan of which 900 points paid: a third of the cash back restores 300, half 450, all of it all 900."""
    mei = await a_buyer(shop, 1_000)
    await shop.sent(deducted(shop, 900, 10_000))
    sent = [
        (await shop.sent(shop.refund(name, "o1", fen)))[0]
        for name, fen in (("r1", 3_033), ("r2", 1_517), ("r3", 4_550))
    ]
    assert [each.points_restored for each in sent] == [299, 151, 450]
    assert [each.points_revoked for each in sent] == [30, 15, 46]
    assert (await booked(mei), await holds(mei)) == ((1_000, 0, 0), [("CAPTURED", 900, 0, 900)])
    (again,) = await shop.sent(shop.refund("r1", "o1", 3_033))
    assert (again.already_recorded, again.points_restored) == (True, 299)


async def test_with_the_last_of_the_cash_comes_what_points_alone_paid_for(work: Work, shop: Shop) -> None:
    """Lines of 1 and 1,000 fen, 1,000 points: one fen of cash is left on the second; its refund gives all back."""
    mei = await a_buyer(shop, 1_000)
    await shop.sent(deducted(shop, 1_000, 1, 1_000))
    rows = await fetch("SELECT paid_fen, deduction_points FROM order_line WHERE member_id = $1 ORDER BY line", mei)
    assert [tuple(row) for row in rows] == [(0, 1), (1, 999)]
    (refund,) = await shop.sent(shop.refund("r1", "o1", 1))
    assert (refund.status, refund.points_restored, refund.available) == ("PLACED", 1_000, 1_000)
    assert [(await shop.sent(shop.refund("r2", "o1")))[0].points_restored, await holds(mei)] == [
        0, [("CAPTURED", 1_000, 0, 1_000)],
    ]  # fmt: skip


async def test_restored_points_repay_the_debt_that_the_refund_made_first(work: Work, shop: Shop) -> None:
    """With nothing left, 91 clawed back become debt and 900 come back: 809 are available."""
    mei = await a_buyer(shop, 900)
    await shop.sent(deducted(shop, 900, 10_000))
    await spend(work, mei, 91)
    (refund,) = await shop.sent(shop.refund("r1", "o1"))
    assert (refund.points_revoked, refund.debt_added, refund.points_restored) == (91, 91, 900)
    assert (refund.available, await booked(mei)) == (809, (809, 0, 0))


async def test_points_go_back_to_the_lots_they_came_from_last_taken_first(work: Work, shop: Shop) -> None:
    """Taken from lots of 40 and 50 days, half of it comes back to the later one; the rest to both."""
    mei = await shop.member()
    for days, amount in ((40, 300), (50, 700)):
        await earn(a_work(work.clock, PointsPolicy(Expiry(days, "day"))), mei, amount)
    no_earning = a_work(work.clock, FOR_EVER, EarningPolicy(0, 0), TIERS, PAYING)
    till = Shop(no_earning, shop.prefix)
    await till.sent(deducted(shop, 1_000, 2_000))
    await till.sent(shop.refund("r1", "o1", 500))
    assert await lots(mei) == [500]
    await till.sent(shop.refund("r2", "o1", 300))
    assert await lots(mei) == [100, 700]
    await till.sent(shop.refund("r3", "o1"))
    assert await lots(mei) == [300, 700]


async def test_points_of_a_lot_at_its_end_come_back_with_thirty_days(work: Work, shop: Shop, clock: FixedClock) -> None:
    """The lot expired after the order; what comes back lives thirty days from the refund."""
    mei = await shop.member()
    await earn(a_work(work.clock, PointsPolicy(Expiry(5, "day"))), mei, 900)
    await shop.sent(deducted(shop, 900, 2_000, lines=(NewLine("a", None, 1, 2_000, False),)))
    clock.advance(10 * DAY)
    (refund,) = await shop.sent(shop.refund("r1", "o1"))
    rows = await fetch("SELECT remaining, expires_at FROM lot WHERE member_id = $1 AND open", mei)
    assert (refund.available, [tuple(row) for row in rows]) == (900, [(900, clock.now() + 30 * DAY)])


async def test_a_lot_is_extended_once_also_by_an_order_that_comes_with_its_refund(
    work: Work, shop: Shop, clock: FixedClock
) -> None:
    """The first child of the lot is used up; what an order takes and its waiting refund returns lives as long as it."""
    mei = await shop.member()
    await earn(a_work(clock, PointsPolicy(Expiry(40, "day"))), mei, 100)
    clock.advance(15 * DAY)
    await give_back(work, mei, (await spend(work, mei, 50)).seq)
    until = clock.now() + 30 * DAY
    held = await hold(shop, mei, 50, "other")
    await spend(work, mei, 50)
    await points.release_hold(work, member_id=mei, seq=held.seq, actor=SYSTEM)
    clock.advance(DAY)
    await shop.sent(shop.refund("r1", "o1"))
    await shop.sent(deducted(shop, 20, 2_000, lines=(NewLine("a", None, 1, 2_000, False),)))
    rows = await fetch("SELECT remaining, expires_at FROM lot WHERE member_id = $1 AND open AND root_seq = 1", mei)
    assert (await lots(mei), [tuple(row) for row in rows]) == ([30, 20], [(20, until)])


async def test_a_refund_names_the_points_of_a_line_itself(work: Work, shop: Shop) -> None:
    """A shop that splits cash and points its own way says so per line; more than was deducted is refused."""
    mei = await a_buyer(shop, 1_000)
    await shop.sent(deducted(shop, 900, 6_000, 4_000))
    before = await dump()
    (refused,) = await shop.send(replace(shop.refund("r1", "o1"), lines=(RefundLine(0, 0, 100, 541),)))
    assert (refused.code, refused.line, refused.requested, refused.restorable) == (
        "RESTORATION_EXCEEDS_DEDUCTION", 0, 541, 540,
    )  # fmt: skip
    assert await dump() == before
    (refund,) = await shop.sent(
        replace(shop.refund("r1", "o1"), lines=(RefundLine(0, 0, 100, 540), RefundLine(1, 0, 0, 60)))
    )
    assert (refund.points_restored, await holds(mei)) == (600, [("CAPTURED", 900, 0, 600)])


async def test_a_refund_before_its_order_gives_back_with_it(work: Work, shop: Shop) -> None:
    """The refund waited; the order's transaction deducts, earns, claws back and restores."""
    mei = await a_buyer(shop, 1_000)
    (waits,) = await shop.sent(shop.refund("r1", "o1"))
    assert waits.status == "WAITING"
    (recorded,) = await shop.sent(deducted(shop, 900, 10_000))
    assert recorded.available == 1_000 and await holds(mei) == [("CAPTURED", 900, 0, 900)]
    assert (await account(mei))["held"] == 0


@settings(max_examples=thorough(15), deadline=None)
@given(
    pays=st.integers(1, 3_000),
    cuts=st.lists(st.integers(1, 4_000), min_size=1, max_size=5),
    fen=st.lists(st.integers(1, 3_000), min_size=1, max_size=3),
)
def test_partial_refunds_in_any_split_end_exactly_at_the_whole(pays: int, cuts: list[int], fen: list[int]) -> None:
    """However the cash comes back, each line ends with all its points restored, never more on the way."""
    total = sum(fen)
    parts = deduction_by_line(min(pays, total), fen)
    for number, (net, part) in enumerate(zip(fen, parts, strict=True)):
        line = Line(number, None, None, 1, net - part, True, 0, 0, 0, 0, 0, 0, 0, part, 0)
        for cut in [*cuts, net]:
            share = share_of(line, min(cut, line.refundable_fen), 0)
            line = share.after
            assert 0 <= line.restored_points <= part
        whole = share_of(line, line.refundable_fen, line.quantity).after
        assert whole.restored_points == part


# -- cancelling ------------------------------------------------------------------------------------------------------


async def test_an_order_that_does_not_come_about_gives_everything_back(work: Work, shop: Shop) -> None:
    """Held or captured, it comes back once; an order that is recorded is refunded instead."""
    mei = await a_buyer(shop, 1_000)
    held = await hold(shop, mei, 600)
    await points.capture_hold(work, member_id=mei, seq=held.seq, points=500, actor=SYSTEM)
    name = shop.named("o1")
    before = await dump()
    seen = (await orders.preview_cancellation(work, order_external_id=name, actor=SYSTEM)).outcome()
    assert await dump() == before
    cancelled = await orders.cancel_deduction(work, order_external_id=name, actor=SYSTEM)
    assert seen == cancelled and (cancelled.points, cancelled.available) == (500, 1_000)
    assert (await orders.cancel_deduction(work, order_external_id=name, actor=SYSTEM)).points == 0
    assert (await balance(work, mei)).redeemed == 0
    await shop.sent(deducted(shop, 500, 10_000))
    with pytest.raises(OrderRecordedAlready) as refusal:
        await orders.cancel_deduction(work, order_external_id=name, actor=SYSTEM)
    assert refusal.value.external_id == name
    with pytest.raises(NotFound):
        await orders.cancel_deduction(work, order_external_id="nothing", actor=SYSTEM)
    assert await entries(mei) == [
        ("ACCRUAL", 1_000), ("HOLD", 0), ("CAPTURE", -500), ("RELEASE", 0), ("RESTORATION", 500),
        ("HOLD", 0), ("CAPTURE", -500), ("ACCRUAL", 95),
    ]  # fmt: skip
