"""Sessions: opened by a login, carried on by refreshing, ended by signing out, by reuse or by staff."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.errors import InvalidInput
from gamification.core.transactions import retrying, transaction
from gamification.members.credentials import RefreshChain, new_secret, sha256
from gamification.members.errors import Unauthenticated, UnauthenticatedReason
from gamification.members.models import RefreshToken, Session
from gamification.members.rules import (
    ENDED_SESSION_KEPT,
    LOCK_OUT,
    MEMBER_SESSION_LIFETIME,
    SESSIONS_MAX,
    STAFF_SESSION_LIFETIME,
    RefreshState,
    RefreshVerdict,
    judge_refresh,
)

DEVICE_LENGTH_MAX = 100
PURGE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class SessionGrant:
    """A session and the one refresh token that carries it on; the token is shown once and stored as a hash."""

    session: Session
    refresh_token: str = field(repr=False)


async def open_member_session(
    member_id: UUID, *, chain: RefreshChain, now: datetime, device: str | None = None
) -> SessionGrant:
    """Open a session of a member for 60 days from its last refresh; beyond 20 live ones the oldest end."""
    session = Session(member_id=member_id, device=checked_device(device), expires_at=now + MEMBER_SESSION_LIFETIME)
    return await _open(session, chain, now)


async def open_staff_session(
    staff_id: UUID,
    *,
    chain: RefreshChain,
    now: datetime,
    device: str | None = None,
    lifetime: timedelta = STAFF_SESSION_LIFETIME,
) -> SessionGrant:
    """Open a session of staff for one working day (12 hours), which refreshing does not prolong."""
    session = Session(staff_id=staff_id, device=checked_device(device), expires_at=now + lifetime)
    return await _open(session, chain, now)


async def _open(session: Session, chain: RefreshChain, now: datetime) -> SessionGrant:
    session.opened_at = session.rotated_at = now
    token = chain.successor(new_secret())
    async with transaction():
        await session.save(force_create=True)
        await RefreshToken.create(hash=sha256(token), session_id=session.id, issued_at=now)
        await execute(
            """UPDATE session SET revoked_at = $3, revoked_because = 'TOO_MANY' WHERE id IN (
                 SELECT id FROM session
                 WHERE (member_id = $1 OR staff_id = $2) AND revoked_at IS NULL AND expires_at > $3
                 ORDER BY opened_at DESC, id DESC OFFSET $4 FOR UPDATE SKIP LOCKED)""",
            session.member_id,
            session.staff_id,
            now,
            SESSIONS_MAX,
        )
    return SessionGrant(session, token)


async def refresh_session(
    *, refresh_token: str, chain: RefreshChain, now: datetime, holder: Literal["member", "staff"] = "member"
) -> SessionGrant:
    """Exchange a refresh token of a member's session, or of staff's, for its successor.

    A token used less than 30 s ago whose successor was not used yet gets the same successor again: the answer was lost.
    Any other used token ends the session, since two parties hold it. Refuses: Unauthenticated. Locks: the session.
    """

    async def run() -> tuple[RefreshVerdict, SessionGrant]:
        async with transaction():
            return await _refresh(refresh_token, chain, now, holder)

    verdict, grant = await retrying(run)
    if verdict in ("rotate", "repeat"):
        return grant
    reason: UnauthenticatedReason = "REFRESH_REUSED" if verdict == "reuse" else "SESSION_ENDED"
    raise Unauthenticated(reason=reason)


async def _refresh(token: str, chain: RefreshChain, now: datetime, holder: str) -> tuple[RefreshVerdict, SessionGrant]:
    """Judge and carry out; a reuse is answered, not raised, so that the end of the session is committed."""
    digest, successor = sha256(token), chain.successor(token)
    session_id = await fetch_value("SELECT session_id FROM refresh_token WHERE hash = $1", digest)
    if session_id is None:
        raise Unauthenticated(reason="REFRESH_UNKNOWN")
    session = await Session.filter(id=session_id).select_for_update().get_or_none()
    if session is None or (session.member_id is None) != (holder == "staff"):
        raise Unauthenticated(reason="REFRESH_UNKNOWN")
    verdict = judge_refresh(await _refresh_state(session, digest, sha256(successor)), now)
    if verdict == "rotate":
        await _rotate(session, digest, sha256(successor), now)
    elif verdict == "reuse":
        await _end([session.id], "REFRESH_REUSED", now)
    return verdict, SessionGrant(session, successor)


async def _refresh_state(session: Session, digest: bytes, successor: bytes) -> RefreshState:
    row = await fetch_row(
        """SELECT t.used_at, s.used_at IS NOT NULL AS successor_is_used
           FROM refresh_token t LEFT JOIN refresh_token s ON s.hash = $2 WHERE t.hash = $1""",
        digest,
        successor,
    )
    assert row is not None, "a refresh token lives as long as its session"
    return RefreshState(row["used_at"], row["successor_is_used"], session.expires_at, session.revoked_at)


async def _rotate(session: Session, digest: bytes, successor: bytes, now: datetime) -> None:
    session.rotated_at = now
    if session.member_id is not None:
        session.expires_at = now + MEMBER_SESSION_LIFETIME
    await execute("UPDATE refresh_token SET used_at = $2 WHERE hash = $1", digest, now)
    await RefreshToken.create(hash=successor, session_id=session.id, issued_at=now)
    await session.save(update_fields=["rotated_at", "expires_at"])


async def sign_out(*, session_id: UUID, now: datetime) -> bool:
    """End one session; False when it had ended already."""
    return bool(await _end([session_id], "SIGNED_OUT", now))


async def sign_out_everywhere(
    *, now: datetime, member_id: UUID | None = None, staff_id: UUID | None = None, because: str = "SIGNED_OUT"
) -> list[UUID]:
    """End every session of a member or of staff; returns those it ended."""
    rows = await fetch(
        "SELECT id FROM session WHERE (member_id = $1 OR staff_id = $2) AND revoked_at IS NULL ORDER BY id",
        member_id,
        staff_id,
    )
    return await _end([row["id"] for row in rows], because, now)


async def _end(session_ids: list[UUID], because: str, now: datetime) -> list[UUID]:
    rows = await fetch(
        """WITH ended AS (UPDATE session SET revoked_at = $2, revoked_because = $3
             WHERE id = ANY($1::uuid[]) AND revoked_at IS NULL RETURNING id) SELECT id FROM ended""",
        session_ids,
        now,
        because,
    )
    return [row["id"] for row in rows]


async def purge_due_sessions(*, now: datetime) -> int:
    """Delete sessions and sign-in failures that ended 30 days ago, a bounded batch; returns how many sessions."""
    await execute("DELETE FROM login_attempt WHERE last_at < $1", now - max(LOCK_OUT, ENDED_SESSION_KEPT))
    return await execute(
        """DELETE FROM session WHERE id IN (
             SELECT id FROM session WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)""",
        now - ENDED_SESSION_KEPT,
        PURGE_BATCH,
    )


def checked_device(device: str | None) -> str | None:
    """A label the caller gives its device. Refuses: InvalidInput."""
    if device is not None and not 0 < len(device) <= DEVICE_LENGTH_MAX:
        raise InvalidInput(field="device", reason=f"1 to {DEVICE_LENGTH_MAX} characters")
    return device
