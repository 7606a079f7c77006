"""The monthly ladder over orders and refunds: golden figures, any order of events, months and policies apart."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations

import orjson
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.work import Work
from gamification.earning.queries import ladder_by_member_ids
from gamification.earning.rules import EarningPolicy, LadderStep, NextStep
from gamification.orders.service import NewLine
from tests.builders import (
    FOR_EVER,
    SPEC_LADDER,
    TIERS,
    a_work,
    assert_invariants,
    entries,
    lots,
    publish,
    spend,
)
from tests.conftest import MONDAY_MORNING
from tests.databases import Database
from tests.orders.builders import Shop, at, figures

LADDER = EarningPolicy(0, 0, SPEC_LADDER)


@pytest.fixture
async def shop(work: Work, clock: FixedClock) -> Shop:
    """A shop in a programme whose only points are the ladder's."""
    shop = Shop(a_work(clock, FOR_EVER, LADDER, TIERS))
    await shop.member()
    return shop


async def month(shop: Shop, first: str) -> tuple[int, int]:
    """Net spend and ladder points of a month."""
    rows = await fetch("SELECT net_fen, ladder_points FROM month_spend WHERE member_id = $1 AND month = $2",
                       await shop.member(), datetime.fromisoformat(first).date())  # fmt: skip
    return (rows[0]["net_fen"], rows[0]["ladder_points"]) if rows else (0, 0)


async def test_the_golden_case(shop: Shop) -> None:
    """100 + 250 + 200 yuan earn 100, +425, +575; a refund of 250 takes 650 back and leaves 450."""
    mei = await shop.member()
    answers = await shop.sent(*(shop.order(name, fen) for name, fen in (("A", 10_000), ("B", 25_000), ("C", 20_000))))
    assert [(each.points, each.ladder_points, each.available) for each in answers] == [
        (100, 100, 100), (425, 425, 525), (575, 575, 1_100),
    ]  # fmt: skip
    answers = await shop.sent(shop.refund("R", "B"))
    assert figures(answers) == [("PLACED", 25_000, 650, 0)] and answers[0].available == 450
    assert await entries(mei) == [("LADDER", 100), ("LADDER", 425), ("LADDER", 575), ("LADDER_REVERSAL", -650)]
    assert await lots(mei) == [450]
    assert await month(shop, "2026-03-01") == (30_000, 450)


async def test_a_reversal_takes_the_orders_own_lots_first_then_any(shop: Shop) -> None:
    """Of 650 taken back 425 come from the refunded order's lot, the rest from the soonest to be used."""
    await shop.sent(*(shop.order(name, fen) for name, fen in (("A", 10_000), ("B", 25_000), ("C", 20_000))))
    await spend(shop.work, await shop.member(), 30)
    assert await lots(await shop.member()) == [70, 425, 575]
    await shop.sent(shop.refund("R", "B"))
    assert await lots(await shop.member()) == [420]


@pytest.mark.parametrize("yuan", list(permutations((100, 250, 200))))
async def test_the_order_of_a_months_orders_does_not_matter(shop: Shop, yuan: tuple[int, ...]) -> None:
    """Any sequence of the three ends at 1,100 points, and after the refund of 250 at 450."""
    await shop.sent(*(shop.order(f"{each}", each * 100) for each in yuan))
    assert (await shop.standing())[0] == 1_100
    await shop.sent(shop.refund("R", "250"))
    assert (await shop.standing())[0] == 450 and await month(shop, "2026-03-01") == (30_000, 450)


async def test_a_late_order_re_runs_its_own_month(shop: Shop, clock: FixedClock) -> None:
    """In April an order of March arrives: March's uplift is posted, April's is untouched."""
    await shop.sent(shop.order("A", 10_000), shop.order("B", 20_000, paid="04-02"))
    clock.set(at("04-20"))
    (late,) = await shop.sent(shop.order("late", 20_000, paid="03-31T23:59:59"))
    assert late.points == 350
    assert (await month(shop, "2026-03-01"), await month(shop, "2026-04-01")) == ((30_000, 450), (20_000, 200))
    (row,) = await fetch("SELECT occurred_at, booked_at, trace FROM entry WHERE member_id = $1 AND seq = 3",
                         await shop.member())  # fmt: skip
    assert (row["occurred_at"], row["booked_at"]) == (at("03-31T23:59:59"), at("04-20"))
    assert orjson.loads(row["trace"]) == {
        "rule": "ladder", "policy": ["earning", 1], "month": "2026-03-01", "net_before_fen": 10_000,
        "net_after_fen": 30_000, "rate_before_bp": 100, "rate_after_bp": 150, "points_before": 100, "points_after": 450,
    }  # fmt: skip


async def test_a_refund_counts_in_the_month_of_its_order(shop: Shop, clock: FixedClock) -> None:
    """Refunded in May, an order of March lowers March."""
    await shop.sent(shop.order("A", 30_000), shop.order("B", 10_000, paid="05-02"))
    clock.set(at("05-20"))
    await shop.sent(shop.refund("R", "A", 1, on="05-19"))
    assert (await month(shop, "2026-03-01"), await month(shop, "2026-05-01")) == ((29_999, 299), (10_000, 100))
    assert (await shop.standing())[0] == 399


@pytest.mark.parametrize(("paid", "first"), [("03-31T23:59:59.999999", "2026-03-01"), ("04-01T00:00", "2026-04-01")])
async def test_a_month_is_the_programmes(shop: Shop, paid: str, first: str) -> None:
    """The last microsecond of March in Shanghai is March, the next is April, whatever UTC says."""
    await shop.sent(shop.order("A", 10_000, paid=paid))
    assert await month(shop, first) == (10_000, 100)


async def test_below_the_first_step_nothing_is_posted_and_the_month_still_counts(shop: Shop) -> None:
    """99 yuan earn nothing; one more yuan earns the hundred."""
    answers = await shop.sent(shop.order("A", 9_900), shop.order("B", 100))
    assert [each.points for each in answers] == [0, 100]
    await shop.sent(shop.refund("R", "A", 1))
    assert (await shop.standing())[0] == 0 and await month(shop, "2026-03-01") == (9_999, 0)
    assert await entries(await shop.member()) == [("LADDER", 100), ("LADDER_REVERSAL", -100)]


async def test_what_is_not_eligible_does_not_climb(shop: Shop) -> None:
    """Refunds of lines that earn nothing lower no month."""
    lines = (NewLine("a", None, 1, 10_000), NewLine("b", None, 1, 90_000, eligible=False))
    await shop.sent(shop.order("A", lines=lines), shop.refund("R", "A", None, (1, 90_000)))
    assert await month(shop, "2026-03-01") == (10_000, 100) and (await shop.standing())[0] == 100


async def test_the_month_is_under_the_policy_of_its_first_instant(database: Database, clock: FixedClock) -> None:
    """A steeper ladder published in mid-March holds for April; March keeps its own, late refunds included."""
    await publish(clock, FOR_EVER, LADDER, TIERS)
    shop = Shop(a_work(clock))
    await shop.member()
    await shop.sent(shop.order("A", 10_000))
    clock.set(MONDAY_MORNING + timedelta(days=14))
    await publish(clock, EarningPolicy(0, 0, (LadderStep(1, 1_000),)))
    assert [each.points for each in await shop.sent(shop.order("B", 10_000, paid="03-20"))] == [100]
    assert [each.points for each in await shop.sent(shop.order("C", 10_000, paid="04-01T00:00"))] == [1_000]
    clock.set(at("04-10"))
    await shop.sent(shop.refund("R", "A", on="04-09"), shop.refund("S", "C", 5_000, on="04-09"))
    assert await month(shop, "2026-03-01") == (10_000, 100) and await month(shop, "2026-04-01") == (5_000, 500)
    versions = await fetch("SELECT policy_version FROM month_spend ORDER BY month")
    assert [row["policy_version"] for row in versions] == [1, 2]
    await assert_invariants()


async def test_the_rate_of_an_order_is_that_of_the_instant_it_was_paid(database: Database, clock: FixedClock) -> None:
    """Base points follow the policy at payment; an order that arrives late earns by the older rate."""
    await publish(clock, FOR_EVER, EarningPolicy(100, 100), TIERS)
    clock.advance(timedelta(days=10))
    await publish(clock, EarningPolicy(200, 100))
    shop = Shop(a_work(clock))
    await shop.member()
    answers = await shop.sent(shop.order("A", 10_000, paid="03-05"), shop.order("B", 10_000, paid="03-12T10:00"))
    assert [each.points for each in answers] == [100, 200]
    await assert_invariants()


async def test_the_view_of_the_month_says_where_one_stands(shop: Shop, clock: FixedClock) -> None:
    """Net, rate, points and the next step, of this month only; a member without orders stands at its foot."""
    await shop.sent(shop.order("old", 90_000, paid="02-20"), shop.order("A", 20_000))
    mei, lan = await shop.member(), await shop.member("lan")
    views = await ladder_by_member_ids([mei, lan], clock.now(), shop.work.policies, shop.work.calendar)
    seen = [views[each] for each in (mei, lan)]
    assert [(each.net_fen, each.rate_bp, each.points, each.next) for each in seen] == [
        (20_000, 100, 200, NextStep(10_000, 150, 250)), (0, 0, 0, NextStep(10_000, 100, 100)),
    ]  # fmt: skip
