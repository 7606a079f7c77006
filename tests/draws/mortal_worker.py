"""The worker as it runs in production, for a test that kills it: product jobs, the real queue, a clock that stands.

It may be told where to die: `close_draw:before:2` kills it (SIGKILL, by itself) right before the second commit of that
verb, `chunk:after:1` right after the first chunk of grants or restorations is written.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from itertools import count
from typing import Any

from tortoise.context import TortoiseContext

from app.database import APP_ROLE, tortoise_config
from app.worker import Deliveries, WorkerOptions, serve
from gamification.core.clock import FixedClock
from gamification.core.transactions import transaction
from gamification.core.work import Work
from gamification.draws.service import chunks, closing, lapsing, settlement, voiding
from gamification.jobs import REGISTRY
from gamification.points.ledger import PointsLedger

OPTIONS = WorkerOptions(lease_seconds=0.6, poll_delay_seconds=0.02, backoff_first_seconds=0.1, backoff_max_seconds=0.2)
STEPS: tuple[Any, ...] = (closing, settlement, lapsing, voiding)
CHUNK = 100
"""One percent of the test's grants, so that a kill can strike at each percent."""


def die() -> None:
    """As if the machine had gone."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_commit(verb: str, when: str, number: int) -> None:
    """Let one commit of a verb's transactions be the last thing before, or after, this process dies."""
    commits = count(1)

    @asynccontextmanager
    async def mortal(mine: bool) -> AsyncIterator[None]:
        async with transaction():
            yield
            if mine and when == "before":
                die()
        if mine and when == "after":
            die()

    def of_caller() -> AbstractAsyncContextManager[None]:
        caller = sys._getframe(1).f_code.co_qualname
        return mortal(caller.startswith(f"{verb}.") and next(commits) == number)

    for module in STEPS:
        module.transaction = of_caller


def die_at_chunk(work: Work, when: str, number: int) -> None:
    """Let one chunk of what a draw owes be the last thing before, or after, this process dies."""
    perform_all, written = work.perform_all, count(1)

    async def mortal(verb: Any, commands: Sequence[Any]) -> Any:
        mine = next(written) == number
        if mine and when == "before":
            die()
        outcomes = await perform_all(verb, commands)
        if mine and when == "after":
            die()
        return outcomes

    work.perform_all = mortal  # type: ignore[method-assign]


async def main(database_url: str, redis_url: str, now: str, chunk: str = str(CHUNK), death: str = "") -> None:
    chunks.CHUNK = lapsing.LAPSES_PER_CHUNK = int(chunk)
    async with TortoiseContext() as context:
        await context.init(config=tortoise_config(database_url, role=APP_ROLE))
        work = Work(clock=FixedClock(datetime.fromisoformat(now)), ledger=PointsLedger())
        if death:
            place, when, number = death.split(":")
            die_at_chunk(work, when, int(number)) if place == "chunk" else die_at_commit(place, when, int(number))
        await serve(redis_url, Deliveries(REGISTRY, work, OPTIONS), asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
