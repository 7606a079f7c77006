"""Transactions, the engine under them, and the guards of the database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext

from app.database import APP_ROLE, usable_role
from app.migrate import migrate
from gamification.core.database import CONNECTION, execute, fetch, fetch_value
from gamification.core.transactions import in_transaction, is_retryable, retrying, transaction
from tests.databases import Database

INSERT = "INSERT INTO outbox (job, payload, run_at) VALUES ($1, '{}', now())"


@asynccontextmanager
async def opened(database: Database, **options: Any) -> AsyncIterator[None]:
    """The ORM on this database with a pool of its own, for this block and task."""
    async with TortoiseContext() as context:
        await context.init(config=database.config(**options))
        yield


def pool() -> asyncpg.Pool:
    found = get_connection(CONNECTION)._pool
    assert isinstance(found, asyncpg.Pool)
    return found


async def fill_pool(size: int) -> None:
    await asyncio.gather(*(fetch("SELECT pg_sleep(0.05)") for _ in range(size)))
    assert pool().get_size() == size


async def jobs() -> list[str]:
    return [row["job"] for row in await fetch("SELECT job FROM outbox ORDER BY job")]


async def test_a_statement_outside_commits_by_itself_and_one_inside_with_its_transaction(database: Database) -> None:
    """Raw SQL joins the running transaction, and is gone with it when the block fails."""
    async with opened(database):
        await execute(INSERT, "kept")
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with transaction():
                assert await execute(INSERT, "undone") == 1
                assert in_transaction()
                raise ZeroDivisionError
        assert not in_transaction()
        assert await jobs() == ["kept"]


async def test_a_transaction_inside_another_is_a_savepoint(database: Database) -> None:
    """A failed inner block undoes its own statements and leaves the outer transaction usable."""
    async with opened(database):
        async with transaction():
            await execute(INSERT, "outer")
            with pytest.raises(asyncpg.UniqueViolationError):  # noqa: PT012
                async with transaction():
                    await execute(INSERT, "inner")
                    await execute(
                        "INSERT INTO outbox (id, job, payload, run_at) SELECT id, job, '{}', now() FROM outbox"
                    )
            await execute(INSERT, "after")
        assert await jobs() == ["after", "outer"]


async def test_cancelled_transactions_leak_no_connection_and_poison_no_task(database: Database) -> None:
    """Cancelled anywhere between BEGIN and COMMIT, the pool stays whole and the task's next statement commits."""
    chance = random.Random(20261122)
    poisoned = 0

    async def session(number: int) -> None:
        nonlocal poisoned
        try:
            async with asyncio.timeout(chance.uniform(0, 0.006)), transaction():
                await execute(INSERT, f"cut {number}")
                await fetch("SELECT pg_sleep(0.002)")
        except TimeoutError:
            pass
        poisoned += in_transaction()
        await retrying(lambda: execute(INSERT, f"sure {number}"))

    async with opened(database, pool_max=3, acquire_timeout_seconds=30.0):
        await fill_pool(3)
        for start in range(0, 300, 6):
            await asyncio.gather(*(session(number) for number in range(start, start + 6)))
        assert poisoned == 0
        assert pool().get_idle_size() == pool().get_size() <= 3
        assert await fetch_value("SELECT count(*) FROM outbox WHERE job LIKE 'sure %'") == 300
        assert await fetch_value("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") == 0
        await fill_pool(3)


async def test_after_a_failover_the_pool_is_whole_again(database: Database) -> None:
    """When the server cuts every connection, retried work succeeds and all connections are usable afterwards."""
    async with opened(database, pool_max=3):
        await fill_pool(3)
        side = await asyncpg.connect(database.url)
        for _ in range(3):
            await side.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

            async def write() -> None:
                async with transaction():
                    await execute(INSERT, "written")

            await asyncio.gather(*(retrying(write) for _ in range(3)))
        await side.close()
        assert await jobs() == ["written"] * 9
        await fill_pool(3)
        assert not in_transaction()


async def test_a_connection_lost_inside_a_transaction_keeps_the_first_fault(database: Database) -> None:
    """What went wrong is reported, not that the rollback failed afterwards; and the connection is replaced."""
    async with opened(database, pool_max=1):
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with transaction():
                pid = await fetch_value("SELECT pg_backend_pid()")
                side = await asyncpg.connect(database.url)
                await side.execute("SELECT pg_terminate_backend($1)", pid)
                await side.close()
                raise ZeroDivisionError
        assert await fetch_value("SELECT 1") == 1


async def test_waiting_for_a_connection_has_an_end(database: Database) -> None:
    """When the pool stays exhausted the wait times out, and nothing is lost from the pool by it."""
    async with opened(database, pool_max=1, acquire_timeout_seconds=0.05):
        holding, enough = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with transaction():
                holding.set()
                await enough.wait()

        holder = asyncio.create_task(hold())
        await holding.wait()
        with pytest.raises(TimeoutError):
            await fetch("SELECT 1")
        with pytest.raises(TimeoutError):
            async with transaction():
                raise AssertionError("there was no connection")
        assert not in_transaction()
        enough.set()
        await holder
        assert await fetch_value("SELECT 1") == 1


async def test_deadlocks_are_run_again_until_both_succeed(database: Database) -> None:
    """Two transactions that lock two rows crosswise both commit in the end, each exactly once."""
    async with opened(database):
        await execute(
            "INSERT INTO outbox (id, job, payload, run_at) VALUES (1, '0', '{}', now()), (2, '0', '{}', now())"
        )
        met = asyncio.Barrier(2)
        runs = 0

        async def cross(first: int, second: int) -> None:
            nonlocal runs
            runs += 1
            async with transaction():
                await execute("UPDATE outbox SET job = (job::int + 1)::text WHERE id = $1", first)
                if runs <= 2:
                    await met.wait()
                await execute("UPDATE outbox SET job = (job::int + 1)::text WHERE id = $1", second)

        await asyncio.gather(retrying(lambda: cross(1, 2)), retrying(lambda: cross(2, 1)))
        assert await jobs() == ["2", "2"]
        assert runs >= 3


async def test_retrying_is_bounded_and_only_for_what_a_repeat_can_cure(database: Database) -> None:
    """Five attempts at most; a constraint violation, and anything inside a transaction, is never repeated."""
    calls: list[str] = []

    async def fault(kind: type[Exception]) -> None:
        calls.append(kind.__name__)
        raise kind("as the server says")

    async with opened(database):
        for kind, expected in ((asyncpg.DeadlockDetectedError, 5), (asyncpg.UniqueViolationError, 1)):
            calls.clear()
            with pytest.raises(kind):
                await retrying(lambda kind=kind: fault(kind))  # type: ignore[misc]
            assert len(calls) == expected
        calls.clear()
        with pytest.raises(asyncpg.SerializationError):
            async with transaction():
                await retrying(lambda: fault(asyncpg.SerializationError))
        assert len(calls) == 1


def test_what_a_failover_looks_like_is_retryable() -> None:
    """Lost connections are repeated, whichever of the driver's classes reports them."""
    for kind in (
        asyncpg.ConnectionDoesNotExistError,
        asyncpg.AdminShutdownError,
        asyncpg.CannotConnectNowError,
        asyncpg.ReadOnlySQLTransactionError,
        asyncpg.InternalClientError,
        ConnectionRefusedError,
    ):
        assert is_retryable(kind("gone"))
    assert is_retryable(asyncpg.InterfaceError("connection is closed"))
    assert not is_retryable(asyncpg.InterfaceError("the server expects 1 argument for this query, 0 were passed"))
    assert not is_retryable(asyncpg.QueryCanceledError("canceling statement due to statement timeout"))


async def test_connections_carry_the_limits_and_the_role(database: Database) -> None:
    """Every pooled connection has its time-outs, UTC, no JIT, and the role that may not touch history."""
    async with opened(database, role=await usable_role(database.url)):
        names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone", "jit", "role"]
        assert [await fetch_value(f"SHOW {name}") for name in names] == ["4s", "2s", "5s", "UTC", "off", APP_ROLE]


async def test_history_can_be_neither_changed_nor_deleted(database: Database) -> None:
    """The application has no right to touch append-only rows, and triggers refuse even the owner."""
    row = (
        "INSERT INTO policy_version (kind, version, body, hash, published_by, published_at)"
        " VALUES ('a', 1, '{}', '', 's', now())"
    )
    attacks = ["UPDATE policy_version SET kind = 'b'", "DELETE FROM policy_version", "TRUNCATE policy_version"]
    async with opened(database):
        await execute(row)
        for attack in attacks:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await execute(attack)
    async with opened(database, role=""):
        for attack in attacks:
            with pytest.raises(asyncpg.RestrictViolationError) as refusal:
                await execute(attack)
            assert refusal.value.constraint_name == "policy_version_append_only"
        assert await fetch_value("SELECT kind FROM policy_version") == "a"


async def test_migrations_started_twice_at_once_run_once(empty_database: str) -> None:
    """One runner applies everything, the other finds nothing to do; a third run changes nothing."""
    both = await asyncio.gather(migrate(empty_database), migrate(empty_database))
    side = await asyncpg.connect(empty_database)
    history = [row["name"] for row in await side.fetch("SELECT name FROM tortoise_migrations ORDER BY id")]
    await side.close()
    assert sorted(both) == [[], history]
    assert history[0] == "0001_core"
    assert await migrate(empty_database) == []
