"""A worker is killed at every step of a draw's life: the next one goes on, with the same winners, each paid once."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import redis.asyncio
from tortoise.context import TortoiseContext

from app.database import APP_ROLE, tortoise_config
from app.local.postgres import LocalPostgres
from app.migrate import migrate
from gamification.core import outbox
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.work import Work
from gamification.draws import service as draws
from gamification.draws.queries import DrawState
from gamification.draws.rules import PrizeUnits, Win, choose_winners
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    HOUR_SECONDS,
    STAFF,
    a_prize,
    a_programme,
    an_open_draw,
    available,
    bought,
    broken_invariants,
    claim,
    drawn,
    members_with,
    wins_of,
)
from tests.draws.processes import (
    a_relay,
    a_worker,
    a_worker_dies,
    progress,
    until_granted,
    until_nothing_is_due,
)

HOUR = timedelta(seconds=HOUR_SECONDS)
CHUNK = 10
CONNECTIONS_MAX = 50


async def chosen_before(draw_id: UUID, prizes: list[PrizeUnits], reserves: int = 0) -> Any:
    """Who will win, worked out from the secret seed before anything has happened."""
    seed = await fetch_value("SELECT seed FROM draw_secret WHERE draw_id = $1", draw_id)
    rows = await fetch("SELECT member_id FROM ticket WHERE draw_id = $1 ORDER BY id", draw_id)
    return choose_winners(seed, draw_id, [row["member_id"] for row in rows], prizes, reserves)


def as_wins(rows: list[Any]) -> list[Win]:
    return [Win(row["rank"], row["number"], row["prize_place"]) for row in rows]


async def paid() -> tuple[int, int]:
    """How many grants there are, and the points that draws issued by the ledger."""
    issued = "SELECT coalesce(sum(available_delta), 0)::bigint FROM entry WHERE source_type = 'draw_win'"
    return await fetch_value("SELECT count(*) FROM draw_grant"), await fetch_value(issued)


async def test_a_worker_killed_at_every_step_changes_no_winner_and_pays_each_once(
    database: Database, work: Work, clock: FixedClock, redis_url: str
) -> None:
    """Before and after the commits of closing, drawing and finishing, and at three chunks between: nine workers."""
    draw_id = await an_open_draw(work, a_prize(500, 5, 1), a_prize(3, 40))
    await bought(work, draw_id, await members_with(work, [50] * 70))
    chosen = await chosen_before(draw_id, [PrizeUnits(1, 5, 1), PrizeUnits(2, 40, None)])
    clock.advance(DAY)
    seen = []
    async with a_relay(redis_url, clock):
        for death in (
            "close_draw:before:1", "close_draw:after:1", "draw_winners:before:1", "draw_winners:after:1",
            "chunk:before:1", "chunk:before:2", "chunk:after:2",
            "finish_settlement:before:1", "finish_settlement:after:1",
        ):  # fmt: skip
            await a_worker_dies(database, redis_url, clock, CHUNK, death)
            state = await progress(draw_id)
            seen.append((state.state, state.done))
            assert await broken_invariants() == []
        async with a_worker(database.url, redis_url, clock, str(CHUNK)):
            await until_nothing_is_due(clock)
    assert [state for state, _ in seen] == ["OPEN", "CLOSED", "CLOSED", "DRAWN", *["SETTLING"] * 4, "SETTLED"]
    done = [done for _, done in seen]
    assert done[:5] == [0] * 5 and done[5] <= done[6] < done[7] == done[8] == 45
    assert as_wins(await wins_of(draw_id)) == chosen.wins
    assert await paid() == (45, 5 * 500 + 40 * 3)
    assert await progress(draw_id) == DrawState(draw_id, "SETTLED", 45, 45, 0)


async def test_a_worker_killed_while_prizes_lapse_promotes_each_reserve_once(
    database: Database, work: Work, clock: FixedClock, redis_url: str
) -> None:
    """Around the commit that closes the claims, around two chunks of lapses, and at the end: the line is followed."""
    draw_id = await an_open_draw(work, a_prize(20, 30), claim_seconds=HOUR_SECONDS, reserves=25)
    await bought(work, draw_id, await members_with(work, [50] * 70))
    chosen = await chosen_before(draw_id, [PrizeUnits(1, 30, None)], 25)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    wins = await wins_of(draw_id)
    for win in wins[:6]:
        await claim(work, win)
    lapsed = []
    async with a_relay(redis_url, clock):
        async with a_worker(database.url, redis_url, clock, str(CHUNK)):
            await until_nothing_is_due(clock)
        clock.advance(HOUR)
        for death in (
            "_close_claims:before:1", "_close_claims:after:1", "_lapse_chunk:before:1", "_lapse_chunk:after:1",
            "_lapse_chunk:before:2", "_lapse_chunk:after:1",
        ):  # fmt: skip
            await a_worker_dies(database, redis_url, clock, CHUNK, death)
            lapsed.append(await fetch_value("SELECT count(*) FROM draw_lapse"))
            assert await broken_invariants() == []
        async with a_worker(database.url, redis_url, clock, str(CHUNK)):
            await until_nothing_is_due(clock)
        further = (await wins_of(draw_id))[30:]
        for win in further:
            await claim(work, win)
        await outbox.schedule("draws.lapse", {"draw_id": draw_id}, run_at=clock.now())
        for death in ("finish_settlement:before:1", "finish_settlement:after:1"):
            await a_worker_dies(database, redis_url, clock, CHUNK, death)
        async with a_worker(database.url, redis_url, clock, str(CHUNK)):
            await until_nothing_is_due(clock)
    assert lapsed == [0, 0, 0, 10, 20, 24]
    assert as_wins(wins) == chosen.wins
    assert [(win["replaces_rank"], win["number"]) for win in further] == list(enumerate(chosen.reserves[:24], 7))
    assert await paid() == (30, 30 * 20)
    assert await progress(draw_id) == DrawState(draw_id, "SETTLED", 30, 30, 0, 24)


async def test_a_worker_killed_while_tickets_are_given_back_gives_each_back_once(
    database: Database, work: Work, clock: FixedClock, redis_url: str
) -> None:
    """At chunks and around the commit that notes the end."""
    draw_id, members = await an_open_draw(work), await members_with(work, [50] * 35)
    await bought(work, draw_id, members)
    await draws.void_draw(work, draw_id=draw_id, reason="rain", actor=STAFF)
    async with a_relay(redis_url, clock):
        for death in ("chunk:after:1", "chunk:before:2", "finish_restoration:before:1", "finish_restoration:after:1"):
            await a_worker_dies(database, redis_url, clock, CHUNK, death)
            assert await broken_invariants() == []
        async with a_worker(database.url, redis_url, clock, str(CHUNK)):
            await until_nothing_is_due(clock)
    assert [await available(each) for each in members] == [50] * 35
    assert await fetch_value("SELECT count(*) FROM ticket_restoration") == 35


async def test_what_redis_held_is_not_missed(database: Database, work: Work, clock: FixedClock, redis_url: str) -> None:
    """Emptied while a worker settles, and again while none lives: two workers settle the draw, each prize once."""
    draw_id = await an_open_draw(work, a_prize(3, 600))
    await bought(work, draw_id, await members_with(work, [50] * 600))
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    client = redis.asyncio.Redis.from_url(redis_url)
    async with a_relay(redis_url, clock):
        async with a_worker(database.url, redis_url, clock, str(CHUNK)) as worker:
            await until_granted(draw_id, 50)
            await client.flushdb()
            await until_granted(draw_id, 100)
            worker.kill()
        assert (await progress(draw_id)).state == "SETTLING"
        await client.flushdb()
        async with a_worker(database.url, redis_url, clock, str(CHUNK)):
            await until_granted(draw_id, 600, settled=True)
    await client.aclose()
    assert await paid() == (600, 1800)


async def test_two_workers_at_once_settle_a_draw_as_one(
    database: Database, work: Work, clock: FixedClock, redis_url: str
) -> None:
    """Two rows of the outbox ask for the same settlement, and two processes do them side by side."""
    draw_id = await an_open_draw(work, a_prize(3, 400))
    members = await members_with(work, [50] * 400)
    await bought(work, draw_id, members)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    for _ in range(3):
        await outbox.schedule("draws.settle", {"draw_id": draw_id}, run_at=clock.now())
    async with (
        a_relay(redis_url, clock),
        a_worker(database.url, redis_url, clock, str(CHUNK)),
        a_worker(database.url, redis_url, clock, str(CHUNK)),
    ):
        await until_granted(draw_id, 400, settled=True)
        await until_nothing_is_due(clock)
    assert await paid() == (400, 1200)
    assert [await available(each) for each in members] == [3] * 400
    assert await fetch_value("SELECT count(*) FROM outbox WHERE failed_at IS NOT NULL") == 0


async def test_a_settlement_outlives_the_database_it_writes_to(
    tmp_path: Path, clock: FixedClock, redis_url: str
) -> None:
    """PostgreSQL is stopped at once in the middle, and started again: the same worker goes on, each prize once."""
    server = LocalPostgres(tmp_path / "postgres", log=tmp_path / "postgres.log")
    server.launch()
    try:
        server.wait_ready()
        await migrate(server.url)
        async with TortoiseContext() as context:
            await context.init(config=tortoise_config(server.url, role=APP_ROLE), _enable_global_fallback=True)
            await _settled_across_a_restart(server, clock, redis_url)
    finally:
        server.stop()


async def _settled_across_a_restart(server: LocalPostgres, clock: FixedClock, redis_url: str) -> None:
    work = await a_programme(clock)
    draw_id = await an_open_draw(work, a_prize(3, 600))
    await bought(work, draw_id, await members_with(work, [50] * 600))
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    async with a_relay(redis_url, clock), a_worker(server.url, redis_url, clock, str(CHUNK)) as worker:
        await until_granted(draw_id, 50)
        assert server.process is not None
        server.process.send_signal(signal.SIGQUIT)
        server.process.wait()
        server.launch()
        server.wait_ready()
        before = await read_again(draw_id)
        await until_granted(draw_id, 600, settled=True)
        assert worker.returncode is None
    assert before.state == "SETTLING" and 50 <= before.done < 600
    assert await paid() == (600, 1800)
    assert await broken_invariants() == []


async def read_again(draw_id: UUID) -> DrawState:
    """How far the draw is, once the connections that the restart broke are thrown away."""
    for _ in range(CONNECTIONS_MAX):
        try:
            return await progress(draw_id)
        except (asyncpg.PostgresConnectionError, OSError):
            continue
    return await progress(draw_id)
