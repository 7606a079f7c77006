"""What nobody claims goes to the reserves: in their order, within limits, each lapse once, whoever does it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.jobs import LeaseLost
from gamification.core.work import Work
from gamification.draws import queries
from gamification.draws import service as draws
from gamification.draws.queries import DrawState
from gamification.draws.service import lapsing
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    HOUR_SECONDS,
    STAFF,
    a_crowd_of_connections,
    a_draw_to_claim,
    a_prize,
    an_open_draw,
    available,
    bought,
    claim,
    draw_row,
    drawn,
    lapse,
    members_with,
    no_heartbeat,
    rows_written,
    wins_of,
)

HOUR = timedelta(seconds=HOUR_SECONDS)


async def numbers_in_line(draw_id: object) -> list[int]:
    rows = await fetch("SELECT number FROM draw_reserve WHERE draw_id = $1 ORDER BY place", draw_id)
    return [row["number"] for row in rows]


async def told_of(job: str) -> list[Any]:
    """What a listener is told, by rank: members are written in an order of their own."""
    rows = await fetch("SELECT payload FROM outbox WHERE job = $1", job)
    return sorted((json.loads(row["payload"]) for row in rows), key=lambda told: int(told["rank"]))


async def test_what_lapses_goes_to_the_first_in_line(work: Work, clock: FixedClock) -> None:
    """In order of rank, as further wins that are claimed anew; winners and promoted are told, each once."""
    work.listeners.update({"draw.won": ["messages.draw_won"], "draw.promoted": ["messages.draw_promoted"]})
    draw_id = await a_draw_to_claim(work, clock, a_prize(500), a_prize(20, 2), reserves=2)
    line, wins = await numbers_in_line(draw_id), await wins_of(draw_id)
    assert len(line) == 2 and not {win["number"] for win in wins} & set(line)
    assert [(each["rank"], each["member_id"]) for each in await told_of("messages.draw_won")] == [
        (win["rank"], str(win["member_id"])) for win in wins
    ]
    await claim(work, wins[1])
    clock.advance(HOUR - timedelta(microseconds=1))
    assert await lapse(work, draw_id) == 0
    clock.advance(HOUR)
    assert await lapse(work, draw_id) == 2
    further = (await wins_of(draw_id))[3:]
    shown = ("rank", "replaces_rank", "number", "prize_place", "points")
    assert [tuple(win[name] for name in shown) for win in further] == [(4, 1, line[0], 1, 500), (5, 3, line[1], 2, 20)]
    assert {(win["won_at"], win["claim_until"]) for win in further} == {(clock.now(), clock.now() + HOUR)}
    first, second = await told_of("messages.draw_promoted")
    assert (first["member_id"], second["rank"]) == (str(further[0]["member_id"]), 5)
    assert await queries.draw_states([draw_id]) == {draw_id: DrawState(draw_id, "SETTLING", 3, 1, 0, 2)}
    for win in further:
        await claim(work, win)
    await lapse(work, draw_id)
    assert await queries.draw_states([draw_id]) == {draw_id: DrawState(draw_id, "SETTLED", 3, 3, 0, 2)}
    assert [await available(win["member_id"]) for win in further] == [500, 20]


async def test_without_a_reserve_a_prize_stays_unawarded(work: Work, clock: FixedClock) -> None:
    """What was promoted lapses too; when nobody is left in line the draw is settled, and says what nobody got."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500, 2), tickets=3, reserves=2)
    assert len(await numbers_in_line(draw_id)) == 1, "of three tickets two have won"
    for expected in (2, 1):
        clock.advance(HOUR)
        assert await lapse(work, draw_id) == expected
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["wins"], draw["unawarded"], draw["lapsed"], draw["promoted"]) == ("SETTLED", 2, 0, 3, 1)
    assert [tuple(row) for row in await fetch("SELECT rank, promoted_rank FROM draw_lapse ORDER BY rank")] == [
        (1, 3), (2, None), (3, None),
    ]  # fmt: skip
    assert await queries.draw_states([draw_id]) == {draw_id: DrawState(draw_id, "SETTLED", 0, 0, 0, 3)}
    assert await fetch_value("SELECT count(*) FROM draw_grant") == 0


async def test_who_is_at_a_prizes_limit_is_passed_over(work: Work, clock: FixedClock) -> None:
    """Of two members with ten tickets each, one claims the first prize: only the other can get what lapses."""
    mei, lin = await members_with(work, [500, 500])
    draw_id = await an_open_draw(work, a_prize(500, 2, 1), claim_seconds=HOUR_SECONDS, reserves=18)
    await bought(work, draw_id, [mei, lin] * 10)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    first, second = await wins_of(draw_id)
    assert {first["member_id"], second["member_id"]} == {mei, lin}
    await claim(work, first)
    for round_ in range(9):
        clock.advance(HOUR)
        assert await lapse(work, draw_id) == 1
        (*_, last) = await wins_of(draw_id)
        assert (last["rank"], last["member_id"]) == (3 + round_, second["member_id"])
    clock.advance(HOUR)
    assert await lapse(work, draw_id) == 1, "the tenth ticket of a member who never claims"
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["lapsed"], draw["promoted"]) == ("SETTLED", 10, 9)


async def test_lapsing_twice_changes_nothing(work: Work, clock: FixedClock) -> None:
    """Nor where nothing is due, nor in a draw that is settled, nor where prizes are not claimed."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500, 2), reserves=9)
    clock.advance(HOUR)
    assert await lapse(work, draw_id) == 2
    before = await rows_written()
    assert await lapse(work, draw_id) == 0
    assert await rows_written() == before
    other_id = await an_open_draw(work)
    assert await lapse(work, other_id) == 0
    assert (await draw_row(other_id))["claims_closed_to"] is None


async def test_four_workers_at_once_promote_once(
    database: Database, work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In chunks that they take from one another: thirty lapses, thirty reserves in their order."""
    monkeypatch.setattr(lapsing, "LAPSES_PER_CHUNK", 4)
    draw_id = await a_draw_to_claim(work, clock, a_prize(5, 30), tickets=70, reserves=30)
    line = await numbers_in_line(draw_id)
    clock.advance(HOUR)
    async with a_crowd_of_connections(database):
        done = await asyncio.gather(*(lapse(work, draw_id) for _ in range(4)))
    assert sum(done) == 30
    further = (await wins_of(draw_id))[30:]
    assert [(win["replaces_rank"], win["number"]) for win in further] == list(enumerate(line, 1))


@pytest.mark.parametrize("after", range(1, 5))
async def test_lapses_that_were_cut_between_any_two_chunks_go_on(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """What was booked before the cut stays; the next run, later, gives the rest to those who were next."""
    monkeypatch.setattr(lapsing, "LAPSES_PER_CHUNK", 3)
    draw_id = await a_draw_to_claim(work, clock, a_prize(5, 11), tickets=30, reserves=15)
    line, left = await numbers_in_line(draw_id), iter(range(after - 1, -1, -1))
    clock.advance(HOUR)

    async def cut() -> None:
        if next(left) == 0:
            raise LeaseLost("somebody else has it")

    with pytest.raises(LeaseLost):
        await draws.lapse_prizes(work, draw_id=draw_id, heartbeat=cut)
    assert await fetch_value("SELECT count(*) FROM draw_lapse") == min(3 * after, 11)
    clock.advance(HOUR / 2)
    await lapse(work, draw_id)
    further = (await wins_of(draw_id))[11:]
    assert [(win["replaces_rank"], win["number"]) for win in further] == list(enumerate(line[:11], 1))
    expected = Counter({clock.now() + HOUR / 2: min(3 * after, 11), clock.now() + HOUR: max(11 - 3 * after, 0)})
    assert Counter(win["claim_until"] for win in further) == +expected


async def test_redriving_a_draw_to_claim_lets_it_lapse(work: Work, clock: FixedClock) -> None:
    """Staff set the job off that its state waits for."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500))
    await execute("DELETE FROM outbox")
    await draws.redrive_draw(work, draw_id=draw_id, actor=STAFF)
    (row,) = await fetch("SELECT job FROM outbox")
    assert row["job"] == "draws.lapse"


async def test_lapses_and_reserves_are_never_changed(work: Work, clock: FixedClock) -> None:
    """The database refuses it, as it refuses to take a win back or to open claims again."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500), reserves=2)
    clock.advance(HOUR)
    await lapse(work, draw_id)
    for change in (
        "UPDATE draw_lapse SET promoted_rank = NULL",
        "DELETE FROM draw_reserve",
        "UPDATE draw_win SET claim_until = claim_until + interval '1 day'",
        "UPDATE draw SET claims_closed_to = claims_closed_to - interval '1 day'",
        "UPDATE draw SET reserves = 5",
        "UPDATE draw SET lapsed = 0, promoted = 0",
    ):
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await execute(change)


async def test_a_draw_that_nobody_entered_is_settled_without_a_claim(work: Work, clock: FixedClock) -> None:
    """There is nothing to wait for."""
    draw_id = await an_open_draw(work, a_prize(500), tickets_min=0, claim_seconds=HOUR_SECONDS, reserves=3)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat)
    assert await draws.finish_settlement(work, draw_id=draw_id)
    assert (await draw_row(draw_id))["state"] == "SETTLED"
