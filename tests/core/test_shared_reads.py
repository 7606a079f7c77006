"""Shared reads: who shares a read, how old an answer may be, and what becomes of faults and of who stops waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gamification.core.correlation import correlation_id
from gamification.core.database import fetch
from gamification.core.shared_reads import KEYS_MAX, SharedReads, read_all
from tests.checkins.graphql_checks import counted_statements
from tests.core.flushes import turns
from tests.databases import Database


class Source:
    """A source of values that counts its reads, lets them wait at a gate and fails when it is told to."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.reads: list[list[str]] = []
        self.readers: list[str | None] = []
        self.at_once = self.at_once_most = 0
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, keys: Sequence[str]) -> Mapping[str, int]:
        """What is in the source at the moment at which the read begins."""
        self.reads.append(list(keys))
        self.readers.append(correlation_id.get())
        self.at_once += 1
        self.at_once_most = max(self.at_once, self.at_once_most)
        found, fault = {key: self.values[key] for key in keys if key in self.values}, self.fault
        await self.gate.wait()
        self.at_once -= 1
        if fault is not None:
            raise fault
        return found


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def shared(source: Source) -> SharedReads[str, int]:
    return SharedReads(source.read)


async def test_what_is_asked_in_one_turn_is_one_read(source: Source, shared: SharedReads[str, int]) -> None:
    """Three keys, one of them by two: each key is read once, and everyone is answered with their own."""
    source.values = {"a": 1, "b": 2, "c": 3}
    assert await asyncio.gather(*(shared.get(key) for key in "abca")) == [1, 2, 3, 1]
    assert source.reads == [["a", "b", "c"]]


async def test_what_is_asked_while_a_read_runs_is_the_next_read(source: Source, shared: SharedReads[str, int]) -> None:
    """Whoever comes meanwhile waits and is read together: one read at a time, and no third."""
    source.values = {"a": 1, "b": 2, "c": 3}
    source.gate.clear()
    first = asyncio.create_task(shared.get("a"))
    await turns()
    later = [asyncio.create_task(shared.get(key)) for key in "bcb"]
    await turns()
    assert source.reads == [["a"]]
    source.gate.set()
    assert await asyncio.gather(first, *later) == [1, 2, 3, 2]
    assert source.reads == [["a"], ["b", "c"]] and source.at_once_most == 1


async def test_who_is_answered_and_asks_again_comes_along(source: Source, shared: SharedReads[str, int]) -> None:
    """What the answer to one read leads to is asked together with what waited while it ran."""
    source.values = {"a": 1, "b": 2, "c": 3}
    source.gate.clear()

    async def one_after_the_other() -> list[int | None]:
        return [await shared.get("a"), await shared.get("c")]

    asking = asyncio.create_task(one_after_the_other())
    await turns()
    waiting = asyncio.create_task(shared.get("b"))
    await turns()
    source.gate.set()
    assert (await asking, await waiting) == ([1, 3], 2)
    assert source.reads == [["a"], ["b", "c"]]


async def test_nobody_is_told_what_was_read_before_they_asked(source: Source, shared: SharedReads[str, int]) -> None:
    """A key that is being read is read again for whoever asks meanwhile: what changed in between is seen."""
    source.values = {"a": 1}
    source.gate.clear()
    before = asyncio.create_task(shared.get("a"))
    await turns()
    source.values = {"a": 2}
    after = asyncio.create_task(shared.get("a"))
    await turns()
    source.gate.set()
    assert (await before, await after) == (1, 2)
    assert source.reads == [["a"], ["a"]]


async def test_nothing_is_remembered(source: Source, shared: SharedReads[str, int]) -> None:
    """A key that was read is read anew the next time."""
    source.values = {"a": 1}
    assert await shared.get("a") == 1
    source.values = {"a": 2}
    assert await shared.get("a") == 2


async def test_more_keys_than_a_read_takes_make_several_reads(source: Source, shared: SharedReads[str, int]) -> None:
    """Twice the bound and one more: three reads one after the other, in the order of asking, everyone answered."""
    keys = [f"{number}" for number in range(2 * KEYS_MAX + 1)]
    source.values = {key: int(key) for key in keys}
    assert await asyncio.gather(*(shared.get(key) for key in keys)) == list(range(2 * KEYS_MAX + 1))
    assert [len(read) for read in source.reads] == [KEYS_MAX, KEYS_MAX, 1] and source.at_once_most == 1
    assert [key for read in source.reads for key in read] == keys


async def test_what_is_not_there_is_nothing(source: Source, shared: SharedReads[str, int]) -> None:
    """A key without a value is None for whoever asked for it, and disturbs no other."""
    source.values = {"a": 1}
    assert list(await asyncio.gather(shared.get("a"), shared.get("b"))) == [1, None]


async def test_a_fault_is_everybodys_who_asked_and_the_next_read_is_whole(
    source: Source, shared: SharedReads[str, int]
) -> None:
    """All keys of the failed read raise it, those that came meanwhile are read, and so is the same key again."""
    source.values = {"a": 1, "b": 2, "c": 3}
    source.gate.clear()
    source.fault = LookupError("the source ran dry")
    failing = [asyncio.create_task(shared.get(key)) for key in "ab"]
    await turns()
    source.fault = None
    spared = asyncio.create_task(shared.get("c"))
    await turns()
    source.gate.set()
    outcomes = await asyncio.gather(*failing, spared, return_exceptions=True)
    assert [str(each) for each in outcomes] == ["the source ran dry", "the source ran dry", "3"]
    assert await shared.get("a") == 1
    assert source.reads == [["a", "b"], ["c"], ["a"]]


async def test_who_stops_waiting_disturbs_nobody(source: Source, shared: SharedReads[str, int]) -> None:
    """Whoever began the read, shares its key or waits for the next one may go: all others are answered."""
    source.values = {"a": 1, "b": 2}
    source.gate.clear()
    gone, patient = asyncio.create_task(shared.get("a")), asyncio.create_task(shared.get("a"))
    await turns()
    gone_too, next_one = asyncio.create_task(shared.get("b")), asyncio.create_task(shared.get("b"))
    await turns()
    gone.cancel()
    gone_too.cancel()
    await turns()
    assert gone.cancelled() and gone_too.cancelled()
    source.gate.set()
    assert (await patient, await next_one) == (1, 2)


async def test_a_fault_that_nobody_waits_for_is_silent(source: Source, shared: SharedReads[str, int]) -> None:
    """When all who asked have gone, the fault of their read reaches nobody and the next read works."""
    source.values, source.fault = {"a": 1}, LookupError("the source ran dry")
    source.gate.clear()
    gone = asyncio.create_task(shared.get("a"))
    await turns()
    gone.cancel()
    source.fault = None
    source.gate.set()
    assert await shared.get("a") == 1 and gone.cancelled()


async def test_a_read_is_made_in_nobodys_name(source: Source, shared: SharedReads[str, int]) -> None:
    """A shared read carries no correlation id, though whoever asked first has one and keeps it."""

    async def ask(name: str) -> str | None:
        correlation_id.set(name)
        await shared.get(name)
        return correlation_id.get()

    assert await asyncio.gather(*(asyncio.create_task(ask(name)) for name in ("mei", "lan"))) == ["mei", "lan"]
    assert source.readers == [None]


async def test_several_batch_reads_for_the_same_keys_are_one_statement(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read answers by key in the order of the keys; a read of two statements adds one to the shared one."""

    async def doubled(keys: list[int]) -> list[int]:
        rows = await fetch("SELECT k, k * 2 AS twice FROM unnest($1::int[]) AS k", keys)
        twice = {row["k"]: row["twice"] for row in rows}
        return [twice[key] for key in keys]

    async def named(keys: list[int]) -> list[str | None]:
        rows = await fetch("SELECT k, 'no. ' || k AS name FROM unnest($1::int[]) AS k WHERE k > $2", keys, 1)
        names = {row["k"]: row["name"] for row in rows}
        return [names.get(key) for key in keys]

    async def in_two_steps(keys: list[int]) -> list[int]:
        return [each + 1 for each in await doubled(await doubled(keys))]

    await read_all([doubled, named], [3, 1])  # the first time the names of the columns are asked for too
    reads_of: list[tuple[list[Any], int]] = [([doubled, named], 1), ([doubled, named, in_two_steps], 2)]
    for reads, statements in reads_of:
        with counted_statements(monkeypatch) as seen:
            found = await read_all(reads, [3, 1])
        assert len(seen) == statements
    assert found == [{3: 6, 1: 2}, {3: "no. 3", 1: None}, {3: 13, 1: 5}]


async def test_a_batch_read_that_fails_fails_the_whole(database: Database) -> None:
    """What is read for one screen is there or is not: a fault of one of its reads is raised, and the next one works."""

    async def known(keys: list[int]) -> list[int]:
        return [row["k"] for row in await fetch("SELECT k FROM unnest($1::int[]) AS k", keys)]

    async def broken(keys: list[int]) -> list[int]:
        return [row["k"] for row in await fetch("SELECT 1 / 0 AS k")]

    with pytest.raises(Exception, match="division by zero"):
        await read_all([known, broken], [1])
    assert await read_all([known], [1]) == [{1: 1}]
