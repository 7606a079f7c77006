"""Ten thousand grants, a worker killed again and again: every prize arrives exactly once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from app.redis import close_redis, open_redis
from app.relay import Relay, RelayOptions
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_row, fetch_value
from gamification.core.jobs import Registry
from gamification.core.work import Work
from gamification.draws import queries
from gamification.draws.queries import DrawState
from tests.databases import Database
from tests.draws.builders import DAY, a_prize, an_open_draw, bought, drawn, members_with

ROOT = Path(__file__).parents[2]
TICKETS, MEMBERS = 10_000, 1_000
KILLED_AT = (100, 2_500, 5_000, 7_500, 9_900)
"""Grants after which a worker dies: from 1 % to 99 %."""
RELAY = RelayOptions(lease_seconds=5.0, poll_min_seconds=0.01, poll_max_seconds=0.05)
FAR_AWAY_SECONDS = 300
"""Only keeps a broken product from hanging the run."""


async def test_a_killed_worker_settles_ten_thousand_grants_exactly_once(
    database: Database, work: Work, clock: FixedClock, redis_url: str
) -> None:
    """SIGKILL at five points between 1 % and 99 %; each time another worker goes on where the last one died."""
    draw_id = await an_open_draw(work, a_prize(500, 10), a_prize(20, 990), a_prize(3, 9_000))
    members = await members_with(work, [50 * TICKETS // MEMBERS] * MEMBERS)
    await bought(work, draw_id, members * (TICKETS // MEMBERS))
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    seen_at_death = []
    async with a_relay(redis_url, clock):
        for grants in KILLED_AT:
            async with a_worker(database, redis_url, clock) as worker:
                await until_granted(draw_id, grants)
                worker.kill()
            seen_at_death.append((await progress(draw_id)).state)
        async with a_worker(database, redis_url, clock):
            await until_granted(draw_id, TICKETS, settled=True)
    assert seen_at_death[0] == "SETTLING"
    assert await progress(draw_id) == DrawState(draw_id, "SETTLED", TICKETS, TICKETS, 0)
    points = 10 * 500 + 990 * 20 + 9_000 * 3
    row = await fetch_row(
        """SELECT count(*), count(DISTINCT source_id), sum(available_delta)::bigint FROM entry
           WHERE source_type = 'draw_win'"""
    )
    assert row is not None and tuple(row) == (TICKETS, TICKETS, points)
    assert await fetch_value("SELECT sum(available)::bigint FROM account WHERE currency = 'POINTS'") == points
    assert await fetch_value("SELECT attempts FROM outbox WHERE job = 'draws.settle'") >= 2


async def progress(draw_id: UUID) -> DrawState:
    return (await queries.draw_states([draw_id]))[draw_id]


async def until_granted(draw_id: UUID, grants: int, *, settled: bool = False) -> None:
    """Wait until so many grants are committed, and the draw is settled if asked."""
    async with asyncio.timeout(FAR_AWAY_SECONDS):
        while True:
            state = await progress(draw_id)
            if state.done >= grants and (state.state == "SETTLED" or not settled):
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def a_relay(redis_url: str, clock: FixedClock) -> AsyncIterator[None]:
    """The relay, in this process, during the block; it sends what the outbox holds and adds no ticks."""
    redis, stop = open_redis(redis_url), asyncio.Event()
    serving = asyncio.create_task(Relay(redis, Registry(), clock, RELAY).serve(stop))
    try:
        yield
    finally:
        stop.set()
        await serving
        await close_redis(redis)


@asynccontextmanager
async def a_worker(database: Database, redis_url: str, clock: FixedClock) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process during the block, dead at its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.draws.mortal_worker", database.url, redis_url, clock.now().isoformat(), cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
