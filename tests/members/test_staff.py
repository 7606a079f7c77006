"""Staff accounts and integrations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.models import AuditRecord
from gamification.members import service as members
from gamification.members.credentials import IntegrationToken, RefreshChain, sha256
from gamification.members.errors import (
    IntegrationNameTaken,
    LastOwnerStays,
    LoginLocked,
    LoginRefused,
    LoginTaken,
    PasswordTooShort,
    Unauthenticated,
)
from gamification.members.phones import PhoneVault
from gamification.members.rules import FAILURES_MAX, LOCK_OUT
from tests.members.people import (
    CHEAP,
    PASSWORD,
    a_member_of_staff,
    count,
)

pytestmark = pytest.mark.usefixtures("books")


async def login(chain: RefreshChain, clock: FixedClock, login: str = "lin", password: str = PASSWORD) -> str:
    """Who logged in, or the name of the refusal."""
    try:
        staff, _ = await members.login_staff(
            login=login, password=password, passwords=CHEAP, chain=chain, now=clock.now()
        )
    except (LoginRefused, LoginLocked) as refusal:
        return type(refusal).__name__
    return staff.login


async def test_staff_sign_in_for_twelve_hours(vault: PhoneVault, chain: RefreshChain, clock: FixedClock) -> None:
    """A password opens one working day; refreshing, at the staff's endpoint only, does not prolong it."""
    await a_member_of_staff(clock, vault)
    _, grant = await members.login_staff(login="lin", password=PASSWORD, passwords=CHEAP, chain=chain, now=clock.now())
    end = grant.session.expires_at
    assert (end - clock.now()).total_seconds() == 12 * 3600
    with pytest.raises(Unauthenticated):
        await members.refresh_session(refresh_token=grant.refresh_token, chain=chain, now=clock.now())
    await members.refresh_session(refresh_token=grant.refresh_token, chain=chain, now=clock.now(), holder="staff")
    assert await fetch_value("SELECT expires_at FROM session") == end


async def test_passwords_are_stored_as_argon2id(vault: PhoneVault, clock: FixedClock) -> None:
    """The password stands nowhere."""
    staff = await a_member_of_staff(clock, vault)
    assert staff.password_hash.startswith("$argon2id$") and PASSWORD not in staff.password_hash


async def test_wrong_password_unknown_login_and_disabled_account_are_refused_alike(
    vault: PhoneVault, chain: RefreshChain, clock: FixedClock
) -> None:
    """What was wrong is not said."""
    await a_member_of_staff(clock, vault, "owner")
    staff = await a_member_of_staff(clock, vault, "zhou")
    await members.disable_staff(staff_id=staff.id, actor=SYSTEM, now=clock.now())
    assert await login(chain, clock, "owner", "not the password") == "LoginRefused"
    assert await login(chain, clock, "nobody") == "LoginRefused"
    assert await login(chain, clock, "zhou") == "LoginRefused"
    assert await count("session") == 0


@pytest.mark.parametrize("name", ["lin", "nobody"])
async def test_five_failures_lock_a_login_for_a_quarter_of_an_hour_whether_it_exists_or_not(
    vault: PhoneVault, chain: RefreshChain, clock: FixedClock, name: str
) -> None:
    """The lock is the same for logins that do not exist, so that it tells nothing; the right password waits too."""
    await a_member_of_staff(clock, vault)
    for _ in range(FAILURES_MAX):
        assert await login(chain, clock, name, "wrong") == "LoginRefused"
    assert await login(chain, clock, name) == "LoginLocked"
    clock.advance(LOCK_OUT)
    assert await login(chain, clock, name) == ("lin" if name == "lin" else "LoginRefused")


async def test_a_success_forgets_the_failures(vault: PhoneVault, chain: RefreshChain, clock: FixedClock) -> None:
    """Failures count in a row."""
    await a_member_of_staff(clock, vault)
    for _ in range(FAILURES_MAX - 1):
        await login(chain, clock, password="wrong")
    assert await login(chain, clock) == "lin" and await count("login_attempt") == 0


async def test_concurrent_failures_are_all_counted(vault: PhoneVault, chain: RefreshChain, clock: FixedClock) -> None:
    """Of fifteen guesses at once five are judged; the others find the login locked."""
    await a_member_of_staff(clock, vault)
    answers = await asyncio.gather(*(login(chain, clock, password="wrong") for _ in range(3 * FAILURES_MAX)))
    assert answers.count("LoginRefused") == FAILURES_MAX and answers.count("LoginLocked") == 2 * FAILURES_MAX
    assert await login(chain, clock) == "LoginLocked"


async def test_a_login_belongs_to_one(vault: PhoneVault, clock: FixedClock) -> None:
    """A second account with the same login is refused."""
    await a_member_of_staff(clock, vault)
    with pytest.raises(LoginTaken) as refusal:
        await a_member_of_staff(clock, vault)
    assert refusal.value.login == "lin" and await count("staff") == 1


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"password": "elevenchars"}, PasswordTooShort),
        ({"password": "x" * 257}, InvalidInput),
        ({"role": "cashier"}, InvalidInput),
        ({"role": "boss"}, InvalidInput),
        ({"login": "Lin"}, InvalidInput),
        ({"login": "x"}, InvalidInput),
        ({"name": " "}, InvalidInput),
        ({"phone": "12345"}, InvalidInput),
        ({"stores": [""]}, InvalidInput),
    ],
)
async def test_an_account_out_of_bounds_is_refused(
    vault: PhoneVault, clock: FixedClock, given: dict[str, Any], refusal: type[Exception]
) -> None:
    """No account is made that does not fit; a cashier has at least one store."""
    with pytest.raises(refusal):
        await a_member_of_staff(clock, vault, **given)
    assert await count("staff") == 0


async def test_disabling_ends_the_sessions_and_spares_the_last_owner(
    vault: PhoneVault, chain: RefreshChain, clock: FixedClock
) -> None:
    """A disabled account is signed out; the last owner cannot be disabled."""
    owner = await a_member_of_staff(clock, vault, "owner")
    staff = await a_member_of_staff(clock, vault, "zhou", role="cashier", stores=["SH-01", "SH-01"])
    assert staff.stores == ["SH-01"]
    assert await login(chain, clock, "zhou") == "zhou"
    _, ended = await members.disable_staff(staff_id=staff.id, actor=SYSTEM, now=clock.now())
    assert len(ended) == 1
    with pytest.raises(LastOwnerStays):
        await members.disable_staff(staff_id=owner.id, actor=SYSTEM, now=clock.now())
    assert await login(chain, clock, "owner") == "owner"
    actions = [record.action for record in await AuditRecord.all().order_by("id")]
    assert actions == ["staff.created", "staff.created", "staff.disabled"]


async def test_an_integrations_secret_is_shown_once_and_stored_as_a_hash(clock: FixedClock) -> None:
    """The token reads jfi_<id>_<secret>; the database holds the hash of the secret only."""
    integration, token = await members.create_integration(
        name="till", scopes=["orders:write", "orders:write"], actor=SYSTEM, now=clock.now()
    )
    assert integration.scopes == ["orders:write"]
    assert token.text == f"jfi_{token.secret_id.hex}_{token.secret}" and IntegrationToken.parse(token.text) == token
    assert await fetch_value("SELECT hash FROM integration_secret") == sha256(token.secret)


@pytest.mark.parametrize("scopes", [[], ["orders"], ["orders:write; drop"], ["a:b"] * 33])
async def test_an_integration_out_of_bounds_is_refused(clock: FixedClock, scopes: list[str]) -> None:
    """An integration has 1 to 32 scopes that read like orders:write."""
    with pytest.raises(InvalidInput):
        await members.create_integration(name="till", scopes=scopes, actor=SYSTEM, now=clock.now())
    assert await count("integration") == 0


async def test_an_integrations_name_belongs_to_one_and_a_disabled_one_gets_no_secret(clock: FixedClock) -> None:
    """Names are unique; what is disabled stays disabled."""
    integration, _ = await members.create_integration(
        name="till", scopes=["orders:write"], actor=SYSTEM, now=clock.now()
    )
    with pytest.raises(IntegrationNameTaken):
        await members.create_integration(name=" till ", scopes=["orders:write"], actor=SYSTEM, now=clock.now())
    await members.disable_integration(integration_id=integration.id, actor=SYSTEM, now=clock.now())
    with pytest.raises(NotFound):
        await members.add_integration_secret(integration_id=integration.id, actor=SYSTEM, now=clock.now())
    assert (await count("integration"), await count("integration_secret")) == (1, 1)
