"""The worker as it runs in production, for a test that kills it: product jobs, the real queue, a clock that stands."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime

from tortoise.context import TortoiseContext

from app.database import APP_ROLE, tortoise_config
from app.worker import Deliveries, WorkerOptions, serve
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.draws.service import chunks
from gamification.jobs import REGISTRY
from gamification.points.ledger import PointsLedger

OPTIONS = WorkerOptions(lease_seconds=0.6, poll_delay_seconds=0.02)
CHUNK = 100
"""One percent of the test's grants, so that a kill can strike at each percent."""


async def main(database_url: str, redis_url: str, now: str) -> None:
    chunks.CHUNK = CHUNK
    async with TortoiseContext() as context:
        await context.init(config=tortoise_config(database_url, role=APP_ROLE))
        work = Work(clock=FixedClock(datetime.fromisoformat(now)), ledger=PointsLedger())
        await serve(redis_url, Deliveries(REGISTRY, work, OPTIONS), asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
