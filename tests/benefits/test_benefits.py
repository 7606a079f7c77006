"""What tiers give: multipliers on orders, gifts once, uses counted by month with many tills at once."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from gamification.benefits import service as benefits
from gamification.benefits.errors import BenefitNotGiven, BenefitUseConflict, BenefitUsedUp
from gamification.benefits.rules import BenefitsPolicy, TierBenefits, birthdays_on, discount_of
from gamification.core.actors import SYSTEM, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.errors import InvalidInput, NotFound
from gamification.earning import service as earning
from gamification.earning.rulebook import Effect
from schema.admin.root import schema as admin
from schema.context import Context
from schema.root import schema as member
from tests.builders import card, entries
from tests.earning.rulebooks import a_rule
from tests.orders.builders import TILL, Shop, at
from tests.staff.rooms import CALLERS, turned_away


async def silver(shop: Shop, name: str = "mei") -> None:
    """A silver member, by an order of 1,000 yuan."""
    await shop.member(name)
    await shop.sent(shop.order(f"rise-{name}", 100_000, member=name))


async def used(shop: Shop, external_id: str, benefit: Any = "DISCOUNT", fen: int = 9_999, name: str = "mei") -> Any:
    return await benefits.use_benefit(
        shop.work, member=card(shop.named(name)), external_id=external_id, benefit=benefit, amount_fen=fen, actor=TILL
    )


async def birthday(shop: Shop, month: int, day: int, name: str = "mei") -> None:
    await execute(
        "UPDATE member SET birthday_month = $2, birthday_day = $3 WHERE id = $1", await shop.member(name), month, day
    )


async def alive() -> None:
    return None


async def test_a_tier_multiplies_its_members_orders(shop: Shop) -> None:
    """The order that raises earns as before; the next one 1.5 times, by an entry of its own, and refunds take both."""
    await silver(shop)
    (answer,) = await shop.sent(shop.order("A", 3_333))
    mei = await shop.member()
    assert (answer.points, answer.growth) == (33 + 16, 33)
    (row,) = await fetch("SELECT kind, source_type, trace FROM entry WHERE member_id = $1 AND kind = 'BONUS'", mei)
    assert (row["source_type"], orjson.loads(row["trace"])) == ("order_tier", {
        "rule": "tier_multiplier", "policy": ["benefits", 1], "tier": "SILVER", "base_fen": 3_333, "rate_bp": 100,
        "multiplier_bp": 15_000, "result": 16,
    })  # fmt: skip
    await shop.sent(shop.refund("R", "A"))
    assert (await shop.standing())[0] == 1_000


async def test_tier_and_rule_multiply_together(shop: Shop) -> None:
    """Silver's half and a rule's double are 2.5 times: one floor, split between both."""
    await earning.publish_rules(
        [a_rule("DOUBLE", Effect(multiplier_bp=20_000))], actor=SYSTEM, now=shop.work.clock.now()
    )
    await shop.work.policies.refresh()
    await silver(shop)
    (answer,) = await shop.sent(shop.order("A", 3_333))
    assert answer.points == 33 + 3_333 * 15_000 // 1_000_000 and answer.rules[0].points == 33


async def test_entering_a_tier_is_rewarded_once(shop: Shop) -> None:
    """The job that hears of it may run twice; the tier may be lost and regained."""
    await silver(shop)
    mei = await shop.member()
    assert await fetch_value("SELECT count(*) FROM outbox WHERE job = 'benefits.give_entry_gift'") == 1
    given = [await benefits.give_entry_gift(shop.work, member_id=mei, tier_code="SILVER") for _ in range(2)]
    assert [each.points for each in given] == [30, 0]
    assert await entries(mei) == [("ACCRUAL", 1_000), ("BONUS", 30)]
    assert (await benefits.give_entry_gift(shop.work, member_id=mei, tier_code="BASIC")).points == 0


async def test_two_workers_give_a_gift_once(shop: Shop) -> None:
    """At the same time."""
    await silver(shop)
    mei = await shop.member()
    given = await asyncio.gather(
        *(benefits.give_entry_gift(shop.work, member_id=mei, tier_code="SILVER") for _ in range(8))
    )
    assert sorted(each.points for each in given) == [0] * 7 + [30]


async def test_a_birthday_is_given_once_a_year(shop: Shop, clock: FixedClock) -> None:
    """On the day, by the tier of that moment, however often the job runs; the year after again."""
    await silver(shop)
    await birthday(shop, 3, 25)
    mei = await shop.member()
    for day, points in (("03-24", 1_000), ("03-25", 1_100), ("03-26", 1_100)):
        clock.set(at(day))
        for _ in range(2):
            assert await benefits.give_birthday_gifts(shop.work, heartbeat=alive) == []
        assert (await shop.standing())[0] == points
    clock.set(at("03-25") + timedelta(days=365))
    await benefits.give_birthday_gifts(shop.work, heartbeat=alive)
    rows = await fetch("SELECT gift_key, tier_code, points FROM benefit_gift WHERE member_id = $1 ORDER BY 1", mei)
    assert [tuple(row) for row in rows] == [("birthday:2026", "SILVER", 100), ("birthday:2027", "SILVER", 100)]


@pytest.mark.parametrize(("days_late", "points"), [(31, 50), (32, 0)])
async def test_a_missed_birthday_is_made_up(shop: Shop, clock: FixedClock, days_late: int, points: int) -> None:
    """The worker was away: up to a month late; whoever joined after the day has none."""
    await birthday(shop, 3, 25)
    clock.set(at("03-25") + timedelta(days=days_late))
    await benefits.give_birthday_gifts(shop.work, heartbeat=alive)
    assert (await shop.standing())[0] == points
    late = await shop.member("late")
    await execute("UPDATE member SET joined_at = $2 WHERE id = $1", late, clock.now())
    await birthday(shop, 3, 25, "late")
    await benefits.give_birthday_gifts(shop.work, heartbeat=alive)
    assert (await shop.standing("late"))[0] == 0


async def test_a_birthday_that_was_changed_counts_as_it_was(shop: Shop, clock: FixedClock) -> None:
    """For thirty days: nobody moves their birthday to tomorrow."""
    await execute(
        "UPDATE member SET birthday_month = 3, birthday_day = 25, birthday_before_month = 3, birthday_before_day = 28,"
        " birthday_changed_on = '2026-03-20' WHERE id = $1",
        await shop.member(),
    )
    for day, points in (("03-25", 0), ("03-28", 50)):
        clock.set(at(day))
        await benefits.give_birthday_gifts(shop.work, heartbeat=alive)
        assert (await shop.standing())[0] == points


@pytest.mark.parametrize(
    ("on", "kept"),
    [(date(2027, 2, 28), [(2, 28), (2, 29)]), (date(2028, 2, 28), [(2, 28)]), (date(2028, 2, 29), [(2, 29)])],
)
def test_the_29th_of_february_is_kept_on_the_28th(on: date, kept: list[tuple[int, int]]) -> None:
    """In years that lack it."""
    assert birthdays_on(on) == kept


async def test_a_discount_is_used_as_often_as_the_month_allows(shop: Shop, clock: FixedClock) -> None:
    """Twice; the third is refused with its numbers, and the month after there are two again."""
    await silver(shop)
    first, second = await used(shop, "d1"), await used(shop, "d2")
    assert (first.saved_fen, first.used, first.left, first.until) == (discount_of(9_999, 500), 1, 1, date(2026, 3, 31))
    assert (second.used, second.left) == (2, 0)
    with pytest.raises(BenefitUsedUp) as refusal:
        await used(shop, "d3")
    assert (refusal.value.allowed, refusal.value.used) == (2, 2)
    clock.set(at("04-01"))
    assert (await used(shop, "d3")).left == 1


async def test_the_same_use_again_changes_nothing(shop: Shop) -> None:
    """A retry is answered as the first; another amount, benefit or member under the id is a conflict."""
    await silver(shop)
    await silver(shop, "li")
    await used(shop, "d1")
    again = await used(shop, "d1")
    assert (again.already_used, again.saved_fen, again.left) == (True, 499, 1)
    for other in ({"fen": 1}, {"benefit": "FREE_DELIVERY"}, {"name": "li"}):
        with pytest.raises(BenefitUseConflict):
            await used(shop, "d1", **other)
    assert await fetch_value("SELECT count(*) FROM benefit_use") == 1


async def test_a_reversal_gives_a_use_back(shop: Shop) -> None:
    """It counts no more; again it changes nothing; the id is spent."""
    await silver(shop)
    await used(shop, "d1")
    done = [await benefits.reverse_use(shop.work, external_id="d1", actor=TILL) for _ in range(2)]
    assert [each.already_reversed for each in done] == [False, True]
    assert (await used(shop, "d2")).left == 1
    with pytest.raises(BenefitUseConflict):
        await used(shop, "d1")
    with pytest.raises(NotFound):
        await benefits.reverse_use(shop.work, external_id="unknown", actor=TILL)


async def test_many_tills_use_no_more_than_the_month_allows(shop: Shop) -> None:
    """Twelve at once: two succeed."""
    await silver(shop)
    outcomes = await asyncio.gather(*(used(shop, f"d{number}") for number in range(12)), return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in outcomes) == 2
    assert {type(each) for each in outcomes if isinstance(each, Exception)} == {BenefitUsedUp}
    assert await fetch_value("SELECT count(*) FROM benefit_use") == 2


async def test_what_a_tier_does_not_give_is_refused(shop: Shop) -> None:
    """With the tier's name; nothing is written. Free delivery of silver has no limit."""
    with pytest.raises(BenefitNotGiven) as refusal:
        await used(shop, "d1")
    assert refusal.value.tier == "BASIC" and await fetch_value("SELECT count(*) FROM benefit_use") == 0
    await silver(shop)
    assert (await used(shop, "f1", "FREE_DELIVERY", 0)).left is None
    with pytest.raises(InvalidInput):
        await used(shop, "")


@pytest.mark.parametrize(
    ("tier", "path"),
    [
        (TierBenefits("SILVER", multiplier_bp=9_999), "tiers.0.multiplier_bp"),
        (TierBenefits("SILVER", discount_bp=10_001), "tiers.0.discount_bp"),
        (TierBenefits("SILVER", free_deliveries_per_month=-1), "tiers.0.free_deliveries_per_month"),
        (TierBenefits("SILVER", birthday_points=-1), "tiers.0.birthday_points"),
        (TierBenefits(""), "tiers.0.tier_code"),
    ],
)
def test_what_is_wrong_with_benefits_is_named(tier: TierBenefits, path: str) -> None:
    """By its node."""
    assert [problem.path for problem in BenefitsPolicy((tier,)).problems()] == [path]


BENEFITS = "{ me { benefits { type rateBp points minutes used left until } } }"
USE = """mutation ($member: String!, $id: String!, $preview: Boolean! = false) {
  useBenefit(preview: $preview, input: {
    externalId: $id, benefit: DISCOUNT, amountFen: 10000, member: { reference: { namespace: CARD, value: $member } }
  }) {
    ... on BenefitUsed { savedFen used left until alreadyUsed isPreview } ... on BenefitUsedUp { allowed used until }
    ... on BenefitNotGiven { tier } ... on Refusal { code }
  }
}"""


async def ask(shop: Shop, clock: FixedClock, text: str, actor: Actor, **variables: Any) -> Any:
    schema = member if actor.kind == "member" else admin
    context = Context(work=shop.work, clock=clock, actor=actor, locale="en")
    result = await schema.execute(text, variable_values=variables, context_value=context)
    return (result.errors[0].extensions or {})["code"] if result.errors else result.data


async def test_a_member_sees_what_is_left(shop: Shop, clock: FixedClock) -> None:
    """What is not given is left out; a use shows at once."""
    await silver(shop)
    me = Actor("member", await shop.member())
    assert await ask(shop, clock, USE, TILL, member=shop.named("mei"), id="d1") == {
        "useBenefit": {
            "savedFen": 500, "used": 1, "left": 1, "until": "2026-03-31", "alreadyUsed": False, "isPreview": False,
        }
    }  # fmt: skip
    seen = await ask(shop, clock, BENEFITS, me)
    lines = {each["type"]: each for each in seen["me"]["benefits"]}
    assert sorted(lines) == ["BIRTHDAY_GIFT", "DISCOUNT", "ENTRY_GIFT", "FREE_DELIVERY", "POINTS_MULTIPLIER"]
    assert lines["DISCOUNT"] == {
        "type": "DISCOUNT", "rateBp": 500, "points": None, "minutes": None, "used": 1, "left": 1, "until": "2026-03-31",
    }  # fmt: skip
    assert (lines["FREE_DELIVERY"]["left"], lines["BIRTHDAY_GIFT"]["left"]) == (None, 1)
    assert lines["POINTS_MULTIPLIER"]["rateBp"] == 15_000


async def test_a_preview_uses_nothing(shop: Shop, clock: FixedClock) -> None:
    """It answers as using would, refusals included."""
    seen = await ask(shop, clock, USE, TILL, member=shop.named("mei"), id="d1", preview=True)
    assert seen == {"useBenefit": {"tier": "BASIC", "code": "BENEFIT_NOT_GIVEN"}}
    await silver(shop)
    seen = await ask(shop, clock, USE, TILL, member=shop.named("mei"), id="d1", preview=True)
    assert seen["useBenefit"]["isPreview"] and await fetch_value("SELECT count(*) FROM benefit_use") == 0


@pytest.mark.parametrize("caller", ["auditor", "anonymous"])
async def test_only_tills_and_staff_who_sell_use_benefits(shop: Shop, clock: FixedClock, caller: str) -> None:
    """Whoever else asks is turned away."""
    assert await ask(shop, clock, USE, CALLERS[caller], member="x", id="d1") == turned_away(caller)
