"""Reads that begin together: one statement for all of them, and to each what it would be told alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamification.core import database as door
from gamification.core.database import execute, fetch, fetch_row, fetch_value, together
from gamification.core.together import reading_together
from gamification.core.transactions import transaction
from tests.checkins.graphql_checks import counted_statements
from tests.core.flushes import turns
from tests.databases import Database

Read = tuple[str, tuple[Any, ...]]
WORDS = ("", "积分", "$1", "it's", 'a "b"', "{1,2}", "(,)", "\\")
INSTANTS = (datetime(2026, 3, 2, 2, 0, 0, 123456, UTC), datetime(1, 1, 1, tzinfo=UTC))
OF_EVERY_TYPE = """SELECT $1::text AS text, $2::bigint AS number, $3::timestamptz AS at, $4::text[] AS words,
    $5::jsonb AS body, $6::uuid AS id, $7::boolean AS is_so, $8::date AS day, $9::bytea AS bytes, $10::numeric AS exact,
    $4::text[] IS NULL, NULL AS nothing, ARRAY[[1, 2], [3, NULL]] AS square, ROW(1, 'x') AS pair"""


def maybe(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    """One of the values, or nothing."""
    return st.sampled_from([None, *values])


def of_every_type() -> st.SearchStrategy[Read]:
    """One row with a column of every type that the product reads, any of them NULL."""
    words = st.none() | st.lists(maybe(WORDS), max_size=3)
    values = st.tuples(
        maybe(WORDS), maybe((0, -1, 2**63 - 1)), maybe(INSTANTS), words, maybe(("{}", '{"a": [1, null]}', "17")),
        maybe((UUID(int=1),)), maybe((True, False)), maybe((date(2026, 3, 2),)), maybe((b"", b"\x00\xff")),
        maybe((Decimal("1.50"),)),
    )  # fmt: skip
    return values.map(lambda given: (OF_EVERY_TYPE, given))


READS: st.SearchStrategy[Read] = st.one_of(
    of_every_type(),
    st.tuples(
        st.just("SELECT n, n * $3 AS times, $3::int AS by FROM generate_series($1::int, $2::int) AS n ORDER BY n DESC"),
        st.tuples(st.just(1), st.integers(0, 12), st.integers(-3, 3)),
    ),
    st.tuples(st.just("SELECT 1 AS none, $1::text AS word WHERE false"), st.tuples(st.sampled_from(WORDS))),
    st.tuples(st.just("WITH a AS (SELECT $1::text AS word) SELECT word, 2 AS word FROM a"), st.tuples(maybe(WORDS))),
    st.tuples(st.just("SELECT k.*, count(*) OVER () FROM unnest($1::int[], $2::text[]) AS k (number, word) LIMIT 3"),
              st.tuples(st.lists(st.integers(0, 9), max_size=5), st.lists(maybe(WORDS), max_size=5))),
    st.just(("VALUES (1, 'a'), (2, NULL)", ())),
    st.just(("SELECT job, payload FROM outbox", ())),
)  # fmt: skip


@pytest.fixture
async def statements(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[None]]:
    """An item per statement of the test, whose statements' columns are known from before."""
    with counted_statements(monkeypatch) as seen:
        yield seen


async def side_by_side(*reads: Read) -> list[Any]:
    """What the reads answer that begin in one turn, inside `reading_together`; a fault stands in its place."""
    with reading_together(together()):
        return await asyncio.gather(*(fetch(sql, *arguments) for sql, arguments in reads), return_exceptions=True)


def shown(rows: Sequence[Any]) -> list[Any]:
    """Rows in every way in which they can be read: by place, by name, in their order, as a whole."""
    return [
        (tuple(row), list(dict.fromkeys(row.keys())), {name: row[name] for name in row.keys()},  # noqa: SIM118 - a row is no dict
         [row[place] for place in range(-len(row), len(row))], dict(row), row[1:])
        for row in rows
    ]  # fmt: skip


@given(reads=st.lists(READS, min_size=2, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_each_read_is_told_what_it_is_told_alone(database: Database, reads: list[Read]) -> None:
    """Whatever goes together, with parameters, without rows, with NULLs, arrays, JSON, instants: the very same rows."""
    alone = [await fetch(sql, *arguments) for sql, arguments in reads]
    found = await side_by_side(*reads)
    assert [shown(rows) for rows in found] == [shown(rows) for rows in alone]


async def test_reads_of_one_turn_are_one_statement(database: Database, statements: list[None]) -> None:
    """Rows, a row and a value asked for side by side cost one statement; what is asked afterwards costs another."""

    async def ask() -> tuple[Any, ...]:
        with reading_together(together()):
            rows, row, value = await asyncio.gather(
                fetch("SELECT n FROM generate_series(1, 3) AS n"),
                fetch_row("SELECT $1::text AS word, 2 AS two", "a"),
                fetch_value("SELECT $1::int + 1", 41),
            )
            return [each["n"] for each in rows], row and (row["word"], row["two"]), value, await fetch_value("SELECT 7")

    await ask()  # the first time the names of each statement's columns are asked for too
    statements.clear()
    assert await ask() == ([1, 2, 3], ("a", 2), 42, 7) and len(statements) == 2


async def test_a_read_that_is_alone_goes_as_it_is(statements: list[None]) -> None:
    """One read in a turn is its own statement, with the driver's own rows."""
    (rows,) = await side_by_side(("SELECT 1 AS one", ()))
    assert isinstance(rows[0], asyncpg.Record) and rows[0]["one"] == 1 and len(statements) == 1


async def test_nothing_there_is_nothing(database: Database) -> None:
    """Without a row, a list is empty and a row and a value are None, as they are alone."""
    with reading_together(together()):
        found = await asyncio.gather(
            fetch("SELECT 1 WHERE false"), fetch_row("SELECT 1 WHERE false"), fetch_value("SELECT 1 WHERE false")
        )
    assert list(found) == [[], None, None]


async def test_one_statement_twice_has_arguments_of_its_own(database: Database, statements: list[None]) -> None:
    """The same SQL with other arguments, also of another number beside it, is answered to each with its own."""
    reads: list[Read] = [(f"SELECT $1::int * $2::int AS product{'' if n < 12 else ', $3::text'}",
                          (n, 10, "x")[: 2 if n < 12 else 3]) for n in range(1, 14)]  # fmt: skip
    await side_by_side(*reads)
    statements.clear()
    found = await side_by_side(*reads)
    assert [rows[0]["product"] for rows in found] == [n * 10 for n in range(1, 14)] and len(statements) == 1


async def test_the_read_that_fails_fails_alone(database: Database) -> None:
    """A division by zero, a table that is not there, an argument too few: each raises its own, the others answer."""
    reads: list[Read] = [
        ("SELECT 1 AS one", ()), ("SELECT 1 / $1::int AS none", (0,)), ("SELECT * FROM nowhere", ()),
        ("SELECT $1::int AS a, $2::int AS b", (1,)), ("SELECT $1::int AS a", ("x",)), ("SELECT 2 AS two", ()),
    ]  # fmt: skip
    alone = [type((await asyncio.gather(fetch(sql, *given), return_exceptions=True))[0]) for sql, given in reads]
    found = await side_by_side(*reads)
    assert [type(each) for each in found] == alone
    assert [each for each in alone if issubclass(each, Exception)] == [
        asyncpg.DivisionByZeroError, asyncpg.UndefinedTableError, asyncpg.InterfaceError, asyncpg.DataError,
    ]  # fmt: skip
    assert (found[0][0]["one"], found[-1][0]["two"]) == (1, 2)


async def test_what_only_a_statement_of_its_own_can_do_is_done_once(database: Database) -> None:
    """SQL that fits in no other statement (a write, a comment at its end) is made alone, once, beside others."""
    write = "INSERT INTO outbox (job, payload, run_at) VALUES ($1, '{}', $2) RETURNING job"
    found = await side_by_side((write, ("a", INSTANTS[0])), ("SELECT 1 AS one -- the end", ()), ("SELECT 2 AS two", ()))
    assert [tuple(rows[0]) for rows in found] == [("a",), (1,), (2,)]
    assert await fetch_value("SELECT count(*) FROM outbox") == 1


async def test_inside_a_transaction_nothing_goes_together(database: Database) -> None:
    """Reads of a transaction see what it wrote; they run on its connection, beside the collected ones of others."""
    sql = "SELECT count(*), pg_current_xact_id_if_assigned() IS NOT NULL AS is_inside FROM outbox"

    async def writes_and_reads() -> tuple[Any, ...]:
        async with transaction():
            await execute("INSERT INTO outbox (job, payload, run_at) VALUES ('a', '{}', $1)", INSTANTS[0])
            rows = [*await asyncio.gather(fetch_row(sql), fetch_row(sql)), *await fetch(sql)]
            assert all(isinstance(row, asyncpg.Record) for row in rows) and await fetch_value(sql) == 1
            return tuple(rows[0] or ())

    with reading_together(together()):
        inside, *outside = await asyncio.gather(writes_and_reads(), fetch_row(sql), fetch_row(sql))
    assert inside == (1, True)
    assert [row and row["is_inside"] for row in outside] == [False, False]


async def test_without_being_told_nothing_goes_together(statements: list[None]) -> None:
    """Outside `reading_together` reads that begin at once are statements of their own; so are those after it."""
    with reading_together(together()):
        pass
    rows = await asyncio.gather(*(fetch("SELECT $1::int AS n", n) for n in range(3)))
    assert [row["n"] for (row,) in rows] == [0, 1, 2] and len(statements) == 3
    assert all(isinstance(row, asyncpg.Record) for (row,) in rows)


async def test_reads_of_two_operations_stay_apart(database: Database, statements: list[None]) -> None:
    """Two operations that read at once send a statement each: neither waits for what the other asks."""

    async def operation(number: int) -> list[int]:
        with reading_together(together()):
            return list(await asyncio.gather(*(fetch_value("SELECT $1::int", number + n) for n in (0, 1))))

    await operation(0)
    statements.clear()
    tasks = [asyncio.create_task(operation(number)) for number in (10, 20)]
    assert await asyncio.gather(*tasks) == [[10, 11], [20, 21]] and len(statements) == 2


async def test_a_read_with_a_wait_of_its_own_goes_alone(statements: list[None]) -> None:
    """A long read that says how long it may take does not make its neighbours wait for it."""
    with reading_together(together()):
        found = await asyncio.gather(fetch("SELECT 1 AS n", seconds=3), fetch("SELECT 2 AS n"))
    assert [row["n"] for (row,) in found] == [1, 2] and len(statements) == 2


async def test_who_stops_waiting_leaves_the_others_their_rows(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled before the statement is sent or while it runs: the neighbours are answered, by the one statement."""
    sent: list[str] = []
    gate, at_gate = asyncio.Event(), asyncio.Event()
    fetch_alone = door._fetch_alone

    async def at_the_gate(sql: str, *arguments: object) -> Any:
        sent.append(sql)
        at_gate.set()
        await gate.wait()
        return await fetch_alone(sql, *arguments)

    monkeypatch.setattr(door, "_fetch_alone", at_the_gate)
    with reading_together(together()):
        early, late, patient = (asyncio.create_task(fetch("SELECT $1::int AS n", n)) for n in (1, 2, 3))
        await asyncio.sleep(0)
        early.cancel()
        await at_gate.wait()
        late.cancel()
        await turns()
        gate.set()
        (row,) = await patient
    assert row["n"] == 3 and early.cancelled() and late.cancelled() and len(sent) == 1


async def test_a_fault_that_nobody_waits_for_is_silent(database: Database) -> None:
    """When whoever asked for a failing read has gone, its fault reaches nobody, and the neighbour is answered."""
    with reading_together(together()):
        gone = asyncio.create_task(fetch("SELECT 1 / 0 AS none"))
        patient = asyncio.create_task(fetch("SELECT 1 AS one"))
        await asyncio.sleep(0)
        gone.cancel()
        (row,) = await patient
    assert row["one"] == 1 and gone.cancelled()


async def test_a_lost_connection_is_the_fault_of_nobody(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the one statement is lost with its connection, each read is made again and answered."""
    lost: list[str] = []
    fetch_alone = door._fetch_alone

    async def loses_the_first(sql: str, *arguments: object) -> Any:
        if not lost:
            lost.append(sql)
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return await fetch_alone(sql, *arguments)

    monkeypatch.setattr(door, "_fetch_alone", loses_the_first)
    found = await side_by_side(("SELECT 1 AS n", ()), ("SELECT 2 AS n", ()))
    assert [row["n"] for (row,) in found] == [1, 2] and len(lost) == 1
