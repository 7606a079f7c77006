"""A ledger with a log, and what tests of it share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.work import Work
from gamification.transparency import audit, queries, service
from gamification.transparency.builder import ENTRIES_PER_CHUNK
from gamification.transparency.checkpoints import Signer, Verifier
from gamification.transparency.keeper import Copies, Keeper
from tests.builders import a_member, earn, spend
from tests.databases import Database

SIGNER = Signer.of("example.com/ledger", b"\x07" * 32)
HOUR = timedelta(hours=1)
ROUNDS_MAX = 600


async def no_heartbeat() -> None:
    """Outside the worker there is no lease to keep."""


async def caught_up(entries_max: int = ENTRIES_PER_CHUNK) -> int:
    """Log until nothing is unlogged; returns how many entries that took.

    The horizon counts transactions of the whole server, so that other tests may hold it back for a moment.
    """
    logged = 0
    for _ in range(ROUNDS_MAX):
        logged += (await service.extend(no_heartbeat, entries_max=entries_max)).entries
        if await rows_unlogged() == 0:
            return logged
        await asyncio.sleep(0.02)
    raise AssertionError("entries are left without a leaf")


async def rows_unlogged() -> int:
    found: int = await fetch_value("SELECT (SELECT count(*) FROM entry) - (SELECT count(*) FROM log_leaf)")
    return found


async def leaves() -> list[tuple[UUID, str, int]]:
    """Which entries stand in the log, in its order."""
    return [tuple(row) for row in await fetch("SELECT member_id, currency, seq FROM log_leaf ORDER BY index")]


def a_keeper(folder: Path | None = None, signer: Signer = SIGNER) -> Keeper:
    return Keeper(signer, Copies(folder) if folder else None)


async def signed(work: Work, keeper: Keeper) -> queries.Checkpoint:
    """Log what there is and sign it."""
    await caught_up()
    await service.sign_head(keeper, work.clock.now())
    newest = await queries.latest_checkpoint()
    assert newest is not None
    return newest


async def a_signed_ledger(work: Work, clock: FixedClock, keeper: Keeper) -> list[UUID]:
    """Three members with 27 entries under three checkpoints, an hour apart; the clock stands an hour after the last."""
    members = [await a_member(clock) for _ in range(3)]
    for hour in range(3):
        for member_id in members:
            for points in (100, 30):
                await earn(work, member_id, points + hour)
            await spend(work, member_id, 25)
        assert (await signed(work, keeper)).size == 9 * (hour + 1)
        clock.advance(HOUR)
    return members


async def audited(work: Work, keeper: Keeper, *earlier: Verifier) -> audit.Report:
    """What an audit of everything finds."""
    run = audit.Audit([keeper.signer.verifier, *earlier], keeper.copies, work.clock.now())
    return await run.run(await queries.tree_size(), lambda entries: None)


@asynccontextmanager
async def an_owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The owner of the database, for whom no trigger fires: whoever could change the past."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("SET session_replication_role = replica")
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def a_transaction_under_way(database: Database) -> AsyncIterator[None]:
    """Another session with a number of its own, which holds the horizon back."""
    connection = await asyncpg.connect(database.url)
    try:
        async with connection.transaction():
            await connection.fetchval("SELECT pg_current_xact_id()")
            yield
    finally:
        await connection.close()
