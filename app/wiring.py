"""Where the parts of a process are put together: one `Work` per process, and what surrounds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog
from tortoise import Tortoise

from app.database import database_config
from app.drand import relays_of
from app.keeper import keeper_of
from app.settings import Settings
from gamification.beacons import ports as beacons
from gamification.core.clock import Clock, OffsetClock, SystemClock
from gamification.core.lanes import LaneLimits, opened_lanes
from gamification.core.work import Work
from gamification.jobs import REGISTRY
from gamification.points.ledger import PointsLedger
from gamification.transparency.keeper import appoint

log = structlog.get_logger()

POLICY_REFRESH_SECONDS = 1.0
"""How old a policy may be in a process that only reads; a write learns of a new version with its load."""


def clock_of(settings: Settings) -> Clock:
    """The product's clock: the machine's, moved by CLOCK_OFFSET in development."""
    return OffsetClock(SystemClock(), settings.clock_offset) if settings.clock_offset != timedelta(0) else SystemClock()


async def open_work(settings: Settings) -> Work:
    """The write path's surroundings, with every published policy read; the database is open."""
    appoint(keeper_of(settings))
    beacons.appoint(relays_of(settings))
    work = Work(clock=clock_of(settings), ledger=PointsLedger(), listeners=REGISTRY.listeners)
    await work.policies.refresh()
    return work


@asynccontextmanager
async def opened_database(settings: Settings, name: str) -> AsyncIterator[None]:
    """The pool of a process, for every task of it."""
    await Tortoise.init(
        config=await database_config(settings, application_name=f"jifen {name}"), _enable_global_fallback=True
    )
    try:
        yield
    finally:
        await Tortoise.close_connections()


@asynccontextmanager
async def sharing_flushes(settings: Settings, work: Work) -> AsyncIterator[None]:
    """Let commands that arrive one by one share transactions while inside; what was accepted is done at the end.

    Beside the lanes, other connections of the pool serve members who are waited for.
    """
    if not settings.write_lanes:
        yield
        return
    beside = max(1, settings.database_pool_max - settings.write_lanes)
    limits = LaneLimits(lanes=settings.write_lanes, beside=beside, waiting_max=settings.write_waiting_max)
    async with opened_lanes(work, limits):
        yield


@asynccontextmanager
async def following_policies(work: Work) -> AsyncIterator[None]:
    """Keep the policies fresh while inside; a database that is away is asked again."""
    task = asyncio.create_task(_follow(work))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _follow(work: Work) -> None:
    while True:
        await asyncio.sleep(POLICY_REFRESH_SECONDS)
        try:
            await work.policies.refresh()
        except Exception as fault:  # noqa: BLE001 - the next look comes in a second
            log.warning("policies.refresh_failed", error=repr(fault))
