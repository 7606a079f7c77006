"""Tiers over GraphQL: what members see of theirs, what staff may set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from strawberry import relay

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.work import Work
from schema.admin.root import schema as admin
from schema.context import Context
from schema.root import schema as member
from tests.orders.builders import Shop, at
from tests.staff.rooms import CALLERS, OWNER, turned_away
from tests.tiers.terms import YEARLY
from tests.tiers.test_terms import a_shop

PROGRESS = """{ me { tierProgress { current { code } since validUntil metric value next { code } missing
    retention { needed missing by } projected { code } risks opportunities { tier { code } missing purchaseSku } }
    tierHistory(first: 1) { edges { node { number cause fromCode toCode value } } pageInfo { hasNextPage } } } }"""
PIN = """mutation ($member: ID!, $tier: String!, $until: Date, $preview: Boolean! = false) {
    pinTier(member: $member, tier: $tier, until: $until, reason: "because", preview: $preview) {
    ... on TierPinned { tierCode earnedCode pinCode pinUntil isPreview } ... on InvalidInput { field }
    ... on Refusal { code } } }"""
UNPIN = """mutation ($member: ID!) { unpinTier(member: $member, reason: "because") {
    ... on TierPinned { tierCode pinCode } ... on InvalidInput { field } } }"""


@pytest.fixture
async def shop(work: Work, clock: FixedClock) -> Shop:
    """A shop under the yearly set."""
    return await a_shop(clock, YEARLY)


async def ask(shop: Shop, clock: FixedClock, text: str, actor: Actor = OWNER, **variables: Any) -> Any:
    schema = member if actor.kind == "member" else admin
    context = Context(work=shop.work, clock=clock, actor=actor, locale="en")
    result = await schema.execute(text, variable_values=variables, context_value=context)
    return (result.errors[0].extensions or {})["code"] if result.errors else result.data


async def test_a_member_sees_until_when_and_what_is_missing(shop: Shop, clock: FixedClock) -> None:
    """Silver of 1,500: valid for a year, kept by 800; gold is 3,500 away or can be bought."""
    await shop.sent(shop.order("A", 110_000), shop.order("B", 40_000))
    clock.set(at("04-01"))
    seen = (await ask(shop, clock, PROGRESS, Actor("member", await shop.member())))["me"]
    assert seen["tierProgress"] == {
        "current": {"code": "SILVER"}, "since": "2026-03-02T02:00:00+00:00", "validUntil": "2027-03-01",
        "metric": "GROWTH", "value": 1_500, "next": {"code": "GOLD"}, "missing": 3_500,
        "retention": {"needed": 800, "missing": 0, "by": "2027-03-01"}, "projected": {"code": "SILVER"}, "risks": [],
        "opportunities": [
            {"tier": {"code": "GOLD"}, "missing": 3_500, "purchaseSku": "gold-card"},
            {"tier": {"code": "BLACK"}, "missing": 18_500, "purchaseSku": None},
        ],
    }  # fmt: skip
    assert seen["tierHistory"] == {
        "edges": [{"node": {"number": 1, "cause": "UPGRADE", "fromCode": None, "toCode": "SILVER", "value": 1_100}}],
        "pageInfo": {"hasNextPage": False},
    }


async def test_staff_set_a_tier_and_take_it_away(shop: Shop, clock: FixedClock) -> None:
    """A preview writes nothing; setting tells the tier, its last day, and what was earned beside it."""
    who = relay.to_base64("Member", await shop.member())
    seen = await ask(shop, clock, PIN, member=who, tier="GOLD", until="2026-03-31", preview=True)
    expected = {"tierCode": "GOLD", "earnedCode": "BASIC", "pinCode": "GOLD", "pinUntil": "2026-03-31"}
    assert seen["pinTier"] == {**expected, "isPreview": True}
    assert await fetch_value("SELECT count(*) FROM tier_standing") == 0
    assert (await ask(shop, clock, PIN, member=who, tier="GOLD", until="2026-03-31"))["pinTier"] == {
        **expected, "isPreview": False,
    }  # fmt: skip
    assert (await ask(shop, clock, UNPIN, member=who))["unpinTier"] == {"tierCode": "BASIC", "pinCode": None}
    assert (await ask(shop, clock, UNPIN, member=who))["unpinTier"] == {"field": "member"}


@pytest.mark.parametrize("caller", sorted(set(CALLERS) - {"owner", "operator", "member"}))
async def test_only_operators_set_tiers(shop: Shop, clock: FixedClock, caller: str) -> None:
    """Whoever else asks is turned away, and nothing changes."""
    who = relay.to_base64("Member", await shop.member())
    assert await ask(shop, clock, PIN, CALLERS[caller], member=who, tier="GOLD") == turned_away(caller)
    assert await fetch_value("SELECT count(*) FROM tier_standing") == 0


async def test_progress_is_told_as_of_the_day(shop: Shop, clock: FixedClock) -> None:
    """Two years on the worker has not come by, and the member reads silver all the same."""
    await shop.sent(shop.order("A", 500_000))
    clock.set(at("03-02") + timedelta(days=731))
    seen = (await ask(shop, clock, PROGRESS, Actor("member", await shop.member())))["me"]["tierProgress"]
    assert (seen["current"]["code"], seen["risks"], seen["projected"]["code"]) == (
        "SILVER", ["ENDS_WITHOUT_MORE"], "BASIC",
    )  # fmt: skip
