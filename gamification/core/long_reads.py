"""Reads that may take longer than a request: reports and audits, on one snapshot, with a time-out of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg import Record

from gamification.core.database import execute, fetch
from gamification.core.transactions import transaction

ANSWER_SECONDS = 10
"""How long the server's own time-out is waited for beyond its time, before the client gives up."""


class LongRead:
    """A snapshot of the database, and how many seconds each of its statements may take."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    async def fetch(self, sql: str, *arguments: object) -> list[Record]:
        """All rows of one statement. Raises asyncpg.QueryCanceledError when it takes too long."""
        return await fetch(sql, *arguments, seconds=self.seconds + ANSWER_SECONDS)


@asynccontextmanager
async def long_read(seconds: int) -> AsyncIterator[LongRead]:
    """Read everything inside from the same snapshot, writing nothing; each statement may take that many seconds."""
    async with transaction():
        await execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await execute(f"SET LOCAL statement_timeout = '{seconds}s'")
        yield LongRead(seconds)
