"""What staff do: plan, publish with what it pays in sight, better the odds, pause, end; nothing published changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.gates.rules import Gate
from gamification.instant_draws import jobs, queries
from gamification.instant_draws import service as instant_draws
from gamification.instant_draws.errors import InstantDrawStateRefused, OddsWorsened, PayoutUnconfirmed
from gamification.prizes.errors import PrizeTooValuable
from tests.builders import TIERS
from tests.builders import publish as publish_policies
from tests.draws.builders import a_member
from tests.instant_draws.builders import (
    STAFF,
    USUAL,
    WEEK,
    a_draw,
    a_plan,
    a_prize,
    a_table,
    play,
    plays_of,
    rows_written,
)

GENEROUS = a_table(a_prize(101, 500_000))
"""A play costs 50 and brings 50.5."""


async def planned(work: Work, **given: Any) -> UUID:
    return await instant_draws.plan_draw(work, a_plan(work.clock, **given), actor=STAFF)


async def publish(work: Work, draw_id: UUID, **given: Any) -> None:
    await instant_draws.publish_draw(work, draw_id=draw_id, actor=STAFF, **given)


async def state_of(draw_id: UUID) -> str:
    found: str = await fetch_value("SELECT state FROM instant_draw WHERE id = $1", draw_id)
    return found


async def test_the_published_terms_disclose_everything_in_both_languages(work: Work, clock: FixedClock) -> None:
    """Prizes, odds, quantities, conditions, time and method, as one canonical text under its hash."""
    odds = a_table(a_prize(500, 10, stock=3, daily_release=1, per_member=1), plays_per_member_day=2, pity_after=None)
    draw_id = await a_draw(work, odds)
    (version,) = (await queries.version_pages([draw_id], None, 9))[draw_id]
    terms = orjson.loads(version.terms or "")
    assert orjson.dumps(terms, option=orjson.OPT_SORT_KEYS).decode() == version.terms
    assert (terms["algorithm"], terms["proof_level"], terms["version"]) == ("jifen-play-1", "OPERATOR", 1)
    assert terms["lines"][0] == {
        "place": 1, "kind": "POINTS", "name": {"zh-CN": "500 积分", "en": "500 points"}, "points": 500,
        "value_fen": 500, "odds_ppm": 10, "pity_ppm": None, "stock": 3, "per_member": 1, "daily_release": 1,
        "fallback": 2,
    }  # fmt: skip
    assert terms["disclosure"]["en"]["prizes"] == [
        "500 points, 500 points, odds 0.0010%, 3 in all, 1 more each day, at most 1 a member, otherwise No luck",
        "No luck, odds 99.9990%",
    ]
    assert terms["disclosure"]["en"]["conditions"] == (
        "50 points a play, at most 2 plays a day, adult members who do not work here"
    )
    assert terms["disclosure"]["zh-CN"]["conditions"] == "每次 50 积分,每人每日限 2 次,限成年会员,工作人员除外"
    assert terms["disclosure"]["en"]["time"] == "2026-03-02 10:00 until 2026-03-09 10:00 (Asia/Shanghai)"
    assert version.terms_hash is not None and version.published_at == clock.now()


async def test_whoever_publishes_more_than_plays_cost_confirms_it(work: Work) -> None:
    """101 % is refused with its figures and changes nothing; confirmed it is published, and the trail says so."""
    draw_id = await planned(work, odds=GENEROUS)
    await instant_draws.make_seeds(work)
    before = await rows_written()
    with pytest.raises(PayoutUnconfirmed) as refusal:
        await publish(work, draw_id)
    assert refusal.value.fields() == {"play_points": 50, "expected": "50.500000", "payout_percent": "101.00"}
    assert await rows_written() == before
    await publish(work, draw_id, confirm_payout=True)
    assert await state_of(draw_id) == "OPEN"
    (line,) = await fetch("SELECT after FROM audit_record WHERE action = 'instant_draw.published'")
    assert orjson.loads(line["after"]) == {"payout_ppm": 1_010_000, "confirmed": True}
    even = await planned(work, odds=a_table(a_prize(100, 500_000)))
    await publish(work, even)
    assert await state_of(even) == "OPEN"


async def test_a_prize_beyond_the_law_is_refused(work: Work) -> None:
    """50,000 yuan may be won, a fen more may not; neither in a plan nor in new odds."""
    dear, dearest = a_table(a_prize(5_000_000, 1)), a_table(a_prize(10, 5), a_prize(5_000_001, 1))
    draw_id = await a_draw(work, dear)
    before = await rows_written()
    with pytest.raises(PrizeTooValuable) as refusal:
        await planned(work, odds=dearest)
    assert refusal.value.fields() == {"place": 2, "value_fen": 5_000_001, "limit_fen": 5_000_000}
    with pytest.raises(PrizeTooValuable):
        await instant_draws.publish_odds(work, dearest, draw_id=draw_id, actor=STAFF)
    assert await rows_written() == before


async def test_better_odds_become_the_next_version_and_decide_from_then_on(work: Work) -> None:
    """Plays name the version that they stand under; stock that was raised is there at once."""
    odds = a_table(a_prize(30, 1_000_000, stock=1))
    draw_id, member_id = await a_draw(work, odds), await a_member(work)
    await play(work, draw_id, member_id)
    better = replace(odds, lines=(replace(odds.lines[0], points=40, stock=3), odds.lines[1]), play_points=45)
    for _ in range(2):  # the same odds again are no version of their own
        await instant_draws.publish_odds(work, better, draw_id=draw_id, actor=STAFF)
    for _ in range(3):
        await play(work, draw_id, member_id)
    rows = await plays_of(draw_id)
    assert [(row.version, row.price_points, row.points, row.reason) for row in rows] == [
        (1, 50, 30, None), (2, 45, 40, None), (2, 45, 40, None), (2, 45, 0, "STOCK"),
    ]  # fmt: skip
    versions = (await queries.version_pages([draw_id], None, 9))[draw_id]
    assert [(version.version, version.odds) for version in versions] == [(2, better), (1, odds)]
    lifted = replace(better, lines=(replace(better.lines[0], stock=None), better.lines[1]))
    await instant_draws.publish_odds(work, lifted, draw_id=draw_id, actor=STAFF)
    assert (await play(work, draw_id, member_id)).points == 40


async def test_odds_that_are_worse_are_refused_by_figure(work: Work) -> None:
    """The refusal names the figure and both values, and nothing changes; nor may generous odds go unconfirmed."""
    draw_id = await a_draw(work)
    before = await rows_written()
    with pytest.raises(OddsWorsened) as refusal:
        await instant_draws.publish_odds(work, replace(USUAL, play_points=60), draw_id=draw_id, actor=STAFF)
    assert refusal.value.fields() == {"figure": "playPoints", "was": 50, "becomes": 60}
    with pytest.raises(PayoutUnconfirmed):
        await instant_draws.publish_odds(work, replace(USUAL, play_points=8), draw_id=draw_id, actor=STAFF)
    with pytest.raises(InvalidInput) as invalid:
        await instant_draws.publish_odds(work, replace(USUAL, lines=()), draw_id=draw_id, actor=STAFF)
    assert invalid.value.field == "lines"
    assert await rows_written() == before


async def test_steps_lead_where_the_table_says(work: Work, clock: FixedClock) -> None:
    """Each is safe to repeat; what does not lead on is refused with state and verb."""
    draw_id = await planned(work)
    for step in (instant_draws.pause_draw, instant_draws.resume_draw):
        with pytest.raises(InstantDrawStateRefused) as refusal:
            await step(work, draw_id=draw_id, reason="test", actor=STAFF)
        assert refusal.value.state == "DRAFT"
    with pytest.raises(InstantDrawStateRefused):
        await instant_draws.publish_odds(work, USUAL, draw_id=draw_id, actor=STAFF)
    for step, state in (
        (instant_draws.pause_draw, "PAUSED"), (instant_draws.resume_draw, "OPEN"), (instant_draws.end_draw, "ENDED"),
    ):  # fmt: skip
        await publish(work, draw_id)
        for _ in range(2):
            await step(work, draw_id=draw_id, reason="test", actor=STAFF)
        assert await state_of(draw_id) == state
    for again in (publish(work, draw_id), instant_draws.resume_draw(work, draw_id=draw_id, reason="r", actor=STAFF)):
        with pytest.raises(InstantDrawStateRefused):
            await again
    actions = await fetch("SELECT action FROM audit_record WHERE action LIKE 'instant%' ORDER BY at, id")
    assert [row["action"] for row in actions] == [
        "instant_draw.planned", "instant_draw.published", "instant_draw.paused", "instant_draw.resumed",
        "instant_draw.ended",
    ]  # fmt: skip
    with pytest.raises(NotFound):
        await publish(work, new_id())
    with pytest.raises(InvalidInput):
        await instant_draws.end_draw(work, draw_id=draw_id, reason=" ", actor=STAFF)


async def test_a_draft_may_be_thrown_away(work: Work) -> None:
    """It ends without ever having been seen."""
    draw_id = await planned(work)
    await instant_draws.end_draw(work, draw_id=draw_id, reason="test", actor=STAFF)
    assert await state_of(draw_id) == "ENDED"
    assert await queries.draws_page(None, 9) == [] and await queries.draws_by_ids([draw_id]) == {}


async def test_a_plan_is_written_once_and_not_published_too_late(work: Work, clock: FixedClock) -> None:
    """The same id again is the same draft; one whose time is over cannot be published."""
    chosen = new_id()
    for _ in range(2):
        assert await instant_draws.plan_draw(work, a_plan(clock), actor=STAFF, draw_id=chosen) == chosen
    assert await fetch_value("SELECT count(*) FROM odds_version") == 1
    clock.advance(WEEK)
    with pytest.raises(InvalidInput) as refusal:
        await publish(work, chosen)
    assert refusal.value.field == "closesAt"


async def test_a_gate_names_tiers_that_there_are(work: Work) -> None:
    """A tier that the programme does not know is refused by field, and so is half an early access."""
    await publish_policies(work.clock, TIERS)
    for gate, field in (
        (Gate(tier_min="PLATINUM"), "tierMin"), (Gate(early_seconds=60), "earlySeconds"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput) as refusal:
            await planned(work, gate=gate)
        assert refusal.value.field == field
    assert not await fetch_value("SELECT count(*) FROM instant_draw")


async def test_time_ends_what_is_over(work: Work, clock: FixedClock) -> None:
    """The sweep ends live draws whose closing has passed, at their closing, and no other."""
    over, paused, live = await a_draw(work), await a_draw(work), await a_draw(work, closes_at=clock.now() + 2 * WEEK)
    await instant_draws.pause_draw(work, draw_id=paused, reason="test", actor=STAFF)
    closes_at = clock.now() + WEEK
    clock.set(closes_at + timedelta(seconds=5))
    due = await queries.draws_due_to_end(clock.now(), jobs.DUE_MAX)
    assert sorted(due) == sorted([over, paused])
    for draw_id in (*due, live):
        await instant_draws.end_due_draw(work, draw_id=draw_id)
    rows = {row["id"]: (row["state"], row["ended_at"]) for row in await fetch("SELECT * FROM instant_draw")}
    assert rows == {over: ("ENDED", closes_at), paused: ("ENDED", closes_at), live: ("OPEN", None)}


async def test_seeds_are_committed_once_for_each_day_ahead(work: Work, clock: FixedClock) -> None:
    """Today and seven days; the next day adds one, and no seed is ever made anew."""
    assert await instant_draws.make_seeds(work) == 8
    first = await fetch("SELECT * FROM play_seed ORDER BY business_date")
    assert await instant_draws.make_seeds(work) == 0
    clock.advance(timedelta(days=1))
    assert await instant_draws.make_seeds(work) == 1
    assert [dict(row) for row in await fetch("SELECT * FROM play_seed ORDER BY business_date LIMIT 8")] == [
        dict(row) for row in first
    ]
    assert len({row["seed"] for row in first}) == 8


FROZEN = [
    "UPDATE instant_draw SET opens_at = opens_at - interval '1 day'",
    "UPDATE instant_draw SET title_en = 'Other'",
    "DELETE FROM instant_draw",
    "UPDATE odds_version SET play_points = 1",
    "UPDATE odds_version SET terms = '{}'",
    "DELETE FROM odds_version",
    "UPDATE odds_line SET odds_ppm = 0",
    "DELETE FROM odds_line",
    "INSERT INTO odds_line SELECT odds_id, 9, kind, name_zh, name_en, points, odds_ppm FROM odds_line WHERE place = 2",
    "UPDATE instant_stock SET given = given - 1",
    "UPDATE instant_stock SET stock = 1",
    "DELETE FROM instant_stock",
]


@pytest.mark.parametrize("change", FROZEN)
async def test_what_was_published_is_frozen_by_the_database(work: Work, change: str) -> None:
    """Times, titles, prices, terms, lines and stocks: not even staff's own SQL changes them."""
    await a_draw(work, a_table(a_prize(30, 1_000, stock=10)))
    with pytest.raises(
        (asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)
    ):
        await execute(change)
