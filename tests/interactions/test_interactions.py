"""Interactions: recorded once per external id, paid by rules under their caps, with growth that raises tiers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gamification.checkins.rules import CheckInPolicy
from gamification.checkins.service import check_in, preview_check_in
from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.interactions.errors import InteractionConflict
from gamification.interactions.service import (
    InteractionRecorded,
    NewInteraction,
    preview_interaction,
    record_interaction,
)
from schema.admin.root import schema as admin
from schema.context import Context
from tests.builders import card, entries, publish
from tests.orders.builders import Shop, at
from tests.staff.rooms import CALLERS, turned_away

SYSTEMS = Actor("integration", new_id(), scopes=frozenset({"events:write"}))


def a_review(external_id: str = "r1", day: str = "03-02", **given: Any) -> NewInteraction:
    return NewInteraction(**{"type": "REVIEW", "external_id": external_id, "occurred_at": at(day), **given})


async def told(shop: Shop, new: NewInteraction, member: str = "mei") -> InteractionRecorded:
    return await record_interaction(shop.work, member=card(shop.named(member)), interaction=new, actor=SYSTEMS)


async def test_a_review_pays_what_the_rule_says(shop: Shop) -> None:
    """20 points in an entry of their own."""
    recorded = await told(shop, a_review())
    assert (recorded.points, recorded.growth, recorded.available, recorded.already_recorded) == (20, 0, 20, False)
    assert [(each.code, each.points) for each in recorded.rules] == [("REVIEW", 20)]
    assert await entries(await shop.member()) == [("BONUS", 20)]


async def test_the_same_again_changes_nothing(shop: Shop) -> None:
    """A retry is answered with what the first paid."""
    await told(shop, a_review())
    again = await told(shop, a_review())
    assert (again.already_recorded, again.points, again.available, again.rules) == (True, 20, 20, ())
    assert await fetch_value("SELECT count(*) FROM interaction") == 1


async def test_a_double_tap_pays_once(shop: Shop) -> None:
    """Eight deliveries of one interaction at the same time: one of them records it."""
    answers = await asyncio.gather(*(told(shop, a_review()) for _ in range(8)))
    assert sorted(each.already_recorded for each in answers) == [False] + [True] * 7
    assert {each.points for each in answers} == {20} and (await shop.standing())[0] == 20


async def test_a_days_cap_cuts_and_then_refuses(shop: Shop) -> None:
    """Four reviews of a day pay 20, 20, 10 of 20, and nothing; they are kept all the same."""
    answers = [await told(shop, a_review(f"r{number}")) for number in range(4)]
    verdicts = [answer.rules[0] for answer in answers]
    assert [(each.points, each.capped_from, each.reason, each.by) for each in verdicts] == [
        (20, None, None, None), (20, None, None, None), (10, 20, None, "DAY"), (0, None, "CAP_REACHED", "DAY"),
    ]  # fmt: skip
    assert (await told(shop, a_review("next", "03-03"))).points == 20
    assert await fetch_value("SELECT count(*) FROM interaction") == 5


async def test_growth_of_a_custom_event_raises_the_tier(shop: Shop) -> None:
    """1,000 growth are silver; another event's name pays nothing."""
    passed = NewInteraction("CUSTOM", "q1", at("03-02"), "quiz.passed")
    recorded = await told(shop, passed)
    assert (recorded.growth, recorded.points, recorded.raised_to) == (1_000, 0, "SILVER")
    other = await told(shop, NewInteraction("CUSTOM", "q1", at("03-02"), "quiz.failed"))
    assert (other.growth, other.rules, other.already_recorded) == (0, (), False)


@pytest.mark.parametrize(
    ("new", "member"), [(a_review(), "li"), (a_review(day="03-03"), "mei")], ids=["another member", "another instant"]
)
async def test_an_external_id_is_one_interaction(shop: Shop, new: NewInteraction, member: str) -> None:
    """The same id for somebody or something else is a conflict, and nothing changes."""
    await told(shop, a_review())
    await shop.member("li")
    with pytest.raises(InteractionConflict) as refusal:
        await told(shop, new, member)
    assert refusal.value.external_id == "r1" and (await shop.standing(member))[0] == (20 if member == "mei" else 0)


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (a_review(""), "externalId"),
        (a_review("x" * 101), "externalId"),
        (a_review(day="03-21"), "occurredAt"),
        (a_review(event="quiz"), "event"),
        (a_review(type="CUSTOM"), "event"),
        (a_review(type="CUSTOM", event="Quiz"), "event"),
    ],
)
async def test_what_is_malformed_is_named(shop: Shop, new: NewInteraction, field: str) -> None:
    """The refusal names the field; nothing is recorded."""
    with pytest.raises(InvalidInput) as refusal:
        await told(shop, new)
    assert refusal.value.field == field and await fetch_value("SELECT count(*) FROM interaction") == 0


async def test_an_unknown_member_is_refused(shop: Shop) -> None:
    """Interactions make no members."""
    with pytest.raises(NotFound):
        await told(shop, a_review(), "nobody")


async def test_a_preview_pays_nothing(shop: Shop) -> None:
    """It answers as recording would, and writes nothing."""
    seen = await preview_interaction(
        shop.work, member=card(shop.named("mei")), interaction=a_review(), actor=SYSTEMS
    )  # fmt: skip
    assert seen.outcome().points == 20 and await fetch_value("SELECT count(*) FROM interaction") == 0


async def test_rules_add_to_check_ins(shop: Shop, clock: FixedClock) -> None:
    """Two of a week's check-ins get 3 points more; a second tap answers the same."""
    await publish(clock, CheckInPolicy((5,)))
    await shop.work.policies.refresh()
    mei = await shop.member()
    assert (await preview_check_in(shop.work, member_id=mei)).outcome().bonus_points == 3
    paid = []
    for day in ("03-23", "03-24", "03-25", "03-30"):
        clock.set(at(day))
        first, second = [await check_in(shop.work, member_id=mei) for _ in range(2)]
        assert (second.points, second.bonus_points, second.already_checked_in) == (5, first.bonus_points, True)
        paid.append(first.bonus_points)
    assert paid == [3, 3, 0, 3] and (await shop.standing())[0] == 4 * 5 + 9


RECORD = """mutation ($member: String!) { recordEvent(input: {
    type: REVIEW, externalId: "r1", occurredAt: "2026-03-02T10:00:00+08:00",
    member: { reference: { namespace: CARD, value: $member } } }) {
    ... on EventRecorded { externalId points growth available alreadyRecorded rules { code points } }
    ... on NotFound { kind } ... on Refusal { code } } }"""


@pytest.mark.parametrize("caller", [*sorted(set(CALLERS) - {"owner", "operator"}), "systems"])
async def test_only_an_integration_with_the_scope_tells_events(shop: Shop, clock: FixedClock, caller: str) -> None:
    """A till may not, nor a member for themselves; whoever may is answered with the verdicts."""
    actor = SYSTEMS if caller == "systems" else CALLERS[caller]
    context = Context(work=shop.work, clock=clock, actor=actor, locale="en")
    result = await admin.execute(RECORD, variable_values={"member": shop.named("mei")}, context_value=context)
    if caller == "systems":
        assert result.data == {
            "recordEvent": {
                "externalId": "r1", "points": 20, "growth": 0, "available": 20, "alreadyRecorded": False,
                "rules": [{"code": "REVIEW", "points": 20}],
            }
        }  # fmt: skip
    else:
        assert result.errors is not None and result.errors[0].extensions is not None
        assert result.errors[0].extensions["code"] == turned_away(caller if actor is not ANONYMOUS else "anonymous")
        assert await fetch_value("SELECT count(*) FROM interaction") == 0
