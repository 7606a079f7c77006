"""A worker is killed while it asks for a round, or between keeping it and drawing: the draw goes on as promised."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.work import Work
from tests.beacons.builders import RANDOMNESS_OF_1000, StandIn, a_stand_in, answer_for
from tests.databases import Database
from tests.draws.builders import DAY, draw_row
from tests.draws.processes import FAR_AWAY_SECONDS, ROOT, a_relay
from tests.draws.test_beacons import (
    CLOSES_AT,
    DELAY,
    a_closed_draw,
    mixed,
    numbers_in_order,
    winning_numbers,
)
from tests.draws.test_jobs import state_of


@pytest.fixture
def clock() -> FixedClock:
    """A day before a closing that leads to a round which we have."""
    return FixedClock(CLOSES_AT - DAY)


@asynccontextmanager
async def a_worker(
    database: Database, redis_url: str, stand_in: StandIn, clock: FixedClock, how: str = "free"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process during the block, killed at its end."""
    arguments = (database.url, redis_url, stand_in.address, clock.now().isoformat(), how)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.draws.asking_worker", *arguments, cwd=ROOT
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it; the bound only keeps a broken product from hanging the run."""
    async with asyncio.timeout(FAR_AWAY_SECONDS):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


async def is_settled(draw_id: UUID) -> bool:
    return (await state_of(draw_id)).state == "SETTLED"


async def values_kept() -> int:
    found: int = await fetch_value("SELECT count(*) FROM draw_beacon")
    return found


async def check_winners(draw_id: UUID) -> None:
    """One value, three winners by the seed that it was mixed into."""
    assert await values_kept() == 1
    seed = (await draw_row(draw_id))["seed"]
    assert await winning_numbers(draw_id) == numbers_in_order(mixed(seed, draw_id, RANDOMNESS_OF_1000), draw_id, 6)[:3]


async def test_a_worker_killed_between_keeping_and_drawing(
    database: Database, work: Work, clock: FixedClock, redis_url: str
) -> None:
    """SIGKILL with the value kept and nobody drawn: the next worker draws by it, though the relay lies by then."""
    draw_id = await a_closed_draw(work, clock)
    clock.set(CLOSES_AT + DELAY)
    async with a_stand_in() as stand_in, a_relay(redis_url, clock):
        stand_in.knows(1000)

        async def is_kept() -> bool:
            return await values_kept() == 1

        async with a_worker(database, redis_url, stand_in, clock, "stuck"):
            await until(is_kept)
        assert (await state_of(draw_id)).state == "CLOSED"
        stand_in.knows(1000, answer_for(1001, round=1000))
        async with a_worker(database, redis_url, stand_in, clock):
            await until(lambda: is_settled(draw_id))
    assert len(stand_in.heard) == 1
    await check_winners(draw_id)


async def test_a_worker_killed_while_it_asks(database: Database, work: Work, clock: FixedClock, redis_url: str) -> None:
    """SIGKILL while a relay keeps it waiting: nothing is kept; the next worker asks again and draws."""
    draw_id = await a_closed_draw(work, clock)
    clock.set(CLOSES_AT + DELAY)
    async with a_stand_in() as stand_in, a_relay(redis_url, clock):
        stand_in.hangs(1000)

        async def is_asked() -> bool:
            return bool(stand_in.heard)

        async with a_worker(database, redis_url, stand_in, clock):
            await until(is_asked)
        assert await values_kept() == 0 and (await state_of(draw_id)).state == "CLOSED"
        stand_in.knows(1000)
        async with a_worker(database, redis_url, stand_in, clock):
            await until(lambda: is_settled(draw_id))
    assert len(stand_in.heard) == 2
    await check_winners(draw_id)
