"""Binding phones and cards, and claiming imported members."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_row, fetch_value
from gamification.members import queries
from gamification.members import service as members
from gamification.members.credentials import RefreshChain
from gamification.members.errors import ClaimNeedsStaff, PhoneTaken, ReferenceTaken
from gamification.members.models import Member
from gamification.members.phones import PhoneVault
from gamification.members.ports import HistoryProbe
from gamification.members.references import Reference
from gamification.members.service import Binding
from tests.members.people import IMPORTED, Somebody, a_member, count, no_history, references_of, some_history

pytestmark = pytest.mark.usefixtures("books")
PHONE = "+8613800138000"


async def bind(
    member: Member, wechat: Somebody, vault: PhoneVault, clock: FixedClock, probe: HistoryProbe | None = None
) -> Binding:
    return await members.bind_phone(
        member_id=member.id,
        code="code",
        wechat=wechat,
        vault=vault,
        has_history=probe or no_history(),
        now=clock.now(),
    )


async def imported(vault: PhoneVault, clock: FixedClock, phone: str = PHONE) -> Member:
    reference = vault.reference(phone)
    found = await members.ensure_members([reference], origin=IMPORTED, now=clock.now())
    return await Member.get(id=found[reference])


async def test_a_bound_phone_is_sealed_and_found_by_its_blind_index(
    mei: Somebody, vault: PhoneVault, clock: FixedClock
) -> None:
    """The number stands nowhere in clear: the directory holds its index, the sealed copy opens with the key only."""
    member = await a_member(clock)
    assert await bind(member, mei, vault, clock) == Binding(member.id, claimed=False)
    assert await references_of(member.id) == {("phone", vault.index(PHONE))}
    assert await queries.phones_by_members([member.id], vault) == {member.id: PHONE}
    row = await fetch_row("SELECT sealed, key_id, tail_index FROM member_phone")
    assert row is not None and b"138" not in row["sealed"] and row["key_id"] == vault.current
    found = await queries.members_page(queries.MemberFilter(tail_index=vault.tail_index("8000")), after=None, limit=10)
    assert [each.id for each in found] == [member.id]


async def test_binding_the_same_phone_again_changes_nothing(
    mei: Somebody, vault: PhoneVault, clock: FixedClock
) -> None:
    """A second binding of one's own phone is answered like the first."""
    member = await a_member(clock)
    assert await bind(member, mei, vault, clock) == await bind(member, mei, vault, clock)
    assert (await count("member_reference"), await count("member_phone")) == (1, 1)


async def test_another_phone_takes_the_place_of_the_one_before(
    mei: Somebody, vault: PhoneVault, clock: FixedClock
) -> None:
    """A member has one phone; the number given up can be bound by whoever gets it."""
    member, other = await a_member(clock), await a_member(clock)
    await bind(member, mei, vault, clock)
    await bind(member, replace(mei, phone="+8613900139000"), vault, clock)
    assert await queries.phones_by_members([member.id], vault) == {member.id: "+8613900139000"}
    assert await bind(other, mei, vault, clock) == Binding(other.id, claimed=False)


async def test_a_phone_of_another_member_is_refused(mei: Somebody, vault: PhoneVault, clock: FixedClock) -> None:
    """A phone that somebody has bound stays theirs, and ours stays as it was."""
    member, other = await a_member(clock), await a_member(clock)
    await bind(other, mei, vault, clock)
    await bind(member, replace(mei, phone="+8613900139000"), vault, clock)
    with pytest.raises(PhoneTaken):
        await bind(member, mei, vault, clock)
    assert await queries.phones_by_members([member.id, other.id], vault) == {
        member.id: "+8613900139000",
        other.id: PHONE,
    }


async def test_binding_the_phone_of_an_imported_member_claims_it(
    mei: Somebody, vault: PhoneVault, chain: RefreshChain, clock: FixedClock
) -> None:
    """The fresh login becomes the imported member: its references and sessions move, a tombstone points there."""
    old = await imported(vault, clock)
    login = await members.login_with_wechat(code="c", wechat=mei, chain=chain, now=clock.now(), locale="en")
    await members.update_profile(member_id=login.member.id, calendar=Calendar(), now=clock.now(), nickname="Mei")
    assert await bind(login.member, mei, vault, clock) == Binding(old.id, claimed=True)
    assert await references_of(old.id) == {("phone", vault.index(PHONE)), ("wechat", "wx-one:o-mei")}
    claimed, tombstone = await Member.get(id=old.id), await Member.get(id=login.member.id)
    assert (claimed.claimed_at, claimed.nickname, claimed.locale, claimed.number) == (
        clock.now(),
        "Mei",
        "en",
        old.number,
    )
    assert (tombstone.status, tombstone.merged_into_id) == ("MERGED", old.id)
    assert await fetch_value("SELECT member_id FROM session") == old.id
    assert (await members.login_with_wechat(code="c", wechat=mei, chain=chain, now=clock.now())).member.id == old.id


async def test_two_histories_are_not_merged_by_a_phone(
    mei: Somebody, vault: PhoneVault, chain: RefreshChain, clock: FixedClock
) -> None:
    """Who has points already cannot claim an imported member: refused, and nothing changes."""
    old = await imported(vault, clock)
    login = await members.login_with_wechat(code="c", wechat=mei, chain=chain, now=clock.now())
    with pytest.raises(ClaimNeedsStaff):
        await bind(login.member, mei, vault, clock, some_history())
    assert await references_of(login.member.id) == {("wechat", "wx-one:o-mei")}
    assert (await Member.get(id=old.id)).claimed is False and await count("member_phone") == 0


async def test_two_people_who_claim_the_same_member_at_once_get_one_answer_each(
    mei: Somebody, vault: PhoneVault, clock: FixedClock
) -> None:
    """Of two concurrent claims one succeeds, the other reads that the phone is taken."""
    await imported(vault, clock)
    people = [await a_member(clock), await a_member(clock)]
    answers = await asyncio.gather(*(bind(each, mei, vault, clock) for each in people), return_exceptions=True)
    assert sorted(type(each).__name__ for each in answers) == ["Binding", "PhoneTaken"]


async def test_two_people_who_bind_a_free_phone_at_once_get_one_answer_each(
    mei: Somebody, vault: PhoneVault, clock: FixedClock
) -> None:
    """A phone ends with one member, however close the race."""
    people = [await a_member(clock) for _ in range(4)]
    answers = await asyncio.gather(*(bind(each, mei, vault, clock) for each in people), return_exceptions=True)
    assert sorted(type(each).__name__ for each in answers) == ["Binding", "PhoneTaken", "PhoneTaken", "PhoneTaken"]
    assert await count("member_phone") == 1


async def test_a_card_claims_and_takes_the_verified_phone_along(
    mei: Somebody, vault: PhoneVault, clock: FixedClock
) -> None:
    """Staff who see the card let its imported member be claimed; the phone, sealed for its member, moves and opens."""
    card = Reference("card", "C1")
    old = (await members.ensure_members([card], origin=IMPORTED, now=clock.now()))[card]
    member = await a_member(clock)
    await bind(member, mei, vault, clock)
    binding = await members.bind_card(
        member_id=member.id, card=" C1 ", actor=SYSTEM, vault=vault, has_history=no_history(), now=clock.now()
    )
    assert binding == Binding(old, claimed=True)
    assert await queries.phones_by_members([old], vault) == {old: PHONE}
    assert await references_of(old) == {("card", "C1"), ("phone", vault.index(PHONE))}


async def test_a_card_of_another_member_is_refused(vault: PhoneVault, clock: FixedClock) -> None:
    """A card that is somebody's stays theirs."""
    await a_member(clock, Reference("card", "C1"))
    member = await a_member(clock)
    with pytest.raises(ReferenceTaken):
        await members.bind_card(
            member_id=member.id, card="C1", actor=SYSTEM, vault=vault, has_history=no_history(), now=clock.now()
        )
    assert await references_of(member.id) == set()
