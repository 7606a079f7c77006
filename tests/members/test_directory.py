"""The directory: who is known by what, set by set and under concurrency."""

from __future__ import annotations

import asyncio

import pytest
from asyncpg import Record

from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.errors import InvalidInput
from gamification.core.transactions import transaction
from gamification.members import service as members
from gamification.members.errors import ReferenceTaken
from gamification.members.models import Member
from gamification.members.references import MemberNumber, Reference
from gamification.members.rules import member_number_is_valid
from gamification.members.service import directory
from tests.members.people import AT_THE_TILL, IMPORTED, a_member, count

pytestmark = pytest.mark.usefixtures("books")


async def test_unknown_people_are_created_unclaimed_and_known_ones_found(clock: FixedClock) -> None:
    """An import's people are resolved in one call: who is known is found, who is not becomes a claimable member."""
    known = await a_member(clock, Reference("card", "C1"))
    wanted = [Reference("card", "C1"), Reference("external", "12345"), Reference("external", "12346")]
    found = await members.ensure_members(wanted, origin=IMPORTED, now=clock.now())
    assert found[wanted[0]] == known.id and len(set(found.values())) == 3
    made = await Member.get(id=found[wanted[1]])
    assert (made.status, made.claimed, made.origin_channel, made.joined_at) == ("ACTIVE", False, "import", clock.now())
    assert member_number_is_valid(made.number)
    assert await members.ensure_members(wanted, origin=IMPORTED, now=clock.now()) == found
    assert await count("member") == 3


async def test_looking_up_creates_nobody(clock: FixedClock) -> None:
    """`known_members` answers who is known by a reference or a number, and leaves out who is not."""
    known = await a_member(clock, Reference("card", "C1"))
    card, number = Reference("card", "C1"), MemberNumber(known.number)
    found = await members.known_members([card, Reference("card", "C2"), number, MemberNumber("100000000001")])
    assert found == {card: known.id, number: known.id}
    assert await members.known_members([]) == {} and await count("member") == 1


async def test_a_value_means_nothing_without_its_namespace(clock: FixedClock) -> None:
    """The same text as a card and as a till's id are two people."""
    wanted = [Reference("card", "1"), Reference("external", "1")]
    found = await members.ensure_members(wanted, origin=IMPORTED, now=clock.now())
    assert found[wanted[0]] != found[wanted[1]]


async def test_concurrent_imports_create_each_person_once(clock: FixedClock) -> None:
    """Four imports of overlapping people at once agree on who is who, and create nobody twice."""
    people = [Reference("external", f"{number:05}") for number in range(600)]
    slices = [people[:400], people[200:], people[::-1], people[100:500][::-1]]
    answers = await asyncio.gather(*(members.ensure_members(each, origin=IMPORTED, now=clock.now()) for each in slices))
    assert await count("member") == 600
    assert all(answers[2][each] == answer[each] for answer in answers for each in answer)


async def test_five_thousand_people_take_five_statements(clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolving is one statement however many people; creating is a constant number."""
    asked: list[str] = []

    async def counted(sql: str, *arguments: object) -> list[Record]:
        asked.append(sql)
        return await fetch(sql, *arguments)

    monkeypatch.setattr(directory, "fetch", counted)
    people = [Reference("external", str(number)) for number in range(5000)]
    await members.ensure_members(people, origin=IMPORTED, now=clock.now())
    assert len(asked) == 3
    asked.clear()
    assert len(await members.ensure_members(people, origin=IMPORTED, now=clock.now())) == 5000
    assert len(asked) == 1


async def test_people_made_in_a_transaction_that_fails_are_not_there(clock: FixedClock) -> None:
    """Members created for a batch of orders go with it when it fails."""

    async def batch() -> None:
        async with transaction():
            await members.ensure_members([Reference("external", "1")], origin=IMPORTED, now=clock.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await batch()
    assert (await count("member"), await count("member_reference")) == (0, 0)


async def test_a_member_number_that_is_taken_is_drawn_again(clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when two processes draw the same number at the same time, each member gets one of its own."""
    taken = (await a_member(clock)).number
    draw, first = directory.free_numbers, iter([[taken]])

    async def collide(count: int) -> list[str]:
        return next(first, None) or await draw(count)

    monkeypatch.setattr(directory, "free_numbers", collide)
    found = await members.ensure_members([Reference("card", "C9")], origin=IMPORTED, now=clock.now())
    number = await fetch_value("SELECT number FROM member WHERE id = $1", found[Reference("card", "C9")])
    assert number != taken and await count("member") == 2


@pytest.mark.parametrize("value", ["", "x" * 129, "a\x00b"])
async def test_a_reference_out_of_bounds_is_refused(clock: FixedClock, value: str) -> None:
    """An empty, overlong or unprintable reference is refused, and nobody is created."""
    with pytest.raises(InvalidInput) as refusal:
        await members.ensure_members([Reference("external", value)], origin=IMPORTED, now=clock.now())
    assert refusal.value.field == "reference.value" and await count("member") == 0


async def test_nobody_is_registered_under_a_reference_of_somebody_else(clock: FixedClock) -> None:
    """A card belongs to one member; registering another under it is refused and makes nobody."""
    await a_member(clock, Reference("card", "C1"))
    with pytest.raises(ReferenceTaken):
        await members.register(origin=AT_THE_TILL, now=clock.now(), references=[Reference("card", "C1")])
    assert await count("member") == 1


async def test_a_member_is_found_by_what_it_is_known_by(clock: FixedClock) -> None:
    """`find_member` answers who stands behind a reference, or nobody."""
    member = await a_member(clock, Reference("card", "C1"))
    assert await members.find_member(Reference("card", "C1")) == member.id
    assert await members.find_member(Reference("card", "C2")) is None
