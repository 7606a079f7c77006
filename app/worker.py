"""The worker: arq runs one function, `deliver`, which does an outbox row through its handler.

arq never retries and keeps no result; whatever becomes of a delivery is written into the outbox. While a handler runs
its lease is kept by heartbeat, so that a worker that dies is replaced after one lease and a long job is left alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from arq.connections import ArqRedis
from arq.worker import Worker as ArqWorker
from arq.worker import func
from tortoise.context import TortoiseContext

from app.database import database_config
from app.redis import DELIVER, QUEUE, close_redis, decode, encode, open_patient_redis
from app.relay import stop_on_signals
from app.settings import Settings
from gamification.core import outbox
from gamification.core.correlation import correlation_id
from gamification.core.jobs import Job, JobContext, LeaseLost, Registry
from gamification.core.outbox import Run
from gamification.core.work import Work
from gamification.jobs import REGISTRY

log = structlog.get_logger(__name__)

QUEUE_READ_LIMIT = 2000
RESTART_PAUSE_SECONDS = 1.0
ARQ_MARGIN_SECONDS = 15.0
POOL_SPARE = 4
"""Connections beside one per running job: for heartbeats, for beginning and completing, and for the second chunk of
those that do two at a time (`core/chunks.py`)."""


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How a worker works. Back-offs double from the first to the maximum, with jitter."""

    concurrency: int = 6
    lease_seconds: float = 30.0
    job_timeout_seconds: float = 60.0
    backoff_first_seconds: float = 1.0
    backoff_max_seconds: float = 600.0
    poll_delay_seconds: float = 0.1
    completion_wait_seconds: float = 15.0


@dataclass
class Deliveries:
    """What `deliver` needs: the handlers, their surroundings, the limits."""

    registry: Registry
    work: Work
    options: WorkerOptions = field(default_factory=WorkerOptions)

    @property
    def lease(self) -> timedelta:
        """How long a row is ours without a heartbeat."""
        return timedelta(seconds=self.options.lease_seconds)

    async def deliver(self, ctx: dict[Any, Any], id: int, send: int) -> None:
        """Do one send of one outbox row. A late or repeated delivery does nothing."""
        run = await outbox.begin(id, send, self.lease)
        if run is None:
            log.info("job.stale", outbox_id=id, send=send)
            return
        correlation_id.set(run.correlation_id)
        job = self.registry.jobs.get(run.job)
        if job is None:
            log.error("job.unknown", **_facts(run))
            await outbox.bury(run, f"no job is named {run.job}")
            return
        await self._attempt(job, run)

    async def _attempt(self, job: Job, run: Run) -> None:
        context = JobContext(self.work, run, self.lease)
        try:
            await self._under_heartbeat(job, context)
            if not context.completed and not await outbox.complete(run):
                raise LeaseLost(run.place)
        except LeaseLost:
            log.warning("job.lease_lost", **_facts(run))
        except asyncio.CancelledError:
            await asyncio.shield(outbox.stop(run))
            raise
        except Exception as fault:  # noqa: BLE001 - every fault of a handler is recorded in its row
            await self._failed(run, fault)

    async def _under_heartbeat(self, job: Job, context: JobContext) -> None:
        """Run the handler; a lost lease cancels it, the time-out fails it."""
        handler = asyncio.ensure_future(job.handler(context, **context.run.payload))
        heart = asyncio.create_task(self._beat(context))
        try:
            async with asyncio.timeout(job.seconds_max or self.options.job_timeout_seconds):
                await asyncio.wait({handler, heart}, return_when=asyncio.FIRST_COMPLETED)
            if not handler.done():
                raise LeaseLost(context.run.place)
            await handler
        finally:
            await _cancel(heart, handler)

    async def _beat(self, context: JobContext) -> None:
        """Return when the lease is lost; otherwise keep it, also through moments without a database."""
        while True:
            await asyncio.sleep(self.options.lease_seconds / 3)
            try:
                kept = context.completed or await outbox.heartbeat(context.run, self.lease)
            except Exception as fault:  # noqa: BLE001 - the lease may still be kept by the next beat
                log.warning("job.heartbeat_missed", error=repr(fault), **_facts(context.run))
            else:
                if not kept and not context.completed:
                    return

    async def _failed(self, run: Run, fault: Exception) -> None:
        log.error("job.failed", exc_info=fault, **_facts(run))
        error = f"{type(fault).__name__}: {fault}"
        if await outbox.fail(run, error, backoff=self._backoff(run.attempt)):
            log.error("job.dead", error=error, **_facts(run))

    def _backoff(self, attempt: int) -> timedelta:
        ceiling = min(self.options.backoff_max_seconds, self.options.backoff_first_seconds * 2 ** (attempt - 1))
        return timedelta(seconds=random.uniform(ceiling / 2, ceiling))


def _facts(run: Run) -> dict[str, Any]:
    return {
        "job": run.job,
        "outbox_id": run.id,
        "send": run.send,
        "attempt": run.attempt,
        "correlation_id": run.correlation_id,
    }


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what still runs and wait for its end, which frees the rows of jobs; what it raises is of no interest."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def build_worker(redis: ArqRedis, deliveries: Deliveries) -> ArqWorker:
    """arq's worker as we use it: no retries, no results, no pickle, no signal handlers."""
    options = deliveries.options
    return ArqWorker(
        functions=[func(deliveries.deliver, name=DELIVER)],
        queue_name=QUEUE,
        redis_pool=redis,
        handle_signals=False,
        max_jobs=options.concurrency,
        job_timeout=max(options.job_timeout_seconds, deliveries.registry.seconds_max) + ARQ_MARGIN_SECONDS,
        keep_result=0,
        poll_delay=options.poll_delay_seconds,
        queue_read_limit=QUEUE_READ_LIMIT,
        retry_jobs=False,
        max_tries=1_000_000,
        job_serializer=encode,
        job_deserializer=decode,
        log_results=False,
    )


async def serve(redis_url: str, deliveries: Deliveries, stop: asyncio.Event) -> None:
    """Work until `stop` is set, then let running jobs finish; a Redis that stays away only makes it start again."""
    while not stop.is_set():
        redis = open_patient_redis(redis_url)
        worker = build_worker(redis, deliveries)
        working = asyncio.create_task(worker.async_run())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                log.warning("worker.interrupted", error=repr(working.exception()))
                await asyncio.sleep(RESTART_PAUSE_SECONDS)
            else:
                await _finish_jobs(worker, deliveries.options.completion_wait_seconds)
        finally:
            await _cancel(working, stopping, *worker.tasks.values())
            await close_redis(redis)


async def _finish_jobs(worker: ArqWorker, seconds: float) -> None:
    """Begin no other job and wait for those that run."""
    worker.allow_pick_jobs = False
    running = [task for task in worker.tasks.values() if not task.done()]
    if running:
        await asyncio.wait(running, timeout=seconds)


async def run(
    settings: Settings,
    open_work: Callable[[], Awaitable[Work]],
    options: WorkerOptions | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """The worker as a process: opens the database, works until SIGTERM, lets jobs finish, closes.

    `open_work` makes the handlers' surroundings once the database is open.
    """
    options = options or WorkerOptions()
    stop = stop or stop_on_signals()
    pool_max = options.concurrency + POOL_SPARE
    async with TortoiseContext() as context:
        await context.init(config=await database_config(settings, application_name="jifen worker", pool_max=pool_max))
        await serve(settings.redis_url, Deliveries(REGISTRY, await open_work(), options), stop)
