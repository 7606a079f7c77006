"""What must be there before anything serves: every migration, the demonstration programme, tokens of its people.

Making it imports the whole product. So a later start only looks whether it is all there still, and goes on with the
tokens of the start before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import click

from app.local.children import LocalServerFailed
from app.local.endpoints import Tokens, tokens_file
from app.settings import Settings
from gamification.core.clock import Clock, OffsetClock, SystemClock

TOKENS_AGE_MAX = timedelta(days=7)  # of the 30 days that they are good for
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"

Prepare = Callable[[Settings], Awaitable[Tokens]]


async def prepare_demonstration(settings: Settings) -> Tokens:
    """Bring the database up to date, and give an empty one the demonstration programme."""
    from app.loading import loading

    with loading():
        from app.migrate import migrate
        from app.seed import ensure_demonstration

    await migrate(settings.database_url)
    return await ensure_demonstration(settings)


async def new_tokens(folder: Path, settings: Settings, prepare: Prepare) -> Tokens:
    """Prepare everything, and keep its tokens for GraphiQL's page and the next start."""
    click.echo("Preparing the database and the demonstration programme ...", err=True)
    tokens = await prepare(settings)
    tokens.write(folder)
    return tokens


async def kept_tokens(folder: Path, settings: Settings) -> Tokens | None:
    """The tokens of an earlier start; None when they grow old or something must be prepared."""
    tokens = Tokens.read(folder)
    if tokens is None or SystemClock().now() - _kept_at(folder) > TOKENS_AGE_MAX:
        return None
    return tokens if await is_prepared(settings, OffsetClock(offset=settings.clock_offset)) else None


async def is_prepared(settings: Settings, clock: Clock) -> bool:
    """Whether the database has every migration, and the demonstration a draw that takes tickets."""
    connection = await asyncpg.connect(settings.database_url, statement_cache_size=settings.statement_cache_size)
    try:
        return await _applied(connection) == migration_names() and bool(
            await connection.fetchval("SELECT count(*) FROM draw WHERE state = 'OPEN' AND closes_at > $1", clock.now())
        )
    finally:
        await connection.close()


async def refuse_unprepared(settings: Settings) -> None:
    """Raises LocalServerFailed, with what to do, when the database lacks migrations of this checkout."""
    connection = await asyncpg.connect(settings.database_url, statement_cache_size=settings.statement_cache_size)
    try:
        lacking = len(set(migration_names()) - set(await _applied(connection)))
    finally:
        await connection.close()
    if lacking:
        raise LocalServerFailed(
            f"The database lacks {lacking} of {len(migration_names())} migrations. `./run migrate` applies them;"
            " `./run seed` also gives an empty database the demonstration programme."
        )


def migration_names() -> list[str]:
    """The migrations of this checkout, in order."""
    return sorted(file.stem for file in MIGRATIONS.glob("[0-9]*.py"))


async def _applied(connection: asyncpg.Connection) -> list[str]:
    if await connection.fetchval("SELECT to_regclass('tortoise_migrations')") is None:
        return []
    return [row["name"] for row in await connection.fetch("SELECT name FROM tortoise_migrations ORDER BY name")]


def _kept_at(folder: Path) -> datetime:
    return datetime.fromtimestamp(tokens_file(folder).stat().st_mtime, UTC)
