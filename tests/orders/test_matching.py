"""Refunds that name no order, and what refunds do to points that are spent, expired or forgiven."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.earning.rules import EarningPolicy
from gamification.points import service as points
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import (
    EARNING,
    SPEC_LADDER,
    TIERS,
    a_work,
    balance,
    entries,
    spend,
)
from tests.orders.builders import Shop, figures

DAY = timedelta(days=1)


async def test_a_refund_without_order_falls_on_the_newest_order_paid_before_it(shop: Shop) -> None:
    """Newest first, then in the order of arrival; what was paid after the refund is left alone."""
    await shop.sent(
        shop.order("old", 10_000, paid="03-01"),
        shop.order("first", 20_000, paid="03-05"),
        shop.order("second", 30_000, paid="03-05"),
        shop.order("late", 40_000, paid="03-20T10:01"),
    )
    answers = await shop.sent(shop.refund("R", None, 25_000))
    assert figures(answers) == [("PLACED", 25_000, 250, 250)] and answers[0].matched
    rows = await fetch("SELECT external_id, refunded_fen FROM sales_order WHERE member_id = $1 ORDER BY id",
                       await shop.member())  # fmt: skip
    named = [(row[0].rpartition("/")[2], row[1]) for row in rows]
    assert named == [("old", 0), ("first", 20_000), ("second", 5_000), ("late", 0)]


async def test_what_matches_nothing_is_kept_and_reported(shop: Shop) -> None:
    """Partly placed where the orders do not suffice, unplaced where there is none; the exact instant counts."""
    await shop.sent(shop.order("A", 10_000, paid="03-20"))
    answers = await shop.sent(
        shop.refund("early", None, 500, on="03-20T09:59"),
        shop.refund("exact", None, 10_500, on="03-20T10:00"),
        shop.refund("none", None, 1, on="03-21"),
    )
    assert figures(answers) == [("UNPLACED", 0, 0, 0), ("PARTLY_PLACED", 10_000, 100, 100), ("UNPLACED", 0, 0, 0)]
    mei = await shop.member()
    rows = await fetch("SELECT status, requested_fen - placed_fen FROM order_refund WHERE member_id = $1 "
                       "AND status <> 'PLACED' ORDER BY id", mei)  # fmt: skip
    assert [tuple(row) for row in rows] == [("UNPLACED", 500), ("PARTLY_PLACED", 500), ("UNPLACED", 1)]
    assert figures(await shop.sent(shop.refund("none", None, 1, on="03-21"))) == [("UNPLACED", "again", 0, 0, 0)]


@pytest.mark.parametrize("swept", [True, False], ids=["booked by the sweep", "booked by the refund"])
async def test_points_that_expired_unused_count_as_revoked(shop: Shop, clock: FixedClock, swept: bool) -> None:
    """Of 100 earned 60 were spent and 40 expired: half the refund takes 10 more, the other half the last 50; it does
    not matter who booked the expiry."""
    short = Shop(a_work(clock, PointsPolicy(Expiry(5, "day")), EARNING, TIERS), shop.prefix)
    mei = await shop.member()
    await short.sent(shop.order("A", 10_000))
    await spend(short.work, mei, 60)
    clock.advance(10 * DAY)
    if swept:
        await points.book_due(short.work, [mei])
    assert figures(await shop.sent(shop.refund("R1", "A", 5_000))) == [("PLACED", 5_000, 10, 50)]
    assert await shop.standing() == (0, 10, 50)
    assert figures(await shop.sent(shop.refund("R2", "A"))) == [("PLACED", 5_000, 50, 50)]
    assert await shop.standing() == (0, 60, 0)


@pytest.mark.parametrize(
    ("reach", "left"), [("TO_DEBT", (0, 300, 0)), ("TO_ZERO", (0, 0, 0)), ("PENDING_ONLY", (100, 0, 0))]
)
async def test_a_lenient_policy_forgives_and_the_books_still_agree(
    shop: Shop, clock: FixedClock, reach: Any, left: tuple[int, int, int]
) -> None:
    """300 of 400 points were spent, all is refunded, base and ladder: what the policy forgives is written down."""
    ladder = EarningPolicy(100, 100, SPEC_LADDER)
    generous = Shop(a_work(clock, PointsPolicy(claw_back=reach), ladder, TIERS), shop.prefix)
    mei = await shop.member()
    await generous.sent(shop.order("A", 20_000))
    await spend(generous.work, mei, 300)
    answers = await generous.sent(shop.refund("R", "A"))
    assert await shop.standing() == left
    assert answers[0].debt_added == left[1]


async def test_a_refund_that_becomes_debt_says_how_much(shop: Shop) -> None:
    """80 of 100 points were spent: a full refund takes 20 and leaves 80 owed, which the next order repays."""
    mei = await shop.member()
    await shop.sent(shop.order("A", 10_000))
    await spend(shop.work, mei, 80)
    (answer,) = await shop.sent(shop.refund("R", "A"))
    assert (answer.points_revoked, answer.debt_added, answer.available) == (100, 80, 0)
    (next_order,) = await shop.sent(shop.order("B", 10_000, paid="03-21"))
    assert (next_order.points, next_order.available) == (100, 20)
    assert (await balance(shop.work, mei)).debt == 0
    assert await entries(mei) == [("ACCRUAL", 100), ("REDEMPTION", -80), ("CLAW_BACK", -100), ("ACCRUAL", 100)]
