"""The nightly audit: drift that somebody planted is found, told and kept, and never repaired."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from structlog.testing import capture_logs

from gamification.audits import service
from gamification.audits.jobs import CRON, audit_books
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_row
from gamification.core.jobs import JobContext
from gamification.core.outbox import Run
from gamification.core.work import Work
from gamification.invariants import INVARIANTS, ROWS_MAX
from tests.builders import assert_invariants, dump, earn, some_members

OWN_TABLES = ("invariant_run", "invariant_check")
DRIFT = {
    "account": (
        "UPDATE account SET available = available + 1 WHERE currency = 'POINTS'",
        {
            "points: I2 available and pending equal their lots, held equals the active holds",
            "points: I4 each bucket is the sum of its deltas",
            "points: what came in is there, is owed, or went out",
            "points: what is outstanding is the same by lots, by accounts and by entries",
        },
    ),
    "lot": (
        "UPDATE lot SET remaining = remaining - 1 WHERE remaining = (SELECT max(remaining) FROM lot)",
        {
            "points: I1 each lot: allocations + remaining = original",
            "points: I2 available and pending equal their lots, held equals the active holds",
            "points: what is outstanding is the same by lots, by accounts and by entries",
        },
    ),
    "allocation": (
        "DELETE FROM allocation WHERE entry_seq = (SELECT min(entry_seq) FROM allocation)",
        {
            "points: I1 each lot: allocations + remaining = original",
            "points: each entry's lots move what its buckets move",
        },
    ),
    "entry": (
        "DELETE FROM entry WHERE currency = 'GROWTH' AND seq = 1",
        {
            "points: I4 each bucket is the sum of its deltas",
            "points: I5 entries are gap-free and their balances run",
            "orders: growth posted or forgiven for orders and refunds is that of their lines",
        },
    ),
    "entry's kind": (
        "UPDATE entry SET kind = 'GIFT' WHERE kind = 'LADDER'",
        {
            "points: each entry is of a known kind and moves points as that kind may",
            "earning: ladder points posted or forgiven equal those of the months",
        },
    ),
    "entry's day": (
        "UPDATE entry SET business_date = '2026-09-01' WHERE currency = 'POINTS' AND seq = 1",
        {"points: the business days of an account run back by a day at most"},
    ),
    "month_spend": (
        "UPDATE month_spend SET net_fen = net_fen + 1",
        {"orders: a month's net spend is what is left of its orders"},
    ),
    "check_in": (
        "UPDATE check_in SET run_first_on = '2026-01-01' WHERE business_date = '2026-03-03'",
        {"checkins: the cached first day of a run is what the dates give"},
    ),
    "charity_campaign": (
        "UPDATE charity_campaign SET pledged_units = pledged_units + 1",
        {"charity: a campaign's pledge is the sum of its donations"},
    ),
    "draw_win": (
        "UPDATE draw_win SET points = points + 1",
        {
            "draws: D4 a win is of a numbered ticket and pays what its prize declares",
            "draws: D6 points issued by a draw equal the prizes granted, each once, to the winner",
        },
    ),
    "donation": (
        "DELETE FROM donation",
        {
            "charity: a campaign's pledge is the sum of its donations",
            "charity: each donation took its points in one entry",
            "charity: each donation has one certificate that says the same",
        },
    ),
}


async def no_heartbeat() -> None:
    return None


def a_context(work: Work) -> JobContext:
    return JobContext(work, Run(1, 1, "audits.audit_books", {}, 1, None), timedelta(seconds=30), completed=False)


@pytest.fixture
def ctx(work: Work, monkeypatch: pytest.MonkeyPatch) -> JobContext:
    """The surroundings of the job, whose lease nobody asks about."""
    context = a_context(work)
    monkeypatch.setattr(JobContext, "heartbeat", lambda self: no_heartbeat())
    return context


async def tables_apart_from_the_audits() -> dict[str, list[str]]:
    return {name: rows for name, rows in (await dump()).items() if name not in OWN_TABLES}


async def checks() -> dict[str, Any]:
    return {row["name"]: row for row in await fetch("SELECT * FROM invariant_check")}


@pytest.mark.parametrize("place", DRIFT)
async def test_planted_drift_is_found_told_and_left_alone(
    place: str, books: UUID, owner: asyncpg.Connection, ctx: JobContext
) -> None:
    """Whoever changes a row around the guards is found the next night: by name, with rows, and nothing is repaired."""
    sql, expected = DRIFT[place]
    await owner.execute(sql)
    before = await tables_apart_from_the_audits()
    with capture_logs() as logs:
        await audit_books(ctx)
    assert await tables_apart_from_the_audits() == before
    (alert,) = [line for line in logs if line["log_level"] == "error"]
    assert (alert["event"], set(alert["names"])) == ("invariants.broken", expected)
    found = await checks()
    assert found.keys() == INVARIANTS.keys()
    assert {name for name, row in found.items() if row["holds"] is False} == expected
    for name in expected:
        assert found[name]["offending"] >= 1
        assert len(orjson.loads(found[name]["sample"])) == min(found[name]["offending"], ROWS_MAX)
    run = await fetch_row("SELECT * FROM invariant_run")
    assert run is not None
    assert (run["checked"], run["broken"], run["unchecked"]) == (len(INVARIANTS), len(expected), 0)
    assert run["finished_at"] == run["started_at"] == ctx.clock.now()


async def test_books_that_agree_are_reported_so(books: UUID, ctx: JobContext) -> None:
    """Every invariant is asked and holds; the log says it in one line, and no error."""
    with capture_logs() as logs:
        await audit_books(ctx)
    assert [(line["event"], line["log_level"], line["checked"]) for line in logs] == [
        ("invariants.hold", "info", len(INVARIANTS))
    ]
    assert {row["holds"] for row in (await checks()).values()} == {True}
    await assert_invariants()


async def test_twice_a_day_is_once(books: UUID, ctx: JobContext, clock: FixedClock) -> None:
    """A second delivery of the same night changes nothing; the next night has a run of its own."""
    await audit_books(ctx)
    before = await dump()
    with capture_logs() as logs:
        await audit_books(ctx)
    assert (await dump(), logs) == (before, [])
    clock.advance(timedelta(days=1))
    await audit_books(ctx)
    assert [row["business_date"].isoformat() for row in await fetch("SELECT * FROM invariant_run ORDER BY 1")] == [
        "2026-03-03", "2026-03-04",
    ]  # fmt: skip


async def test_a_run_that_was_cut_off_goes_on_where_it_stood(
    books: UUID, owner: asyncpg.Connection, ctx: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked before the end is not asked again, and what it found is still told and counted."""
    await owner.execute(DRIFT["account"][0])
    beats = 0

    async def cut_off(self: JobContext) -> None:
        nonlocal beats
        beats += 1
        if beats == 8:
            raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(JobContext, "heartbeat", cut_off)
        with pytest.raises(ConnectionResetError):
            await audit_books(ctx)
    half = await checks()
    assert len(half) == 8 and (await fetch_row("SELECT finished_at FROM invariant_run"))[0] is None  # type: ignore[index]
    await owner.execute("UPDATE account SET available = available - 1 WHERE currency = 'POINTS'")
    with capture_logs() as logs:
        await audit_books(ctx)
    found = await checks()
    assert {name: row for name, row in found.items() if name in half} == half
    broken = {name for name, row in found.items() if row["holds"] is False}
    assert broken == {name for name, row in half.items() if row["holds"] is False} != set()
    assert [set(line["names"]) for line in logs if line["log_level"] == "error"] == [broken]


async def test_more_rows_than_are_shown_are_counted(work: Work, clock: FixedClock, owner: asyncpg.Connection) -> None:
    """Of 30 broken accounts 30 are counted and 20 shown."""
    members = await some_members(clock, 30)
    for member_id in members:
        await earn(work, member_id, 5)
    await owner.execute("UPDATE account SET debt = 1, available = 0 WHERE currency = 'POINTS'")
    await service.audit_books(clock, Calendar(), no_heartbeat)
    row = (await checks())["points: I4 each bucket is the sum of its deltas"]
    assert (row["holds"], row["offending"], len(orjson.loads(row["sample"]))) == (False, 30, ROWS_MAX)
    assert {each["currency"] for each in orjson.loads(row["sample"])} == {"POINTS"}


async def test_an_invariant_without_an_answer_is_told_apart(
    work: Work, clock: FixedClock, ctx: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that takes too long or fails is unchecked, with the reason; the others are asked all the same."""
    asked = {
        "slow": "SELECT pg_sleep(20)",
        "wrong": "SELECT no_such_column FROM member",
        "fine": "SELECT 1 WHERE false",
        "broken": "SELECT 7 AS seven",
    }
    found = await service.audit_books(clock, Calendar(), no_heartbeat, invariants=asked, seconds_max=1)
    assert found is not None
    assert (found.checked, found.broken, found.unchecked) == (4, ("broken",), ("slow", "wrong"))
    rows = await checks()
    assert rows["slow"]["error"] == "QueryCanceledError: canceling statement due to statement timeout"
    assert rows["wrong"]["error"].startswith("UndefinedColumnError")
    assert (rows["fine"]["holds"], rows["broken"]["sample"]) == (True, '[{"seven": 7}]')
    monkeypatch.setattr(service, "audit_books", _given(found))
    with capture_logs() as logs:
        await audit_books(ctx)
    assert [(line["event"], line["names"]) for line in logs] == [
        ("invariants.broken", ["broken"]),
        ("invariants.unchecked", ["slow", "wrong"]),
    ]
    run = await fetch_row("SELECT checked, broken, unchecked FROM invariant_run")
    assert run is not None and tuple(run) == (4, 1, 2)


def _given(found: service.Findings) -> Any:
    async def audit(*_: Any) -> service.Findings:
        return found

    return audit


async def test_an_audit_can_write_nothing_but_its_findings(work: Work, clock: FixedClock) -> None:
    """Whatever a statement of it would change is refused by the snapshot that it reads."""
    mei = (await some_members(clock, 1))[0]
    await earn(work, mei, 5)
    before = await tables_apart_from_the_audits()
    for sneaky in ("SELECT lock_members('{}')", "SELECT unsettle_members('{}')"):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await service.audit_books(clock, Calendar(), no_heartbeat, invariants={"sneaky": sneaky})
    assert await tables_apart_from_the_audits() == before


async def test_what_was_found_cannot_be_changed(books: UUID, ctx: JobContext) -> None:
    """A finished run and its checks stand; the application can neither rewrite nor remove them."""
    await audit_books(ctx)
    before = await dump()
    for sql in (
        "UPDATE invariant_check SET holds = true",
        "DELETE FROM invariant_check",
        "UPDATE invariant_run SET broken = 0",
        "DELETE FROM invariant_run",
        "TRUNCATE invariant_run",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await execute(sql)
    assert await dump() == before


async def test_the_audit_comes_at_half_past_three_of_the_programmes_night(clock: FixedClock) -> None:
    """The tick falls due at 03:30 in Shanghai, once a day."""
    (cron,) = CRON
    calendar = Calendar()
    assert calendar.local(cron.slot(clock.now())).isoformat() == "2026-03-02T03:30:00+08:00"
    assert cron.every == timedelta(days=1)
