"""Signing in, on and out: what the members' and the staff's schema have in common."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import strawberry

from gamification.core.actors import Actor
from gamification.members import errors, service
from gamification.members.service import SessionGrant
from schema.context import Info
from schema.permissions import Allow
from schema.refusals import Refusal

Holder = Literal["member", "staff"]

Device = Annotated[str | None, strawberry.argument(description="A label for the device, 1 to 100 characters.")]
RefreshTokenArgument = Annotated[
    str, strawberry.argument(description="The refresh token. Send it without an Authorization header.")
]
Everywhere = Annotated[bool, strawberry.argument(description="Whether every session ends, not only this one.")]


@strawberry.type(description="A short-lived token for the Authorization header, as `Bearer …`.")
class AccessToken:
    value: str = strawberry.field(description="The token.")
    expires_at: datetime = strawberry.field(description="Its end, after which it is refreshed.")


@strawberry.type(description="What carries a session.")
class SessionTokens:
    access_token: AccessToken = strawberry.field(description="For requests.")
    refresh_token: str = strawberry.field(
        description="For `refreshSession`, once: each use gives the next. A lost answer is given again within 30 s."
    )
    expires_at: datetime = strawberry.field(description="When the session ends unless it is refreshed.")


@strawberry.type(description="Sessions that ended.")
class SignedOut:
    sessions: int = strawberry.field(description="How many.")


class Unauthenticated(Refusal, of=errors.Unauthenticated):
    pass


RefreshSessionResult = Annotated[
    SessionTokens | Unauthenticated,
    strawberry.union("RefreshSessionResult", description="The next tokens, or the end of the session."),
]


def holder_of(grant: SessionGrant) -> Actor:
    """The caller that a session's tokens speak for."""
    session = grant.session
    if session.member_id is not None:
        return Actor("member", session.member_id, session_id=session.id)
    return Actor("staff", session.staff_id, session_id=session.id)


def access_token(actor: Actor, info: Info, now: datetime) -> AccessToken:
    """A fresh access token of a session."""
    token = info.context.desk.tokens.issue(actor, now=now)
    return AccessToken(value=token.value, expires_at=token.expires_at)


def tokens_of(grant: SessionGrant, info: Info, now: datetime) -> SessionTokens:
    """The tokens of a session that was just opened or refreshed."""
    return SessionTokens(
        access_token=access_token(holder_of(grant), info, now),
        refresh_token=grant.refresh_token,
        expires_at=grant.session.expires_at,
    )


async def refresh(info: Info, refresh_token: str, holder: Holder) -> SessionTokens:
    """The next tokens of a session."""
    now = info.context.now
    grant = await service.refresh_session(
        refresh_token=refresh_token, chain=info.context.desk.chain, now=now, holder=holder
    )
    return tokens_of(grant, info, now)


async def sign_out(info: Info, everywhere: bool) -> SignedOut:
    """End this session or all of the caller's, and forget what is remembered of them."""
    actor, now = info.context.actor, info.context.now
    assert actor.session_id is not None, "members and staff act in sessions"
    if everywhere:
        staff_id = actor.id if actor.kind == "staff" else None
        ended = await service.sign_out_everywhere(now=now, member_id=actor.member_id, staff_id=staff_id)
    else:
        ended = [actor.session_id] if await service.sign_out(session_id=actor.session_id, now=now) else []
    forget(info, ended)
    return SignedOut(sessions=len(ended))


def admits(allow: Allow, info: Info) -> bool:
    """Whether the caller may see it, for nodes that are null otherwise."""
    return any(each.admits(info.context.actor) for each in allow.permissions)


def forget(info: Info, session_ids: Iterable[UUID]) -> None:
    """Refuse these sessions at once in this process."""
    for session_id in session_ids:
        info.context.desk.tokens.forget(session_id)
