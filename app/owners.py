"""`python -m app create-owner`: the first person of a new installation; everybody else is made over GraphQL."""

from __future__ import annotations

import asyncio
from typing import Any

import click
from tortoise import Tortoise

from app.auth import vault_of
from app.database import tortoise_config
from app.local.programme import tool_settings
from app.settings import Settings
from app.wiring import clock_of
from gamification.core.actors import SYSTEM
from gamification.core.errors import Refusal
from gamification.members.credentials import Passwords
from gamification.members.service import create_staff


@click.command("create-owner")
@click.argument("login")
@click.option("--name", default="Owner", show_default=True, help="The person's name.")
@click.password_option(help="At least 12 characters; asked for when left out.")
def command(login: str, name: str, password: str) -> None:
    """Make a staff account that may do everything, such as the first one of an installation."""
    try:
        with tool_settings() as settings:
            asyncio.run(_create(settings, login, name, password))
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from None
    click.echo(f"{login} may sign in with loginStaff at the staff's endpoint.")


async def _create(settings: Settings, login: str, name: str, password: str) -> None:
    options: dict[str, Any] = settings.database_options()
    await Tortoise.init(config=tortoise_config(settings.database_url, **options))
    try:
        await create_staff(
            login=login, name=name, password=password, role="owner", actor=SYSTEM,
            passwords=Passwords(), vault=vault_of(settings), now=clock_of(settings).now(),
        )  # fmt: skip
    finally:
        await Tortoise.close_connections()
