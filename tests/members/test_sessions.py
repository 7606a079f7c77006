"""Sessions and their refresh tokens."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch_row, fetch_value
from gamification.members import service as members
from gamification.members.credentials import RefreshChain, sha256
from gamification.members.errors import Unauthenticated
from gamification.members.rules import REFRESH_GRACE, SESSIONS_MAX
from gamification.members.service import SessionGrant
from tests.members.people import DAY, MINUTE, a_member, count

pytestmark = pytest.mark.usefixtures("books")


@pytest.fixture
async def grant(chain: RefreshChain, clock: FixedClock, books: None) -> SessionGrant:
    member = await a_member(clock)
    return await members.open_member_session(member.id, chain=chain, now=clock.now(), device="phone")


async def refresh(token: str, chain: RefreshChain, clock: FixedClock) -> str:
    return (await members.refresh_session(refresh_token=token, chain=chain, now=clock.now())).refresh_token


async def refused(token: str, chain: RefreshChain, clock: FixedClock) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await refresh(token, chain, clock)
    return refusal.value.reason


async def test_a_refresh_token_is_stored_as_a_hash_only(grant: SessionGrant) -> None:
    """The database holds nothing that a session could be carried on with."""
    assert await fetch_value("SELECT hash FROM refresh_token") == sha256(grant.refresh_token)
    assert grant.refresh_token not in repr(grant)


async def test_refreshing_replaces_the_token_and_prolongs_the_session(
    grant: SessionGrant, chain: RefreshChain, clock: FixedClock
) -> None:
    """Each refresh gives another token and 60 days more."""
    clock.advance(10 * DAY)
    successor = await refresh(grant.refresh_token, chain, clock)
    assert successor != grant.refresh_token
    assert await fetch_value("SELECT expires_at FROM session") == clock.now() + 60 * DAY
    clock.advance(MINUTE)
    assert await refresh(successor, chain, clock) not in (successor, grant.refresh_token)


async def test_a_lost_answer_is_given_again(grant: SessionGrant, chain: RefreshChain, clock: FixedClock) -> None:
    """Within 30 seconds the same token gets the same successor, so that a client that lost the answer goes on."""
    successor = await refresh(grant.refresh_token, chain, clock)
    clock.advance(REFRESH_GRACE)
    assert await refresh(grant.refresh_token, chain, clock) == successor
    assert await count("refresh_token") == 2
    await refresh(successor, chain, clock)


async def test_concurrent_refreshes_get_the_same_successor(
    grant: SessionGrant, chain: RefreshChain, clock: FixedClock
) -> None:
    """Two tabs that refresh at once go on with the same token."""
    answers = await asyncio.gather(*(refresh(grant.refresh_token, chain, clock) for _ in range(6)))
    assert len(set(answers)) == 1 and await count("refresh_token") == 2


async def test_a_used_token_that_comes_back_ends_the_session(
    grant: SessionGrant, chain: RefreshChain, clock: FixedClock
) -> None:
    """After the grace a used token means that two parties hold it: both are signed out."""
    successor = await refresh(grant.refresh_token, chain, clock)
    clock.advance(REFRESH_GRACE + timedelta(seconds=1))
    assert await refused(grant.refresh_token, chain, clock) == "REFRESH_REUSED"
    assert await refused(successor, chain, clock) == "SESSION_ENDED"
    row = await fetch_row("SELECT revoked_at, revoked_because FROM session")
    assert row is not None and tuple(row) == (clock.now(), "REFRESH_REUSED")


async def test_a_token_whose_successor_was_used_ends_the_session_even_within_the_grace(
    grant: SessionGrant, chain: RefreshChain, clock: FixedClock
) -> None:
    """The answer was not lost: somebody went on with it."""
    await refresh(await refresh(grant.refresh_token, chain, clock), chain, clock)
    assert await refused(grant.refresh_token, chain, clock) == "REFRESH_REUSED"


async def test_an_unknown_token_is_refused_and_ends_nothing(
    grant: SessionGrant, chain: RefreshChain, clock: FixedClock
) -> None:
    """Guessing a token does no harm to anybody's session."""
    assert await refused("x" * 43, chain, clock) == "REFRESH_UNKNOWN"
    assert await fetch_value("SELECT revoked_at FROM session") is None


async def test_a_session_ends_sixty_days_after_its_last_refresh(
    grant: SessionGrant, chain: RefreshChain, clock: FixedClock
) -> None:
    """Its last instant is 60 days after the last refresh."""
    clock.advance(60 * DAY)
    assert await refused(grant.refresh_token, chain, clock) == "SESSION_ENDED"


async def test_signing_out_ends_the_session_once(grant: SessionGrant, chain: RefreshChain, clock: FixedClock) -> None:
    """A session that was signed out of is over; signing out again says so."""
    assert await members.sign_out(session_id=grant.session.id, now=clock.now()) is True
    assert await members.sign_out(session_id=grant.session.id, now=clock.now()) is False
    assert await refused(grant.refresh_token, chain, clock) == "SESSION_ENDED"


async def test_signing_out_everywhere_ends_every_session_of_the_member_only(
    grant: SessionGrant, chain: RefreshChain, clock: FixedClock
) -> None:
    """All of a member's devices are signed out, nobody else's."""
    assert grant.session.member_id is not None
    second = await members.open_member_session(grant.session.member_id, chain=chain, now=clock.now())
    other = await members.open_member_session((await a_member(clock)).id, chain=chain, now=clock.now())
    ended = await members.sign_out_everywhere(member_id=grant.session.member_id, now=clock.now())
    assert set(ended) == {grant.session.id, second.session.id}
    await refresh(other.refresh_token, chain, clock)


async def test_beyond_twenty_sessions_the_oldest_end(chain: RefreshChain, clock: FixedClock) -> None:
    """A member has at most twenty live sessions."""
    member = await a_member(clock)
    grants = []
    for _ in range(SESSIONS_MAX + 2):
        clock.advance(MINUTE)
        grants.append(await members.open_member_session(member.id, chain=chain, now=clock.now()))
    for ended in grants[:2]:
        assert await refused(ended.refresh_token, chain, clock) == "SESSION_ENDED"
    await refresh(grants[2].refresh_token, chain, clock)


async def test_old_sessions_are_forgotten_with_their_tokens(
    grant: SessionGrant, chain: RefreshChain, clock: FixedClock
) -> None:
    """Thirty days after its end a session is deleted, not a day earlier."""
    clock.advance(90 * DAY)
    assert await members.purge_due_sessions(now=clock.now()) == 0
    clock.advance(MINUTE)
    assert await members.purge_due_sessions(now=clock.now()) == 1
    assert (await count("session"), await count("refresh_token")) == (0, 0)
