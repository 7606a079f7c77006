"""Rules at work on orders: their entries and lots, refunds, caps and budgets with many tills at once."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.work import Work
from gamification.earning import service as earning
from gamification.earning.conditions import Condition
from gamification.earning.rulebook import Cap, Effect, LineBonus, Rule, Window
from gamification.orders.service import Cart, NewLine, preview_cart
from tests.builders import EARNING, FOR_EVER, TIERS, a_work, entries, publish
from tests.earning.rulebooks import a_rule
from tests.orders.builders import Shop, at

DOUBLE = a_rule("DOUBLE", Effect(multiplier_bp=20_000))


@pytest.fixture
async def shop(work: Work, clock: FixedClock) -> Shop:
    """A shop of a programme that pays a point and a growth per yuan, by published policies."""
    await publish(clock, FOR_EVER, EARNING, TIERS)
    shop = Shop(a_work(clock))
    await shop.work.policies.refresh()
    await shop.member()
    clock.set(at("03-20"))
    return shop


async def ruled(shop: Shop, *rules: Rule) -> Shop:
    """The shop once these are its rules, since ever."""
    await earning.publish_rules(rules, actor=SYSTEM, now=shop.work.clock.now())
    await shop.work.policies.refresh()
    return shop


async def test_a_rule_posts_an_entry_of_its_own(shop: Shop) -> None:
    """100 yuan earn 100 points and 100 more by the rule, explained apart; both lie on the line."""
    await ruled(shop, DOUBLE)
    (answer,) = await shop.sent(shop.order("A", 10_000))
    mei = await shop.member()
    assert (answer.points, answer.growth, answer.available) == (200, 100, 200)
    assert [(each.code, each.points, each.reason) for each in answer.rules] == [("DOUBLE", 100, None)]
    assert await entries(mei) == [("ACCRUAL", 100), ("BONUS", 100)]
    (row,) = await fetch("SELECT source_type, trace FROM entry WHERE member_id = $1 AND kind = 'BONUS'", mei)
    assert (row["source_type"], orjson.loads(row["trace"])) == ("order_rule", {
        "rule": "earning_rule", "policy": ["rules", 1], "earning_rule": "DOUBLE", "effect": "MULTIPLIER_BP",
        "base_fen": 10_000, "rate_bp": 100, "multiplier_bp": 20_000, "result": 100,
    })  # fmt: skip
    assert await fetch_value("SELECT points_earned FROM order_line WHERE member_id = $1", mei) == 200


async def test_the_same_order_again_asks_no_rule(shop: Shop) -> None:
    """A retry answers what the order earned, and no rule pays twice."""
    await ruled(shop, DOUBLE)
    order = shop.order("A", 10_000)
    await shop.sent(order)
    (again,) = await shop.sent(order)
    assert (again.already_recorded, again.points, again.available, again.rules) == (True, 200, 200, ())


async def test_a_refund_takes_bonuses_back_in_proportion(shop: Shop) -> None:
    """A quarter of the order refunded takes a quarter of base and bonus; the rest takes the rest."""
    await ruled(shop, DOUBLE, a_rule("TEA", Effect(line_bonus=LineBonus(("sku-0",), (), 40))))
    await shop.sent(shop.order("A", 10_000, 10_000))
    assert (await shop.standing())[0] == 440
    await shop.sent(shop.refund("R1", "A", None, (0, 5_000)))
    assert (await shop.standing())[0] == 440 - 120
    await shop.sent(shop.refund("R2", "A"))
    assert await shop.standing() == (0, 0, 0)


async def test_growth_bonuses_raise_tiers_and_go_back(shop: Shop) -> None:
    """A rule of growth counts towards the tier; a full refund takes it back."""
    await ruled(shop, a_rule("GROW", Effect(fixed_points=900), currency="GROWTH"))
    (answer,) = await shop.sent(shop.order("A", 10_000))
    assert (answer.growth, answer.raised_to, answer.points) == (1_000, "SILVER", 100)
    await shop.sent(shop.refund("R", "A"))
    assert await shop.standing() == (0, 0, 0)


async def test_a_daily_cap_counts_by_the_day_of_the_order(shop: Shop) -> None:
    """Twice a day at most 15 points; an order of another day has a cap of its own."""
    await ruled(shop, a_rule(caps=(Cap("DAY", 15),)))
    answers = await shop.sent(
        *(
            shop.order(name, 100, paid=day)
            for name, day in [("A", "03-02"), ("B", "03-02"), ("C", "03-02"), ("D", "03-03")]
        )
    )
    assert [(each.rules[0].points, each.rules[0].capped_from, each.rules[0].reason) for each in answers] == [
        (10, None, None), (5, 10, None), (0, None, "CAP_REACHED"), (10, None, None),
    ]  # fmt: skip


async def test_a_refund_gives_no_room_back(shop: Shop) -> None:
    """Whoever sends an order back has still had the rule's one time."""
    await ruled(shop, a_rule(caps=(Cap("LIFETIME", None, 1),)))
    await shop.sent(shop.order("A", 100))
    await shop.sent(shop.refund("R", "A"))
    (answer,) = await shop.sent(shop.order("B", 100))
    assert answer.rules[0].reason == "CAP_REACHED"


async def test_a_first_order_is_the_first_to_arrive(shop: Shop) -> None:
    """Of two orders in one batch the first alone is the member's first."""
    await ruled(shop, a_rule(condition=Condition(first_order=True)))
    first, second = await shop.sent(shop.order("A", 100), shop.order("B", 100))
    (third,) = await shop.sent(shop.order("C", 100))
    assert [each.rules[0].points for each in (first, second, third)] == [10, 0, 0]


@pytest.mark.parametrize("tills", [1, 8])
async def test_a_cap_holds_with_many_tills_at_once(shop: Shop, tills: int) -> None:
    """Forty orders of one member at once: 95 points by the rule, whoever comes first."""
    await ruled(shop, a_rule(caps=(Cap("DAY", 95),)))
    batches: list[list[Any]] = [[] for _ in range(tills)]
    for number in range(40):
        batches[number % tills].append(shop.order(f"{number}", 100))
    await asyncio.gather(*(shop.sent(*batch) for batch in batches))
    mei = await shop.member()
    paid = await fetch_value("SELECT sum(available_delta) FROM entry WHERE member_id = $1 AND kind = 'BONUS'", mei)
    used = await fetch("SELECT points, times FROM rule_use WHERE member_id = $1 AND period = 'DAY'", mei)
    assert (paid, [tuple(row) for row in used]) == (95, [(95, 10)])


async def test_a_budget_is_never_passed(shop: Shop) -> None:
    """Thirty members at once share a budget of 95 points: nine get 10, one gets 5, the others are told."""
    await ruled(shop, a_rule(budget_points=95))
    orders = [shop.order(f"{number}", 100, member=f"m{number}") for number in range(30)]
    for number in range(30):
        await shop.member(f"m{number}")
    answers = await asyncio.gather(*(shop.sent(*orders[start : start + 5]) for start in range(0, 30, 5)))
    verdicts = [each.rules[0] for batch in answers for each in batch]
    assert sorted(verdict.points for verdict in verdicts) == [0] * 20 + [5] + [10] * 9
    assert {verdict.reason for verdict in verdicts if not verdict.points} == {"BUDGET_SPENT"}
    assert await fetch_value("SELECT spent_points FROM rule_budget") == 95


async def test_nothing_is_asked_before_a_programme_has_rules(shop: Shop) -> None:
    """Without rules an order answers none, and nothing of theirs is written."""
    (answer,) = await shop.sent(shop.order("A", 10_000))
    assert (answer.rules, answer.points) == ((), 100)
    assert await fetch_value("SELECT count(*) FROM rule_use") == 0


async def test_the_first_rule_does_not_look_back(shop: Shop, clock: FixedClock) -> None:
    """A rule published on the 20th pays for orders from then on, not for one of the 2nd that arrives late."""
    await earning.save_rule(DOUBLE, actor=SYSTEM, now=clock.now())
    published = await earning.publish_rule("DOUBLE", actor=SYSTEM, now=clock.now())
    assert published.policy is not None and published.policy.version == 2
    await shop.work.policies.refresh()
    late, new = await shop.sent(shop.order("A", 10_000, paid="03-02"), shop.order("B", 10_000, paid="03-21"))
    assert (late.points, new.points) == (100, 200)


async def test_a_preview_tells_all_rules_and_writes_nothing(shop: Shop) -> None:
    """What an order would earn: the rule that pays, and why the other does not."""
    await ruled(shop, DOUBLE, a_rule("NIGHT", window=Window(from_hour=22)))
    mei = await shop.member()
    seen = await preview_cart(shop.work, member_id=mei, cart=Cart((NewLine("tea-1", "tea", 1, 10_000),)))
    assert (seen.points, [(each.code, each.points, each.reason) for each in seen.rules]) == (
        200, [("DOUBLE", 100, None), ("NIGHT", 0, "OUTSIDE_WINDOW")],
    )  # fmt: skip
    assert await entries(mei) == [] and not await fetch_value("SELECT count(*) FROM sales_order")


async def test_what_points_pay_for_earns_nothing(shop: Shop) -> None:
    """Of 100 yuan 40 are paid with points: the rule doubles the other 60, of the cart whose points nobody holds yet."""
    await ruled(shop, DOUBLE)
    cart = Cart((NewLine("tea-1", "tea", 1, 10_000),), deduction_points=4_000)
    assert (await preview_cart(shop.work, member_id=await shop.member(), cart=cart)).points == 120
