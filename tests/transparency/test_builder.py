"""The builder: every entry gets one leaf, in the order of its account, whatever happens beside it."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.merkle import tree_root
from gamification.core.transactions import transaction
from gamification.core.work import Work
from gamification.transparency import builder, queries, service
from gamification.transparency.builder import LOG_LOCK, NOBODY
from tests.builders import MOVE, Earn, a_crowd_of_connections, a_member, done, dump, earn, some_members
from tests.databases import Database
from tests.transparency.builders import (
    a_keeper,
    a_transaction_under_way,
    an_owner,
    caught_up,
    leaves,
    no_heartbeat,
    rows_unlogged,
    signed,
)

WRITERS, ROUNDS = 6, 8


async def test_every_entry_gets_its_leaf(work: Work, clock: FixedClock) -> None:
    """Both accounts of each member, in chunks of three; a second run finds nothing more."""
    members = await some_members(clock, 5, points=100)
    for member_id in members:
        for points in (10, 20):
            await earn(work, member_id, points)
    assert await caught_up(entries_max=3) == 15
    assert sorted(await leaves()) == [(each, "POINTS", seq) for each in sorted(members) for seq in (1, 2, 3)]
    assert (await service.extend(no_heartbeat)).entries == 0


async def test_one_transaction_may_fill_many_chunks(work: Work, clock: FixedClock) -> None:
    """A window that cannot be made smaller is read again until nothing is left of it."""
    member_id = await a_member(clock)
    await caught_up()
    commands = [Earn(member_id=member_id, points=1, source=str(number)) for number in range(25)]
    done(await work.perform_all(MOVE, commands))
    assert await caught_up(entries_max=4) == 25
    assert await leaves() == [(member_id, "POINTS", seq) for seq in range(1, 26)]


async def test_the_tree_is_that_of_the_leaves(work: Work, clock: FixedClock) -> None:
    """The stored nodes give the root of every size, as the leaves themselves do."""
    for member_id in await some_members(clock, 3):
        done(
            await work.perform_all(
                MOVE, [Earn(member_id=member_id, points=1, source=str(place)) for place in range(30)]
            )
        )
    assert await caught_up(entries_max=7) == 90
    hashes = [row["hash"] for row in await fetch("SELECT hash FROM log_leaf ORDER BY index")]
    assert [await queries.root_of(size) for size in range(1, 91)] == [tree_root(hashes[:size]) for size in range(1, 91)]
    assert await fetch_value("SELECT count(*) FROM log_node") == 90 // 16


async def test_what_is_not_committed_waits(work: Work, clock: FixedClock, database: Database) -> None:
    """While an older transaction is under way its window stays open, and nothing behind it is taken."""
    member_id = await a_member(clock, points=5)
    await caught_up()
    async with a_transaction_under_way(database):
        await earn(work, member_id, 10)
        assert (await service.extend(no_heartbeat)).entries == 0
        assert await rows_unlogged() == 1
        state = await queries.log_state()
        assert (state.size, state.unlogged, state.unlogged_since) == (1, 1, clock.now())
    assert await caught_up() == 1
    assert await queries.log_state() == queries.LogState(2, 0, None)


async def test_an_older_transaction_may_write_the_later_entry(
    work: Work, clock: FixedClock, database: Database
) -> None:
    """Seq 2 lies in a window before that of seq 1: the log takes 1 along, first."""
    member_id = await a_member(clock)
    await caught_up()
    numbered, overtaken = asyncio.Event(), asyncio.Event()

    async def late() -> None:
        async with transaction():
            await fetch_value("SELECT pg_current_xact_id()")
            numbered.set()
            await overtaken.wait()
            await earn(work, member_id, 2)

    async with a_crowd_of_connections(database):
        writing = asyncio.create_task(late())
        await numbered.wait()
        async with a_transaction_under_way(database):  # its number lies between those of seq 2 and seq 1
            await earn(work, member_id, 1)
            overtaken.set()
            await writing
            numbers = await fetch("SELECT seq FROM entry ORDER BY xid")
            assert [row["seq"] for row in numbers] == [2, 1]
            for _ in range(100):
                await service.extend(no_heartbeat)
                if await rows_unlogged() == 0:
                    break
                await asyncio.sleep(0.05)
            assert await leaves() == [(member_id, "POINTS", 1), (member_id, "POINTS", 2)]
    assert await caught_up() == 0


async def test_long_transactions_beside_the_builder_lose_nothing(
    work: Work, clock: FixedClock, database: Database
) -> None:
    """Writers hold their numbers for a while, some write late, some roll back; builders run all the time."""
    members = await some_members(clock, 4)
    chance = random.Random(7)

    async def write(number: int) -> None:
        for place in range(ROUNDS):
            try:
                async with transaction():
                    await fetch_value("SELECT pg_current_xact_id()")
                    await asyncio.sleep(chance.random() / 50)
                    await earn(work, members[(number + place) % 4], 1, f"{number}.{place}")
                    await asyncio.sleep(chance.random() / 100)
                    if place % 4 == 3:
                        raise InterruptedError
            except InterruptedError:
                await earn(work, members[place % 4], 1, f"{number}.{place} again")

    async def build(writing: asyncio.Future[list[None]]) -> None:
        while not writing.done():
            await service.extend(no_heartbeat, entries_max=5)

    async with a_crowd_of_connections(database):
        writing = asyncio.gather(*(write(number) for number in range(WRITERS)))
        await asyncio.gather(build(writing), build(writing), writing)
        await caught_up(entries_max=5)
    found = await leaves()
    assert len(found) == WRITERS * ROUNDS
    for member_id in members:
        seqs = [seq for each, _, seq in found if each == member_id]
        assert seqs == list(range(1, len(seqs) + 1))


async def test_two_builders_share_the_work(work: Work, clock: FixedClock, database: Database) -> None:
    """Nothing is logged twice, nothing is left out."""
    members = await some_members(clock, 40, points=10)
    async with a_crowd_of_connections(database):
        runs = await asyncio.gather(*(service.extend(no_heartbeat, entries_max=3) for _ in range(4)))
        logged = sum(run.entries for run in runs) + await caught_up()
    assert logged == 40 and sorted(await leaves()) == [(each, "POINTS", 1) for each in members]


async def test_only_one_builder_works_at_a_time(work: Work, clock: FixedClock, database: Database) -> None:
    """Who finds another at work ends at once, and not as having caught up."""
    await a_member(clock, points=10)
    async with an_owner(database) as other:
        await other.fetchval("SELECT pg_advisory_lock($1)", LOG_LOCK)
        assert await service.extend(no_heartbeat) == service.Extended(0, caught_up=False)
    assert await caught_up() == 1


async def test_a_crash_between_two_chunks_costs_nothing(work: Work, clock: FixedClock) -> None:
    """What was appended stays, the next run goes on behind it."""
    await some_members(clock, 10, points=10)

    async def dying() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await service.extend(dying, entries_max=4)
    before = await leaves()
    assert 0 < len(before) < 10
    await caught_up(entries_max=4)
    after = await leaves()
    assert after[: len(before)] == before and len(after) == 10


async def test_a_run_ends_when_its_time_is_over(work: Work, clock: FixedClock) -> None:
    """It has not caught up then, so that nothing is signed that leaves out what was committed."""
    await a_member(clock, points=10)
    assert await service.extend(no_heartbeat, seconds_max=0) == service.Extended(0, caught_up=False)
    assert await caught_up() == 1


async def test_in_another_cluster_the_log_goes_on(
    work: Work, clock: FixedClock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of entries lie far ahead there; the builder walks through the accounts once, then follows windows."""
    monkeypatch.setattr(builder, "MEMBERS_PER_CHUNK", 2)
    members = await some_members(clock, 5, points=10)
    await caught_up()
    for stolen in ("system_identifier = 1", "next_xid = 1::bigint << 60"):
        for member_id in members:
            await earn(work, member_id, 1)
        async with an_owner(database) as owner:
            await owner.execute("UPDATE entry SET xid = '1152921504606846976'")
            await owner.execute(f"UPDATE log_cursor SET {stolen}")
        assert await caught_up(entries_max=3) == 5
    await earn(work, members[0], 1)
    assert await caught_up() == 1
    cursor = await fetch_row("SELECT * FROM log_cursor")
    assert cursor is not None and cursor["rebasing_after"] is None and cursor["next_xid"] < 1 << 60
    assert cursor["system_identifier"] == await fetch_value("SELECT system_identifier FROM pg_control_system()")


async def test_the_cursor_is_only_a_hint(work: Work, clock: FixedClock) -> None:
    """Set back or lost, it makes no entry appear twice."""
    for member_id in await some_members(clock, 3, points=10):
        await earn(work, member_id, 1)
    await caught_up()
    await execute("UPDATE log_cursor SET next_xid = 3")
    assert await caught_up() == 0
    await execute("UPDATE log_cursor SET rebasing_after = $1", NOBODY)
    assert await caught_up() == 0
    await execute("DELETE FROM log_cursor")
    assert await caught_up() == 0
    assert len(await leaves()) == 6


async def test_accounts_have_pseudonyms_that_tell_nothing(work: Work, clock: FixedClock) -> None:
    """One per account, none alike, none derived from the member."""
    members = await some_members(clock, 3, points=10)
    await caught_up()
    rows = await fetch("SELECT member_id, pseudonym, secret FROM log_account")
    assert {row["member_id"] for row in rows} == set(members)
    assert len({row["pseudonym"] for row in rows} | {row["secret"] for row in rows}) == 6
    assert all(UUID(bytes=row["pseudonym"]) != row["member_id"] for row in rows)


FORBIDDEN = (
    "UPDATE log_leaf SET seq = seq + 1",
    "DELETE FROM log_leaf",
    "TRUNCATE log_leaf",
    "UPDATE log_node SET hash = sha256('')",
    "DELETE FROM log_node",
    "UPDATE log_checkpoint SET size = size + 1",
    "DELETE FROM log_checkpoint",
    "UPDATE log_account SET pseudonym = pseudonym",
    "UPDATE log_account SET secret = sha256('')",
    "DELETE FROM log_account",
)


async def test_the_log_only_grows(work: Work, clock: FixedClock, database: Database) -> None:
    """Neither the application nor, while triggers fire, the owner changes what is logged."""
    member_id = await a_member(clock)
    commands = [Earn(member_id=member_id, points=1, source=str(number)) for number in range(16)]
    done(await work.perform_all(MOVE, commands))
    await signed(work, a_keeper())
    before = await dump()
    owner = await asyncpg.connect(database.url)
    for statement in FORBIDDEN:
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)):
            await execute(statement)
    await owner.close()
    assert await dump() == before


async def test_no_statement_of_the_builder_reads_the_whole_ledger(
    work: Work, clock: FixedClock, database: Database
) -> None:
    """A window is found by the index over transactions, accounts and leaves by their keys."""
    await some_members(clock, 3, points=10)
    async with an_owner(database) as owner:
        await owner.execute("SET enable_seqscan = off")
        window = builder.IN_WINDOW.replace("$1", "10").replace("$2", "3").replace("$3", "900")
        plan = "\n".join(row[0] for row in await owner.fetch(f"EXPLAIN {window}"))
    assert "entry_by_transaction" in plan and "log_leaf_once_per_entry" in plan and "entry_pkey" in plan
    assert "Seq Scan" not in plan
    await caught_up()
