"""The walks behind an export: every entry once, what was committed at the start and nothing later, bounded batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.work import Work
from gamification.points import exports
from gamification.points.exports import ExportRow, TableRewritten, Wanted
from tests.builders import earn, some_members, spend
from tests.databases import Database
from tests.moves import MOVE, Grow
from tests.statements.asking import OWNER

SPRING = Wanted(date(2026, 3, 1), date(2026, 5, 31))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of three rows, windows of one block and more."""
    monkeypatch.setattr(exports, "BATCH_ROWS_MAX", 3)
    monkeypatch.setattr(exports, "WINDOW_BLOCKS_MIN", 1)
    monkeypatch.setattr(exports, "WINDOW_BLOCKS_MAX", 2)


@pytest.fixture
async def members(work: Work, clock: FixedClock) -> list[UUID]:
    """Three members with growth, and points on many days of spring: some 400 entries in about ten blocks."""
    found = await some_members(clock, 3)
    for number in range(60):
        clock.advance(timedelta(hours=30))
        for member_id in found:
            await earn(work, member_id, number + 2)
            await spend(work, member_id, 1)
        if number % 10 == 0:
            await work.perform(MOVE, Grow(member_id=found[0], growth=5, source=f"g{number}"))
    return found


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the database's owner with the guards out of the way."""
    connection = await asyncpg.connect(database.url)
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


async def walked(work: Work, wanted: Wanted) -> list[list[ExportRow]]:
    end = await exports.begin(wanted, actor=OWNER, now=work.clock.now())
    return [batch async for batch in exports.batches(wanted, end)]


async def keys(work: Work, wanted: Wanted) -> list[tuple[str, str, int]]:
    batches = await walked(work, wanted)
    assert all(0 < len(batch) <= exports.BATCH_ROWS_MAX for batch in batches)
    return [(row.member_number, row.currency, row.seq) for batch in batches for row in batch]


async def expected(where: str, *arguments: Any) -> list[tuple[str, str, int]]:
    rows = await fetch(
        f"""SELECT m.number, e.currency, e.seq FROM entry e JOIN member m ON m.id = e.member_id
            WHERE {where} ORDER BY e.ctid""",
        *arguments,
    )
    return [tuple(row) for row in rows]


@pytest.mark.usefixtures("small")
async def test_every_entry_is_handed_out_once(work: Work, members: list[UUID]) -> None:
    """Whatever falls between the batches and the windows: all entries of the days, in the order of writing."""
    assert await fetch_value("SELECT pg_relation_size('entry') / 8192") > 6
    assert await keys(work, SPRING) == await expected("true")
    april = Wanted(date(2026, 4, 1), date(2026, 4, 30))
    found = await keys(work, april)
    assert found == await expected("business_date BETWEEN '2026-04-01' AND '2026-04-30'") != []


@pytest.mark.usefixtures("small")
async def test_filters_narrow_both_walks(work: Work, members: list[UUID]) -> None:
    """By currency and kind, of everybody and of one member, of whom each account comes in the order of its seqs."""
    growth = Wanted(SPRING.since, SPRING.until, currency="GROWTH")
    assert await keys(work, growth) == await expected("currency = 'GROWTH'")
    rare = Wanted(SPRING.since, SPRING.until, kinds=("REDEMPTION", "DONATION"))
    assert await keys(work, rare) == await expected("kind = 'REDEMPTION'")
    one = Wanted(date(2026, 4, 1), date(2026, 4, 30), member_id=members[0])
    found = await keys(work, one)
    assert found == sorted(
        await expected("member_id = $1 AND business_date BETWEEN '2026-04-01' AND '2026-04-30'", members[0]),
        key=lambda key: (key[1] != "POINTS", key[2]),
    )
    assert {currency for _, currency, _ in found} == {"POINTS", "GROWTH"}
    assert await keys(work, Wanted(date(2025, 1, 1), date(2025, 12, 31))) == []


@pytest.mark.parametrize("of_one", [True, False])
@pytest.mark.usefixtures("small")
async def test_what_is_posted_after_the_start_is_left_out(work: Work, members: list[UUID], of_one: bool) -> None:
    """Entries that come while the file is read belong to the next export, however many blocks they add."""
    wanted = Wanted(SPRING.since, date(2026, 6, 30), member_id=members[0] if of_one else None)
    before = len(await keys(work, wanted))
    end = await exports.begin(wanted, actor=OWNER, now=work.clock.now())
    found = 0
    async for batch in exports.batches(wanted, end):
        found += len(batch)
        await earn(work, members[0], 1)
    assert found == before


async def test_what_was_under_way_at_the_start_is_left_out(
    work: Work, members: list[UUID], owner: asyncpg.Connection
) -> None:
    """A transaction that commits during the export, though its rows lie among the others, is not part of it."""
    wanted = Wanted(SPRING.since, date(2026, 6, 30))
    under_way = owner.transaction()
    await under_way.start()
    now = work.clock.now()
    await owner.execute(
        """INSERT INTO entry SELECT (jsonb_populate_record(e, jsonb_build_object(
               'seq', 9999, 'source_id', 'late', 'xid', pg_current_xact_id()::text, 'booked_at', $2::timestamptz))).*
           FROM entry e WHERE member_id = $1 AND currency = 'POINTS' AND seq = 1""",
        members[0],
        now,
    )
    end = await exports.begin(wanted, actor=OWNER, now=now)
    await under_way.commit()
    rows = [row async for batch in exports.batches(wanted, end) for row in batch]
    assert 9999 not in {row.seq for row in rows}
    assert 9999 in {seq for _, _, seq in await keys(work, wanted)}
    await owner.execute("DELETE FROM entry WHERE seq = 9999")


async def test_a_restored_cluster_loses_nothing(
    work: Work, members: list[UUID], clock: FixedClock, owner: asyncpg.Connection
) -> None:
    """After a restore old entries carry numbers of transactions still to come; they are exported all the same."""
    await owner.execute("UPDATE entry SET xid = '9000000000000'")
    clock.advance(timedelta(hours=2))
    assert len(await keys(work, SPRING)) == await fetch_value("SELECT count(*) FROM entry")


@pytest.mark.usefixtures("small")
async def test_a_table_that_is_rewritten_voids_the_export(
    work: Work, members: list[UUID], owner: asyncpg.Connection
) -> None:
    """Rows may have moved: the export ends with a fault instead of a file that looks whole."""
    end = await exports.begin(SPRING, actor=OWNER, now=work.clock.now())
    walk = exports.batches(SPRING, end)
    assert len(await anext(walk)) == 3
    await owner.execute("VACUUM FULL entry")
    with pytest.raises(TableRewritten):
        await _to_the_end(walk)


async def _to_the_end(walk: AsyncIterator[list[ExportRow]]) -> None:
    async for _ in walk:
        pass
