"""Who asks, when many ask at once: sessions and secrets are looked up together, and each caller is who they are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from app.auth import REVOCATION_SECONDS_MAX, Access
from gamification.core.actors import SYSTEM, Actor
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.members import queries
from gamification.members import service as members
from gamification.members.credentials import IntegrationToken
from gamification.members.errors import Unauthenticated
from gamification.members.phones import PhoneVault
from gamification.members.queries import SessionState
from tests.checkins.graphql_checks import counted_statements
from tests.conftest import MONDAY_MORNING
from tests.core.flushes import at_once, turns
from tests.members.people import a_member, a_member_of_staff

pytestmark = pytest.mark.usefixtures("books")


@pytest.fixture
def seconds() -> list[float]:
    """Monotonic time, as the last of these."""
    return [0.0]


@pytest.fixture
def access(clock: FixedClock, seconds: list[float]) -> Access:
    return Access(
        member_key=b"m" * 32, staff_key=b"t" * 32, clock=clock, calendar=Calendar(), seconds=lambda: seconds[-1]
    )


async def signed_in(access: Access, clock: FixedClock) -> Actor:
    """A new member in a session of their own."""
    member = await a_member(clock)
    grant = await members.open_member_session(member.id, chain=access.chain, now=clock.now())
    return Actor("member", member.id, session_id=grant.session.id)


def session_of(actor: Actor) -> UUID:
    assert actor.session_id is not None
    return actor.session_id


async def ask(access: Access, actor: Actor) -> Actor:
    """Who the bearer of this actor's token is found to be, at the door of their own."""
    token = access.issue(actor, now=MONDAY_MORNING).value
    return await access.authenticate(f"Bearer {token}", "staff" if actor.kind == "staff" else "member")


def reasons(outcomes: Sequence[object]) -> list[object]:
    """The outcomes, a refusal by its reason."""
    return [each.reason if isinstance(each, Unauthenticated) else each for each in outcomes]


async def test_who_asks_at_once_is_looked_up_in_one_statement(
    access: Access, clock: FixedClock, vault: PhoneVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two members, and one of them twice, and staff: one statement, and each gets their own identity."""
    mei, lan = await signed_in(access, clock), await signed_in(access, clock)
    staff = await a_member_of_staff(clock, vault, role="cashier", stores=["SH-01"])
    grant = await members.open_staff_session(staff.id, chain=access.chain, now=clock.now())
    lin = Actor("staff", staff.id, role="cashier", stores=frozenset({"SH-01"}), session_id=grant.session.id)
    with counted_statements(monkeypatch) as seen:
        assert await at_once(*(ask(access, each) for each in (mei, lan, lin, mei))) == [mei, lan, lin, mei]
    assert len(seen) == 1
    with counted_statements(monkeypatch) as seen:
        assert await at_once(*(ask(access, each) for each in (lan, mei))) == [lan, mei]
    assert seen == []


async def test_tills_that_ask_at_once_are_looked_up_in_one_statement(
    access: Access, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two integrations with scopes of their own, and one with a wrong secret: one statement, three answers."""
    made = [
        await members.create_integration(name=scope, scopes=[scope], actor=SYSTEM, now=clock.now())
        for scope in ("orders:write", "members:read")
    ]
    tokens = [token.text for _, token in made]
    expected = [Actor("integration", each.id, scopes=frozenset(each.scopes)) for each, _ in made]
    wrong = IntegrationToken(made[0][1].secret_id, made[1][1].secret).text
    assert await at_once(*(access.authenticate(f"Bearer {each}", "staff") for each in tokens)) == expected
    access.forget_integrations()
    with counted_statements(monkeypatch) as seen:
        outcomes = await at_once(*(access.authenticate(f"Bearer {each}", "staff") for each in [*tokens, wrong]))
    assert reasons(outcomes) == [*expected, "INTEGRATION_UNKNOWN"] and len(seen) == 1


async def test_an_ended_session_is_refused_beside_others_that_go_on(
    access: Access, clock: FixedClock, seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the look-up after two seconds the ended session is refused, in the statement in which another one goes on."""
    mei, lan = await signed_in(access, clock), await signed_in(access, clock)
    nobody = replace(mei, session_id=UUID(int=1))
    assert await at_once(ask(access, mei), ask(access, lan)) == [mei, lan]
    await members.sign_out(session_id=session_of(mei), now=clock.now())
    seconds.append(REVOCATION_SECONDS_MAX)
    with counted_statements(monkeypatch) as seen:
        outcomes = await at_once(ask(access, mei), ask(access, lan), ask(access, nobody))
    assert reasons(outcomes) == ["SESSION_ENDED", lan, "SESSION_ENDED"] and len(seen) == 1


async def test_what_was_read_before_a_session_ended_is_not_remembered(
    access: Access, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up that runs while this process ends the session answers who asked before; the next one is refused."""
    mei = await signed_in(access, clock)
    read, may_answer = asyncio.Event(), asyncio.Event()

    async def slowly(session_ids: Sequence[UUID]) -> Mapping[UUID, SessionState]:
        states = await queries.session_states(session_ids)
        read.set()
        await may_answer.wait()
        return states

    monkeypatch.setattr(access._sessions._reads, "_read", slowly)
    before = asyncio.create_task(ask(access, mei))
    await read.wait()
    await members.sign_out(session_id=session_of(mei), now=clock.now())
    access.forget(session_of(mei))
    may_answer.set()
    assert await before == mei
    with pytest.raises(Unauthenticated) as refusal:
        await ask(access, mei)
    assert refusal.value.reason == "SESSION_ENDED"


async def test_a_caller_who_hangs_up_disturbs_no_other(
    access: Access, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the first of two who ask at once goes, the other is answered from the statement that both asked for."""
    mei, lan = await signed_in(access, clock), await signed_in(access, clock)
    with counted_statements(monkeypatch) as seen:
        gone, patient = asyncio.create_task(ask(access, mei)), asyncio.create_task(ask(access, lan))
        await turns(1)
        gone.cancel()
        assert await patient == lan
    assert gone.cancelled() and len(seen) == 1
