"""A relay in this process and workers in others, for tests that kill them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from app.redis import close_redis, open_redis
from app.relay import Relay, RelayOptions
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.jobs import Registry
from gamification.draws import queries
from gamification.draws.queries import DrawState
from tests.databases import Database

ROOT = Path(__file__).parents[2]
RELAY = RelayOptions(lease_seconds=1.0, poll_min_seconds=0.01, poll_max_seconds=0.05)
FAR_AWAY_SECONDS = 300
"""Only keeps a broken product from hanging the run."""


async def progress(draw_id: UUID) -> DrawState:
    return (await queries.draw_states([draw_id]))[draw_id]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is committed."""
    async with asyncio.timeout(FAR_AWAY_SECONDS):
        while not await holds():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.005)


async def until_granted(draw_id: UUID, grants: int, *, settled: bool = False) -> None:
    """Wait until so many grants are committed, and the draw is settled if asked."""

    async def holds() -> bool:
        state = await progress(draw_id)
        return state.done >= grants and (state.state == "SETTLED" or not settled)

    await until(holds)


async def until_nothing_is_due(clock: FixedClock) -> None:
    """Wait until every row of the outbox whose time has come is done."""

    async def holds() -> bool:
        sql = "SELECT count(*) FROM outbox WHERE done_at IS NULL AND run_at <= $1"
        return bool(await fetch_value(sql, clock.now()) == 0)

    await until(holds)


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
async def a_worker(
    database_url: str, redis_url: str, clock: FixedClock, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process during the block, dead at its end; `options` are those of `mortal_worker`."""
    command = [sys.executable, "-m", "tests.draws.mortal_worker", database_url, redis_url, clock.now().isoformat()]
    process = await asyncio.create_subprocess_exec(*command, *options, cwd=ROOT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def a_worker_dies(database: Database, redis_url: str, clock: FixedClock, chunk: int, death: str) -> None:
    """Let a worker run until it has killed itself where it was told to."""
    async with asyncio.timeout(FAR_AWAY_SECONDS):
        async with a_worker(database.url, redis_url, clock, str(chunk), death) as process:
            assert await process.wait() == -signal.SIGKILL, death
