"""The relay: what is due reaches arq, through every loss of Redis and of the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import asyncpg
import orjson
import pytest
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError

from app.redis import QUEUE, close_redis, open_redis
from app.relay import Relay, RelayOptions, ring, run
from app.settings import Settings
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch_value
from gamification.core.jobs import Cron, Registry
from gamification.core.outbox import Claim
from tests.databases import Database

OPTIONS = RelayOptions(batch=50, queued_max=80, poll_min_seconds=0.01, poll_max_seconds=0.02)
NOWHERE = "redis://127.0.0.1:1/0"
DUE = "INSERT INTO outbox (job, payload, run_at) SELECT 'a', '{}', $1 FROM generate_series(1, $2::int)"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    client = open_redis(redis_url)
    yield client
    await close_redis(client)


@pytest.fixture
async def nobody() -> AsyncIterator[ArqRedis]:
    client = open_redis(NOWHERE)
    yield client
    await close_redis(client)


@pytest.fixture
def relay(database: Database, redis: ArqRedis, clock: FixedClock) -> Relay:
    return Relay(redis, Registry(), clock, OPTIONS)


async def queued(redis: ArqRedis) -> list[str]:
    return [each.decode() for each in await redis.zrange(QUEUE, 0, -1)]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition; the limit is far away and only keeps a broken product from hanging the run."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_due_row_is_queued_under_its_id_and_send(relay: Relay, redis: ArqRedis, clock: FixedClock) -> None:
    """The job is JSON that names one function, the row and the send, so that Redis holds nothing worth stealing."""
    await execute(DUE, clock.now(), 1)
    assert await relay.once() == 1
    (place,) = await queued(redis)
    number = await fetch_value("SELECT id FROM outbox")
    assert place == f"{number}:1"
    job = orjson.loads(await redis.get(f"arq:job:{place}") or b"")
    assert (job["f"], job["a"], job["k"]) == ("deliver", [number, 1], {})
    assert await relay.once() == 0


async def test_work_of_the_future_stays_in_the_database(relay: Relay, redis: ArqRedis, clock: FixedClock) -> None:
    """A row is sent when the product's clock has reached its instant, not before."""
    await execute(DUE, clock.now() + timedelta(days=30), 1)
    assert await relay.once() == 0
    clock.advance(timedelta(days=30))
    assert await relay.once() == 1
    assert len(await queued(redis)) == 1


async def test_what_waits_in_redis_is_bounded(relay: Relay, redis: ArqRedis, clock: FixedClock) -> None:
    """A backlog waits in the database; the relay claims no more than there is room for."""
    await execute(DUE, clock.now(), 200)
    assert [await relay.once() for _ in range(3)] == [50, 30, 0]
    assert len(await queued(redis)) == 80
    assert await fetch_value("SELECT count(*) FROM outbox WHERE sends = 0") == 120


async def test_two_relays_share_the_work(relay: Relay, redis: ArqRedis, clock: FixedClock) -> None:
    """Relays that run at the same time send every row once."""
    await execute(DUE, clock.now(), 70)
    other = Relay(redis, Registry(), clock, OPTIONS)
    assert sum(await asyncio.gather(relay.once(), other.once(), relay.once(), other.once())) == 70
    assert len(await queued(redis)) == 70
    assert await fetch_value("SELECT max(sends) FROM outbox") == 1


async def test_ringing_twice_changes_nothing(redis: ArqRedis) -> None:
    """A send that is queued already keeps its place."""
    await ring(redis, [Claim(7, 1)])
    before = await redis.zrange(QUEUE, 0, -1, withscores=True)
    await ring(redis, [Claim(7, 1)])
    assert await redis.zrange(QUEUE, 0, -1, withscores=True) == before


async def test_what_redis_forgot_is_sent_again_after_its_lease(
    relay: Relay, redis: ArqRedis, clock: FixedClock
) -> None:
    """A flushed Redis loses nothing: the row returns under its next send."""
    await execute(DUE, clock.now(), 1)
    await relay.once()
    await redis.flushdb()
    assert await relay.once() == 0
    await execute("UPDATE outbox SET lease_until = clock_timestamp()")
    assert await relay.once() == 1
    assert [place.partition(":")[2] for place in await queued(redis)] == ["2"]


async def test_without_redis_nothing_is_claimed(relay: Relay, nobody: ArqRedis, clock: FixedClock) -> None:
    """While Redis is gone rows stay as they are, so that they go out at once when it is back."""
    await execute(DUE, clock.now(), 1)
    relay.redis = nobody
    with pytest.raises(RedisConnectionError):
        await relay.once()
    assert await fetch_value("SELECT sends FROM outbox") == 0


async def test_rows_claimed_while_redis_goes_away_are_given_back(
    relay: Relay, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A send that fails half way frees its rows for the next round."""
    await execute(DUE, clock.now(), 2)

    async def gone(redis: ArqRedis, claims: list[Claim]) -> None:
        raise RedisConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("app.relay.ring", gone)
        with pytest.raises(RedisConnectionError):
            await relay.once()
    assert await fetch_value("SELECT count(*) FROM outbox WHERE lease_until IS NULL") == 2
    assert await relay.once() == 2


async def test_the_loop_outlives_redis_and_the_database(
    relay: Relay, redis: ArqRedis, nobody: ArqRedis, clock: FixedClock, database: Database
) -> None:
    """Without Redis, and after the database cut its connections, the relay goes on by itself."""
    stop = asyncio.Event()
    relay.redis = nobody
    serving = asyncio.create_task(relay.serve(stop))
    await execute(DUE, clock.now(), 1)
    await asyncio.sleep(0.05)
    assert await fetch_value("SELECT sends FROM outbox") == 0
    relay.redis = redis

    async def sent(count: int) -> bool:
        return len(await queued(redis)) == count

    await until(lambda: sent(1))
    side = await asyncpg.connect(database.url)
    await side.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await side.execute(DUE, clock.now(), 1)
    await side.close()
    await until(lambda: sent(2))
    stop.set()
    await serving


async def test_what_falls_due_by_time_becomes_a_row(relay: Relay, clock: FixedClock) -> None:
    """Each time slot adds one tick, as soon as the earlier one is done."""
    relay.registry = Registry(crons=(Cron("points.sweep", every=timedelta(minutes=1)),))
    assert [await relay.once(), await relay.once()] == [1, 0]
    slot = int(clock.now().timestamp())
    assert await fetch_value("SELECT key FROM outbox") == f"cron:points.sweep:{slot}"
    clock.advance(timedelta(minutes=1))
    assert [await relay.once(), await relay.once()] == [0, 0]
    await execute("UPDATE outbox SET done_at = clock_timestamp()")
    assert [await relay.once(), await relay.once()] == [1, 0]
    assert await fetch_value("SELECT key FROM outbox WHERE done_at IS NULL") == f"cron:points.sweep:{slot + 60}"


async def test_the_relay_process_sends_what_is_due_and_stops_when_told(settings: Settings, redis: ArqRedis) -> None:
    """Opened from the settings alone it hands over the core's own hourly tick, and returns once told to stop."""
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, OPTIONS, stop))
    await until(lambda: _queued_one(redis))
    stop.set()
    await running
    assert await fetch_value("SELECT array_agg(DISTINCT job) FROM outbox WHERE key LIKE 'cron:core.%'") == [
        "core.purge_outbox"
    ]


async def _queued_one(redis: ArqRedis) -> bool:
    return len(await queued(redis)) >= 1
