"""The sweep in chunks: cut anywhere it goes on, twice it changes nothing, and a chunk costs what every chunk costs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.draft import Command, Verb
from gamification.core.jobs import LeaseLost
from gamification.core.transactions import transaction
from gamification.core.work import Work
from gamification.points import queries, service
from gamification.points.book import Book
from gamification.points.rules import Expiry, PointsPolicy
from gamification.points.service import booking
from tests.bench.statements import recorded
from tests.builders import (
    a_crowd_of_connections,
    a_work,
    assert_invariants,
    booked,
    done,
    dump,
    entries,
    some_members,
)
from tests.databases import Database
from tests.moves import MOVE, Earn

MEMBERS, CHUNK = 7, 2
CHUNKS = 4
EXPIRED = [("ACCRUAL", 9), ("ACCRUAL", 4), ("EXPIRY", -9), ("EXPIRY", -4)]


@pytest.fixture
async def members(clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Seven members with two lots each that have both expired, in chunks of two."""
    monkeypatch.setattr(booking, "SWEEP_MEMBERS", CHUNK)
    return await with_expired_lots(clock, MEMBERS)


async def with_expired_lots(clock: FixedClock, number: int) -> list[UUID]:
    """So many members, all of whose points end at one instant, which has come."""
    short, found = a_work(clock, PointsPolicy(Expiry(1, "day"))), await some_members(clock, number)
    earned = [Earn(member_id=each, points=points, source=f"{points}") for each in found for points in (9, 4)]
    done(await short.perform_all(MOVE, earned))
    clock.advance(timedelta(days=3))
    return found


async def no_heartbeat() -> None:
    return None


class Cut:
    """A heartbeat that finds the lease lost after so many chunks."""

    def __init__(self, after: int) -> None:
        self.left = after

    async def __call__(self) -> None:
        self.left -= 1
        if not self.left:
            raise LeaseLost("somebody else has it")


@pytest.mark.parametrize("chunks", range(1, CHUNKS + 1))
async def test_a_sweep_that_was_cut_between_any_two_chunks_goes_on(
    work: Work, members: list[UUID], chunks: int
) -> None:
    """What was booked before the cut stays, what was not is booked by the next run, and nothing twice."""
    with pytest.raises(LeaseLost):
        await service.sweep_due(work, heartbeat=Cut(chunks))
    cut = [each for each in members if await booked(each) == (0, 0, 0)]
    assert min(chunks * CHUNK, MEMBERS) <= len(cut) <= (chunks + 1) * CHUNK
    await assert_invariants()
    assert await service.sweep_due(work, heartbeat=no_heartbeat) == []
    assert [await entries(each) for each in members] == [EXPIRED] * MEMBERS
    await assert_invariants()


async def test_a_second_sweep_changes_nothing(work: Work, members: list[UUID]) -> None:
    """It lists nobody and writes no row."""
    assert await service.sweep_due(work, heartbeat=no_heartbeat) == []
    before = await dump()
    assert await service.sweep_due(work, heartbeat=no_heartbeat) == []
    assert await dump() == before


async def test_two_sweeps_at_once_are_as_good_as_one(database: Database, work: Work, members: list[UUID]) -> None:
    """Four workers over the same members: each lot expires once."""
    async with a_crowd_of_connections(database):
        runs = await asyncio.gather(*(service.sweep_due(work, heartbeat=no_heartbeat) for _ in range(4)))
    assert runs == [[]] * 4
    assert [await entries(each) for each in members] == [EXPIRED] * MEMBERS
    await assert_invariants()


@pytest.mark.parametrize("chunks", [1, 3, 9])
async def test_a_chunk_costs_three_statements_however_many_there_are(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, chunks: int
) -> None:
    """It is listed, loaded and written; the page that finds nobody is one more."""
    monkeypatch.setattr(booking, "SWEEP_MEMBERS", CHUNK)
    await with_expired_lots(clock, chunks * CHUNK)
    with recorded() as statements:
        await service.sweep_due(work, heartbeat=no_heartbeat)
    assert len(statements) == 3 * chunks + 1, [each.sql for each in statements]


async def test_members_who_cannot_be_booked_hold_up_nobody_and_some_are_told(
    work: Work, members: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are booked; the sweep keeps as many faults as it may, however many there were."""
    monkeypatch.setattr(booking, "FAULTS_MAX", 2)
    broken = members[:3]
    await fetch("SELECT unsettle_members($1::uuid[])", broken)
    fault = LookupError("no book")
    decide = booking._decide_booking

    def failing(book: Book, command: Command) -> booking.Booked:
        if command.member_id in broken:
            raise fault
        return decide(book, command)

    monkeypatch.setattr(booking, "BOOK_DUE", Verb("points.book_due", failing, booking.Booked))
    assert await service.sweep_due(work, heartbeat=no_heartbeat) == [fault, fault]
    assert [await booked(each) for each in members] == [(13, 0, 0)] * 3 + [(0, 0, 0)] * 4


async def test_a_page_of_who_is_due_is_read_in_the_order_of_the_index(work: Work, clock: FixedClock) -> None:
    """Though everybody falls due at one instant, no page reads or sorts what is behind it."""
    members = await with_expired_lots(clock, 5)
    first = await queries.members_due(clock.now(), None, 3)
    assert [member_id for _, member_id in first] == members[:3]
    assert [member_id for _, member_id in await queries.members_due(clock.now(), first[-1], 3)] == members[3:]
    with recorded() as statements:
        await queries.members_due(clock.now(), first[-1], 3)
    async with transaction():
        await execute("SET LOCAL enable_seqscan = off")
        await execute("SET LOCAL enable_bitmapscan = off")
        plan = [row[0] for row in await fetch(f"EXPLAIN {statements[0].sql}", *statements[0].arguments)]
    assert [line for line in plan if "account_due" in line] and [line for line in plan if "Sort" in line] == []
    (condition,) = [line for line in plan if "Index Cond" in line]
    assert "ROW(next_due_at, member_id) > ROW(" in condition
    assert await fetch_value("SELECT count(*) FROM entry WHERE kind = 'EXPIRY'") == 0
