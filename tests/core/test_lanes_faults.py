"""Group commit when something is in the way: a locked account, a guilty neighbour, a scarce row, a lost connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.correlation import correlation_id
from gamification.core.database import fetch, fetch_value
from gamification.core.draft import Verb
from gamification.core.ids import new_id
from gamification.core.lanes import LaneLimits, Lanes
from gamification.core.transactions import CONNECTION_LOST
from gamification.members import service as members
from tests.builders import a_crowd_of_connections, assert_invariants, booked, entries, some_members
from tests.core.flushes import Watched, at_once, holding, turns
from tests.core.test_work_races import GRAB, Grab, a_stock
from tests.databases import Database
from tests.draws.builders import a_programme as a_draws_programme
from tests.draws.builders import an_open_draw, buy
from tests.moves import MOVE, Break, Earn, Move, Moved, Spend, move_verb

ONE_LANE = LaneLimits(lanes=1)
KILL_ALL = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""


@pytest.fixture
async def crowd(database: Database) -> AsyncIterator[Database]:
    """A pool in which several flushes really run side by side; the books agree in the end."""
    async with a_crowd_of_connections(database):
        yield database
        await assert_invariants()


def a_spending(member_id: UUID, points: int, source: str) -> Move:
    return Spend(member_id=member_id, points=points, source=source)


async def test_who_is_held_waits_alone(crowd: Database, clock: FixedClock) -> None:
    """While another transaction holds Mei, the others of her flush are answered, and all flushes after it; then she."""
    work, members = Watched(clock, ONE_LANE), await some_members(clock, 20, points=10)
    mei, *others = members
    async with holding(crowd, mei):
        hers = [asyncio.create_task(work.perform(MOVE, a_spending(mei, points, f"{points}"))) for points in (4, 3)]
        for source in "abc":
            answers = await at_once(*(work.perform(MOVE, a_spending(each, 1, source)) for each in others))
            assert [type(each) for each in answers] == [Moved] * 19
        hers.append(asyncio.create_task(work.perform(MOVE, a_spending(mei, 2, "2"))))
        await turns()
        assert not any(task.done() for task in hers)
    assert await asyncio.gather(*hers) == [Moved(2, 4, 6, 0, 0), Moved(3, 3, 3, 0, 0), Moved(4, 2, 1, 0, 0)]
    assert work.flushes[0] == 21 and work.faults == []


async def test_many_who_are_held_do_not_hold_who_waits_no_longer(crowd: Database, clock: FixedClock) -> None:
    """With more members waiting for locks than there are connections beside the lanes, whoever is free comes through:
    Hua, whom nobody holds, and Lan, whom somebody held for a moment only."""
    work, members = Watched(clock, LaneLimits(lanes=1, beside=2)), await some_members(clock, 10, points=10)
    *held, lan, hua = members
    async with holding(crowd, *held):
        waiting = [asyncio.create_task(work.perform(MOVE, a_spending(each, 4, "a"))) for each in held]
        while not any(wait for _, _, wait in work.tries):  # until one of them waits for a lock
            await work.perform(MOVE, Earn(member_id=hua, points=1, source=str(new_id())))
        async with holding(crowd, lan):
            hers = asyncio.create_task(work.perform(MOVE, a_spending(lan, 4, "a")))
            await turns()
            await work.perform(MOVE, Earn(member_id=hua, points=1, source="last"))
            assert not hers.done()
        assert await hers == Moved(2, 4, 6, 0, 0)
        assert not any(task.done() for task in waiting)
    assert await asyncio.gather(*waiting) == [Moved(2, 4, 6, 0, 0)] * 8


async def test_one_guilty_command_does_not_touch_its_neighbours(crowd: Database, clock: FixedClock) -> None:
    """Of sixty-four, the one with a programmer's error and the one whose key is taken get their faults, nobody else."""
    work, members = Watched(clock, ONE_LANE), await some_members(clock, 64)
    await work.perform(MOVE, Earn(member_id=members[9], points=1, source="a"))
    moves: list[Move] = [Earn(member_id=each, points=7, source="a") for each in members]
    moves[40] = Break(member_id=members[40], source="a")
    work.tries.clear()
    outcomes = await at_once(*(work.perform(MOVE, move) for move in moves))
    taken, broken = outcomes.pop(9), outcomes.pop(39)
    assert isinstance(taken, asyncpg.UniqueViolationError) and taken.constraint_name == "entry_posted_once"
    assert isinstance(broken, RuntimeError) and str(broken) == "a programmer's error"
    assert outcomes == [Moved(1, 7, 7, 0, 0)] * 62
    assert await booked(members[9]) == (1, 0, 0) and await entries(members[40]) == []
    assert len(work.tries) < 64, "halves, not one by one"


async def test_a_guilty_command_does_not_touch_the_same_members_others(crowd: Database, clock: FixedClock) -> None:
    """Of three commands of Mei the middle one fails; the other two are done, in their order, Lan's as well."""
    work, (mei, lan) = Watched(clock, ONE_LANE), await some_members(clock, 2)
    outcomes = await at_once(
        work.perform(MOVE, Earn(member_id=mei, points=5, source="a")),
        work.perform(MOVE, Break(member_id=mei, source="b")),
        work.perform(MOVE, Spend(member_id=mei, points=5, source="c")),
        work.perform(MOVE, Earn(member_id=lan, points=5, source="a")),
    )
    assert [type(each) for each in outcomes] == [Moved, RuntimeError, Moved, Moved]
    assert await entries(mei) == [("ACCRUAL", 5), ("REDEMPTION", -5)] and await booked(lan) == (5, 0, 0)


async def test_more_lots_than_a_flush_loads_are_read_for_their_member_only(crowd: Database, clock: FixedClock) -> None:
    """Mei spends over seventy lots; Lan, in the same flush, is written by it."""
    work, (mei, lan) = Watched(clock, ONE_LANE), await some_members(clock, 2, points=1)
    await work.perform_all(MOVE, [Earn(member_id=mei, points=1, source=f"{number}") for number in range(70)])
    work.tries.clear()
    verb = move_verb(1)
    outcomes = await at_once(
        *(work.perform(verb, a_spending(each, points, "x")) for each, points in ((mei, 71), (lan, 1)))
    )
    assert outcomes == [Moved(72, 71, 0, 0, 0), Moved(2, 1, 0, 0, 0)]
    assert work.tries == [("test.move", 2, False), ("test.move", 1, False)]


async def test_as_many_are_served_as_there_is_stock(crowd: Database, clock: FixedClock) -> None:
    """Nine want three pieces in one flush: three get one, six are refused, none is left and none is missing."""
    members, stock = await some_members(clock, 9), await a_stock(crowd, 3)
    work = Watched(clock, ONE_LANE)
    actor = Earn(member_id=members[0], points=1, source="").actor
    grabs = [Grab(member_id=each, stock=stock, source="x", actor=actor) for each in members]
    outcomes = await at_once(*(work.perform(GRAB, grab) for grab in grabs))
    assert sorted(type(each).__name__ for each in outcomes) == ["Moved"] * 3 + ["TestStockGone"] * 6
    assert sorted([(await booked(each))[0] for each in members]) == [0] * 6 + [1] * 3


async def test_a_draw_that_somebody_holds_delays_its_buyers_only(crowd: Database, clock: FixedClock) -> None:
    """While a draw is locked, as by its closing, its buyer waits, and the one lane goes on serving the others."""
    work = await a_draws_programme(clock)
    work.lanes = Lanes(work, ONE_LANE)
    draw_id, (mei, lan) = await an_open_draw(work), await some_members(clock, 2, points=100)
    await members.declare_adult(member_id=mei, now=clock.now())
    owner = await asyncpg.connect(crowd.url)
    async with owner.transaction():
        await owner.execute("SELECT FROM draw WHERE id = $1 FOR UPDATE", draw_id)
        buying = asyncio.create_task(buy(work, draw_id, mei))
        for source in "abcdef":
            await work.perform(MOVE, a_spending(lan, 1, source))
        assert not buying.done()
    await owner.close()
    assert (await buying).available == 50 and await booked(lan) == (94, 0, 0)


@dataclass(frozen=True)
class Seen:
    """A fact that something listens to."""

    name: ClassVar[str] = "test.seen"
    points: int


def _tell(book: Any, command: Earn) -> Moved:
    book.emit(Seen(command.points))
    book.schedule("test.later", {"points": command.points}, key=None, run_at=book.now)
    return Moved(book.accrue(command.points, source=("test", command.source), trace={}).seq, command.points, 0, 0, 0)


async def test_what_follows_belongs_to_the_request_that_caused_it(crowd: Database, clock: FixedClock) -> None:
    """In one flush every command's jobs carry its own correlation id, and those of a command without one carry none."""
    work = Watched(clock, ONE_LANE, listeners={"test.seen": ("test.listener",)})
    tell, members = Verb("test.tell", _tell, Moved), await some_members(clock, 4)

    async def request(number: int, member_id: UUID) -> Moved:
        correlation_id.set(f"request {number}" if number else None)
        return await work.perform(tell, Earn(member_id=member_id, points=number + 1, source="a"))

    await at_once(*(request(number, each) for number, each in enumerate(members)))
    rows = await fetch("SELECT job, (payload->>'points')::int AS points, correlation_id FROM outbox ORDER BY 2, 1")
    assert work.flushes == [4] and [tuple(row) for row in rows] == [
        (job, number + 1, f"request {number}" if number else None)
        for number in range(4)
        for job in ("test.later", "test.listener")
    ]


def _tap(book: Any, command: Spend) -> Moved:
    """Nothing but the receipt keeps this from being done twice: its entry has another source every time."""
    posted = book.take(command.points, source=("test", str(new_id())), trace={})
    return Moved(posted.seq, command.points, posted.available, 0, 0)


TAP = Verb("test.tap", _tap, Moved, lots_max=4)


async def settled(work: Watched, tap: Spend) -> Moved:
    """The answer to a tap that is sent again, under its key, until it is answered."""
    for _ in range(50):
        try:
            return await work.perform(TAP, tap)
        except (*CONNECTION_LOST, asyncpg.InterfaceError, TimeoutError):
            continue
    raise AssertionError("fifty times without an answer")


async def test_a_key_settles_what_a_lost_connection_left_open(database: Database, clock: FixedClock) -> None:
    """Three programmes, each with connections of its own, spend for eight members while all backends are killed again
    and again: every command is done exactly once, and its answer is its own."""
    members = await some_members(clock, 8, points=1000)
    owner, killing = await asyncpg.connect(database.url), asyncio.Lock()
    killed: list[int] = []
    faults: list[str] = []
    answered: dict[UUID, list[int]] = {each: [] for each in members}

    async def client(work: Watched, number: int) -> None:
        for turn in range(12):
            tap = Spend(member_id=members[(number + turn) % 8], points=1, source="", key=f"{number}.{turn}")
            moved = await settled(work, tap)
            assert await settled(work, tap) == moved, "the same key, the same answer"
            answered[tap.member_id].append(moved.seq)
            if sum(map(len, answered.values())) % 40 == 0:
                async with killing:
                    killed.append(await owner.fetchval(KILL_ALL))

    async def programme(number: int) -> None:
        async with a_crowd_of_connections(database, 4):
            work = Watched(clock)
            await asyncio.gather(*(client(work, 100 * number + each) for each in range(10)))
            faults.extend(work.faults)

    await asyncio.gather(*(programme(number) for number in range(3)))
    await owner.close()
    assert len(killed) == 9 and faults, "connections were cut in the middle of flushes"
    assert await fetch_value("SELECT count(*) FROM receipt") == 360
    for member_id, seqs in answered.items():
        assert sorted(seqs) == list(range(2, len(seqs) + 2)), "every answer is an entry of its own"
        assert await booked(member_id) == (1000 - len(seqs), 0, 0)
    assert "DeadlockDetectedError" not in faults
    await assert_invariants()


async def test_three_programmes_over_eight_members_never_deadlock(database: Database, clock: FixedClock) -> None:
    """Double taps from three programmes at once over the same few members: each tap is one entry, nobody is missing."""
    members = await some_members(clock, 8, points=1000)
    faults: list[str] = []

    async def client(work: Watched, number: int) -> None:
        for turn in range(10):
            member_id = members[(7 * number + turn) % 8]
            tap = Spend(member_id=member_id, points=1, source="", key=f"{number}.{turn}")
            first, second = await asyncio.gather(work.perform(TAP, tap), work.perform(TAP, tap))
            assert first == second

    async def programme() -> None:
        async with a_crowd_of_connections(database, 4):
            work = Watched(clock)
            await asyncio.gather(*(client(work, each) for each in range(12)))
            faults.extend(work.faults)

    await asyncio.gather(*(programme() for _ in range(3)))
    assert "DeadlockDetectedError" not in faults
    assert await fetch_value("SELECT count(*) FROM entry WHERE kind = 'REDEMPTION'") == 120
    assert sum([(await booked(each))[0] for each in members]) == 8000 - 120
    await assert_invariants()
