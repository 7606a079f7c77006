"""Long work in chunks: two at a time, told in order, and nothing left behind that still writes."""

from __future__ import annotations

import asyncio
from itertools import chain

import pytest

from gamification.core.chunks import CHUNKS_AT_ONCE, work_through
from gamification.core.transactions import transaction
from tests.databases import Database

LAST = 10
CHUNK = 2


class Watched:
    """Work on the numbers 1 to 10 in chunks of two, that remembers what was under way when."""

    def __init__(self) -> None:
        self.open: list[list[int]] = []
        self.most = 0
        self.done: list[int] = []
        self.told: list[list[int]] = []

    async def listed(self, last: int | None) -> list[int]:
        first = (last or 0) + 1
        return list(range(first, min(first + CHUNK, LAST + 1)))

    async def perform(self, chunk: list[int]) -> int:
        self.open.append(chunk)
        self.most = max(self.most, len(self.open))
        for _ in range(5 if chunk[0] % 4 == 1 else 1):  # every other chunk takes longer than the one after it
            await asyncio.sleep(0)
        self.open.remove(chunk)
        self.done += chunk
        return sum(chunk)

    async def finished(self, chunk: list[int], result: int) -> None:
        assert result == sum(chunk)
        self.told.append(chunk)


async def test_two_chunks_are_under_way_at_a_time_and_are_told_in_order(database: Database) -> None:
    """However long the work is, no third chunk is in memory; a chunk that is done early waits for its turn."""
    watched = Watched()
    assert await work_through(watched.listed, watched.perform, watched.finished)
    assert watched.most == CHUNKS_AT_ONCE == 2
    assert watched.done != sorted(watched.done) and sorted(watched.done) == list(range(1, LAST + 1))
    assert watched.told == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]


@pytest.mark.parametrize(("chunks_max", "told", "reached_end"), [(2, 4, False), (5, 10, False), (6, 10, True)])
async def test_a_bounded_run_stops_behind_whole_chunks(
    database: Database, chunks_max: int, told: int, reached_end: bool
) -> None:
    """It says whether it came to the end, which it only knows once nothing more is listed."""
    watched = Watched()
    run = work_through(watched.listed, watched.perform, watched.finished, chunks_max=chunks_max)
    assert await run is reached_end
    assert list(chain(*watched.told)) == list(range(1, told + 1)) == sorted(watched.done)


@pytest.mark.parametrize("failing", ["listed", "perform", "finished"])
async def test_after_a_fault_nothing_is_under_way_any_more(database: Database, failing: str) -> None:
    """Whichever of the three fails at the third chunk: its fault is raised, no chunk begins or goes on after it."""
    watched = Watched()
    whole = getattr(watched, failing)

    async def faulty(*given: object) -> object:
        if given[0] in (4, [5, 6]):
            raise LookupError(failing)
        return await whole(*given)

    setattr(watched, failing, faulty)
    with pytest.raises(LookupError, match=failing):
        await work_through(watched.listed, watched.perform, watched.finished)
    begun, done = list(watched.open), list(watched.done)
    await asyncio.sleep(0.01)
    assert watched.told == [[1, 2], [3, 4]][: len(watched.told)] and (watched.open, watched.done) == (begun, done)
    assert len(asyncio.all_tasks()) == 1


async def test_a_transaction_is_no_place_for_long_work(database: Database) -> None:
    """It has one connection, and would be as long as the work: a programmer's error, before anything is listed."""
    watched = Watched()
    async with transaction():
        with pytest.raises(AssertionError):
            await work_through(watched.listed, watched.perform, watched.finished)
    assert watched.done == []
