"""Idempotency: the same request again is answered the same, under one key stands one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.errors import IdempotencyConflict, InvalidInput
from gamification.core.ids import new_id
from gamification.core.receipts import check_key, fingerprint
from gamification.core.work import Work
from gamification.points.errors import InsufficientPoints
from tests.builders import (
    FOR_EVER,
    a_crowd_of_connections,
    a_member,
    a_work,
    assert_invariants,
    booked,
    dump,
    earn,
    entries,
    rows_in,
    some_members,
    spend,
)
from tests.databases import Database
from tests.moves import MOVE, Break, Earn, Moved, Overtaken, Spend

TILL = Actor("integration", new_id(), scopes=frozenset({"points:write"}))


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs under a policy of points that never expire; the books agree in the end."""
    yield a_work(clock, FOR_EVER)
    await assert_invariants()


async def test_the_same_request_again_is_answered_the_same_and_changes_nothing(work: Work, clock: FixedClock) -> None:
    """The stored answer comes back word for word, also after the balance has moved on."""
    mei = await a_member(clock, points=100)
    command = Spend(member_id=mei, points=30, source="a", key="k-1")
    first = await work.perform(MOVE, command)
    await spend(work, mei, 50)
    before = await dump()
    assert await work.perform(MOVE, command) == first == Moved(2, 30, 70, 0, 0)
    assert await dump() == before


async def test_a_refusal_is_replayed_even_when_it_would_be_granted_now(work: Work, clock: FixedClock) -> None:
    """A business refusal is an answer: with its numbers of then, after the member has become rich."""
    mei = await a_member(clock, points=10)
    command = Spend(member_id=mei, points=30, source="a", key="k-1")
    with pytest.raises(InsufficientPoints) as first:
        await work.perform(MOVE, command)
    await earn(work, mei, 100)
    before = await dump()
    with pytest.raises(InsufficientPoints) as again:
        await work.perform(MOVE, command)
    assert again.value.fields() == first.value.fields() == {"required": 30, "available": 10, "debt": 0, "missing": 20}
    assert await dump() == before


@pytest.mark.parametrize("difference", [{"points": 31}, {"source": "b"}])
async def test_another_request_under_the_same_key_is_refused(
    work: Work, clock: FixedClock, difference: dict[str, Any]
) -> None:
    """Any difference of the input is a conflict that names the key, changes nothing and is not stored."""
    mei = await a_member(clock, points=100)
    given: dict[str, Any] = {"member_id": mei, "points": 30, "source": "a", "key": "k-1"}
    await work.perform(MOVE, Spend(**given))
    before = await dump()
    with pytest.raises(IdempotencyConflict) as refusal:
        await work.perform(MOVE, Spend(**{**given, **difference}))
    assert refusal.value.key == "k-1"
    assert await dump() == before


async def test_one_key_of_one_integration_stands_for_one_member(work: Work, clock: FixedClock) -> None:
    """The same key for another member is a conflict, in a later request as in the same batch."""
    mei, lan, hua = await some_members(clock, 3)
    commands = [Earn(member_id=each, points=1, source="a", key="k-1", actor=TILL) for each in (mei, lan, hua)]
    outcomes = await work.perform_all(MOVE, commands[:2])
    assert outcomes[0] == Moved(1, 1, 1, 0, 0) and isinstance(outcomes[1], IdempotencyConflict)
    with pytest.raises(IdempotencyConflict):
        await work.perform(MOVE, commands[2])
    assert [await booked(each) for each in (mei, lan, hua)] == [(1, 0, 0), (0, 0, 0), (0, 0, 0)]
    assert await rows_in("receipt") == 1


async def test_two_integrations_may_use_the_same_key(work: Work, clock: FixedClock) -> None:
    """A key is unique per actor and operation, no further."""
    mei = await a_member(clock)
    other = Actor("integration", new_id())
    for actor, source in ((TILL, "a"), (other, "b")):
        await work.perform(MOVE, Earn(member_id=mei, points=1, source=source, key="k-1", actor=actor))
    assert await booked(mei) == (2, 0, 0) and await rows_in("receipt") == 2


async def test_a_repetition_within_one_batch_is_answered_once_performed(work: Work, clock: FixedClock) -> None:
    """Twice the same and once another under one key: one effect, the same answer, a conflict."""
    mei = await a_member(clock)
    one = Earn(member_id=mei, points=5, source="a", key="k-1")
    outcomes = await work.perform_all(MOVE, [one, one, Earn(member_id=mei, points=6, source="b", key="k-1")])
    assert outcomes[:2] == [Moved(1, 5, 5, 0, 0)] * 2 and isinstance(outcomes[2], IdempotencyConflict)
    assert await booked(mei) == (5, 0, 0) and await rows_in("receipt") == 1


async def test_a_refusal_within_a_batch_is_replayed_to_its_repetition(work: Work, clock: FixedClock) -> None:
    """Refused, then enriched by a neighbour, then asked again under the same key: refused as before."""
    mei = await a_member(clock)
    wish = Spend(member_id=mei, points=5, source="a", key="k-1")
    outcomes = await work.perform_all(MOVE, [wish, Earn(member_id=mei, points=9, source="b"), wish])
    assert [type(each) for each in outcomes] == [InsufficientPoints, Moved, InsufficientPoints]
    assert getattr(outcomes[2], "available", None) == 0 and await booked(mei) == (9, 0, 0)


async def test_what_is_not_kept_leaves_no_receipt(work: Work, clock: FixedClock) -> None:
    """A refusal about the shape of a request, an unknown member and a fault store nothing; the key stays free."""
    mei = await a_member(clock)
    outcomes = await work.perform_all(
        MOVE,
        [
            Break(member_id=mei, source="a", key="k-1"),
            Earn(member_id=new_id(), points=1, source="a", key="k-2"),
            Earn(member_id=mei, points=1, source="b", key=""),
        ],
    )
    assert [type(each).__name__ for each in outcomes] == ["RuntimeError", "NotFound", "InvalidInput"]
    assert await rows_in("receipt") == 0
    assert await work.perform(MOVE, Earn(member_id=mei, points=3, source="a", key="k-1")) == Moved(1, 3, 3, 0, 0)


async def test_two_taps_at_once_have_one_effect(database: Database, clock: FixedClock) -> None:
    """Ten times the same request on ten connections: one entry, one receipt, ten equal answers."""
    async with a_crowd_of_connections(database):
        work = a_work(clock, FOR_EVER)
        mei = await a_member(clock, points=100)
        command = Spend(member_id=mei, points=60, source="a", key="k-1")
        answers = await asyncio.gather(*(work.perform(MOVE, command) for _ in range(10)))
        assert answers == [Moved(2, 60, 40, 0, 0)] * 10
        assert await entries(mei) == [("ACCRUAL", 100), ("REDEMPTION", -60)]
        assert await rows_in("receipt") == 1


async def test_two_taps_at_once_of_a_refused_request_are_refused_alike(database: Database, clock: FixedClock) -> None:
    """The refusal is stored once and told to everyone."""
    async with a_crowd_of_connections(database):
        work = a_work(clock, FOR_EVER)
        mei = await a_member(clock, points=10)
        command = Spend(member_id=mei, points=60, source="a", key="k-1")
        answers = await asyncio.gather(*(work.perform(MOVE, command) for _ in range(8)), return_exceptions=True)
        assert [(type(each), getattr(each, "available", None)) for each in answers] == [(InsufficientPoints, 10)] * 8
        assert await rows_in("receipt") == 1


async def test_a_key_taken_for_another_member_in_the_meantime_is_a_conflict(work: Work, clock: FixedClock) -> None:
    """Who loses the race for a key gets the refusal, not the database's fault."""
    mei, lan = await some_members(clock, 2)
    first = Earn(member_id=mei, points=1, source="a", key="k-1", actor=TILL)
    late = Overtaken(work, meanwhile=lambda: work.perform(MOVE, first))
    with pytest.raises(IdempotencyConflict):
        await late.perform(MOVE, Earn(member_id=lan, points=1, source="a", key="k-1", actor=TILL))
    assert (await booked(mei), await booked(lan)) == ((1, 0, 0), (0, 0, 0))


async def test_a_receipt_says_whose_it_is_and_since_when(work: Work, clock: FixedClock) -> None:
    """Actor, operation, key, member and instant are kept with the answer."""
    mei = await a_member(clock)
    await work.perform(MOVE, Earn(member_id=mei, points=3, source="a", key="k-1", actor=TILL))
    (row,) = await fetch("SELECT actor, operation, key, member_id, refusal, answer, created_at FROM receipt")
    assert tuple(row)[:5] == (TILL.key, "test.move", "k-1", mei, False) and row["created_at"] == clock.now()


def test_a_fingerprint_covers_the_input_and_the_member_but_not_who_asks_nor_the_key() -> None:
    """Key and actor are what a receipt is found under; everything else makes the request."""
    mei, lan = new_id(), new_id()
    base = Earn(member_id=mei, points=5, source="a")
    assert fingerprint(base) == fingerprint(Earn(member_id=mei, points=5, source="a", key="k", actor=TILL))
    others = [
        Earn(member_id=lan, points=5, source="a"),
        Earn(member_id=mei, points=6, source="a"),
        Earn(member_id=mei, points=5, source="b"),
        Earn(member_id=mei, points=5, source="a", portions=((0, 5),)),
    ]
    assert len({fingerprint(base), *(fingerprint(each) for each in others)}) == 5


@pytest.mark.parametrize("key", ["", "k" * 65])
def test_a_key_out_of_bounds_names_the_bounds(key: str) -> None:
    """1 to 64 characters."""
    with pytest.raises(InvalidInput) as refusal:
        check_key(key)
    assert refusal.value.fields() == {"field": "idempotencyKey", "reason": "1 to 64 characters"}
