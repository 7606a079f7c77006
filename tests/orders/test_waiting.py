"""Refunds that arrive before their order wait for it, and are placed once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.orders import jobs
from gamification.orders.service import NewRefund, place_waiting
from tests.builders import dump
from tests.moves import Overtaken
from tests.orders.builders import Shop, figures


async def still_waiting(shop: Shop) -> int:
    rows = await fetch(
        "SELECT 1 FROM waiting_refund WHERE placed_at IS NULL AND order_external_id LIKE $1", f"{shop.prefix}/%"
    )
    return len(rows)


async def test_a_refund_before_its_order_waits_and_is_placed_with_it(shop: Shop, clock: FixedClock) -> None:
    """It answers WAITING and moves nothing; the order, in its own transaction, posts and takes back."""
    answers = await shop.sent(shop.refund("R", "A", None, (0, 4_000)))
    assert figures(answers) == [("WAITING", 0, 0, 0)]
    assert (answers[0].refund_id, answers[0].requested_fen, answers[0].available) == (None, 4_000, None)
    assert await shop.standing() == (0, 0, 0)
    received, placed = clock.now(), clock.now() + timedelta(days=1)
    clock.set(placed)
    (order,) = await shop.sent(shop.order("A", 10_000))
    assert (order.points, order.available) == (100, 60) and await shop.standing() == (60, 0, 60)
    (row,) = await fetch("SELECT member_id, received_at, placed_at FROM waiting_refund WHERE order_external_id = $1",
                         shop.named("A"))  # fmt: skip
    assert tuple(row) == (await shop.member(), received, placed)
    assert figures(await shop.sent(shop.refund("R", "A", None, (0, 4_000)))) == [("PLACED", "again", 4_000, 40, 40)]


async def test_a_waiting_refund_sent_again_keeps_waiting(shop: Shop) -> None:
    """Once, twice, and twice in a batch, also in another zone's notation: one refund waits, the repetition says so."""
    refund = shop.refund("R", "A", 4_000)
    (first,) = await shop.sent(refund)
    before = await dump()
    again = await shop.sent(refund, replace(refund, refunded_at=refund.refunded_at.astimezone(UTC)))
    assert again == [replace(first, already_recorded=True)] * 2 and await dump() == before
    assert figures(await shop.sent(shop.refund("S", "A", 1), shop.refund("S", "A", 1))) == [
        ("WAITING", 0, 0, 0), ("WAITING", "again", 0, 0, 0),
    ]  # fmt: skip
    await shop.sent(shop.order("A", 10_000))
    assert await shop.standing() == (60, 0, 60)


async def test_another_waiting_refund_under_the_same_id_is_refused(shop: Shop) -> None:
    """The first keeps waiting; the other is told that it conflicts, in a later request and in the same batch."""
    refund = shop.refund("R", "A", 4_000)
    outcomes = await shop.send(refund, replace(refund, fen=5_000))
    assert figures(outcomes) == [("WAITING", 0, 0, 0), "REFUND_CONFLICT"]
    assert figures(await shop.send(replace(refund, fen=6_000))) == ["REFUND_CONFLICT"]
    await shop.sent(shop.order("A", 10_000))
    assert await shop.standing() == (60, 0, 60)


@pytest.mark.parametrize("places", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
async def test_an_order_and_its_refunds_in_one_batch_in_any_order(shop: Shop, places: tuple[int, ...]) -> None:
    """What stands before the order waits for it and is taken along at once."""
    requests: list[Any] = [shop.order("A", 10_000), shop.refund("R1", "A", 3_000), shop.refund("R2", "A", 2_000)]
    await shop.sent(*(requests[place] for place in places))
    assert await shop.standing() == (50, 0, 50) and await still_waiting(shop) == 0


async def test_a_refund_whose_order_was_refused_in_the_same_batch_waits(shop: Shop) -> None:
    """The order comes again in a shape that fits, and takes its refund along."""
    wrong = shop.order("A", 10_000, paid_fen=1)
    outcomes = await shop.send(wrong, shop.refund("R", "A", 3_000))
    assert figures(outcomes) == ["AMOUNTS_DISAGREE", ("WAITING", 0, 0, 0)]
    outcomes = await shop.send(shop.order("B", 1, member="nobody"), shop.refund("R", "B", 1))
    assert figures(outcomes) == ["NOT_FOUND", ("WAITING", 0, 0, 0)]
    await shop.sent(shop.order("A", 10_000))
    assert await shop.standing() == (70, 0, 70)


async def test_a_waiting_refund_of_more_than_was_paid_is_placed_as_far_as_it_goes(shop: Shop) -> None:
    """Its sender cannot be asked any more: what fits is placed, the rest is kept and reported."""
    await shop.sent(shop.refund("R1", "A", None, (0, 7_000), (5, 1_000)), shop.refund("R2", "A", 9_000))
    await shop.sent(shop.order("A", 6_000, 4_000))
    rows = await fetch("SELECT status, requested_fen, placed_fen FROM order_refund WHERE member_id = $1 ORDER BY id",
                       await shop.member())  # fmt: skip
    assert [tuple(row) for row in rows] == [("PARTLY_PLACED", 8_000, 6_000), ("PARTLY_PLACED", 9_000, 4_000)]
    assert await shop.standing() == (0, 0, 0)


async def crossed(shop: Shop, refund: NewRefund, *orders: Any) -> None:
    """The refund looks for its order before it is there, and is set aside after it came."""
    late = Overtaken(shop.work, meanwhile=lambda: Shop(shop.work, shop.prefix).sent(refund))
    await Shop(late, shop.prefix).sent(*orders)


async def test_a_refund_that_crossed_with_its_order_is_placed_by_the_job(shop: Shop, clock: FixedClock) -> None:
    """Both were on their way at once: the refund waits although its order is here, until the job places it, once."""
    await crossed(shop, shop.refund("R", "A", 4_000), shop.order("A", 10_000))
    assert await shop.standing() == (100, 0, 100) and await still_waiting(shop) == 1
    received = clock.now()
    clock.advance(timedelta(minutes=1))
    await _run_the_job(shop)
    assert await shop.standing() == (60, 0, 60) and await still_waiting(shop) == 0
    rows = await fetch("SELECT received_at FROM waiting_refund WHERE order_external_id = $1", shop.named("A"))
    assert [row["received_at"] for row in rows] == [received]
    before = await dump()
    assert await place_waiting(shop.work) == 0 and await dump() == before


async def _run_the_job(shop: Shop) -> None:
    beats = 0

    class Context:
        work, clock = shop.work, shop.work.clock

        async def heartbeat(self) -> None:
            nonlocal beats
            beats += 1
            assert beats < 9, "the job must end"

    context: Any = Context()
    await jobs.place_waiting_refunds(context)


async def test_a_refund_that_crossed_and_was_sent_again_is_placed_once_and_waits_no_more(shop: Shop) -> None:
    """The sender's repetition was placed directly: the job finds it recorded, and ends."""
    refund = shop.refund("R", "A", 4_000)
    await crossed(shop, refund, shop.order("A", 10_000))
    assert figures(await shop.sent(refund)) == [("PLACED", 4_000, 40, 40)]
    await _run_the_job(shop)
    assert await shop.standing() == (60, 0, 60) and await still_waiting(shop) == 0


async def test_a_refund_that_crossed_and_was_replaced_gives_way(shop: Shop) -> None:
    """Another content under the same id was recorded meanwhile: that one stands, and the job does not stumble."""
    refund = shop.refund("R", "A", 4_000)
    await crossed(shop, refund, shop.order("A", 10_000))
    await shop.sent(replace(refund, fen=1_000))
    await _run_the_job(shop)
    assert await shop.standing() == (90, 0, 90) and await still_waiting(shop) == 0


async def test_a_waiting_refund_and_its_repetition_behind_the_order_count_once(shop: Shop) -> None:
    """It waits; then a batch brings its order and the refund itself again."""
    refund = shop.refund("R", "A", 10_000)
    await shop.sent(refund)
    outcomes = await shop.send(shop.order("A", 10_000), refund)
    assert figures(outcomes) == [("order", 100, 100), ("PLACED", "again", 10_000, 100, 100)]
    assert await shop.standing() == (0, 0, 0)


async def test_an_order_refused_for_its_id_does_not_take_the_refund_with_it(shop: Shop) -> None:
    """The id belongs to Lan's order; the refund that names it falls on that order."""
    await shop.member("lan")
    await shop.sent(shop.order("A", 10_000, member="lan"))
    outcomes = await shop.send(shop.order("A", 10_000), shop.refund("R", "A", 4_000))
    assert figures(outcomes) == ["ORDER_CONFLICT", ("PLACED", 4_000, 40, 40)]
    assert (await shop.standing(), await shop.standing("lan")) == ((0, 0, 0), (60, 0, 60))
