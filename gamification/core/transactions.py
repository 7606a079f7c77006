"""The only way to open a transaction, and the only way to run one again.

`transaction()` never leaks a connection and never leaves a dead one behind in the task, whatever fails or is cancelled
(the engine in `app.database` sees to it; the ORM's own `in_transaction` and `atomic` are forbidden by a house test).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from tortoise.backends.base.client import TransactionContext
from tortoise.connection import get_connection
from tortoise.exceptions import DBConnectionError

from gamification.core.database import CONNECTION

Result = TypeVar("Result")

CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
    DBConnectionError,
    ConnectionError,
)
"""What a failover looks like: the server went, is starting, or became a standby."""

RETRYABLE = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    *CONNECTION_LOST,
)

ATTEMPTS = 5
BACKOFF_FIRST_SECONDS = 0.02
BACKOFF_MAX_SECONDS = 0.5


def transaction() -> TransactionContext:
    """Open a transaction for the `async with` block; commits at its end, rolls back on any exception.

    Inside another transaction it is a savepoint on the same connection. Refuses nothing; raises `TimeoutError` when no
    connection comes free in time.
    """
    return get_connection(CONNECTION)._in_transaction()


async def retrying(run: Callable[[], Awaitable[Result]], attempts: int = ATTEMPTS) -> Result:
    """Call `run` until it succeeds: again after a deadlock, serialization failure, lock time-out or lost connection.

    `run` must hold its whole transaction and be safe to repeat: after a lost connection nobody knows whether COMMIT
    arrived, so a receipt or a natural key has to recognise the second run. Inside a transaction it runs once only,
    because the failure has already spoilt the outer transaction.
    """
    for attempt in range(1, attempts):
        try:
            return await run()
        except BaseException as fault:
            if not is_retryable(fault) or in_transaction():
                raise
        await asyncio.sleep(backoff_seconds(attempt))
    return await run()


def is_retryable(fault: BaseException) -> bool:
    """Whether running the same transaction again may succeed."""
    if isinstance(fault, asyncpg.InterfaceError):
        return "closed" in str(fault) or "released back to the pool" in str(fault)
    return isinstance(fault, RETRYABLE)


def in_transaction() -> bool:
    """Whether this task is inside `transaction()`."""
    return hasattr(get_connection(CONNECTION), "_finalized")


def backoff_seconds(attempt: int) -> float:
    """How long to wait after the given attempt (from 1): doubling, bounded, with full jitter."""
    ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** (attempt - 1))
    return random.uniform(ceiling / 2, ceiling)
