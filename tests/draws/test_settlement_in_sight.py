"""What staff see of a settlement: how far, how fast, what failed, how long it took; asked for and followed live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from gamification.core.actors import ANONYMOUS, SYSTEM, Actor
from gamification.core.clock import FixedClock
from gamification.core.policy import publish_policy
from gamification.core.work import Work
from gamification.draws import service as draws
from gamification.draws.errors import PrizePointsTooMany
from gamification.draws.queries import draws_page
from gamification.draws.rules import STATES, DrawsPolicy
from gamification.draws.service import StillOwed, chunks
from schema import live
from schema.admin.draw_settlements import FURTHER
from schema.context import Context
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    STAFF,
    a_draw_to_claim,
    a_member,
    a_plan,
    a_prize,
    an_open_draw,
    claim,
    drawn,
    no_heartbeat,
    settled,
    wins_of,
)
from tests.draws.test_graphql import ADMIN, OWNER, PLAN, REDRIVE, TILL, a_plan_input, ask, draw_key
from tests.draws.test_settlement import a_drawn_draw, a_grant_that_fails

SEEN = """state total settled failed lapsed promoted grantsPerSecond lastError startedAt lastGrantedAt finishedAt
    settlementSeconds"""
SETTLEMENT = f"query ($id: ID!) {{ draw(id: $id) {{ prizePoints settlement {{ {SEEN} }} }} }}"
SECOND = timedelta(seconds=1)


async def settlement(work: Work, draw_id: Any) -> Any:
    return (await ask(work, SETTLEMENT, OWNER, ADMIN, id=draw_key(draw_id)))["settlement"]


async def test_staff_see_how_far_and_how_fast_a_settlement_is(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two seconds from the closing to the beginning, then ten grants a second: twenty in two seconds, four in all."""
    monkeypatch.setattr(chunks, "CHUNK", 10)
    draw_id, _ = await a_drawn_draw(work, clock, wins=20)
    closed_at = clock.now()
    assert await settlement(work, draw_id) == {
        "state": "DRAWN", "total": 20, "settled": 0, "failed": 0, "lapsed": 0, "promoted": 0, "grantsPerSecond": None,
        "lastError": None, "startedAt": None, "lastGrantedAt": None, "finishedAt": None, "settlementSeconds": None,
    }  # fmt: skip
    clock.advance(2 * SECOND)
    await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat, chunks_max=1)
    seen = await settlement(work, draw_id)
    assert (seen["state"], seen["settled"], seen["grantsPerSecond"]) == ("SETTLING", 10, None)
    clock.advance(2 * SECOND)
    await settled(work, draw_id)
    assert await settlement(work, draw_id) == {
        "state": "SETTLED", "total": 20, "settled": 20, "failed": 0, "lapsed": 0, "promoted": 0, "grantsPerSecond": 10,
        "lastError": None, "startedAt": (closed_at + 2 * SECOND).isoformat(),
        "lastGrantedAt": clock.now().isoformat(), "finishedAt": clock.now().isoformat(), "settlementSeconds": 4,
    }  # fmt: skip


async def test_staff_see_what_failed_and_drive_it_again(database: Database, work: Work, clock: FixedClock) -> None:
    """How many, and how the last one failed, until it is granted; the time to the last grant then counts."""
    draw_id, _ = await a_drawn_draw(work, clock, wins=4)
    async with a_grant_that_fails(database, rank=3):
        with pytest.raises(StillOwed):
            await settled(work, draw_id)
    seen = await settlement(work, draw_id)
    assert (seen["settled"], seen["failed"], seen["lastError"]) == (3, 1, "RaiseError: no prize for this one")
    assert (seen["finishedAt"], seen["settlementSeconds"]) == (None, None)
    assert (await ask(work, REDRIVE, OWNER, ADMIN, id=draw_key(draw_id)))["__typename"] == "Draw"
    clock.advance(timedelta(minutes=5, microseconds=1))
    await settled(work, draw_id)
    seen = await settlement(work, draw_id)
    assert (seen["failed"], seen["lastError"], seen["settlementSeconds"]) == (0, None, 301)


async def test_a_settlement_by_claims_counts_what_lapsed(work: Work, clock: FixedClock) -> None:
    """What stands is the total; a lapse without a reserve makes it less."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(5, 3), reserves=1)
    await claim(work, (await wins_of(draw_id))[0])
    clock.advance(DAY)
    await draws.lapse_prizes(work, draw_id=draw_id, heartbeat=no_heartbeat)
    seen = await settlement(work, draw_id)
    assert [seen[name] for name in ("total", "settled", "lapsed", "promoted")] == [2, 1, 2, 1]


async def test_a_draft_has_no_settlement_and_shows_its_publisher_what_it_may_cost(work: Work) -> None:
    """All prizes, in points."""
    draw_id = await draws.plan_draw(work, a_plan(work.clock, a_prize(500, 2), a_prize(3, 40)), actor=STAFF)
    assert await ask(work, SETTLEMENT, OWNER, ADMIN, id=draw_key(draw_id)) == {"prizePoints": 1120, "settlement": None}


async def test_a_plan_over_the_budget_is_refused_with_its_numbers(work: Work, clock: FixedClock) -> None:
    """At the limit it is planned; above it nothing is written."""
    await publish_policy(DrawsPolicy(50, 1_000), actor=SYSTEM, now=clock.now())
    await draws.plan_draw(work, a_plan(clock, a_prize(500, 2)), actor=STAFF)
    with pytest.raises(PrizePointsTooMany) as refusal:
        await draws.plan_draw(work, a_plan(clock, a_prize(500, 2), a_prize(1)), actor=STAFF)
    assert (refusal.value.prize_points, refusal.value.limit_points) == (1001, 1000)
    assert len(await draws_page(None, 10, STATES)) == 1
    prizes = [{"nameZh": "x", "nameEn": "x", "points": 500, "quantity": 3}]
    numbers = "... on PrizePointsTooMany { prizePoints limitPoints }"
    text = PLAN.replace("... on InvalidInput", f"{numbers} ... on InvalidInput")
    refused = await ask(work, text, OWNER, ADMIN, input=a_plan_input(clock, prizes=prizes))
    assert refused == {
        "__typename": "PrizePointsTooMany", "code": "PRIZE_POINTS_TOO_MANY", "prizePoints": 1500, "limitPoints": 1000,
    }  # fmt: skip


async def followed(work: Work, actor: Actor, draw_id: Any) -> AsyncIterator[Any]:
    """What the subscription says until it ends; the limit is far away and only keeps a broken product from hanging."""
    context = Context(work=work, clock=work.clock, actor=actor, locale="en")
    text = "subscription ($id: ID!) { drawSettlement(drawId: $id) { state total settled } }"
    results: Any = await ADMIN.subscribe(text, variable_values={"id": draw_key(draw_id)}, context_value=context)
    if not hasattr(results, "__aiter__"):
        raise RuntimeError((results.errors[0].extensions or {}).get("code"))
    async with asyncio.timeout(60):
        async for result in results:
            if result.errors:
                raise RuntimeError((result.errors[0].extensions or {}).get("code"))
            yield result.data["drawSettlement"]


async def test_a_settlement_is_followed_until_it_is_over(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change, and the end; who follows what is over, or was never published, is told so at once."""
    monkeypatch.setattr(live, "POLL_SECONDS", 0.01)
    draw_id = await an_open_draw(work, tickets_min=0)
    steps = followed(work, OWNER, draw_id)
    assert await anext(steps) == {"state": "OPEN", "total": 0, "settled": 0}
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    await settled(work, draw_id)
    assert [step async for step in steps][-1]["state"] == "SETTLED"
    assert [step async for step in followed(work, OWNER, draw_id)] == [{"state": "SETTLED", "total": 0, "settled": 0}]
    void_id = await an_open_draw(work)
    await draws.void_draw(work, draw_id=void_id, reason="rain", actor=STAFF)
    assert [step["state"] async for step in followed(work, OWNER, void_id)] == ["VOIDED"]
    draft_id = await draws.plan_draw(work, a_plan(clock), actor=STAFF)
    assert [step async for step in followed(work, OWNER, draft_id)] == []
    await FURTHER.close()


async def test_only_staff_follow_a_settlement(work: Work) -> None:
    """Whoever else asks reads why not."""
    draw_id = await an_open_draw(work)
    member = Actor("member", await a_member(work))
    for actor, code in ((ANONYMOUS, "UNAUTHENTICATED"), (member, "FORBIDDEN"), (TILL, "FORBIDDEN")):
        with pytest.raises(RuntimeError) as refused:
            await anext(followed(work, actor, draw_id))
        assert refused.value.args[0] == code
