"""Integrations: machines with scopes, whose secrets are shown once and stored as hashes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg
from tortoise.exceptions import IntegrityError

from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.database import execute
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.core.transactions import transaction
from gamification.members.credentials import IntegrationToken, new_secret, sha256
from gamification.members.errors import IntegrationNameTaken
from gamification.members.models import Integration, IntegrationSecret
from gamification.members.rules import scope_is_valid

NAME_LENGTH_MAX = 64
SCOPES_MAX = 32


async def create_integration(
    *, name: str, scopes: Collection[str], actor: Actor, now: datetime
) -> tuple[Integration, IntegrationToken]:
    """Make an integration and its first secret, shown this once. Refuses: IntegrationNameTaken, InvalidInput."""
    if not 0 < len(name.strip()) <= NAME_LENGTH_MAX:
        raise InvalidInput(field="name", reason=f"1 to {NAME_LENGTH_MAX} characters")
    if not 0 < len(scopes) <= SCOPES_MAX or not all(map(scope_is_valid, scopes)):
        raise InvalidInput(field="scopes", reason=f"1 to {SCOPES_MAX} that read like orders:write")
    integration = Integration(id=new_id(), name=name.strip(), scopes=sorted(set(scopes)), created_at=now)
    try:
        async with transaction():
            await integration.save(force_create=True)
            token = await _add_secret(integration.id, None, now)
            made = {"name": integration.name, "scopes": integration.scopes}
            await audit(actor, "integration.created", "integration", integration.id, now=now, after=made)
    except IntegrityError as taken:
        if isinstance(taken.__cause__, asyncpg.UniqueViolationError):
            raise IntegrationNameTaken(name=integration.name) from None
        raise
    return integration, token


async def add_integration_secret(
    *, integration_id: UUID, actor: Actor, now: datetime, lifetime: timedelta | None = None
) -> IntegrationToken:
    """A further secret beside those that are good, so that a till changes over without a pause. Refuses: NotFound."""
    async with transaction():
        integration = await Integration.filter(id=integration_id, disabled_at=None).get_or_none()
        if integration is None:
            raise NotFound(kind="integration", id=str(integration_id))
        token = await _add_secret(integration_id, now + lifetime if lifetime else None, now)
        await audit(actor, "integration.secret_added", "integration", integration_id, now=now)
    return token


async def _add_secret(integration_id: UUID, expires_at: datetime | None, now: datetime) -> IntegrationToken:
    token = IntegrationToken(new_id(), new_secret())
    await IntegrationSecret.create(
        id=token.secret_id,
        integration_id=integration_id,
        hash=sha256(token.secret),
        created_at=now,
        expires_at=expires_at,
    )
    return token


async def disable_integration(*, integration_id: UUID, actor: Actor, now: datetime) -> Integration:
    """Disable an integration with all its secrets; once is enough. Refuses: NotFound. Locks: the integration."""
    async with transaction():
        integration = await Integration.filter(id=integration_id).select_for_update().get_or_none()
        if integration is None:
            raise NotFound(kind="integration", id=str(integration_id))
        if integration.disabled_at is None:
            integration.disabled_at = now
            await integration.save(update_fields=["disabled_at"])
            await audit(actor, "integration.disabled", "integration", integration_id, now=now)
    return integration


async def mark_integration_used(*, integration_id: UUID, on: date) -> None:
    """Remember the last business day an integration was used; writes once a day."""
    await execute(
        "UPDATE integration SET last_used_on = $2 WHERE id = $1 AND (last_used_on IS NULL OR last_used_on < $2)",
        integration_id,
        on,
    )
