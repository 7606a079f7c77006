"""Who asks: access tokens, tampered ones, ended sessions, integrations."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import orjson
import pytest

from app.auth import AUDIENCES, LEEWAY, REVOCATION_SECONDS_MAX, Access, Door
from gamification.core.actors import ANONYMOUS, SYSTEM, Actor
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.members import service as members
from gamification.members.errors import Unauthenticated
from gamification.members.models import Integration
from gamification.members.phones import PhoneVault
from gamification.members.rules import ACCESS_LIFETIME
from tests.members.people import DAY, a_member, a_member_of_staff

MEMBER_KEY, STAFF_KEY = b"m" * 32, b"t" * 32


class Seconds:
    """Monotonic time that passes when told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def access(clock: FixedClock, seconds: Seconds) -> Access:
    return Access(member_key=MEMBER_KEY, staff_key=STAFF_KEY, clock=clock, calendar=Calendar(), seconds=seconds)


@pytest.fixture
async def actor(access: Access, clock: FixedClock, books: None) -> Actor:
    member = await a_member(clock)
    grant = await members.open_member_session(member.id, chain=access.chain, now=clock.now())
    return Actor("member", member.id, session_id=grant.session.id)


async def ask(access: Access, token: str, door: Door = "member") -> Actor:
    return await access.authenticate(f"Bearer {token}", door)


async def refused(access: Access, token: str, door: Door = "member") -> str:
    return await refused_line(access, f"Bearer {token}", door)


async def refused_line(access: Access, authorization: object, door: Door = "member") -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await access.authenticate(authorization, door)
    assert str(refusal.value) == "You are not signed in. Please sign in again."
    return refusal.value.reason


def claims_of(actor: Actor, clock: FixedClock, **changes: Any) -> dict[str, Any]:
    issued = int(clock.now().timestamp())
    claims = {
        "iss": "jifen",
        "aud": "jifen:member",
        "sub": str(actor.id),
        "sid": str(actor.session_id),
        "jti": "1",
        "iat": issued,
        "exp": issued + 900,
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


async def test_a_token_tells_who_asks(access: Access, actor: Actor, clock: FixedClock) -> None:
    """A member's token is the member in its session, in a header or in a socket's parameters."""
    token = access.issue(actor, now=clock.now())
    assert await ask(access, token.value) == actor
    assert await access.authenticate(f"bearer {token.value}", "member") == actor
    assert token.expires_at == clock.now() + ACCESS_LIFETIME and token.value not in repr(token)


async def test_without_credentials_nobody_is_known(access: Access) -> None:
    """No authorization: an anonymous caller, not a refusal."""
    assert await access.authenticate(None, "member") == ANONYMOUS
    assert await access.authenticate(None, "staff") == ANONYMOUS


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer " + "x" * 2049, "Bearer é", 17, ["Bearer x"]]
)
async def test_a_malformed_header_is_refused(access: Access, value: object) -> None:
    """What is no bearer token is refused before anything is looked up."""
    assert await refused_line(access, value) == "TOKEN_MALFORMED"


async def test_a_token_ends_after_fifteen_minutes_and_five_seconds_of_leeway(
    access: Access, actor: Actor, clock: FixedClock
) -> None:
    """The token's end is on our clock."""
    token = access.issue(actor, now=clock.now()).value
    clock.advance(ACCESS_LIFETIME + LEEWAY - timedelta(seconds=1))
    assert await ask(access, token) == actor
    clock.advance(timedelta(seconds=1))
    assert await refused(access, token) == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in ("exp", "iat", "sub", "aud", "iss", "jti", "sid")),
        {"aud": "jifen:staff"},
        {"aud": ["jifen:member", "other"]},
        {"iss": "other"},
        {"sub": "nobody"},
        {"sub": 17},
        {"sid": "none"},
        {"exp": "tomorrow"},
        {"exp": 1e400},
        {"exp": 10**20},
    ],
)
async def test_a_token_with_a_missing_or_wrong_claim_is_refused(
    access: Access, actor: Actor, clock: FixedClock, changes: dict[str, Any]
) -> None:
    """Even under the right key every claim must be there and be right."""
    token = (
        jwt.encode(claims_of(actor, clock, **changes), MEMBER_KEY, "HS256")
        if changes.get("exp") != 1e400
        else (signed(claims_of(actor, clock), '"exp":1e400'))
    )
    assert await refused(access, token) == "TOKEN_INVALID"


def signed(claims: dict[str, Any], extra: str) -> str:
    """A token under the right key whose payload JSON encoders do not write."""
    body = orjson.dumps({name: value for name, value in claims.items() if name != "exp"}).decode()
    return jwt.PyJWS().encode(f"{body[:-1]},{extra}}}".encode(), MEMBER_KEY, "HS256")


async def test_a_token_from_the_future_is_refused(access: Access, actor: Actor, clock: FixedClock) -> None:
    """A token issued more than the leeway after now was not issued by us."""
    later = int((clock.now() + timedelta(seconds=6)).timestamp())
    token = jwt.encode(claims_of(actor, clock, iat=later), MEMBER_KEY, "HS256")
    assert await refused(access, token) == "TOKEN_INVALID"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_token_under_another_key_or_algorithm_is_refused(
    access: Access, actor: Actor, clock: FixedClock
) -> None:
    """Another key, `none`, another member of the family, an altered payload: all the same refusal."""
    claims = claims_of(actor, clock)
    good = jwt.encode(claims, MEMBER_KEY, "HS256")
    head, body, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    forged = base64.urlsafe_b64encode(orjson.dumps({**claims, "sub": str(uuid4())})).decode().rstrip("=")
    for token in (
        jwt.encode(claims, b"x" * 32, "HS256"),
        jwt.encode(claims, STAFF_KEY, "HS256"),
        jwt.encode(claims, b"short", "HS256"),
        jwt.encode(claims, MEMBER_KEY * 2, "HS512"),
        jwt.encode(claims, "", "none"),
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{head}.{forged}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature}=",
        f"{head}.{body}.${signature}",
        f"{head}.{body}.{signature}.",
        "a.b.c",
        "abc",
    ):
        assert await refused(access, token) == "TOKEN_INVALID"
    assert await ask(access, good) == actor


def test_short_or_shared_keys_end_the_process_at_its_start(clock: FixedClock) -> None:
    """A key has at least 32 bytes, and members and staff do not share one."""
    for member_key, staff_key in ((b"m" * 31, STAFF_KEY), (MEMBER_KEY, b"t" * 5), (MEMBER_KEY, MEMBER_KEY)):
        with pytest.raises(ValueError, match="keys"):
            Access(member_key=member_key, staff_key=staff_key, clock=clock, calendar=Calendar())


async def test_a_members_token_opens_no_staff_door_and_the_other_way_round(
    access: Access, actor: Actor, vault: PhoneVault, clock: FixedClock
) -> None:
    """Each endpoint has a key and an audience of its own."""
    staff = await a_member_of_staff(clock, vault, role="cashier", stores=["SH-01"])
    grant = await members.open_staff_session(staff.id, chain=access.chain, now=clock.now())
    who = Actor("staff", staff.id, session_id=grant.session.id)
    staff_token = access.issue(who, now=clock.now()).value
    assert await refused(access, staff_token, "member") == "TOKEN_INVALID"
    assert await refused(access, access.issue(actor, now=clock.now()).value, "staff") == "TOKEN_INVALID"
    found = await ask(access, staff_token, "staff")
    assert (found.kind, found.id, found.role, found.stores) == ("staff", staff.id, "cashier", frozenset({"SH-01"}))
    assert AUDIENCES == {"member": "jifen:member", "staff": "jifen:staff"}


async def test_an_ended_session_is_refused_at_once_here_and_within_two_seconds_elsewhere(
    access: Access, actor: Actor, clock: FixedClock, seconds: Seconds
) -> None:
    """What this process ends it refuses at once; what another ends, when the remembered answer is two seconds old."""
    assert actor.session_id is not None
    token = access.issue(actor, now=clock.now()).value
    assert await ask(access, token) == actor
    await members.sign_out(session_id=actor.session_id, now=clock.now())
    seconds.at += REVOCATION_SECONDS_MAX - 0.01
    assert await ask(access, token) == actor
    seconds.at += 0.01
    assert await refused(access, token) == "SESSION_ENDED"
    assert REVOCATION_SECONDS_MAX == 2.0


async def test_forgetting_a_session_refuses_it_at_once(access: Access, actor: Actor, clock: FixedClock) -> None:
    """The process that signs a session out asks anew."""
    assert actor.session_id is not None
    token = access.issue(actor, now=clock.now()).value
    await ask(access, token)
    await members.sign_out(session_id=actor.session_id, now=clock.now())
    access.forget(actor.session_id)
    assert await refused(access, token) == "SESSION_ENDED"


async def test_a_token_of_a_session_that_moved_is_refused_until_refreshed(
    access: Access, actor: Actor, clock: FixedClock
) -> None:
    """After a claim the session is the claimed member's; the old token no longer speaks for anybody."""
    other = await a_member(clock)
    token = access.issue(actor, now=clock.now()).value
    assert await fetch_value(
        "WITH m AS (UPDATE session SET member_id = $1 RETURNING 1) SELECT count(*) FROM m", other.id
    )
    assert await refused(access, token) == "SESSION_MOVED"


async def test_a_blocked_members_token_is_refused(access: Access, actor: Actor, clock: FixedClock) -> None:
    """Blocking reaches tokens that are still in their time."""
    assert actor.id is not None
    token = access.issue(actor, now=clock.now()).value
    await members.block_member(member_id=actor.id, reason="x", actor=SYSTEM, now=clock.now())
    assert await refused(access, token) == "SESSION_ENDED"


async def test_an_integration_is_known_by_its_token_at_the_staff_door_only(
    access: Access, clock: FixedClock, books: None
) -> None:
    """Its scopes come from the database; its last business day of use is remembered."""
    integration, token = await members.create_integration(
        name="till", scopes=["orders:write"], actor=SYSTEM, now=clock.now()
    )
    found = await ask(access, token.text, "staff")
    assert found == Actor("integration", integration.id, scopes=frozenset({"orders:write"}))
    assert (await Integration.get(id=integration.id)).last_used_on == Calendar().business_date(clock.now())
    assert await refused(access, token.text, "member") == "TOKEN_INVALID"


async def test_wrong_secrets_and_disabled_integrations_are_refused_alike(
    access: Access, clock: FixedClock, seconds: Seconds, books: None
) -> None:
    """A wrong secret, an unknown id, a malformed token, a disabled integration: the same refusal."""
    integration, token = await members.create_integration(
        name="till", scopes=["orders:write"], actor=SYSTEM, now=clock.now()
    )
    for wrong in (token.text[:-1] + "!", f"jfi_{uuid4().hex}_{token.secret}", "jfi_x_y", "jfi_", f"jfi_{'g' * 32}_x"):
        assert await refused(access, wrong, "staff") == "INTEGRATION_UNKNOWN"
    await ask(access, token.text, "staff")
    await members.disable_integration(integration_id=integration.id, actor=SYSTEM, now=clock.now())
    access.forget_integrations()
    assert await refused(access, token.text, "staff") == "INTEGRATION_UNKNOWN"


async def test_two_secrets_of_an_integration_are_good_until_one_ends(
    access: Access, clock: FixedClock, books: None
) -> None:
    """A till changes its secret without a pause; a secret with an end ends."""
    integration, first = await members.create_integration(
        name="till", scopes=["orders:write"], actor=SYSTEM, now=clock.now()
    )
    second = await members.add_integration_secret(
        integration_id=integration.id, actor=SYSTEM, now=clock.now(), lifetime=DAY
    )
    for token in (first, second):
        assert (await ask(access, token.text, "staff")).id == integration.id
    clock.advance(DAY)
    assert (await ask(access, first.text, "staff")).id == integration.id
    assert await refused(access, second.text, "staff") == "TOKEN_EXPIRED"


async def test_a_session_goes_on_beyond_its_access_token(access: Access, actor: Actor, clock: FixedClock) -> None:
    """Long answers ask whether the caller's session still holds: an access token that ran out does not end it."""
    clock.advance(timedelta(days=1))
    assert await access.still_holds(actor)
    assert not await access.still_holds(ANONYMOUS)


async def test_a_session_that_ended_no_longer_holds(
    access: Access, actor: Actor, clock: FixedClock, seconds: Seconds
) -> None:
    """Ended, run out, or of a caller who is no longer the same: whoever asks again is told so within two seconds."""
    stranger = replace(actor, id=uuid4())
    promoted = replace(actor, kind="staff", role="owner")
    assert (await access.still_holds(stranger), await access.still_holds(promoted)) == (False, False)
    assert await access.still_holds(actor)
    assert actor.session_id is not None
    await members.sign_out(session_id=actor.session_id, now=clock.now())
    seconds.at += REVOCATION_SECONDS_MAX
    assert not await access.still_holds(actor)


async def test_a_session_whose_time_is_over_no_longer_holds(access: Access, actor: Actor, clock: FixedClock) -> None:
    """After its lifetime a session holds no longer, whatever is remembered of it."""
    assert await access.still_holds(actor)
    clock.advance(timedelta(days=366))
    assert not await access.still_holds(actor)
