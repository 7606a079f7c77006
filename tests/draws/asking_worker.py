"""The worker as it runs in production with one relay of drand, for tests that kill it; `stuck` before it draws if told.

Arguments: the database's and Redis' addresses, the relay's, the instant at which the clock stands, `stuck` or `free`.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime

from tortoise.context import TortoiseContext

from app.database import APP_ROLE, tortoise_config
from app.drand import HttpRelay
from app.worker import Deliveries, serve
from gamification.beacons import ports
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.draws.service import closing
from gamification.jobs import REGISTRY
from gamification.points.ledger import PointsLedger
from tests.draws.mortal_worker import OPTIONS

FAR_AWAY_SECONDS = 300


async def wait_for_ever(*given: object) -> None:
    """In the place of fixing the winners."""
    await asyncio.Event().wait()


async def main(database_url: str, redis_url: str, relay: str, now: str, how: str) -> None:
    if how == "stuck":
        closing._fix = wait_for_ever  # type: ignore[assignment]
    ports.appoint([HttpRelay(relay, FAR_AWAY_SECONDS, FAR_AWAY_SECONDS)])
    async with TortoiseContext() as context:
        await context.init(config=tortoise_config(database_url, role=APP_ROLE))
        work = Work(clock=FixedClock(datetime.fromisoformat(now)), ledger=PointsLedger())
        await serve(redis_url, Deliveries(REGISTRY, work, OPTIONS), asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
