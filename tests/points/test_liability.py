"""The liability: what all members have at an instant, by month of expiry, tied to the ledger to the point."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch
from gamification.core.jobs import JobContext
from gamification.core.outbox import Run
from gamification.core.work import Work
from gamification.points import jobs, liability
from gamification.points.errors import InsufficientPoints, LiabilityJustComputed
from gamification.points.liability import Bucket, Report
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import (
    a_member,
    a_work,
    assert_invariants,
    balance,
    claw_back,
    dump,
    earn,
    give_back,
    rows_in,
    some_members,
    spend,
    thorough,
)
from tests.databases import Database

MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)
CALENDAR = Calendar()


def living(work: Work, count: int | None, unit: Any = "month", *, waiting: int = 0, to_end: Any = "month") -> Work:
    """The same clock under a policy of points that live so long."""
    return a_work(work.clock, PointsPolicy(Expiry(count, unit, to_end), waiting))


def a_report(*buckets: Bucket, **given: Any) -> Report:
    """A report of these buckets in which everything ties."""
    total = sum(each.points for each in buckets)
    values: dict[str, Any] = {
        "computed_at": datetime.fromisoformat("2026-03-02T10:00+08:00"), "business_date": date(2026, 3, 2),
        "available": sum(each.available for each in buckets), "pending": sum(each.pending for each in buckets),
        "held": 0, "debt": 0, "not_booked": 0, "lots_sum": total, "accounts_sum": total, "entries_sum": total,
        "ended_since": date(2025, 3, 1), "ended_until": MARCH, "ended_lots": 0, "ended_original": 0,
        "ended_expired": 0, "buckets": buckets,
    }  # fmt: skip
    return Report(**{**values, **given})


async def test_points_stand_in_the_month_of_their_last_day(work: Work, clock: FixedClock) -> None:
    """Points good until 31 March expire in March; pending ones stand apart; what never expires comes last."""
    mei, lin = await some_members(clock, 2)
    await earn(living(work, 1, "day"), mei, 40)
    await earn(living(work, 1), mei, 5)
    await earn(living(work, 1, waiting=3), lin, 7)
    await earn(living(work, None), lin, 100)
    report = await liability.compute(clock.now(), CALENDAR)
    assert report.buckets == (Bucket(MARCH, 40, 0), Bucket(APRIL, 5, 7), Bucket(None, 100, 0))
    assert (report.available, report.pending, report.held, report.debt) == (145, 7, 0, 0)
    assert (report.lots_sum, report.accounts_sum, report.entries_sum, report.not_booked) == (152, 152, 152, 0)
    assert report.ties and report.outstanding == 152


async def test_time_decides_before_anything_is_booked(work: Work, clock: FixedClock) -> None:
    """At midnight of the first of April points of March are gone and waiting ones count, booked or not."""
    mei = await a_member(clock)
    await earn(living(work, 1, "day"), mei, 40)
    await earn(living(work, 1, waiting=30), mei, 7)
    clock.set(datetime.fromisoformat("2026-04-01T00:00:00+08:00") - timedelta(microseconds=1))
    assert (await liability.compute(clock.now(), CALENDAR)).buckets == (Bucket(MARCH, 40, 0), Bucket(MAY, 0, 7))
    clock.advance(timedelta(microseconds=1))
    report = await liability.compute(clock.now(), CALENDAR)
    assert (report.buckets, report.not_booked) == ((Bucket(MAY, 7, 0),), 40)
    assert (report.outstanding, report.lots_sum, report.accounts_sum, report.entries_sum) == (7, 47, 47, 47)
    assert report.ties


async def test_what_becomes_usable_repays_debt_first(work: Work, clock: FixedClock) -> None:
    """Three waiting lots of 10 against a debt of 15: in the order of their days, 15 are left, of the last two."""
    mei = await a_member(clock)
    spent = await earn(living(work, None), mei, 15)
    await spend(work, mei, spent.points)
    for days in (3, 1, 2):
        await earn(living(work, days, "month", waiting=days), mei, 10)
    await claw_back(living(work, None), mei, 15)
    assert (await balance(work, mei)).debt == 15
    clock.advance(timedelta(days=5))
    report = await liability.compute(clock.now(), CALENDAR)
    assert report.buckets == (Bucket(MAY, 5, 0), Bucket(date(2026, 6, 1), 10, 0))
    assert (report.debt, report.not_booked, report.lots_sum, report.ties) == (0, 15, 30, True)


async def test_the_report_is_what_members_read_together(database: Database) -> None:
    """Whatever happened to three members, the report says what they read at that instant, summed, and ties."""
    moves = st.tuples(
        st.sampled_from(["short", "long", "waiting", "waiting", "spend", "claw", "back"]),
        st.integers(0, 2), st.integers(0, 200), st.integers(1, 60),
    )  # fmt: skip
    histories: list[list[tuple[str, int, int, int]]] = []

    @settings(max_examples=thorough(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(moves, min_size=3, max_size=16))
    def draw(history: list[tuple[str, int, int, int]]) -> None:
        histories.append(history)

    draw()
    clock = FixedClock(datetime.fromisoformat("2026-01-05T09:00:00+08:00"))
    work = a_work(clock, PointsPolicy())
    everybody: list[UUID] = []
    for history in histories:
        members = await some_members(clock, 3)
        everybody += members
        for move, who, hours, points in history:
            clock.advance(timedelta(hours=hours))
            await perform(work, members[who], move, points)
        clock.advance(timedelta(days=len(history)))
        report = await liability.compute(clock.now(), CALENDAR)
        read = [await balance(work, each) for each in everybody]
        assert report.available == sum(each.available for each in read)
        assert report.pending == sum(each.pending for each in read)
        assert report.debt == sum(each.debt for each in read)
        assert report.ties
    await assert_invariants()


async def perform(work: Work, member_id: UUID, move: str, points: int) -> None:
    match move:
        case "short":
            await earn(living(work, 9, "day", to_end="day"), member_id, points)
        case "long":
            await earn(living(work, 2), member_id, points)
        case "waiting":
            await earn(living(work, 40, "day", waiting=6), member_id, points)
        case "claw":
            await claw_back(work, member_id, points)
        case _:
            try:
                taken = await spend(work, member_id, points)
            except InsufficientPoints:
                return
            if move == "back":
                await give_back(work, member_id, taken.seq)


def test_breakage_is_whole_points_that_sum_to_the_whole() -> None:
    """A third of 3 × 10 points is 9 and not 3 × 3.33; what never expires has no breakage."""
    report = a_report(Bucket(MARCH, 10, 0), Bucket(APRIL, 4, 6), Bucket(MAY, 10, 0), Bucket(None, 90, 0), held=7)
    assert report.breakage(3_333) == [3, 3, 3, 0]
    assert report.breakage(3_500) == [4, 3, 3, 0]
    assert (report.breakage(0), report.breakage(10_000)) == ([0, 0, 0, 0], [10, 10, 10, 0])


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40), st.integers(0, 10_000))
def test_no_month_breaks_more_than_it_has(points: list[int], rate_bp: int) -> None:
    """At any rate the parts lie within their months and sum to the rate of the whole, rounded down once."""
    report = a_report(*(Bucket(date(2026 + number, 1, 1), each, 0) for number, each in enumerate(points)))
    parts = report.breakage(rate_bp)
    assert all(0 <= part <= each for part, each in zip(parts, points, strict=True))
    assert sum(parts) == sum(points) * rate_bp // 10_000


def test_a_handful_of_lots_gives_no_rate() -> None:
    """99 lots that ended say nothing; with 100 the rate is expired of original, rounded down."""
    few = a_report(ended_lots=99, ended_original=3, ended_expired=1)
    assert (few.measured_bp, a_report(ended_lots=100, ended_original=3, ended_expired=1).measured_bp) == (None, 3_333)


async def test_the_rate_is_measured_over_the_last_twelve_full_months(work: Work, clock: FixedClock) -> None:
    """Lots whose last day lay in them, by whether they expired, booked or not; older, current and endless ones not."""
    mei = await a_member(clock)
    for month, points, used in ((1, 100, 0), (2, 50, 20), (12, 80, 0)):
        clock.set(datetime.fromisoformat(f"2026-{month:02}-10T12:00:00+08:00"))
        await earn(living(work, 1, "day"), mei, points)
        if used:
            await spend(work, mei, used)
    await earn(living(work, None), mei, 1_000)
    clock.set(datetime.fromisoformat("2027-01-01T00:00:00+08:00"))
    report = await liability.compute(clock.now(), CALENDAR)
    assert (report.ended_since, report.ended_until) == (date(2026, 1, 1), date(2027, 1, 1))
    assert (report.ended_lots, report.ended_original, report.ended_expired) == (3, 230, 100 + 30 + 80)
    clock.set(datetime.fromisoformat("2027-02-01T00:00:00+08:00"))
    later = await liability.compute(clock.now(), CALENDAR)
    assert (later.ended_lots, later.ended_original, later.ended_expired) == (2, 130, 110)


async def test_far_months_share_the_last_bucket(work: Work, clock: FixedClock) -> None:
    """What expires in a hundred years stands in the last of 600 months, and the sum stays the same."""
    mei = await a_member(clock)
    await earn(living(work, 100, "year"), mei, 3)
    await earn(living(work, 60, "year"), mei, 4)
    report = await liability.compute(clock.now(), CALENDAR)
    assert report.buckets == (Bucket(date(2076, 2, 1), 7, 0),) and report.ties


async def test_drift_shows_in_the_reconciliation(database: Database, clock: FixedClock, work: Work) -> None:
    """An account that somebody changed around the guards: the figures part, and the report says so."""
    mei = await a_member(clock, points=50)
    owner = await asyncpg.connect(database.url)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE account SET available = 51 WHERE member_id = $1 AND currency = 'POINTS'", mei)
    report = await liability.compute(clock.now(), CALENDAR)
    assert (report.ties, report.lots_sum, report.accounts_sum, report.entries_sum) == (False, 50, 51, 50)
    await owner.execute("UPDATE account SET available = 50 WHERE member_id = $1 AND currency = 'POINTS'", mei)
    await owner.close()


async def test_a_kept_report_is_read_as_it_was_computed(work: Work, clock: FixedClock) -> None:
    """The newest one, or that of a business day; nothing for a day without one; nobody changes it."""
    mei = await a_member(clock)
    await earn(living(work, 1), mei, 5)
    first = await liability.compute(clock.now(), CALENDAR)
    await liability.keep(first)
    clock.advance(timedelta(days=1))
    await earn(living(work, None), mei, 6)
    second = await liability.compute(clock.now(), CALENDAR)
    await liability.keep(second)
    assert await liability.newest() == second != first
    assert await liability.newest(date(2026, 3, 2)) == first
    assert await liability.newest(date(2026, 3, 1)) is None
    for sql in ("UPDATE liability_report SET held = 1", "DELETE FROM liability_report"):
        with pytest.raises(asyncpg.PostgresError):
            await execute(sql)
    assert await rows_in("liability_report") == 2


def a_context(work: Work) -> JobContext:
    return JobContext(work, Run(1, 1, "points.report_liability", {}, 1, None), timedelta(seconds=30), completed=False)


async def test_the_nightly_job_reports_once_a_day(work: Work, clock: FixedClock) -> None:
    """A second delivery of the night changes nothing; the next has its own; its tick comes at five past midnight."""
    ctx = a_context(work)
    await jobs.report_liability(ctx)
    before = await dump()
    clock.advance(timedelta(hours=1))
    await jobs.report_liability(ctx)
    assert await dump() == before
    clock.advance(timedelta(days=1))
    await jobs.report_liability(ctx)
    assert [row[0] for row in await fetch("SELECT business_date FROM liability_report ORDER BY 1")] == [
        date(2026, 3, 2), date(2026, 3, 3),
    ]  # fmt: skip
    (cron,) = [each for each in jobs.CRON if each.job == "points.report_liability"]
    assert CALENDAR.local(cron.slot(clock.now())).isoformat() == "2026-03-03T00:05:00+08:00"


async def test_staff_have_it_computed_again_after_a_pause(work: Work, clock: FixedClock) -> None:
    """Asked twice it is one job; done twice it is one report; within ten minutes of a report it is refused."""
    await liability.request_report(clock.now())
    clock.advance(timedelta(minutes=1))
    await liability.request_report(clock.now())
    (job,) = await fetch("SELECT job, payload FROM outbox")
    assert (job["job"], job["payload"]) == ("points.report_liability", '{"since": "2026-03-02T02:00:00+00:00"}')
    for _ in range(2):
        await jobs.report_liability(a_context(work), since="2026-03-02T02:00:00+00:00")
    assert await rows_in("liability_report") == 1
    clock.advance(timedelta(minutes=4))
    before = await dump()
    with pytest.raises(LiabilityJustComputed) as refusal:
        await liability.request_report(clock.now())
    assert (refusal.value.computed_at.isoformat(), refusal.value.retry_after_seconds) == (
        "2026-03-02T02:01:00+00:00",
        360,
    )
    assert await dump() == before
    clock.advance(timedelta(minutes=6))
    await liability.request_report(clock.now())
    assert await rows_in("outbox") == 2
