"""The fixtures that every other test stands on."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest
import redis.asyncio

from app.settings import Settings
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from tests.databases import Database


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own_built_by_the_migrations(database: Database, turn: int) -> None:
    """A test sees the migrated tables, works as the application's role, and finds nothing of the test before it."""
    assert await fetch_value("SELECT current_user") == "jifen_app"
    assert await fetch_value("SELECT current_database()") == database.name
    owner = await asyncpg.connect(database.url)
    assert await owner.fetchval("SELECT to_regclass('left_behind')") is None, turn
    await owner.execute("CREATE TABLE left_behind ()")
    await owner.close()
    assert await fetch_value("SELECT count(*) FROM tortoise_migrations WHERE name = '0001_core'") == 1


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_an_empty_valkey_database(redis_url: str, turn: int) -> None:
    """What a test leaves in Valkey is gone before the next one."""
    client = redis.asyncio.Redis.from_url(redis_url)
    assert await client.dbsize() == 0, turn
    await client.set("left", "behind")
    await client.aclose()


def test_the_clock_stands_on_a_monday_morning_in_shanghai(clock: FixedClock) -> None:
    """Tests begin on Monday, 2 March 2026, at 10:00 in Shanghai, and time passes only when they say so."""
    assert clock.now() == datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


async def test_test_settings_name_the_tests_own_stores(settings: Settings, database: Database, redis_url: str) -> None:
    """Settings in tests point at the test's own database and Valkey database."""
    assert (settings.database_url, settings.redis_url) == (database.url, redis_url)
