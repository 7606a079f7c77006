"""Builders and readings that the tests of check-ins share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from uuid import UUID

from tortoise.context import TortoiseContext

from gamification.checkins.invariants import INVARIANTS
from gamification.checkins.rules import CheckInPolicy
from gamification.core.actors import SYSTEM
from gamification.core.calendar import Calendar
from gamification.core.clock import Clock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.policy import publish_policy
from gamification.core.work import Work
from gamification.members import service as members
from gamification.members.references import Origin
from gamification.points.invariants import INVARIANTS as POINTS_INVARIANTS
from gamification.points.ledger import PointsLedger
from gamification.points.rules import PointsPolicy
from tests.databases import Database

WEEK = (5, 5, 10, 5, 5, 10, 20)
CROWD_CONNECTIONS = 12


async def a_programme(clock: Clock, *, calendar: Calendar | None = None, daily_points: tuple[int, ...] = WEEK) -> Work:
    """A programme whose points never expire and whose check-ins pay a week's cycle."""
    await publish_policy(PointsPolicy(), actor=SYSTEM, now=clock.now())
    await publish_policy(CheckInPolicy(daily_points), actor=SYSTEM, now=clock.now())
    work = Work(clock=clock, ledger=PointsLedger(), calendar=calendar)
    await work.policies.refresh()
    return work


async def a_member(clock: Clock) -> UUID:
    """A member without points."""
    return (await members.register(origin=Origin("store", "SH-01"), now=clock.now())).id


async def checked_in_on(member_id: UUID, *dates: date) -> None:
    """Check-ins of earlier days that paid nothing, with the caches that the dates give."""
    await execute(
        """INSERT INTO check_in (member_id, business_date, run_first_on, points, policy_version, checked_in_at)
           SELECT $1, day, min(day) OVER (PARTITION BY island), 0, 1, day
           FROM (SELECT day, day - (row_number() OVER (ORDER BY day))::int AS island
                 FROM unnest($2::date[]) AS day) numbered""",
        member_id, list(dates),
    )  # fmt: skip


async def available(member_id: UUID) -> int:
    found: int = await fetch_value(
        "SELECT available FROM account WHERE member_id = $1 AND currency = 'POINTS'", member_id
    )
    return found


async def rows_written() -> tuple[int, ...]:
    """How many rows the tables that a check-in writes hold, and how often accounts were written."""
    row = await fetch(
        """SELECT (SELECT count(*) FROM check_in), (SELECT count(*) FROM entry), (SELECT count(*) FROM lot),
                  (SELECT count(*) FROM outbox), (SELECT coalesce(sum(version), 0) FROM account)"""
    )
    return tuple(int(each) for each in row[0])


async def broken_invariants() -> list[str]:
    """The invariants of points and check-ins that do not hold."""
    return [name for name, sql in {**POINTS_INVARIANTS, **INVARIANTS}.items() if await fetch(sql)]


@asynccontextmanager
async def a_crowd_of_connections(database: Database) -> AsyncIterator[None]:
    """A pool in which many verbs really run side by side, and which lets them wait for a connection."""
    async with TortoiseContext() as context:
        await context.init(config=database.config(pool_max=CROWD_CONNECTIONS, acquire_timeout_seconds=60))
        yield
