"""A process in which members play as fast as they are answered, for a test that runs several and kills one.

It prints a line for each play that was answered, `key number given`, and dies (SIGKILL, by itself) right after so many
lines, with other plays on their way; told 0, it ends when all have been answered.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import datetime
from itertools import count
from uuid import UUID

from tortoise.context import TortoiseContext

from app.database import APP_ROLE, tortoise_config
from app.telemetry import configure
from gamification.core.clock import FixedClock
from gamification.core.lanes import LaneLimits, opened_lanes
from gamification.core.work import Work
from gamification.points.ledger import PointsLedger
from tests.instant_draws.builders import play


async def main(database_url: str, now: str, draw_id: str, plays_each: str, dies_after: str, *member_ids: str) -> None:
    configure("playing", "console")  # what is logged goes to standard error, so that only answers are printed
    async with TortoiseContext() as context:
        await context.init(config=tortoise_config(database_url, role=APP_ROLE))
        work = Work(clock=FixedClock(datetime.fromisoformat(now)), ledger=PointsLedger())
        await work.policies.refresh()
        answered = count(1)

        async def one(member_id: UUID) -> None:
            for turn in range(int(plays_each)):
                key = f"{member_id}-{turn}"
                done = await play(work, UUID(draw_id), member_id, key)
                print(key, done.number, done.given, flush=True)
                if next(answered) == int(dies_after):
                    os.kill(os.getpid(), signal.SIGKILL)

        async with opened_lanes(work, LaneLimits(lanes=2, beside=2)):
            await asyncio.gather(*(one(UUID(each)) for each in member_ids))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
