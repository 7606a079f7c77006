"""A worker process for tests that kill it: its handler writes one row in each attempt and never ends in the first."""

from __future__ import annotations

import asyncio
import sys

from tortoise.context import TortoiseContext

from app.database import tortoise_config
from app.worker import Deliveries, WorkerOptions, serve
from gamification.core.clock import SystemClock
from gamification.core.database import execute
from gamification.core.jobs import Job, JobContext, Registry
from gamification.core.transactions import transaction
from gamification.core.work import Work

OPTIONS = WorkerOptions(lease_seconds=0.6, poll_delay_seconds=0.02, completion_wait_seconds=5.0)


async def grant(ctx: JobContext, member: str) -> None:
    """Grant under a natural key and mark the row done in one transaction; the first attempt stays stuck in it."""
    async with transaction():
        await execute(
            "INSERT INTO audit_record (id, at, actor, action, subject)"
            " VALUES (gen_random_uuid(), now(), 'system', 'granted', $1)",
            member,
        )
        if ctx.run.attempt == 1:
            await asyncio.sleep(3600)
        await ctx.complete()


async def main(database_url: str, redis_url: str) -> None:
    async with TortoiseContext() as context:
        await context.init(config=tortoise_config(database_url, idle_in_transaction_timeout_seconds=0))
        work = Work(clock=SystemClock(), ledger=None)  # type: ignore[arg-type]
        registry = Registry(jobs={"members.grant": Job("members.grant", grant)})
        await serve(redis_url, Deliveries(registry, work, OPTIONS), asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
