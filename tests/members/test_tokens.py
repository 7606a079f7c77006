"""`python -m app token`."""

from __future__ import annotations

from uuid import UUID

import pytest
from click.testing import CliRunner

from app.auth import Access, Door
from app.tokens import PrintedToken, command, integration_token, member_token, staff_token
from gamification.core.actors import SYSTEM
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.errors import NotFound
from gamification.members import service as members
from gamification.members.phones import PhoneVault
from tests.members.people import DAY, a_member, a_member_of_staff, count

pytestmark = pytest.mark.usefixtures("books")


@pytest.fixture
def access(clock: FixedClock) -> Access:
    return Access(member_key=b"m" * 32, staff_key=b"t" * 32, clock=clock, calendar=Calendar())


async def test_a_printed_token_is_a_real_one_for_as_long_as_it_says(
    access: Access, vault: PhoneVault, clock: FixedClock
) -> None:
    """Tokens of a member, of staff and of an integration work at their endpoints, and their value is not in a repr."""
    member, staff = await a_member(clock), await a_member_of_staff(clock, vault)
    till, _ = await members.create_integration(name="till", scopes=["orders:write"], actor=SYSTEM, now=clock.now())
    tokens: list[tuple[PrintedToken, Door, UUID]] = [
        (await member_token(access, member.number, now=clock.now(), lifetime=3 * DAY), "member", member.id),
        (await staff_token(access, "lin", now=clock.now(), lifetime=3 * DAY), "staff", staff.id),
        (await integration_token("till", now=clock.now(), lifetime=3 * DAY), "staff", till.id),
    ]
    clock.advance(2 * DAY)
    for token, door, holder in tokens:
        actor = await access.authenticate(f"Bearer {token.value}", door)
        assert actor.id == holder and token.expires_at == clock.now() + DAY and token.value not in repr(token)


async def test_nobody_gets_no_token(access: Access, clock: FixedClock) -> None:
    """An unknown number, login or name is refused, and no session is opened."""
    with pytest.raises(NotFound):
        await member_token(access, "100000000001", now=clock.now(), lifetime=DAY)
    with pytest.raises(NotFound):
        await staff_token(access, "lin", now=clock.now(), lifetime=DAY)
    with pytest.raises(NotFound):
        await integration_token("till", now=clock.now(), lifetime=DAY)
    assert await count("session") == 0


@pytest.mark.parametrize("arguments", [[], ["--member", "1", "--staff", "lin"], ["--staff", "lin", "--days", "61"]])
def test_the_command_names_one_holder(arguments: list[str]) -> None:
    """Without a holder, with two, or for too long, nothing is started and the usage is shown."""
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2 and "Error" in result.output
