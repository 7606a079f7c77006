"""Who asks: access tokens (JWT, HS256) of members and staff, secrets of integrations, and the keys behind both.

An access token is good for 15 minutes and names its session. The session is asked for at every request through a cache
of `REVOCATION_SECONDS_MAX`: a session that ends elsewhere is refused that much later at most, one that ends in this
process at once. Members and staff have keys and audiences of their own, so that neither token passes as the other.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, Literal, TypeVar, cast
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.access_tokens import TokenKey
from app.settings import Settings
from gamification.core.actors import ANONYMOUS, Actor, Role
from gamification.core.calendar import Calendar
from gamification.core.clock import Clock
from gamification.core.ids import new_id
from gamification.core.shared_reads import SharedReads
from gamification.members import queries
from gamification.members.credentials import IntegrationToken, Passwords, RefreshChain, sha256
from gamification.members.errors import Unauthenticated
from gamification.members.phones import PhoneVault
from gamification.members.ports import AccessToken, Desk, HistoryProbe, Wechat
from gamification.members.queries import SecretState, SessionState
from gamification.members.rules import ACCESS_LIFETIME
from gamification.members.service import mark_integration_used

Door = Literal["member", "staff"]

ISSUER = "jifen"
AUDIENCES: Mapping[Door, str] = {"member": "jifen:member", "staff": "jifen:staff"}
KEY_BYTES_MIN = 32
LEEWAY = timedelta(seconds=5)
TOKEN_LENGTH_MAX = 2048
REVOCATION_SECONDS_MAX = 2.0
REMEMBERED_MAX = 20_000

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass
class Recent(Generic[Key, Value]):
    """Answers of the database that are at most `REVOCATION_SECONDS_MAX` old; nothing that was not found is kept."""

    load: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]]
    seconds: Callable[[], float]
    _known: dict[Key, tuple[float, Value]] = field(default_factory=dict)
    _reads: SharedReads[Key, Value] = field(init=False)
    _forgotten: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._reads = SharedReads(self.load)

    async def get(self, key: Key) -> Value | None:
        """What is known of the key, asked anew after `REVOCATION_SECONDS_MAX`."""
        asked_at, forgotten = self.seconds(), self._forgotten
        known = self._known.get(key)
        if known is not None and asked_at - known[0] < REVOCATION_SECONDS_MAX:
            return known[1]
        value = await self._reads.get(key)
        self._known.pop(key, None)
        if value is not None and forgotten == self._forgotten:  # else it may be from before what changed
            self._known[key] = (asked_at, value)
        if len(self._known) > REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        return value

    def forget(self, key: Key) -> None:
        """Ask anew the next time: something changed just now. What is being read meanwhile is not kept either."""
        self._forgotten += 1
        self._known.pop(key, None)


class Access:
    """Issues access tokens and tells who stands behind one."""

    def __init__(
        self,
        *,
        member_key: bytes,
        staff_key: bytes,
        clock: Clock,
        calendar: Calendar,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds` is monotonic time, for the age of what is remembered. Raises ValueError on an unfit key."""
        if min(len(member_key), len(staff_key)) < KEY_BYTES_MIN:
            raise ValueError(f"token keys have at least {KEY_BYTES_MIN} bytes")
        if hmac.compare_digest(member_key, staff_key):
            raise ValueError("members and staff have token keys of their own")
        self.chain = RefreshChain(_derived(member_key, b"refresh tokens"))
        self._keys: Mapping[Door, TokenKey] = {"member": TokenKey(member_key), "staff": TokenKey(staff_key)}
        self._clock = clock
        self._calendar = calendar
        self._sessions: Recent[UUID, SessionState] = Recent(queries.session_states, seconds)
        self._secrets: Recent[UUID, SecretState] = Recent(queries.secret_states, seconds)
        self._used_on: dict[UUID, date] = {}

    def issue(self, actor: Actor, *, now: datetime, lifetime: timedelta = ACCESS_LIFETIME) -> AccessToken:
        """A token for a member or staff in the actor's session."""
        assert actor.kind in AUDIENCES and actor.id and actor.session_id, "only a session's holder has an access token"
        door = cast(Door, actor.kind)
        issued_at = now.replace(microsecond=0)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCES[door],
            "sub": str(actor.id),
            "sid": str(actor.session_id),
            "jti": str(new_id()),
            "iat": int(issued_at.timestamp()),
            "exp": int((issued_at + lifetime).timestamp()),
        }
        return AccessToken(self._keys[door].sign(claims), issued_at + lifetime)

    def forget(self, session_id: UUID) -> None:
        """Ask the database again at the next request of this session."""
        self._sessions.forget(session_id)

    def forget_integrations(self) -> None:
        """Ask the database again for every integration: one of them was disabled."""
        self._secrets = Recent(queries.secret_states, self._secrets.seconds)

    async def authenticate(self, authorization: Any, door: Door) -> Actor:
        """Who asks at an endpoint, by what a header or the parameters of a WebSocket's `connection_init` carry.

        None: nobody known. Refuses: Unauthenticated, with a reason and no detail.
        """
        token = _bearer(authorization)
        if token is None:
            return ANONYMOUS
        if door == "staff" and IntegrationToken.is_one(token):
            return await self._integration(token)
        return await self._session_holder(token, door)

    async def still_holds(self, actor: Actor) -> bool:
        """Whether the session behind a member or staff goes on as it was, whatever the age of the access token."""
        state = await self._sessions.get(actor.session_id) if actor.session_id is not None else None
        if state is None or not state.is_live or self._clock.now() >= state.expires_at:
            return False
        holder = state.member_id if actor.kind == "member" else state.staff_id
        return holder == actor.id and state.role == actor.role

    async def _session_holder(self, token: str, door: Door) -> Actor:
        now = self._clock.now()
        subject, session_id = self._claims(token, door, now)
        state = await self._sessions.get(session_id)
        if state is None or not state.is_live or now >= state.expires_at:
            raise Unauthenticated(reason="SESSION_ENDED")
        holder = state.member_id if door == "member" else state.staff_id
        if holder != subject:
            raise Unauthenticated(reason="SESSION_MOVED")
        role = cast("Role | None", state.role)
        return Actor(door, holder, role=role, stores=state.stores, session_id=session_id)

    def _claims(self, token: str, door: Door, now: datetime) -> tuple[UUID, UUID]:
        """Subject and session of a genuine token that is in its time on our clock."""
        try:
            claims = self._keys[door].claims(token)
            subject, session_id = UUID(claims["sub"]), UUID(claims["sid"])
            issued_at, expires_at = _instant(claims["iat"]), _instant(claims["exp"])
            is_ours = claims["iss"] == ISSUER and claims["aud"] == AUDIENCES[door] and isinstance(claims["jti"], str)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            raise Unauthenticated(reason="TOKEN_INVALID") from None
        if not is_ours or "nbf" in claims or issued_at - LEEWAY > now:
            raise Unauthenticated(reason="TOKEN_INVALID")
        if now >= expires_at + LEEWAY:
            raise Unauthenticated(reason="TOKEN_EXPIRED")
        return subject, session_id

    async def _integration(self, text: str) -> Actor:
        token = IntegrationToken.parse(text)
        state = await self._secrets.get(token.secret_id) if token else None
        if token is None or state is None or not hmac.compare_digest(state.hash, sha256(token.secret)):
            raise Unauthenticated(reason="INTEGRATION_UNKNOWN")
        now = self._clock.now()
        if state.expires_at is not None and now >= state.expires_at:
            raise Unauthenticated(reason="TOKEN_EXPIRED")
        await self._note_use(state.integration_id, self._calendar.business_date(now))
        return Actor("integration", state.integration_id, scopes=state.scopes)

    async def _note_use(self, integration_id: UUID, today: date) -> None:
        if self._used_on.get(integration_id) != today:
            self._used_on[integration_id] = today
            await mark_integration_used(integration_id=integration_id, on=today)


def access_of(settings: Settings, *, clock: Clock, calendar: Calendar) -> Access:
    """Access under the configured keys."""
    member_key, staff_key = settings.member_token_key, settings.staff_token_key
    return Access(
        member_key=member_key.get_secret_value(),
        staff_key=staff_key.get_secret_value(),
        clock=clock,
        calendar=calendar,
    )


def vault_of(settings: Settings) -> PhoneVault:
    """The vault under the configured keys."""
    return PhoneVault(index_key=settings.phone_index_key.get_secret_value(), key=settings.phone_key.get_secret_value())


def desk_of(
    settings: Settings, *, access: Access, calendar: Calendar, wechat: Wechat, has_history: HistoryProbe
) -> Desk:
    """All that the verbs of members need, under the configured keys."""
    return Desk(
        calendar=calendar,
        chain=access.chain,
        has_history=has_history,
        passwords=Passwords(),
        tokens=access,
        vault=vault_of(settings),
        wechat=wechat,
    )


def _bearer(value: Any) -> str | None:
    """The token of an `Authorization: Bearer …` line, None when there is no such line. Refuses: Unauthenticated."""
    if value is None:
        return None
    scheme, _, token = value.partition(" ") if isinstance(value, str) else ("", "", "")
    if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token.strip()) <= TOKEN_LENGTH_MAX:
        raise Unauthenticated(reason="TOKEN_MALFORMED")
    return token.strip()


def _instant(seconds: object) -> datetime:
    if not isinstance(seconds, int):
        raise TypeError("a numeric date is a whole number of seconds")
    return datetime.fromtimestamp(seconds, UTC)


def _derived(key: bytes, purpose: bytes) -> bytes:
    """A key for another purpose (HKDF, RFC 5869). Replacing its source ends no session: tokens are known by hash."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES_MIN, salt=None, info=b"jifen " + purpose).derive(key)
