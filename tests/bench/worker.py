"""The product's own worker at a draw that is due: `python -m app worker`, with the relay, on the product's clock."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import click
from redis.asyncio import Redis

from gamification.core.clock import SystemClock
from tests.bench.contenders import inherited
from tests.bench.job import peak_mib
from tests.bench.programme import duration

POLL_SECONDS = 0.1
SECONDS_MAX = 1_800


async def settled(
    environment: Mapping[str, str], owner: asyncpg.Connection, draw_id: UUID, at: datetime
) -> dict[str, float]:
    """Start a worker at an instant and wait until a draw is settled: seconds since the start, and its peak memory.

    Raises ClickException where the worker ends, or does not come to the end.
    """
    offset = duration(int((at - SystemClock().now()).total_seconds()))
    await _forget_jobs(environment["REDIS_URL"])
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "app", "worker", "--with-relay",
        env={**inherited(), **environment, "CLOCK_OFFSET": offset}, stdout=DEVNULL, stderr=DEVNULL,
    )  # fmt: skip
    try:
        while await owner.fetchval("SELECT state FROM draw WHERE id = $1", draw_id) != "SETTLED":
            if process.returncode is not None or time.perf_counter() - started > SECONDS_MAX:
                raise click.ClickException(f"the worker did not settle the draw ({process.returncode})")
            await asyncio.sleep(POLL_SECONDS)
        took = time.perf_counter() - started
        return {"seconds": took, "peak_mib": peak_mib(Path(f"/proc/{process.pid}/status"))}
    finally:
        process.terminate()
        await process.wait()


async def _forget_jobs(url: str) -> None:
    """Empty the queue: copies of a database announce jobs under the same ids, which arq would take for known ones."""
    queue = Redis.from_url(url)
    try:
        await queue.flushdb()
    finally:
        await queue.aclose()
