"""Group commit: who shares a flush, in which order members are served, and what becomes of who stops waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.errors import IdempotencyConflict, InvalidInput, NotFound, Overloaded
from gamification.core.ids import new_id
from gamification.core.lanes import FLUSH_MAX, TURN_MAX, LaneLimits, opened_lanes
from gamification.core.transactions import in_transaction, transaction
from gamification.points.errors import InsufficientPoints
from tests.builders import a_crowd_of_connections, a_member, assert_invariants, booked, dump, entries, some_members
from tests.core.flushes import Watched, at_once, turns
from tests.databases import Database
from tests.moves import MOVE, Earn, Moved, Spend, move_verb

ONE_LANE = LaneLimits(lanes=1)


@pytest.fixture
async def crowd(database: Database) -> AsyncIterator[Database]:
    """A pool in which several flushes really run side by side; the books agree in the end."""
    async with a_crowd_of_connections(database):
        yield database
        await assert_invariants()


def earned(points: int) -> Moved:
    """The answer to the first points of a member."""
    return Moved(1, points, points, 0, 0)


async def test_commands_that_arrive_together_are_one_flush(crowd: Database, clock: FixedClock) -> None:
    """Thirty members' commands in one lane are one load and one write; each gets the answer to its own."""
    work, members = Watched(clock, ONE_LANE), await some_members(clock, 30)
    moves = [Earn(member_id=each, points=place, source="a") for place, each in enumerate(members, start=1)]
    assert await at_once(*(work.perform(MOVE, move) for move in moves)) == [earned(place) for place in range(1, 31)]
    assert work.tries == [("test.move", 30, False)]


async def test_lanes_that_are_free_share_what_waits(crowd: Database, clock: FixedClock) -> None:
    """Thirty commands at once are fifteen in either of two lanes, so that one is decided while the other is written."""
    work, members = Watched(clock), await some_members(clock, 30)
    await at_once(*(work.perform(MOVE, Earn(member_id=each, points=1, source="a")) for each in members))
    assert work.flushes == [15, 15]


async def test_what_arrives_while_a_flush_runs_is_the_next_one(crowd: Database, clock: FixedClock) -> None:
    """A first command goes at once; ninety more that come before it is written make flushes of at most sixty-four."""
    work, members = Watched(clock, ONE_LANE), await some_members(clock, 91)
    work.gate.clear()
    first = asyncio.create_task(work.perform(MOVE, Earn(member_id=members[0], points=1, source="a")))
    await work.at_gate.wait()
    others = [
        asyncio.create_task(work.perform(MOVE, Earn(member_id=each, points=1, source="a"))) for each in members[1:]
    ]
    await turns()
    work.gate.set()
    assert await asyncio.gather(first, *others) == [earned(1)] * 91
    assert work.flushes == [1, FLUSH_MAX, 90 - FLUSH_MAX]


async def test_nobody_is_answered_before_the_commit(crowd: Database, clock: FixedClock) -> None:
    """Whoever is answered sees their entry from any other connection; while the write waits nobody is answered."""
    work, members = Watched(clock), await some_members(clock, 8)
    other = await asyncpg.connect(crowd.url)
    seen: list[int] = []

    async def earn(member_id: Any) -> None:
        answer = await work.perform(MOVE, Earn(member_id=member_id, points=5, source="a"))
        async with looking:
            seen.append(await other.fetchval("SELECT available FROM account WHERE member_id = $1 AND seq = $2",
                                             member_id, answer.seq))  # fmt: skip

    looking = asyncio.Lock()
    work.gate.clear()
    waiting = [asyncio.create_task(earn(each)) for each in members]
    await work.at_gate.wait()
    await turns()
    assert not any(task.done() for task in waiting)
    work.gate.set()
    await asyncio.gather(*waiting)
    await other.close()
    assert seen == [5] * 8


async def test_several_commands_of_a_member_are_done_in_the_order_of_their_arrival(
    crowd: Database, clock: FixedClock
) -> None:
    """Two verbs in turns, each answer with the balance of its own place; the third spending is refused with it."""
    work, mei = Watched(clock), await a_member(clock)
    spending = move_verb(8)
    outcomes = await at_once(
        work.perform(MOVE, Earn(member_id=mei, points=10, source="a")),
        work.perform(MOVE, Earn(member_id=mei, points=5, source="b")),
        work.perform(spending, Spend(member_id=mei, points=12, source="c")),
        work.perform(MOVE, Earn(member_id=mei, points=1, source="d")),
        work.perform(spending, Spend(member_id=mei, points=4, source="e")),
        work.perform(spending, Spend(member_id=mei, points=1, source="f")),
    )
    refusal = outcomes.pop(5)
    assert isinstance(refusal, InsufficientPoints) and (refusal.required, refusal.available) == (1, 0)
    assert outcomes == [
        Moved(1, 10, 10, 0, 0), Moved(2, 5, 15, 0, 0), Moved(3, 12, 3, 0, 0), Moved(4, 1, 4, 0, 0), Moved(5, 4, 0, 0, 0)
    ]  # fmt: skip
    assert work.flushes == [2, 1, 1, 2]


async def test_a_member_who_asks_for_much_leaves_room_for_the_others(crowd: Database, clock: FixedClock) -> None:
    """Behind a hundred commands of Mei, Lan is answered with Mei's first turn."""
    work, (mei, lan) = Watched(clock, ONE_LANE), await some_members(clock, 2)
    answered: list[str] = []

    async def earn(name: str, member_id: Any, number: int) -> Moved:
        answer = await work.perform(MOVE, Earn(member_id=member_id, points=1, source=f"{number}"))
        answered.append(name)
        return answer

    outcomes = await at_once(*(earn("mei", mei, number) for number in range(100)), earn("lan", lan, 0))
    assert outcomes == [Moved(number, 1, number, 0, 0) for number in range(1, 101)] + [earned(1)]
    assert answered[TURN_MAX] == "lan"
    assert work.flushes == [TURN_MAX + 1, *[TURN_MAX] * 5, 100 - 6 * TURN_MAX]


async def test_a_double_tap_is_done_once_and_answered_alike(crowd: Database, clock: FixedClock) -> None:
    """Eight taps under one key, in one flush or over several, are one entry; another input under it is refused."""
    work, (mei, lan) = Watched(clock, LaneLimits(lanes=1, member_max=8)), await some_members(clock, 2)
    tap = Earn(member_id=mei, points=7, source="a", key="tap")
    work.gate.clear()
    waiting = [asyncio.create_task(work.perform(MOVE, tap)) for _ in range(4)]
    await work.at_gate.wait()
    waiting += [asyncio.create_task(work.perform(MOVE, tap)) for _ in range(4)]
    other = asyncio.create_task(work.perform(MOVE, Earn(member_id=mei, points=8, source="b", key="tap")))
    await turns()
    work.gate.set()
    assert await asyncio.gather(*waiting) == [earned(7)] * 8
    with pytest.raises(IdempotencyConflict):
        await other
    assert work.flushes == [4, 5] and await entries(mei) == [("ACCRUAL", 7)] and await entries(lan) == []


async def test_one_key_of_a_machine_for_two_members_is_one_request(crowd: Database, clock: FixedClock) -> None:
    """The till's key for Mei, used for Lan in the same flush: one of them is done, the other is a conflict."""
    work, members = Watched(clock, ONE_LANE), await some_members(clock, 2)
    outcomes = await at_once(
        *(work.perform(MOVE, Earn(member_id=each, points=7, source="a", key="till")) for each in members)
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["IdempotencyConflict", "Moved"]
    assert sorted([await booked(each) for each in members]) == [(0, 0, 0), (7, 0, 0)]


async def test_who_hangs_up_stops_nothing(crowd: Database, clock: FixedClock) -> None:
    """A command whose caller went is done all the same, whether it was waiting or being written; so are the others."""
    work, (mei, lan, hua) = Watched(clock, ONE_LANE), await some_members(clock, 3)
    work.gate.clear()
    written = asyncio.create_task(work.perform(MOVE, Earn(member_id=mei, points=1, source="a")))
    await work.at_gate.wait()
    queued = asyncio.create_task(work.perform(MOVE, Earn(member_id=lan, points=2, source="a")))
    patient = asyncio.create_task(work.perform(MOVE, Earn(member_id=hua, points=3, source="a")))
    await turns()
    written.cancel()
    queued.cancel()
    await turns()
    assert written.cancelled() and queued.cancelled()
    work.gate.set()
    assert await patient == earned(3)
    await work.lanes.drain()
    assert [await booked(each) for each in (mei, lan, hua)] == [(1, 0, 0), (2, 0, 0), (3, 0, 0)]


async def test_more_than_may_wait_is_refused_before_it_begins(crowd: Database, clock: FixedClock) -> None:
    """With three waiting the fourth is refused with the limit, also for one member; the three are done."""
    for limits, limit in ((LaneLimits(waiting_max=3), 3), (LaneLimits(member_max=2), 2)):
        work, mei = Watched(clock, limits), await a_member(clock)
        work.gate.clear()
        waiting = [asyncio.create_task(work.perform(MOVE, Earn(member_id=mei, points=1, source="0")))]
        await work.at_gate.wait()
        waiting += [
            asyncio.create_task(work.perform(MOVE, Earn(member_id=mei, points=1, source=f"{number}")))
            for number in (1, 2)
        ]
        await turns()
        with pytest.raises(Overloaded) as refusal:
            await work.perform(MOVE, Earn(member_id=mei, points=1, source="3"))
        assert refusal.value.fields() == {"limit": limit} and not refusal.value.kept
        work.gate.set()
        assert len(await asyncio.gather(*waiting)) == 3 and await booked(mei) == (3, 0, 0)
        assert await work.perform(MOVE, Earn(member_id=mei, points=1, source="3")) == Moved(4, 1, 4, 0, 0)


async def test_what_was_accepted_is_done_before_the_end(crowd: Database, clock: FixedClock) -> None:
    """Leaving the lanes waits for every command that they took, for which nobody may be waiting any more."""
    work, members = Watched(clock), await some_members(clock, 5)
    async with opened_lanes(work, ONE_LANE):
        waiting = [
            asyncio.create_task(work.perform(MOVE, Earn(member_id=each, points=1, source="a"))) for each in members
        ]
        await turns(1)
        for task in waiting:
            task.cancel()
    assert [await booked(each) for each in members] == [(1, 0, 0)] * 5
    assert await work.perform(MOVE, Earn(member_id=members[0], points=1, source="b")) == Moved(2, 1, 2, 0, 0)
    assert [wait for _, _, wait in work.tries] == [False, True]


async def test_a_flush_has_one_instant(crowd: Database, clock: FixedClock) -> None:
    """The clock is read once for all members of a flush."""

    class Ticking(FixedClock):
        def now(self) -> datetime:
            self.advance(timedelta(seconds=1))
            return super().now()

    work, members = Watched(Ticking(clock.at), ONE_LANE), await some_members(clock, 4)
    await at_once(*(work.perform(MOVE, Earn(member_id=each, points=1, source="a")) for each in members))
    instants = await fetch("SELECT DISTINCT booked_at FROM entry")
    assert [row["booked_at"] for row in instants] == [clock.now() + timedelta(seconds=1)]


async def test_inside_a_transaction_a_command_is_part_of_it(crowd: Database, clock: FixedClock) -> None:
    """It takes no lane, sees what the transaction did, and goes with it when it is rolled back."""
    work, mei = Watched(clock), await a_member(clock)
    before = await dump()
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with transaction():
            assert await work.perform(MOVE, Earn(member_id=mei, points=1, source="a")) == earned(1)
            assert await fetch_value("SELECT count(*) FROM entry") == 1
            raise ZeroDivisionError
    assert work.tries == [("test.move", 1, True)] and await dump() == before and not in_transaction()


async def test_refusals_come_through_lanes_as_they_are(crowd: Database, clock: FixedClock) -> None:
    """Nobody's command is not found, a key out of bounds is refused at once, and neither writes anything."""
    work, mei, nobody = Watched(clock), await a_member(clock, points=5), new_id()
    before = await dump()
    outcomes = await at_once(
        work.perform(MOVE, Earn(member_id=nobody, points=1, source="a")),
        work.perform(MOVE, Earn(member_id=mei, points=1, source="a", key="k" * 65)),
        work.perform(MOVE, Spend(member_id=mei, points=6, source="a")),
    )
    assert [type(each) for each in outcomes] == [NotFound, InvalidInput, InsufficientPoints]
    assert await dump() == before
    preview = await work.preview(MOVE, Spend(member_id=mei, points=5, source="a"))
    assert preview.answer == Moved(2, 5, 0, 0, 0) and len(work.tries) == 2
