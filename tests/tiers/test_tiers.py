"""Tiers: which is reached, how one rises, and what is written about it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.work import Work
from gamification.tiers.queries import progress_by_member_ids
from gamification.tiers.rules import Tier, TierPolicy
from tests.builders import EARNING, FOR_EVER, TIERS, a_work, assert_invariants, dump, publish, rows_in
from tests.conftest import MONDAY_MORNING
from tests.databases import Database
from tests.moves import Overtaken
from tests.orders.builders import Shop, at


@pytest.fixture
async def shop(work: Work, clock: FixedClock) -> Shop:
    """A shop in a programme of one growth per yuan; tiers at 0, 1,000, 5,000 and 20,000."""
    shop = Shop(a_work(clock, FOR_EVER, EARNING, TIERS, listeners={"tier.raised": ("test.greet",)}))
    await shop.member()
    return shop


async def changes(shop: Shop) -> list[tuple[object, ...]]:
    rows = await fetch("SELECT number, from_code, to_code, cause, growth FROM tier_change WHERE member_id = $1 "
                       "ORDER BY number", await shop.member())  # fmt: skip
    return [tuple(row) for row in rows]


async def standing(shop: Shop) -> tuple[object, ...] | None:
    rows = await fetch("SELECT tier_code, since, changes FROM tier_standing WHERE member_id = $1", await shop.member())
    return tuple(rows[0]) if rows else None


@pytest.mark.parametrize(
    ("growth", "code"),
    [
        (0, "BASIC"), (999, "BASIC"), (1_000, "SILVER"), (4_999, "SILVER"), (5_000, "GOLD"), (19_999, "GOLD"),
        (20_000, "BLACK"), (10**9, "BLACK"),
    ],
)  # fmt: skip
def test_a_tier_is_reached_at_its_threshold(growth: int, code: str) -> None:
    """The highest tier whose threshold growth reaches."""
    assert TIERS.reached(growth).code == code


def test_tiers_know_their_place() -> None:
    """Ranks from the bottom, −1 for a code of another set; nothing follows the top."""
    assert [TIERS.rank(code) for code in ("BASIC", "BLACK", "PLATINUM")] == [0, 3, -1]
    following = TIERS.after("GOLD")
    assert following is not None and following.code == "BLACK" and TIERS.after("BLACK") is None


@given(growth=st.integers(0, 10**6), more=st.integers(0, 10**6))
def test_more_growth_never_reaches_a_lower_tier(growth: int, more: int) -> None:
    """Reached tiers are monotone in growth."""
    assert TIERS.reached(growth).threshold <= TIERS.reached(growth + more).threshold


async def test_the_tier_is_raised_in_the_transaction_that_earned_it(shop: Shop) -> None:
    """The order's answer names the tier; standing, change and event are written with it."""
    before = await rows_in("outbox")
    answers = await shop.sent(shop.order("A", 99_999), shop.order("B", 100, paid="03-03"))
    assert [each.raised_to for each in answers] == [None, "SILVER"]
    assert await standing(shop) == ("SILVER", at("03-03"), 1)
    assert await changes(shop) == [(1, None, "SILVER", "UPGRADE", 1_000)]
    assert await rows_in("outbox") == before + 1
    (row,) = await fetch("SELECT job, payload FROM outbox ORDER BY id DESC LIMIT 1")
    assert row["job"] == "test.greet" and f'"member_id": "{await shop.member()}"' in row["payload"]


async def test_tiers_may_be_skipped(shop: Shop) -> None:
    """One order of 20,000 yuan leads from the lowest tier to the highest with one change."""
    (answer,) = await shop.sent(shop.order("A", 2_000_000))
    assert answer.raised_to == "BLACK"
    assert await changes(shop) == [(1, None, "BLACK", "UPGRADE", 20_000)]


async def test_the_history_has_no_gaps(shop: Shop) -> None:
    """Three rises in one batch are three rows that follow from one another."""
    await shop.sent(*(shop.order(f"{number}", 50_000) for number in range(41)))
    assert await changes(shop) == [
        (1, None, "SILVER", "UPGRADE", 1_000), (2, "SILVER", "GOLD", "UPGRADE", 5_000),
        (3, "GOLD", "BLACK", "UPGRADE", 20_000),
    ]  # fmt: skip
    assert (await standing(shop) or ())[0] == "BLACK"


async def test_a_refund_lowers_growth_and_leaves_the_tier(shop: Shop) -> None:
    """Growth falls to 0; the tier stays, and the next order raises nothing until growth passes it again."""
    await shop.sent(shop.order("A", 500_000), shop.refund("R", "A"))
    assert (await shop.standing())[2] == 0 and (await standing(shop) or ())[0] == "GOLD"
    answers = await shop.sent(shop.order("B", 100_000), shop.order("C", 1_900_000))
    assert [each.raised_to for each in answers] == [None, "BLACK"]
    assert await changes(shop) == [(1, None, "GOLD", "UPGRADE", 5_000), (2, "GOLD", "BLACK", "UPGRADE", 20_000)]


async def test_who_is_overtaken_is_raised_once(shop: Shop) -> None:
    """Another order in between reached the tier already: no second change."""
    first, second = shop.order("A", 100_000), shop.order("B", 100_000)
    late = Shop(Overtaken(shop.work, meanwhile=lambda: shop.sent(first)), shop.prefix)
    (answer,) = await late.sent(second)
    assert (answer.raised_to, answer.available) == (None, 2_000)
    assert await changes(shop) == [(1, None, "SILVER", "UPGRADE", 1_000)]


async def test_the_same_order_again_raises_nothing(shop: Shop) -> None:
    """A repetition says nothing about a tier, and writes nothing."""
    order = shop.order("A", 100_000)
    await shop.sent(order)
    before = await dump()
    (again,) = await shop.sent(order)
    assert again.raised_to is None and await dump() == before


async def test_progress_names_the_next_tier_and_what_is_missing(shop: Shop, clock: FixedClock) -> None:
    """From the start without a standing; at the top nothing follows."""
    await shop.sent(shop.order("A", 120_000), shop.order("B", 2_000_000, member="mei"))
    lan, mei = await shop.member("lan"), await shop.member()
    found = await progress_by_member_ids([lan, mei], clock.now(), shop.work.policies, shop.work.calendar)
    assert [
        (each.tier.code, each.since, each.growth, each.next_tier and each.next_tier.code, each.missing)
        for each in (found[lan], found[mei])
    ] == [("BASIC", None, 0, "SILVER", 1_000), ("BLACK", at("03-02"), 21_200, None, None)]


async def test_a_new_tier_set_demotes_nobody_and_raises_with_the_next_order(
    database: Database, clock: FixedClock
) -> None:
    """Publication changes no standing; the next order is measured by the new thresholds."""
    await publish(clock, FOR_EVER, EARNING, TIERS)
    shop = Shop(a_work(clock))
    await shop.member()
    await shop.sent(shop.order("A", 150_000))
    clock.set(MONDAY_MORNING + timedelta(days=1))
    higher = TierPolicy(
        (*TIERS.tiers[:1], Tier("SILVER", "银卡", "Silver", 3_000), Tier("GOLD", "金卡", "Gold", 4_000))
    )
    await publish(clock, higher)
    assert (await standing(shop) or ())[0] == "SILVER"
    answers = await shop.sent(shop.order("B", 100), shop.order("C", 300_000))
    assert [each.raised_to for each in answers] == [None, "GOLD"]
    versions = await fetch("SELECT policy_version FROM tier_change ORDER BY number")
    assert [row["policy_version"] for row in versions] == [1, 2]
    await assert_invariants()
