"""Reads that may take longer than a request: one snapshot, a time of their own, nothing written or left behind."""

from __future__ import annotations

import asyncpg
import pytest

from gamification.core.database import execute, fetch_value
from gamification.core.long_reads import long_read
from tests.databases import Database

pytestmark = pytest.mark.usefixtures("database")
INSERT = "INSERT INTO audit_record (id, at, actor, action, subject) VALUES (gen_random_uuid(), $1, 'a', 'b', 'c')"


async def test_everything_inside_is_read_from_one_snapshot(database: Database) -> None:
    """What others commit meanwhile is not seen until the next one."""
    other = await asyncpg.connect(database.url)
    async with long_read(5) as read:
        assert (await read.fetch("SELECT count(*) FROM audit_record"))[0][0] == 0
        await other.execute(INSERT.replace("$1", "'2026-01-01'"))
        assert (await read.fetch("SELECT count(*) FROM audit_record"))[0][0] == 0
    await other.close()
    assert await fetch_value("SELECT count(*) FROM audit_record") == 1


async def test_a_statement_has_the_time_it_is_given_and_no_more(database: Database) -> None:
    """One second is enough for half a one and not for five; the next user of the connection has the usual time."""
    usual = await fetch_value("SHOW statement_timeout")
    async with long_read(1) as read:
        assert (await read.fetch("SHOW statement_timeout"))[0][0] == "1s"
        await read.fetch("SELECT pg_sleep(0.5)")
        with pytest.raises(asyncpg.QueryCanceledError):
            await read.fetch("SELECT pg_sleep(5)")
    assert await fetch_value("SHOW statement_timeout") == usual != "1s"
    assert await fetch_value("SHOW transaction_read_only") == "off"


async def test_nothing_is_written(database: Database) -> None:
    """A write inside is refused by the database."""
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with long_read(5):
            await execute("DELETE FROM audit_record")
