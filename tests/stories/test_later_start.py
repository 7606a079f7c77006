"""What a start after the first one spares itself, and when it does not."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from app.local.endpoints import Endpoints, Tokens, tokens_file
from app.local.preparation import TOKENS_AGE_MAX, is_prepared, kept_tokens
from app.local.readiness import accept
from app.local.stores import Stores
from app.settings import Settings
from gamification.core.clock import OffsetClock, SystemClock
from tests.docs.conftest import Seeded
from tests.stories.served import served

TOKENS = Tokens(member="m", owner="o", cashier="c", integration="i")


def clock_of(settings: Settings, later: timedelta = timedelta(0)) -> OffsetClock:
    return OffsetClock(offset=settings.clock_offset + later)


async def test_tokens_of_an_earlier_start_are_kept_while_everything_is_there(
    tmp_path: Path, own_settings: Settings
) -> None:
    """On a prepared database they are kept for a week; without a file, or later, there are none."""
    assert await kept_tokens(tmp_path, own_settings) is None
    TOKENS.write(tmp_path)
    assert await kept_tokens(tmp_path, own_settings) == TOKENS
    long_ago = (SystemClock().now() - TOKENS_AGE_MAX).timestamp() - 1
    os.utime(tokens_file(tmp_path), (long_ago, long_ago))
    assert await kept_tokens(tmp_path, own_settings) is None


async def test_a_database_is_prepared_until_a_migration_is_missing(own_settings: Settings) -> None:
    """One line less in the history, or no history at all, and everything is prepared anew."""
    assert await is_prepared(own_settings, clock_of(own_settings))
    database = await asyncpg.connect(own_settings.database_url)
    await database.execute("DELETE FROM tortoise_migrations WHERE name = '0008_charity'")
    assert not await is_prepared(own_settings, clock_of(own_settings))
    await database.execute("DROP TABLE tortoise_migrations")
    assert not await is_prepared(own_settings, clock_of(own_settings))
    await database.close()


async def test_a_database_is_prepared_until_its_weekly_draw_closes(own_settings: Settings) -> None:
    """The draw of the demonstration takes tickets until Sunday at 20:00; then the next start opens another one."""
    assert await is_prepared(own_settings, clock_of(own_settings, timedelta(days=4)))
    assert not await is_prepared(own_settings, clock_of(own_settings, timedelta(days=5)))


@pytest.mark.parametrize("holder", ["member", "owner", "cashier", "integration"])
async def test_a_start_notices_a_token_that_is_not_accepted(
    own_settings: Settings, seeded: Seeded, holder: str
) -> None:
    """Each of the four tokens is tried where it belongs: all are good, and one that is not is found."""
    async with served(own_settings, seeded.tokens) as programme:
        origin = str(programme.http.base_url).rstrip("/")
        endpoints = Endpoints.at(origin, Stores("", ""), seeded.tokens)
        assert await accept(endpoints)
        other = seeded.tokens.owner if holder == "member" else seeded.tokens.member
        assert not await accept(replace(endpoints, tokens=replace(seeded.tokens, **{holder: other})))
