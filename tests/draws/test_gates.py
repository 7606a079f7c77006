"""Draws that are not for everybody, and what the public is told of a draw."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gamification.core.actors import ANONYMOUS, SYSTEM, Actor
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch_value
from gamification.core.errors import InvalidInput
from gamification.core.policy import publish_policy
from gamification.core.work import Work
from gamification.draws import service as draws
from gamification.draws.disclosure import DisclosedPrize, disclosure_of
from gamification.draws.errors import DrawNotOpen
from gamification.draws.queries import draws_page
from gamification.draws.rules import STATES, terms_of
from gamification.gates.errors import TierTooLow
from gamification.gates.rules import Gate
from tests.builders import TIERS
from tests.draws.builders import STAFF, a_member, a_plan, a_prize, an_open_draw, buy, rows_written
from tests.draws.test_graphql import ADMIN, BUY, MEMBERS, OWNER, PLAN, a_plan_input, ask, draw_key

LOW, HIGH = TIERS.tiers[0].code, TIERS.tiers[1].code
HOUR = timedelta(hours=1)
NOON = datetime.fromisoformat("2026-03-02T12:00:00+08:00")


@pytest.fixture
async def tiered(work: Work, clock: FixedClock) -> Work:
    """A programme that has tiers."""
    await publish_policy(TIERS, actor=SYSTEM, now=clock.now())
    await work.policies.refresh()
    return work


async def a_member_of(work: Work, tier: str) -> UUID:
    member_id = await a_member(work)
    await execute(
        """INSERT INTO tier_standing (member_id, tier_code, earned_code, since, policy_version, changes)
           VALUES ($1, $2, $2, $3, 1, 1)""",
        member_id, tier, work.clock.now(),
    )  # fmt: skip
    return member_id


async def test_a_draw_is_for_a_tier_and_above(tiered: Work) -> None:
    """Whoever stands lower reads which tier it takes, and nothing changes but the receipt."""
    draw_id = await an_open_draw(tiered, gate=Gate(tier_min=HIGH))
    low, high = await a_member(tiered), await a_member_of(tiered, HIGH)
    before = await rows_written()
    with pytest.raises(TierTooLow) as refusal:
        await draws.buy_ticket(tiered, draw_id=draw_id, member_id=low, actor=Actor("member", low), key="k")
    assert (refusal.value.required, refusal.value.tier) == (HIGH, LOW)
    assert await rows_written() == before
    assert (await buy(tiered, draw_id, high)).points == 50
    text = BUY.replace("... on DrawNotOpen", "... on TierTooLow { tierRequired: required tier } ... on DrawNotOpen")
    refused = await ask(tiered, text, Actor("member", low), draw=draw_key(draw_id), key="k")
    assert (refused["code"], refused["tierRequired"], refused["tier"]) == ("TIER_TOO_LOW", HIGH, LOW)


async def test_a_tier_may_buy_earlier_than_the_others(tiered: Work, clock: FixedClock) -> None:
    """An hour before the opening a high member buys, and a low one reads when it opens for them."""
    gate = Gate(early_tier_min=HIGH, early_seconds=3600)
    draw_id = await an_open_draw(tiered, opens_at=clock.now() + 2 * HOUR, gate=gate)
    low, high = await a_member(tiered), await a_member_of(tiered, HIGH)
    opening = "query ($id: ID!) { draw(id: $id) { opensAtForMe isOnSale } }"
    for member_id, hours in ((low, 2), (high, 1)):
        seen = await ask(tiered, opening, Actor("member", member_id), MEMBERS, id=draw_key(draw_id))
        assert seen == {"opensAtForMe": (clock.now() + hours * HOUR).isoformat(), "isOnSale": False}
        with pytest.raises(DrawNotOpen) as refusal:
            await buy(tiered, draw_id, member_id)
        assert refusal.value.opens_at == clock.now() + hours * HOUR
    assert (await ask(tiered, opening, ANONYMOUS, MEMBERS, id=draw_key(draw_id)))["opensAtForMe"] is None
    clock.advance(HOUR)
    assert (await buy(tiered, draw_id, high)).points == 50
    with pytest.raises(DrawNotOpen):
        await buy(tiered, draw_id, low)
    clock.advance(HOUR)
    assert (await buy(tiered, draw_id, low)).points == 50


async def test_a_gate_that_no_tier_fits_is_refused(work: Work, clock: FixedClock) -> None:
    """Where there are no tiers, an unknown one, an early tier without time, time without a tier: nothing is planned."""
    plan = a_plan(clock)
    with pytest.raises(InvalidInput) as refusal:
        await draws.plan_draw(work, replace(plan, gate=Gate(tier_min=HIGH)), actor=STAFF)
    assert refusal.value.field == "tierMin"
    await publish_policy(TIERS, actor=SYSTEM, now=clock.now())
    for gate, field in (
        (Gate(tier_min="NONE_SUCH"), "tierMin"),
        (Gate(early_tier_min=HIGH), "earlySeconds"),
        (Gate(early_seconds=60), "earlySeconds"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            await draws.plan_draw(work, replace(plan, gate=gate), actor=STAFF)
        assert refusal.value.field == field
    assert await draws_page(None, 10, STATES) == []


async def test_staff_plan_a_gate_and_it_is_frozen_at_opening(tiered: Work, clock: FixedClock) -> None:
    """It stands in the terms; the database refuses to change it."""
    given = {"tierMin": HIGH, "earlyTierMin": HIGH, "earlySeconds": 60}
    draw_id = (await ask(tiered, PLAN, OWNER, ADMIN, input=a_plan_input(clock, **given)))["id"]
    text = "query ($id: ID!) { draw(id: $id) { tierMin earlyTierMin earlySeconds } }"
    assert await ask(tiered, text, OWNER, ADMIN, id=draw_id) == given
    await ask(tiered, "mutation ($id: ID!) { openDraw(id: $id) { __typename } }", OWNER, ADMIN, id=draw_id)
    terms = await fetch_value("SELECT terms::json->'gate' FROM draw")
    assert terms == f'{{"early_seconds":60,"early_tier_min":"{HIGH}","tier_min":"{HIGH}"}}'
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE draw SET tier_min = NULL")


def test_the_disclosure_says_everything_that_the_terms_do() -> None:
    """Prizes with quantity and value, every condition, the time by the programme's clock, the method, twice."""
    plan = a_plan(
        FixedClock(NOON), a_prize(500, 2, 1), tickets_per_member=9, tickets_per_member_day=3, tickets_min=4,
        free_tickets_per_member=2, reserves=5, claim_seconds=86_400,
        gate=Gate(tier_min="GOLD", early_tier_min="BLACK", early_seconds=5_400),
    )  # fmt: skip
    terms = terms_of(UUID(int=1), plan, bytes(32))
    told = disclosure_of(terms, "en", Calendar())
    assert (told.title, told.prizes) == ("Weekend draw", (DisclosedPrize(1, "Prize", 2, 500, 1),))
    assert told.conditions == (
        "For adults only; whoever works here cannot enter.",
        "For members from GOLD on.",
        "A ticket costs 50 points.",
        "A member's first tickets are free: 2.",
        "A member holds 9 tickets at most.",
        "A member buys 3 tickets a day at most.",
        "With fewer than 4 tickets it is void, and all points go back.",
        "A prize has to be claimed within 1 day; otherwise it goes to the next in line, of whom there are 5.",
    )
    assert told.time == (
        "From 2026-03-02 12:00:00 until 2026-03-03 12:00:00 (Asia/Shanghai). Members from BLACK on: 90 minutes earlier."
    )
    assert told.method.startswith("After closing, tickets are ordered by HMAC-SHA256(seed, draw|number)")
    chinese = disclosure_of(terms, "zh-CN", Calendar())
    assert len(chinese.conditions) == 8 and chinese.conditions[1] == "仅限 GOLD 及以上等级会员。"
    assert chinese.time.endswith("BLACK 及以上等级会员提前 90 分钟。") and chinese.prizes[0].name == "奖品"


def test_the_disclosure_of_old_terms_says_what_they_hold() -> None:
    """Terms from before gates, reserves and free tickets were there are told all the same."""
    terms = """{"ticket_points":50,"tickets_per_member":null,"tickets_per_member_day":null,"tickets_min":0,"prizes":[],
        "title":{"zh-CN":"抽奖","en":"Draw"},"method":{"zh-CN":"法","en":"How"},
        "opens_at":"2026-03-02T02:00:00Z","closes_at":"2026-03-03T02:00:00Z"}"""
    assert disclosure_of(terms, "en", Calendar()).conditions == (
        "For adults only; whoever works here cannot enter.",
        "A ticket costs 50 points.",
        "Prizes are granted by themselves.",
    )


async def test_everybody_reads_the_disclosure_of_a_published_draw(work: Work) -> None:
    """In the caller's language, under the hash of the terms; a draft has none."""
    draw_id = await an_open_draw(work)
    text = """query ($id: ID!) { draw(id: $id) { termsHash disclosure { title conditions time method termsHash
              prizes { place name quantity valueFen perMember } } } }"""
    seen: Any = await ask(work, text, ANONYMOUS, MEMBERS, locale="zh-CN", id=draw_key(draw_id))
    told = seen["disclosure"]
    assert (told["title"], told["termsHash"]) == ("周末抽奖", seen["termsHash"])
    assert told["prizes"] == [{"place": 1, "name": "奖品", "quantity": 1, "valueFen": 100, "perMember": None}]
    assert told["time"] == "2026-03-02 10:00:00 至 2026-03-03 10:00:00(Asia/Shanghai)。"
    draft = await draws.plan_draw(work, a_plan(work.clock), actor=STAFF)
    assert (await ask(work, text, OWNER, ADMIN, id=draw_key(draft)))["disclosure"] is None
