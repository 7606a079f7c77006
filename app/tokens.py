"""`python -m app token`: a ready token for local work and for scripts, with what it is and until when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import click
from tortoise import Tortoise

from app.auth import Access, access_of
from app.database import tortoise_config
from app.local.programme import tool_settings
from app.settings import Settings
from gamification.core.actors import SYSTEM, Actor
from gamification.core.calendar import Calendar
from gamification.core.clock import OffsetClock
from gamification.core.errors import NotFound, Refusal
from gamification.members import queries
from gamification.members.service import add_integration_secret, open_member_session, open_staff_session

DEVICE = "python -m app token"
DAYS_MAX = 60


@dataclass(frozen=True, slots=True)
class PrintedToken:
    """A token, what it is, and its end."""

    holder: str
    value: str = field(repr=False)
    expires_at: datetime


async def member_token(access: Access, number: str, *, now: datetime, lifetime: timedelta) -> PrintedToken:
    """A token of the member with that number, in a session of its own. Refuses: NotFound."""
    member = (await queries.members_by_numbers([number])).get(number)
    if member is None or member.status != "ACTIVE":
        raise NotFound(kind="member", id=number)
    grant = await open_member_session(member.id, chain=access.chain, now=now, device=DEVICE)
    token = access.issue(Actor("member", member.id, session_id=grant.session.id), now=now, lifetime=lifetime)
    return PrintedToken(f"member {number}", token.value, min(token.expires_at, grant.session.expires_at))


async def staff_token(access: Access, login: str, *, now: datetime, lifetime: timedelta) -> PrintedToken:
    """A token of staff, in a session of its own that lasts as long. Refuses: NotFound."""
    staff = await queries.staff_by_login(login)
    if staff is None or staff.disabled_at is not None:
        raise NotFound(kind="staff", id=login)
    grant = await open_staff_session(staff.id, chain=access.chain, now=now, device=DEVICE, lifetime=lifetime)
    token = access.issue(Actor("staff", staff.id, session_id=grant.session.id), now=now, lifetime=lifetime)
    return PrintedToken(f"{staff.role} {login}", token.value, token.expires_at)


async def integration_token(name: str, *, now: datetime, lifetime: timedelta) -> PrintedToken:
    """A further secret of the integration; those it has stay good. Refuses: NotFound."""
    integration = await queries.integration_by_name(name)
    if integration is None:
        raise NotFound(kind="integration", id=name)
    token = await add_integration_secret(integration_id=integration.id, actor=SYSTEM, now=now, lifetime=lifetime)
    return PrintedToken(f"integration {name} ({', '.join(integration.scopes)})", token.text, now + lifetime)


@click.command("token")
@click.option("--member", "number", metavar="NUMBER", help="The member with this number.")
@click.option("--staff", "login", metavar="LOGIN", help="The member of staff with this login.")
@click.option("--integration", "name", metavar="NAME", help="The integration with this name: adds a secret to it.")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=1, show_default=True, help="How long it is good.")
def command(number: str | None, login: str | None, name: str | None, days: int) -> None:
    """Print a token on standard output; what it is and until when goes to standard error."""
    if sum(each is not None for each in (number, login, name)) != 1:
        raise click.UsageError("Name one of --member, --staff and --integration.")
    try:
        with tool_settings() as settings:
            token = asyncio.run(_token(settings, number, login, name, timedelta(days=days)))
    except Refusal as refusal:
        raise click.ClickException(str(refusal)) from None
    click.echo(f"Access token of {token.holder}, good until {token.expires_at.isoformat()}.", err=True)
    click.echo(token.value)


async def _token(
    settings: Settings, number: str | None, login: str | None, name: str | None, lifetime: timedelta
) -> PrintedToken:
    clock = OffsetClock(offset=settings.clock_offset)
    access, now = access_of(settings, clock=clock, calendar=Calendar()), clock.now()
    options: dict[str, Any] = settings.database_options()
    await Tortoise.init(config=tortoise_config(settings.database_url, **options))
    try:
        if number is not None:
            return await member_token(access, number, now=now, lifetime=lifetime)
        if login is not None:
            return await staff_token(access, login, now=now, lifetime=lifetime)
        assert name is not None
        return await integration_token(name, now=now, lifetime=lifetime)
    finally:
        await Tortoise.close_connections()
