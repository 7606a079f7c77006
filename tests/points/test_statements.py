"""The statement by page: every filter finds what it says, in order, at a cost that follows the page."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.work import Work
from gamification.points import statements
from gamification.points.models import KINDS
from gamification.points.statements import EntryFilter, entry_pages
from tests.builders import a_member, assert_invariants, earn, some_members, spend, thorough
from tests.databases import Database
from tests.points.statement_checks import a_history, all_rows, passing

JANUARY, MARCH = date(2026, 1, 1), date(2026, 3, 28)
FILTERS = st.builds(
    EntryFilter,
    kinds=st.none() | st.frozensets(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4),
    direction=st.sampled_from([None, "IN", "OUT"]),
    since=st.none() | st.dates(JANUARY - timedelta(3), MARCH + timedelta(3)),
    until=st.none() | st.dates(JANUARY - timedelta(3), MARCH + timedelta(3)),
)


async def pages(member_id: UUID, wanted: EntryFilter, size: int, currency: str = "POINTS") -> list[int]:
    """The seqs of all pages of a size, one page after the other."""
    seqs: list[int] = []
    before: int | None = None
    while page := (await entry_pages([member_id], currency, before, size, wanted)).get(member_id):
        seqs += [line.seq for line in page]
        before = seqs[-1]
    return seqs


async def test_every_filter_finds_what_it_says(database: Database, clock: FixedClock) -> None:
    """Whatever kinds, direction and days are asked for, page by page, the entries are those that pass, newest first."""
    _, mei = await a_history(clock)
    rows = await all_rows(mei)
    assert {row["kind"] for row in rows} == {"ACCRUAL", "REDEMPTION", "RESTORATION", "CLAW_BACK", "EXPIRY"}

    @settings(max_examples=thorough(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(FILTERS, st.integers(1, 9))
    def check(wanted: EntryFilter, size: int) -> None:
        found.append((wanted, size))

    found: list[tuple[EntryFilter, int]] = []
    check()
    for wanted, size in found:
        assert await pages(mei, wanted, size) == passing(rows, wanted), (wanted, size)
    assert sum(bool(passing(rows, wanted)) for wanted, _ in found) > 10
    await assert_invariants()


async def test_a_day_ends_with_the_programmes_day(database: Database, clock: FixedClock) -> None:
    """Entries of half past eleven at night in Shanghai belong to that day, both ends of a filter included."""
    _, mei = await a_history(clock)
    one_day = EntryFilter(since=date(2026, 2, 15), until=date(2026, 2, 15))
    assert await pages(mei, one_day, 5) == passing(await all_rows(mei), one_day) != []
    assert await pages(mei, EntryFilter(since=date(2026, 2, 16), until=date(2026, 2, 27)), 5) == []


@pytest.mark.parametrize("days", [-1, 1])
async def test_clocks_that_differ_lose_no_entry(database: Database, clock: FixedClock, work: Work, days: int) -> None:
    """Where one machine's clock is up to a day off, so that days run back, a filter by day still finds every entry."""
    mei = await a_member(clock)
    start = clock.now()
    for number in range(40):
        skew = timedelta(days=days) if number % 3 == 0 else timedelta(0)
        clock.set(start + number * timedelta(hours=9) + skew)
        await earn(work, mei, 1)
    rows = await all_rows(mei)
    first, last = min(row["business_date"] for row in rows), max(row["business_date"] for row in rows)
    for offset in range((last - first).days + 1):
        wanted = EntryFilter(since=first + timedelta(offset), until=first + timedelta(offset))
        assert await pages(mei, wanted, 4) == passing(rows, wanted)


async def test_many_members_are_asked_in_one_statement_each_for_itself(work: Work, clock: FixedClock) -> None:
    """A filter applies to each member's own entries, and none of another's is among them."""
    mei, lin, bo = await some_members(clock, 3)
    for number, member_id in enumerate((mei, lin)):
        await earn(work, member_id, 10 + number)
        await spend(work, member_id, 3)
    found = await entry_pages([mei, lin, bo], "POINTS", None, 9, EntryFilter(direction="OUT"))
    assert {key: [(line.seq, line.points) for line in lines] for key, lines in found.items()} == {
        mei: [(2, -3)],
        lin: [(2, -3)],
    }


async def test_entries_are_found_by_what_they_stand_for(database: Database, clock: FixedClock) -> None:
    """Sources select exactly their entries; none at all selects nothing."""
    _, mei = await a_history(clock)
    rows = await all_rows(mei)
    sources = tuple((row["source_type"], row["source_id"]) for row in rows[1::5])
    assert await pages(mei, EntryFilter(sources=sources), 2) == [row["seq"] for row in rows[1::5]]
    assert await pages(mei, EntryFilter(sources=()), 2) == []
    out = EntryFilter(sources=sources, direction="OUT")
    assert await pages(mei, out, 2) == passing(rows, out)


A_LONG_HISTORY = """
INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta, pending_delta, held_delta,
    debt_delta, available, pending, held, debt, occurred_at, booked_at, business_date, trace)
SELECT $1, 'POINTS', g, CASE WHEN g % 400 = 0 THEN 'EXPIRY' WHEN g % 3 = 0 THEN 'REDEMPTION' ELSE 'ACCRUAL' END,
    'test', g::text, CASE WHEN g % 400 = 0 OR g % 3 = 0 THEN -1 ELSE 1 END, 0, 0, 0, 1000, 0, 0, 0, at, at,
    (at AT TIME ZONE 'Asia/Shanghai')::date, '{}'
FROM (SELECT g, timestamptz '2024-01-01 00:00+08' + g * interval '1 hour' AS at FROM generate_series(1, 20000) g) q"""


@pytest.fixture
async def owner(database: Database) -> Any:
    """A connection of the database's owner, past the guards of the ledger."""
    connection = await asyncpg.connect(database.url)
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


async def buffers(owner: asyncpg.Connection, member_id: UUID, before: int | None, wanted: EntryFilter) -> int:
    """How many pages of the database a page of the statement reads, under a plan that knows no arguments."""
    sql, more = statements._page(wanted)
    await owner.execute("SET plan_cache_mode = force_generic_plan")
    plan = await owner.fetch(
        f"EXPLAIN (ANALYZE, BUFFERS) {sql}", [member_id], "POINTS", before, 21, wanted.since, wanted.until, *more
    )
    found = re.search(r"Buffers: shared (?:hit=(\d+))?(?: ?read=(\d+))?", "\n".join(row[0] for row in plan))
    assert found is not None
    return int(found[1] or 0) + int(found[2] or 0)


async def test_a_page_costs_what_it_shows_wherever_it_lies(
    database: Database, owner: asyncpg.Connection, clock: FixedClock
) -> None:
    """At the start, the middle and the end of 20,000 entries a page reads under 160 pages, whatever the filter."""
    mei = await a_member(clock)
    await owner.execute(A_LONG_HISTORY, mei)
    await owner.execute("UPDATE account SET seq = 20000 WHERE member_id = $1 AND currency = 'POINTS'", mei)
    await owner.execute("ANALYZE entry")
    year = EntryFilter(since=date(2024, 3, 1), until=date(2024, 12, 31))
    for wanted in (
        EntryFilter(),
        EntryFilter(kinds=frozenset({"EXPIRY"})),
        EntryFilter(kinds=frozenset({"ACCRUAL", "EXPIRY"})),
        EntryFilter(kinds=frozenset({"CLAW_BACK"})),
        EntryFilter(direction="IN"),
        EntryFilter(direction="OUT"),
        year,
        EntryFilter(direction="OUT", since=year.since, until=year.until),
    ):
        for before in (None, 10_000, 40):
            assert await buffers(owner, mei, before, wanted) < 160, (wanted, before)
    assert await fetch_value("SELECT pg_relation_size('entry') / 8192") > 400
