"""Raw SQL through the ORM's current connection: the shortest way from a verb to PostgreSQL.

Outside `transaction()` a call borrows a pooled connection for one statement, which commits by itself: one round trip.
Inside `transaction()` it runs on that transaction's connection; inside `reading_together()` reads that begin together
share a round trip. Errors are asyncpg's own, not the ORM's; `jsonb` arrives as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from asyncpg import Record
from tortoise.backends.base.client import TransactionalDBClient
from tortoise.connection import get_connection

from gamification.core.together import Together, collecting

CONNECTION = "default"


async def fetch(sql: str, *arguments: object, seconds: int | None = None) -> list[Record]:
    """All rows of one statement; `seconds` is how long the client waits for them, if not as long as for any other."""
    connection = get_connection(CONNECTION)
    together = collecting.get()
    if together is not None and seconds is None and not isinstance(connection, TransactionalDBClient):
        return cast(list[Record], await together.fetch(sql, arguments))
    async with connection.acquire_connection() as borrowed:
        return cast(list[Record], await borrowed.fetch(sql, *arguments, timeout=seconds))


async def fetch_row(sql: str, *arguments: object) -> Record | None:
    """The first row of one statement, or nothing."""
    if collecting.get() is not None:
        return next(iter(await fetch(sql, *arguments)), None)
    async with get_connection(CONNECTION).acquire_connection() as connection:
        return cast("Record | None", await connection.fetchrow(sql, *arguments))


async def fetch_value(sql: str, *arguments: object) -> Any:
    """The first column of the first row, or nothing."""
    if collecting.get() is not None:
        row = await fetch_row(sql, *arguments)
        return row[0] if row else None
    async with get_connection(CONNECTION).acquire_connection() as connection:
        return await connection.fetchval(sql, *arguments)


def together() -> Together:
    """The reads of one operation on this process's connections, for `reading_together`."""
    return Together(_fetch_alone, _names)


async def _fetch_alone(sql: str, *arguments: object) -> list[Record]:
    async with get_connection(CONNECTION).acquire_connection() as connection:
        return cast(list[Record], await connection.fetch(sql, *arguments))


async def _names(sql: str) -> tuple[str, ...]:
    """The names of a statement's columns."""
    async with get_connection(CONNECTION).acquire_connection() as connection:
        return tuple(each.name for each in (await connection.prepare(sql)).get_attributes())


async def execute(sql: str, *arguments: object) -> int:
    """Run one statement; returns the number of rows it touched (0 for statements that touch none)."""
    async with get_connection(CONNECTION).acquire_connection() as connection:
        return _row_count(await connection.execute(sql, *arguments))


async def execute_many(sql: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Run one statement for every row, all or none, in two round trips."""
    async with get_connection(CONNECTION).acquire_connection() as connection:
        await connection.executemany(sql, rows)


def _row_count(status: str) -> int:
    """PostgreSQL's command tag ends with the row count: `UPDATE 3`, `INSERT 0 1`, `CREATE TABLE`."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0
