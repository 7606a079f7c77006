"""Logins through WeChat."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.members import service as members
from gamification.members.credentials import RefreshChain
from gamification.members.errors import MemberBlocked, WechatIdentityConflict
from gamification.members.references import Reference, wechat_reference
from gamification.members.service import Login
from tests.members.people import IMPORTED, Somebody, count, references_of

pytestmark = pytest.mark.usefixtures("books")


async def login(wechat: Somebody, chain: RefreshChain, clock: FixedClock) -> Login:
    return await members.login_with_wechat(code="code", wechat=wechat, chain=chain, now=clock.now())


async def test_a_first_login_makes_a_member_and_the_next_one_finds_it(
    mei: Somebody, chain: RefreshChain, clock: FixedClock
) -> None:
    """Whoever logs in for the first time joins; afterwards it is the same member with another session."""
    first, second = await login(mei, chain, clock), await login(mei, chain, clock)
    assert (first.registered, second.registered) == (True, False)
    assert first.member.id == second.member.id and first.member.claimed and first.member.joined_at == clock.now()
    assert await references_of(first.member.id) == {("wechat", "wx-one:o-mei")}
    assert (await count("member"), await count("session")) == (1, 2)


async def test_concurrent_first_logins_of_one_person_make_one_member(
    mei: Somebody, chain: RefreshChain, clock: FixedClock
) -> None:
    """A double tap on the login button joins once."""
    logins = await asyncio.gather(*(login(mei, chain, clock) for _ in range(8)))
    assert len({each.member.id for each in logins}) == 1 and await count("member") == 1


async def test_concurrent_first_logins_through_two_apps_meet_in_the_unionid(
    mei: Somebody, chain: RefreshChain, clock: FixedClock
) -> None:
    """A person who opens two of the company's mini-programs at once is one member."""
    one, two = replace(mei, unionid="u-mei"), replace(mei, unionid="u-mei", appid="wx-two", openid="o-two")
    logins = await asyncio.gather(*(login(each, chain, clock) for each in (one, two) * 3))
    assert len({each.member.id for each in logins}) == 1 and await count("member") == 1
    assert await references_of(logins[0].member.id) == {
        ("unionid", "u-mei"),
        ("wechat", "wx-one:o-mei"),
        ("wechat", "wx-two:o-two"),
    }


async def test_a_unionid_that_arrives_later_joins_the_member(
    mei: Somebody, chain: RefreshChain, clock: FixedClock
) -> None:
    """The unionid may be absent at first; when it comes, the member is known by it too."""
    first = await login(mei, chain, clock)
    await login(replace(mei, unionid="u-mei"), chain, clock)
    assert ("unionid", "u-mei") in await references_of(first.member.id)
    other_app = await login(Somebody(openid="o-two", unionid="u-mei", appid="wx-two"), chain, clock)
    assert other_app.member.id == first.member.id and not other_app.registered


async def test_a_login_whose_two_identities_are_two_members_is_refused(
    mei: Somebody, chain: RefreshChain, clock: FixedClock
) -> None:
    """Openid of one member, unionid of another: refused, merged by staff, and nothing changes."""
    await login(mei, chain, clock)
    await login(Somebody(openid="o-two", unionid="u-mei", appid="wx-two"), chain, clock)
    sessions = await count("session")
    with pytest.raises(WechatIdentityConflict):
        await login(replace(mei, unionid="u-mei"), chain, clock)
    assert (await count("member"), await count("session"), await count("member_reference")) == (2, sessions, 3)


async def test_a_blocked_member_cannot_log_in(mei: Somebody, chain: RefreshChain, clock: FixedClock) -> None:
    """Blocking ends every session and refuses the next login."""
    member = (await login(mei, chain, clock)).member
    _, ended = await members.block_member(member_id=member.id, reason="resale", actor=SYSTEM, now=clock.now())
    assert len(ended) == 1
    with pytest.raises(MemberBlocked):
        await login(mei, chain, clock)
    assert await count("session") == 1
    await members.unblock_member(member_id=member.id, reason="cleared", actor=SYSTEM, now=clock.now())
    assert (await login(mei, chain, clock)).member.id == member.id


async def test_a_login_claims_a_member_that_was_imported_by_openid(
    mei: Somebody, chain: RefreshChain, clock: FixedClock
) -> None:
    """Who was imported by the openid is claimed by the login that proves it."""
    reference: Reference = wechat_reference("wx-one", "o-mei")
    found = await members.ensure_members([reference], origin=IMPORTED, now=clock.now())
    answer = await login(mei, chain, clock)
    assert answer.member.id == found[reference] and answer.member.claimed and not answer.registered
