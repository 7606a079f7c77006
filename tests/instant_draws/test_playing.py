"""Playing: price, outcome and prize in one write, limits that hold, and nothing on a refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from gamification.core.actors import Actor
from gamification.core.chance import below, commitment
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.errors import IdempotencyConflict, NotFound
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.gates.errors import AdultDeclarationMissing, TierTooLow
from gamification.gates.rules import Gate
from gamification.instant_draws import service as instant_draws
from gamification.instant_draws.errors import InstantDrawNotOpen, PlayLimitReached
from gamification.instant_draws.rules import outcome
from gamification.points.errors import InsufficientPoints
from tests.builders import TIERS, publish
from tests.draws.builders import a_member, available, members_with
from tests.instant_draws.builders import (
    STAFF,
    USUAL,
    a_draw,
    a_plan,
    a_prize,
    a_table,
    play,
    played,
    plays_of,
    rows_written,
)

SURE = a_table(a_prize(30, 1_000_000))
NEVER = a_table()


async def test_a_play_costs_its_price_and_brings_its_prize_at_once(work: Work, clock: FixedClock) -> None:
    """The receipt names both entries, the balance, and the commitment and terms that it stands under."""
    draw_id, member_id = await a_draw(work, SURE), await a_member(work, 100)
    answer = await play(work, draw_id, member_id)
    (seed,) = await fetch("SELECT * FROM play_seed WHERE business_date = $1", work.calendar.business_date(clock.now()))
    (odds,) = await fetch("SELECT * FROM odds_version")
    assert answer == instant_draws.Played(
        answer.play_id, draw_id, 1, seed["business_date"], 1, False, answer.roll, 1, 1, None, 30, 50, 2, 3, 80, 0,
        seed["commitment"].hex(), odds["terms_hash"].hex(), clock.now(),
    )  # fmt: skip
    assert commitment(seed["seed"]) == seed["commitment"] and await available(member_id) == 80
    entries = await fetch("SELECT kind, source_type, source_id, available_delta FROM entry ORDER BY seq OFFSET 1")
    assert [tuple(entry) for entry in entries] == [
        ("REDEMPTION", "play", f"{draw_id}:1", -50), ("ACCRUAL", "play_prize", f"{draw_id}:1", 30),
    ]  # fmt: skip


async def test_what_chance_gives_follows_from_the_days_seed_alone(work: Work, clock: FixedClock) -> None:
    """Forty plays over two days are those that seed, draw, member and number say."""
    draw_id, (mei, lan) = await a_draw(work), await members_with(work, [5000, 5000])
    for _ in range(2):
        for member_id in (mei, lan) * 10:
            await play(work, draw_id, member_id)
        clock.advance(timedelta(days=1))
    seeds = {row["business_date"]: row["seed"] for row in await fetch("SELECT * FROM play_seed")}
    rows = await plays_of(draw_id)
    assert sorted((row.member_id, row.number) for row in rows) == sorted(
        (member, number) for member in (mei, lan) for number in range(1, 21)
    )
    for row in rows:
        seed = seeds[row.business_date]
        assert row.roll == below(seed, f"{draw_id}|{row.member_id}|{row.number}", 1_000_000)
        assert (row.roll, row.nominal) == outcome(seed, draw_id, row.member_id, row.number, USUAL, pity=False)
        assert (row.given, row.reason) == (row.nominal, None)


async def test_a_double_tap_is_one_play(work: Work) -> None:
    """The same key answers the same play; another draw under it is a conflict."""
    draw_id, other_id, member_id = await a_draw(work), await a_draw(work), await a_member(work, 1000)
    first = await play(work, draw_id, member_id, key="tap")
    after = await rows_written()
    again = await play(work, draw_id, member_id, key="tap")
    assert again == first and again.is_replay and not first.is_replay
    with pytest.raises(IdempotencyConflict):
        await play(work, other_id, member_id, key="tap")
    assert await rows_written() == after


async def test_without_enough_points_nothing_changes(work: Work) -> None:
    """The refusal carries the numbers, and is the same whatever chance would have said."""
    draw_id, member_id = await a_draw(work, SURE), await a_member(work, 49)
    before = await rows_written()
    with pytest.raises(InsufficientPoints) as refusal:
        await play(work, draw_id, member_id)
    assert (refusal.value.required, refusal.value.available, refusal.value.missing) == (50, 49, 1)
    assert await rows_written() == {**before, "receipt": 1, "versions": before["versions"] + 1}


async def test_it_is_played_only_in_its_time(work: Work, clock: FixedClock) -> None:
    """Not before opening, not at the closing instant, not paused, and a draft is not there at all."""
    opens_at, closes_at = clock.now() + timedelta(hours=1), clock.now() + timedelta(days=2)
    draw_id, member_id = await a_draw(work, opens_at=opens_at, closes_at=closes_at), await a_member(work)
    with pytest.raises(InstantDrawNotOpen) as early:
        await play(work, draw_id, member_id)
    assert early.value.fields() == {"state": "OPEN", "opens_at": opens_at, "closes_at": closes_at}
    clock.set(opens_at)
    await play(work, draw_id, member_id)
    await instant_draws.pause_draw(work, draw_id=draw_id, reason="test", actor=STAFF)
    with pytest.raises(InstantDrawNotOpen) as paused:
        await play(work, draw_id, member_id)
    assert paused.value.state == "PAUSED"
    await instant_draws.resume_draw(work, draw_id=draw_id, reason="test", actor=STAFF)
    clock.set(closes_at)
    with pytest.raises(InstantDrawNotOpen):
        await play(work, draw_id, member_id)
    draft = await instant_draws.plan_draw(work, a_plan(clock), actor=STAFF)
    for unknown in (draft, new_id()):
        with pytest.raises(NotFound):
            await play(work, unknown, member_id)
    assert await fetch_value("SELECT count(*) FROM instant_play") == 1


async def test_limits_hold_by_day_and_in_all(work: Work, clock: FixedClock) -> None:
    """Two a day, three in all; the day's limit says when it lifts, the other never does."""
    odds = replace(NEVER, plays_per_member=3, plays_per_member_day=2)
    draw_id, member_id = await a_draw(work, odds), await a_member(work)
    assert [type(each).__name__ for each in await played(work, draw_id, [member_id] * 3)] == [
        "Played", "Played", "PlayLimitReached",
    ]  # fmt: skip
    with pytest.raises(PlayLimitReached) as day:
        await play(work, draw_id, member_id)
    midnight = work.calendar.ends_at(work.calendar.business_date(clock.now()))
    assert day.value.fields() == {"scope": "DAY", "limit": 2, "used": 2, "resets_at": midnight}
    clock.set(midnight)
    assert (await play(work, draw_id, member_id)).number == 3
    before = await rows_written()
    with pytest.raises(PlayLimitReached) as total:
        await play(work, draw_id, member_id)
    assert total.value.fields() == {"scope": "TOTAL", "limit": 3, "used": 3, "resets_at": None}
    assert await rows_written() == {**before, "receipt": before["receipt"] + 1, "versions": before["versions"] + 1}
    assert await available(member_id) == 850


async def test_free_plays_come_first_and_anew_each_day(work: Work, clock: FixedClock) -> None:
    """One free play a day, the next costs; a free one has no price entry."""
    draw_id, member_id = await a_draw(work, replace(SURE, free_plays_per_day=1)), await a_member(work, 60)
    prices = []
    for _ in range(2):
        for _ in range(2):
            answer = await play(work, draw_id, member_id)
            prices.append((answer.price_points, answer.price_seq))
        clock.advance(timedelta(days=1))
    assert prices == [(0, None), (50, 3), (0, None), (50, 6)]
    assert await available(member_id) == 60 - 100 + 4 * 30


async def test_pity_brings_the_better_odds_until_a_win(work: Work) -> None:
    """Two misses, then a sure prize, and so on from the start."""
    odds = a_table(a_prize(10, 0, pity_ppm=1_000_000), pity_after=2)
    draw_id, member_id = await a_draw(work, odds), await a_member(work)
    answers = [await play(work, draw_id, member_id) for _ in range(6)]
    assert [(each.pity, each.points, each.misses) for each in answers] == [
        (False, 0, 1), (False, 0, 2), (True, 10, 0), (False, 0, 1), (False, 0, 2), (True, 10, 0),
    ]  # fmt: skip
    again = await a_member(work)
    assert [each.points for each in await played(work, draw_id, [again] * 6)] == [0, 0, 10, 0, 0, 10]


async def test_a_preview_tells_cost_and_limits_and_nothing_of_chance(work: Work) -> None:
    """The price, the balance after it, what is left; no prize among the entries, and nothing written."""
    odds = replace(SURE, free_plays_per_day=1, plays_per_member=5, plays_per_member_day=2)
    draw_id, member_id = await a_draw(work, odds), await a_member(work, 60)
    before = await rows_written()

    async def seen() -> tuple[instant_draws.PlayQuote, list[str]]:
        preview = await instant_draws.preview_play(work, draw_id=draw_id, member_id=member_id, actor=STAFF)
        return preview.outcome(), [entry.kind for entry in preview.draft.entries]

    (free, nothing), answer = await seen(), None
    assert await rows_written() == before
    assert (free.price_points, free.available, free.free_plays_left, nothing) == (0, 60, 0, [])
    assert (free.plays_left, free.plays_left_today, free.pity) == (4, 1, False)
    answer = await play(work, draw_id, member_id)
    assert (free.commitment, free.terms_hash) == (answer.commitment, answer.terms_hash)
    paid, entries = await seen()
    assert (paid.price_points, paid.available, entries, paid.plays_left_today) == (50, 40, ["REDEMPTION"], 0)
    await play(work, draw_id, member_id)
    with pytest.raises(PlayLimitReached):
        await seen()


async def test_draws_are_for_declared_adults(work: Work) -> None:
    """Who has not declared to be one is refused, and pays nothing."""
    draw_id, member_id = await a_draw(work), await a_member(work)
    await execute("UPDATE member SET adult_declared_at = NULL")
    before = await rows_written()
    with pytest.raises(AdultDeclarationMissing):
        await play(work, draw_id, member_id)
    assert await rows_written() == before


async def test_a_gate_opens_by_tier_and_earlier_for_some(work: Work, clock: FixedClock) -> None:
    """Silver and above play, gold an hour before the others; each refusal says what would do."""
    await publish(clock, TIERS)
    opens_at, gate = (
        clock.now() + timedelta(hours=1),
        Gate(tier_min="SILVER", early_tier_min="GOLD", early_seconds=3600),
    )
    draw_id = await a_draw(work, SURE, opens_at=opens_at, gate=gate)
    basic, silver, gold = await members_with(work, [50] * 3)
    for member_id, tier in ((silver, "SILVER"), (gold, "GOLD")):
        await execute(
            """INSERT INTO tier_standing (member_id, tier_code, earned_code, since, policy_version, changes)
               VALUES ($1, $2, $2, $3, 1, 0)""",
            member_id, tier, clock.now(),
        )  # fmt: skip
    assert (await play(work, draw_id, gold)).points == 30
    with pytest.raises(InstantDrawNotOpen) as early:
        await play(work, draw_id, silver)
    assert early.value.opens_at == opens_at
    clock.set(opens_at)
    assert (await play(work, draw_id, silver)).points == 30
    with pytest.raises(TierTooLow) as low:
        await play(work, draw_id, basic)
    assert low.value.fields() == {"required": "SILVER", "tier": "BASIC"} and await available(basic) == 50


async def test_where_no_seed_was_made_ahead_a_play_sees_to_it(work: Work, clock: FixedClock) -> None:
    """The seeds of publication reach seven days; on the tenth the first who plays has the day's committed first."""
    draw_id, member_id = await a_draw(work, closes_at=clock.now() + timedelta(days=30)), await a_member(work)
    assert await fetch_value("SELECT count(*) FROM play_seed") == 8
    clock.advance(timedelta(days=10))
    quote = await instant_draws.preview_play(work, draw_id=draw_id, member_id=member_id, actor=STAFF)
    answer = await play(work, draw_id, member_id)
    assert quote.outcome().commitment == answer.commitment
    assert await fetch_value("SELECT count(*) FROM play_seed") == 16


async def test_plays_and_seeds_are_never_changed_nor_taken_away(work: Work) -> None:
    """Both are append-only in the database."""
    await play(work, await a_draw(work), await a_member(work))
    for table, change in (("instant_play", "points = 1"), ("play_seed", "seed = seed")):
        for statement in (f"UPDATE {table} SET {change}", f"DELETE FROM {table}"):
            with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
                await execute(statement)


async def test_plays_count_for_their_member_and_draw_only(work: Work) -> None:
    """Numbers start at one for each member in each draw, also within one batch."""
    one, two = await a_draw(work, NEVER), await a_draw(work, NEVER)
    mei, lan = await members_with(work, [500, 500])
    commands = [
        instant_draws.Play(member_id=member, actor=Actor("member", member), draw_id=draw)
        for member, draw in ((mei, one), (mei, two), (lan, one), (mei, one))
    ]
    answers = await work.perform_all(instant_draws.PLAY, commands)
    assert [getattr(each, "number", each) for each in answers] == [1, 1, 1, 2]
