"""What is scarce: stocks, releases, limits per member and budgets hold under any haste, and nothing is left unused."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.lanes import LaneLimits, opened_lanes
from gamification.core.work import Work
from gamification.instant_draws import service as instant_draws
from gamification.instant_draws.rules import Odds
from gamification.points.ledger import PointsLedger
from tests.databases import Database
from tests.draws.builders import a_crowd_of_connections, a_member, available, members_with
from tests.instant_draws.builders import STAFF, a_draw, a_prize, a_table, play, played, plays_of

TEN = a_table(a_prize(100, 1_000_000, stock=10))


async def given_of(draw_id: UUID) -> Counter[tuple[int, str | None]]:
    """How often each place was given, and why."""
    return Counter((row.given, row.reason) for row in await plays_of(draw_id))


async def test_sixty_four_at_once_get_ten_prizes(database: Database, work: Work) -> None:
    """Each in a transaction of its own: exactly the stock is given, every play is written, all others read why."""
    draw_id, members = await a_draw(work, TEN), await members_with(work, [50] * 64)
    async with a_crowd_of_connections(database):
        answers = await asyncio.gather(*(play(work, draw_id, each) for each in members))
    assert Counter((each.given, each.reason) for each in answers) == {(1, None): 10, (2, "STOCK"): 54}
    assert await given_of(draw_id) == {(1, None): 10, (2, "STOCK"): 54}
    counters = await fetch("SELECT given FROM instant_stock ORDER BY shard")
    assert [row["given"] for row in counters] == [2, 2, 1, 1, 1, 1, 1, 1]
    assert await fetch_value("SELECT sum(available)::bigint FROM account WHERE currency = 'POINTS'") == 1000


async def test_the_last_prizes_are_found_from_the_lanes_of_several_processes(database: Database, work: Work) -> None:
    """Three processes with two lanes each, 96 members, two plays each: the stock of ten goes, to the last."""
    draw_id, members = await a_draw(work, TEN), await members_with(work, [100] * 96)
    processes = [_another(work) for _ in range(3)]
    async with a_crowd_of_connections(database), AsyncExitStack() as lanes:
        for each in processes:
            await lanes.enter_async_context(opened_lanes(each, LaneLimits(lanes=2, beside=2)))
        answers = await asyncio.gather(
            *(play(processes[turn % 3], draw_id, each) for turn, each in enumerate(members * 2))
        )
    assert Counter((each.given, each.reason) for each in answers) == {(1, None): 10, (2, "STOCK"): 182}
    assert {(each.number, each.price_points) for each in answers} == {(1, 50), (2, 50)}


def _another(work: Work) -> Work:
    """A process of its own on the same database."""
    return Work(clock=work.clock, ledger=PointsLedger(), calendar=work.calendar, policies=work.policies)


async def test_a_batch_gives_exactly_the_stock(work: Work) -> None:
    """Twenty members in one write and one member twenty times: ten prizes each time, then the miss."""
    draw_id, other_id, members = await a_draw(work, TEN), await a_draw(work, TEN), await members_with(work, [1000] * 20)
    assert len(await played(work, draw_id, members)) == 20
    await played(work, other_id, [members[0]] * 20)
    for each in (draw_id, other_id):
        assert await given_of(each) == {(1, None): 10, (2, "STOCK"): 10}


async def test_a_stock_is_released_by_the_day(work: Work, clock: FixedClock) -> None:
    """Two a day of five: two, two, one, then none; what a day leaves unused is there on the next."""
    odds = a_table(a_prize(100, 1_000_000, stock=5, daily_release=2), play_points=1)
    draw_id, member_id = await a_draw(work, odds), await a_member(work)
    told = []
    for plays in (1, 4, 3, 2):
        told.append([(await play(work, draw_id, member_id)).reason for _ in range(plays)])
        clock.advance(timedelta(days=1))
    assert told == [[None], [None, None, None, "RELEASE"], [None, "STOCK", "STOCK"], ["STOCK", "STOCK"]]


async def test_fallbacks_are_followed_to_what_is_left(work: Work) -> None:
    """The first falls back to the second, of which there is one, then to the miss; the reason is the first's."""
    odds = a_table(a_prize(100, 1_000_000, 2, stock=1), a_prize(10, 0, stock=1))
    draw_id, member_id = await a_draw(work, odds), await a_member(work)
    answers = await played(work, draw_id, [member_id] * 3)
    assert [(each.nominal, each.given, each.reason, each.points) for each in answers] == [
        (1, 1, None, 100), (1, 2, "STOCK", 10), (1, 3, "STOCK", 0),
    ]  # fmt: skip


async def test_a_member_wins_a_limited_prize_no_more_often_than_declared(work: Work) -> None:
    """Two of three, in one batch and one by one; another member's are counted apart."""
    odds = a_table(a_prize(100, 1_000_000, per_member=2))
    draw_id, (mei, lan) = await a_draw(work, odds), await members_with(work, [500, 500])
    answers = await played(work, draw_id, [mei, mei, mei, lan])
    assert [each.reason for each in answers] == [None, None, "MEMBER_LIMIT", None]
    assert (await play(work, draw_id, mei)).reason == "MEMBER_LIMIT"
    assert [(await play(work, draw_id, lan)).reason for _ in range(2)] == [None, "MEMBER_LIMIT"]


async def test_a_budget_is_spent_to_what_the_smallest_prize_takes(database: Database, work: Work) -> None:
    """A budget of 1,050 pays ten prizes of 100 and, by the fallback, one of 50, however many ask at once."""
    odds = a_table(a_prize(100, 1_000_000, 2), a_prize(50, 0), budget_points=1_050)
    draw_id, members = await a_draw(work, odds), await members_with(work, [50] * 32)
    async with a_crowd_of_connections(database):
        await asyncio.gather(*(play(work, draw_id, each) for each in members))
    assert await given_of(draw_id) == {(1, None): 10, (2, "BUDGET"): 1, (3, "BUDGET"): 21}
    assert await fetch_value("SELECT sum(given)::bigint FROM instant_stock WHERE place = 0") == 1_050


async def test_one_member_does_not_pass_a_limit_by_haste(database: Database, work: Work) -> None:
    """Twenty taps at once under keys of their own, three allowed: three plays, numbered without gaps."""
    draw_id, member_id = await a_draw(work, replace(TEN, plays_per_member=3)), await a_member(work, 1000)
    async with a_crowd_of_connections(database):
        outcomes = await asyncio.gather(*(play(work, draw_id, member_id) for _ in range(20)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["PlayLimitReached"] * 17 + ["Played"] * 3
    assert sorted(row.number for row in await plays_of(draw_id)) == [1, 2, 3]
    assert await available(member_id) == 1000 - 150 + 300


async def test_taps_under_one_key_are_one_play(database: Database, work: Work) -> None:
    """Ten parallel requests with the same key are all answered with the one play."""
    draw_id, member_id = await a_draw(work, TEN), await a_member(work, 1000)
    async with a_crowd_of_connections(database):
        answers = await asyncio.gather(*(play(work, draw_id, member_id, key="tap") for _ in range(10)))
    assert {each.play_id for each in answers} == {(await plays_of(draw_id))[0].id}
    assert await available(member_id) == 1050


async def test_what_changes_while_members_play_leaves_no_play_half_done(database: Database, work: Work) -> None:
    """Odds are bettered and the draw is paused meanwhile: each play is whole, of one version, or refused."""
    draw_id, members = await a_draw(work, TEN), await members_with(work, [50] * 40)
    more = replace(TEN, lines=(replace(TEN.lines[0], stock=12, points=200), TEN.lines[1]))

    async def staff() -> None:
        await instant_draws.publish_odds(work, more, draw_id=draw_id, actor=STAFF, confirm_payout=True)
        await instant_draws.pause_draw(work, draw_id=draw_id, reason="test", actor=STAFF)

    async with a_crowd_of_connections(database):
        outcomes = await asyncio.gather(
            *(play(work, draw_id, each) for each in members[:20]),
            staff(),
            *(play(work, draw_id, each) for each in members[20:]),
            return_exceptions=True,
        )
    kinds = Counter(type(each).__name__ for each in outcomes)
    rows = await plays_of(draw_id)
    assert kinds["Played"] == len(rows) and kinds["Played"] + kinds["InstantDrawNotOpen"] == 40
    assert {(row.version, row.points) for row in rows if row.given == 1} <= {(1, 100), (2, 200)}


async def test_points_issued_by_a_draw_equal_what_its_prizes_say(work: Work) -> None:
    """Over two hundred plays the entries of prizes sum to the declared points of what was given."""
    odds: Odds = a_table(a_prize(70, 300_000, stock=20), a_prize(10, 400_000, per_member=5))
    draw_id, members = await a_draw(work, odds), await members_with(work, [2000] * 10)
    await played(work, draw_id, members * 20)
    rows = await plays_of(draw_id)
    issued = await fetch_value("SELECT sum(available_delta)::bigint FROM entry WHERE source_type = 'play_prize'")
    assert len(rows) == 200
    assert issued == sum(odds.line(row.given).points for row in rows) == sum(row.points for row in rows)
    counted = Counter((row.given, row.member_id) for row in rows)
    assert sum(times for (place, _), times in counted.items() if place == 1) == 20
    assert max(times for (place, _), times in counted.items() if place == 2) == 5
