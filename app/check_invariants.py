"""`python -m app check-invariants`: asks the database whether the books of every slice agree."""

from __future__ import annotations

import asyncio
from typing import Any

import click
from tortoise import Tortoise

from app.database import tortoise_config
from app.local.programme import tool_settings
from app.settings import Settings
from gamification.invariants import INVARIANTS, broken

STATEMENT_SECONDS_MAX = 600


@click.command("check-invariants")
def command() -> None:
    """Check that the books agree. Ends with 1 and the offending rows when they do not."""
    with tool_settings() as settings:
        found = asyncio.run(_broken(settings))
    for name, rows in found.items():
        click.echo(f"BROKEN  {name}")
        for row in rows:
            click.echo(f"        {', '.join(str(value) for value in row)}")
    click.echo(f"{len(INVARIANTS) - len(found)} of {len(INVARIANTS)} invariants hold.")
    if found:
        raise SystemExit(1)


async def _broken(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    options: dict[str, Any] = {**settings.database_options(), "statement_timeout_seconds": STATEMENT_SECONDS_MAX}
    await Tortoise.init(config=tortoise_config(settings.database_url, **options))
    try:
        return await broken()
    finally:
        await Tortoise.close_connections()
