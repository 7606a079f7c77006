"""What tests of the ledger, and of whatever rests on it, are built from: work, members, policies, and readings."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from tortoise.context import TortoiseContext

from gamification import invariants
from gamification.core.actors import SYSTEM
from gamification.core.clock import Clock
from gamification.core.database import fetch, fetch_row, fetch_value
from gamification.core.encoding import encode
from gamification.core.ids import new_id
from gamification.core.lanes import Lanes
from gamification.core.policy import Policies, Policy, publish_policy
from gamification.core.work import Work
from gamification.earning.rules import EarningPolicy, LadderStep
from gamification.members.references import Origin, Reference
from gamification.members.service import ensure_members
from gamification.points.ledger import PointsLedger
from gamification.points.queries import Balance, balances_by_member_ids
from gamification.points.rules import PointsPolicy
from gamification.tiers.rules import Tier, TierPolicy
from tests.databases import Database
from tests.moves import MOVE as MOVE
from tests.moves import ClawBack, GiveBack, Moved, Spend
from tests.moves import Earn as Earn

SPEC_LADDER = (LadderStep(10_000, 100), LadderStep(30_000, 150), LadderStep(50_000, 200))
"""1 % from 100 yuan, 1.5 % from 300, 2 % from 500, on the whole month's net."""

TIERS = TierPolicy(
    (
        Tier("BASIC", "普通会员", "Basic", 0),
        Tier("SILVER", "银卡会员", "Silver", 1_000),
        Tier("GOLD", "金卡会员", "Gold", 5_000),
        Tier("BLACK", "黑金会员", "Black", 20_000),
    )
)
EARNING = EarningPolicy(points_rate_bp=100, growth_rate_bp=100)
"""One point and one growth per yuan, no ladder."""

FOR_EVER = PointsPolicy()
"""Points that are usable at once and never expire."""

AT_THE_TILL = Origin("store", "SH-01")
_numbers = count()


def policies_of(*bodies: Policy) -> Policies:
    """Policies that hold since ever, in memory only."""
    policies = Policies()
    policies._add((number, type(body).kind, 1, None, encode(body)) for number, body in enumerate(bodies, start=1))
    return policies


def a_work(
    clock: Clock, *bodies: Policy, listeners: Mapping[str, Sequence[str]] | None = None, laned: bool = False
) -> Work:
    """A unit of work's surroundings under the given policies, or with none under those that the database holds.

    With `laned` single commands share flushes, as in the web process.
    """
    policies = policies_of(*bodies) if bodies else None
    work = Work(clock=clock, ledger=PointsLedger(), policies=policies, listeners=listeners)
    if laned:
        work.lanes = Lanes(work)
    return work


async def publish(clock: Clock, *bodies: Any, effective_from: datetime | None = None) -> None:
    for body in bodies:
        await publish_policy(body, actor=SYSTEM, now=clock.now(), effective_from=effective_from)


async def publish_standard(clock: Clock) -> None:
    """Points that never expire, 1 % and no ladder, four tiers."""
    await publish(clock, FOR_EVER, EARNING, TIERS)


def card(name: str) -> Reference:
    """The reference under which a member of this name is known."""
    return Reference("card", name)


async def a_member(clock: Clock, name: str | None = None, *, points: int = 0) -> UUID:
    """A member known by `card(name)`, with this many points that never expire."""
    return (await some_members(clock, 1, name=name, points=points))[0]


async def some_members(clock: Clock, number: int, *, name: str | None = None, points: int = 0) -> list[UUID]:
    """That many members in id order."""
    first = name or f"member-{next(_numbers)}"
    references = [card(first if place == 0 else f"{first}-{place}") for place in range(number)]
    found = await ensure_members(references, origin=AT_THE_TILL, now=clock.now(), claimed_at=clock.now())
    members = sorted(found.values())
    if points:
        work = a_work(clock, FOR_EVER)
        done(
            await work.perform_all(MOVE, [Earn(member_id=each, points=points, source="endowment") for each in members])
        )
    return members


def done(outcomes: Sequence[Any]) -> list[Any]:
    """The answers of a batch in which nothing was refused and nothing failed."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return list(outcomes)


async def earn(work: Work, member_id: UUID, points: int, source: str | None = None, **given: Any) -> Moved:
    return await work.perform(MOVE, Earn(member_id=member_id, points=points, source=source or str(new_id()), **given))


async def spend(work: Work, member_id: UUID, points: int, source: str | None = None, **given: Any) -> Moved:
    return await work.perform(MOVE, Spend(member_id=member_id, points=points, source=source or str(new_id()), **given))


async def claw_back(work: Work, member_id: UUID, points: int, **given: Any) -> Moved:
    return await work.perform(MOVE, ClawBack(member_id=member_id, points=points, source=str(new_id()), **given))


async def give_back(work: Work, member_id: UUID, seq: int, *, by_member: bool = False) -> Moved:
    return await work.perform(MOVE, GiveBack(member_id=member_id, seq=seq, source=f"undo {seq}", by_member=by_member))


async def balance(work: Work, member_id: UUID) -> Balance:
    """What a member reads now, booked or not."""
    return (await balances_by_member_ids([member_id], work.clock.now(), work.policies, work.calendar))[member_id]


async def account(member_id: UUID, currency: str = "POINTS") -> Any:
    """The account as it was booked last."""
    return await fetch_row("SELECT * FROM account WHERE member_id = $1 AND currency = $2", member_id, currency)


async def booked(member_id: UUID) -> tuple[int, int, int]:
    """Points available, pending and owed, as they were booked last."""
    row = await account(member_id)
    return row["available"], row["pending"], row["debt"]


async def lots(member_id: UUID) -> list[int]:
    """What remains of each open lot, soonest expiry first."""
    rows = await fetch(
        "SELECT remaining FROM lot WHERE member_id = $1 AND open ORDER BY expires_at, activates_at, seq, line",
        member_id,
    )
    return [row["remaining"] for row in rows]


async def entries(member_id: UUID, currency: str = "POINTS") -> list[tuple[str, int]]:
    """Each entry's kind and what it moved in all buckets together, debt counted against it."""
    rows = await fetch(
        """SELECT kind, available_delta + pending_delta + held_delta - debt_delta AS points FROM entry
           WHERE member_id = $1 AND currency = $2 ORDER BY seq""",
        member_id,
        currency,
    )
    return [(row["kind"], row["points"]) for row in rows]


async def rows_in(table: str) -> int:
    found: int = await fetch_value(f'SELECT count(*) FROM "{table}"')
    return found


async def dump() -> dict[str, list[str]]:
    """Every row of every table as text: two equal dumps mean that nothing was written in between."""
    tables = await fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {
        name: [row["line"] for row in await fetch(f'SELECT t::text AS line FROM "{name}" t ORDER BY 1')]
        for (name,) in tables
    }


@asynccontextmanager
async def a_crowd_of_connections(database: Database, connections: int = 12) -> AsyncIterator[None]:
    """A pool in which verbs really run side by side, and wait for a connection as long as it takes."""
    async with TortoiseContext() as context:
        await context.init(config=database.config(pool_max=connections, acquire_timeout_seconds=60))
        yield


def thorough(examples: int) -> int:
    """How many examples a property gets: so many, or EXAMPLES_TIMES as many where more time is given."""
    return examples * int(os.environ.get("EXAMPLES_TIMES", "1"))


async def assert_invariants(*slices: str) -> None:
    """Every invariant holds, of every slice or of those that are named."""
    for name, sql in invariants.INVARIANTS.items():
        if not slices or name.partition(":")[0] in slices:
            assert [tuple(row) for row in await fetch(sql)] == [], name
