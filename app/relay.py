"""The relay: hands due outbox rows to arq, and adds the rows that fall due by time.

It may be killed at any point and may run several times over: a row is claimed under a lease, and the worker begins
each send once. Without Redis nothing is claimed; without the database the loop backs off; it never ends by itself.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from arq.utils import timestamp_ms
from tortoise.context import TortoiseContext

from app.database import database_config
from app.redis import DELIVER, QUEUE, close_redis, encode, open_redis
from app.settings import Settings
from gamification.core import outbox
from gamification.core.clock import Clock, OffsetClock
from gamification.core.jobs import Registry
from gamification.core.outbox import Claim
from gamification.jobs import REGISTRY

log = structlog.get_logger(__name__)

BACKOFF_MAX_SECONDS = 2.0
POOL_MAX = 2
JOB_KEPT = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class RelayOptions:
    """How the relay works. `queued_max` bounds what waits in arq; a lease runs from the claim until a worker begins."""

    batch: int = 200
    queued_max: int = 1000
    lease_seconds: float = 30.0
    poll_min_seconds: float = 0.05
    poll_max_seconds: float = 0.5
    redis_timeout_seconds: float = 2.0


@dataclass
class Relay:
    """One relay over the ORM that is open in this context."""

    redis: ArqRedis
    registry: Registry
    clock: Clock
    options: RelayOptions = field(default_factory=RelayOptions)
    ticked: dict[str, datetime] = field(default_factory=dict)

    async def once(self) -> int:
        """Add what falls due by time, send one batch; returns how many rows were sent.

        Raises what Redis or the database raise; rows that were claimed but not sent are given back.
        """
        now = self.clock.now()
        await self._tick(now)
        async with asyncio.timeout(self.options.redis_timeout_seconds):
            room = self.options.queued_max - await self.redis.zcard(QUEUE)
        if room <= 0:
            return 0
        lease = timedelta(seconds=self.options.lease_seconds)
        claims = await outbox.claim(now, limit=min(room, self.options.batch), lease=lease)
        if claims:
            await self._send(claims)
        return len(claims)

    async def _tick(self, now: datetime) -> None:
        due = {cron.job: cron.slot(now) for cron in self.registry.crons}
        fresh = {job: slot for job, slot in due.items() if self.ticked.get(job) != slot}
        if fresh:
            added = await outbox.tick(list(fresh), list(fresh.values()))
            self.ticked.update({job: fresh[job] for job in added})

    async def _send(self, claims: list[Claim]) -> None:
        try:
            async with asyncio.timeout(self.options.redis_timeout_seconds):
                await ring(self.redis, claims)
        except BaseException:
            await asyncio.shield(outbox.give_back(claims))
            raise

    async def serve(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set: at once after a full batch, slower and slower while there is nothing to do."""
        pause = self.options.poll_min_seconds
        while not stop.is_set():
            try:
                sent = await self.once()
            except Exception as fault:  # noqa: BLE001 - the loop outlives every fault
                pause = min(BACKOFF_MAX_SECONDS, max(2 * pause, self.options.poll_max_seconds))
                log.warning("relay.interrupted", error=repr(fault), pause_seconds=pause)
            else:
                pause = self._pause_after(sent, pause)
            await _wait(stop, pause)

    def _pause_after(self, sent: int, pause: float) -> float:
        if sent == self.options.batch:
            return 0.0
        if sent:
            return self.options.poll_min_seconds
        return min(self.options.poll_max_seconds, max(2 * pause, self.options.poll_min_seconds))


async def ring(redis: ArqRedis, claims: list[Claim]) -> None:
    """Put the sends into arq's queue, all or none, in one round trip; a send that is there already stays as it is."""
    at = timestamp_ms()
    async with redis.pipeline(transaction=True) as pipe:
        for claim in claims:
            record = serialize_job(DELIVER, (claim.id, claim.send), {}, None, at, serializer=encode)
            pipe.set(job_key_prefix + claim.place, record, px=JOB_KEPT, nx=True)
        pipe.zadd(QUEUE, {claim.place: at for claim in claims}, nx=True)
        await pipe.execute()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def run(settings: Settings, options: RelayOptions | None = None, stop: asyncio.Event | None = None) -> None:
    """The relay as a process: opens the database and Redis, relays until SIGTERM, closes both."""
    options = options or RelayOptions()
    stop = stop or stop_on_signals()
    clock = OffsetClock(offset=settings.clock_offset)
    redis = open_redis(settings.redis_url, timeout_seconds=options.redis_timeout_seconds)
    try:
        async with TortoiseContext() as context:
            await context.init(
                config=await database_config(settings, application_name="jifen relay", pool_max=POOL_MAX)
            )
            await Relay(redis, REGISTRY, clock, options).serve(stop)
    finally:
        await close_redis(redis)
