"""The monthly statement: opening plus everything in the month is closing, and a closing is the next month's opening."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamification.core.calendar import Calendar, add_months, month_of
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.points.errors import InsufficientPoints
from gamification.points.models import KINDS
from gamification.points.months import Buckets, KindSum, active_months, expiring_in_month, months_by_member_ids
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import a_member, a_work, account, assert_invariants, claw_back, earn, some_members, spend, thorough
from tests.databases import Database
from tests.moves import MOVE, Grow
from tests.points.statement_checks import a_history, all_rows

JANUARY = date(2026, 1, 1)
NOTHING = Buckets(0, 0, 0, 0)


def expected(rows: list[Any], first: date) -> tuple[Buckets, Buckets, dict[str, tuple[int, int, int]]]:
    """Opening, closing and kinds of a month, added up by hand."""
    opening = closing = NOTHING
    kinds: dict[str, tuple[int, int, int]] = {}
    for row in rows:
        deltas = Buckets(row["available_delta"], row["pending_delta"], row["held_delta"], row["debt_delta"])
        if row["business_date"] < first:
            opening = opening.moved(deltas)
        if row["business_date"] < add_months(first, 1):
            closing = closing.moved(deltas)
            if row["business_date"] >= first:
                entries, points_in, points_out = kinds.get(row["kind"], (0, 0, 0))
                moved = row["points"]
                kinds[row["kind"]] = entries + 1, points_in + max(moved, 0), points_out + max(-moved, 0)
    return opening, closing, kinds


async def agree(member_id: UUID, *firsts: date) -> None:
    """Each month is what its rows add up to, follows the one before it, and its kinds sum to its change."""
    rows = await all_rows(member_id)
    before: Buckets | None = None
    for first in firsts:
        month = (await months_by_member_ids([member_id], "POINTS", first))[member_id]
        opening, closing, kinds = expected(rows, first)
        assert (month.opening, month.closing) == (opening, closing)
        assert {each.kind: tuple(each[1:]) for each in month.kinds} == kinds
        assert month.opening.total + month.points_in - month.points_out == month.closing.total
        assert before is None or before == month.opening
        before = month.closing
    with_entries = {month_of(row["business_date"]) for row in rows}
    assert (await active_months([member_id], "POINTS")).get(member_id, []) == sorted(with_entries, reverse=True)


async def test_a_quarter_adds_up_month_by_month(database: Database, clock: FixedClock) -> None:
    """Three months of every kind of movement, and the empty months around them."""
    _, mei = await a_history(clock)
    await agree(mei, *(add_months(JANUARY, offset) for offset in (-1, 0, 1, 2, 3)))
    march = (await months_by_member_ids([mei], "POINTS", date(2026, 3, 1)))[mei]
    assert march.opening == Buckets(209, 0, 0, 0)
    assert [each.kind for each in march.kinds] == [name for name in KINDS if name in {e.kind for e in march.kinds}]
    assert march.entries == sum(each.entries for each in march.kinds) > 8
    await assert_invariants()


async def test_any_history_adds_up(database: Database) -> None:
    """Whatever was earned, spent, taken back and became due on whichever days, each month is the sum of its entries."""
    moves = st.tuples(st.sampled_from(["earn", "spend", "claw"]), st.integers(1, 90), st.integers(1, 400))
    histories: list[list[tuple[str, int, int]]] = []

    @settings(max_examples=thorough(8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(moves, min_size=1, max_size=14))
    def draw(history: list[tuple[str, int, int]]) -> None:
        histories.append(history)

    draw()
    for number, history in enumerate(histories):
        clock = FixedClock(datetime.fromisoformat("2026-01-01T09:00:00+08:00"))
        work = a_work(clock, PointsPolicy(Expiry(45, "day"), activation_days=number % 3))
        mei = await a_member(clock)
        for move, hours, points in history:
            clock.advance(timedelta(hours=hours * 5))
            await perform(work, mei, move, points)
        await agree(mei, *(add_months(JANUARY, offset) for offset in range(10)))
    assert len(histories) >= 8
    await assert_invariants()


async def perform(work: Work, member_id: UUID, move: str, points: int) -> None:
    if move == "earn":
        await earn(work, member_id, points)
    elif move == "claw":
        await claw_back(work, member_id, points)
    else:
        try:
            await spend(work, member_id, points)
        except InsufficientPoints:
            return


async def test_a_month_of_somebody_without_entries_is_empty(work: Work, clock: FixedClock) -> None:
    """All balances are zero, no kind is listed, and no month is named."""
    mei, lin = await some_members(clock, 2)
    await earn(work, lin, 7)
    found = await months_by_member_ids([mei, lin], "POINTS", date(2026, 3, 1))
    assert (found[mei].opening, found[mei].closing, found[mei].kinds) == (NOTHING, NOTHING, ())
    assert found[lin].kinds == (KindSum("ACCRUAL", 1, 7, 0),)
    assert await active_months([mei, lin], "POINTS") == {lin: [date(2026, 3, 1)]}


async def test_growth_has_months_of_its_own(work: Work, clock: FixedClock) -> None:
    """The months of one account know nothing of the other."""
    mei = await a_member(clock)
    await earn(work, mei, 7)
    clock.advance(timedelta(days=31))
    await work.perform(MOVE, Grow(member_id=mei, growth=50, source="g1"))
    await work.perform(MOVE, Grow(member_id=mei, growth=-20, source="g2"))
    april = (await months_by_member_ids([mei], "GROWTH", date(2026, 4, 1)))[mei]
    assert (april.points_in, april.points_out, april.closing) == (50, 20, Buckets(30, 0, 0, 0))
    assert await active_months([mei], "GROWTH") == {mei: [date(2026, 4, 1)]}
    assert await active_months([mei], "POINTS") == {mei: [date(2026, 3, 1)]}


async def test_clocks_that_differ_change_no_sum(work: Work, clock: FixedClock) -> None:
    """Where days run back around a month's end, every entry is in exactly one month and the sums still meet."""
    mei = await a_member(clock)
    for number in range(30):
        skew = timedelta(days=1) if number % 2 else timedelta(0)
        clock.set(datetime.fromisoformat("2026-01-30T08:00:00+08:00") + number * timedelta(hours=3) + skew)
        await earn(work, mei, number + 1)
    await agree(mei, JANUARY, date(2026, 2, 1), date(2026, 3, 1))
    days = Counter(row["business_date"].month for row in await all_rows(mei))
    assert min(days[1], days[2]) > 3


async def test_what_expires_counts_in_the_month_of_its_last_day(work: Work, clock: FixedClock) -> None:
    """Points that are good until 31 March expire in March, though the instant is the first of April."""
    mei = await a_member(clock)
    await earn(a_work(clock, PointsPolicy(Expiry(1, "day", "month"))), mei, 40)
    await earn(a_work(clock, PointsPolicy(Expiry(1, "month", "month"))), mei, 9)
    march, april = date(2026, 3, 1), date(2026, 4, 1)
    assert await expiring_in_month([mei], march, clock.now(), Calendar()) == {mei: 40}
    assert await expiring_in_month([mei], april, clock.now(), Calendar()) == {mei: 9}
    clock.set(datetime.fromisoformat("2026-04-01T00:00:00+08:00"))
    assert await expiring_in_month([mei], march, clock.now(), Calendar()) == {}
    assert (await account(mei))["available"] == 49
