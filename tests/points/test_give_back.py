"""Restoration: points go back to the lots they came from."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.work import Work
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import a_member, a_work, balance, booked, claw_back, done, earn, entries, give_back, lots, spend
from tests.moves import MOVE, Earn, GiveBack, Moved

DAY = timedelta(days=1)


def living(work: Work, days: int | None) -> Work:
    return a_work(work.clock, PointsPolicy(Expiry(days, "day")))


async def expiries(work: Work, member_id: object) -> list[tuple[int, int | None]]:
    """Each open lot's points and how many whole days they have left."""
    rows = await fetch(
        """SELECT remaining, expires_at FROM lot WHERE member_id = $1 AND open
           ORDER BY expires_at, activates_at, seq, line""",
        member_id,
    )
    now = work.clock.now()
    return [(row["remaining"], (row["expires_at"] - now).days if row["expires_at"] else None) for row in rows]


async def test_points_go_back_to_the_lots_they_came_from(work: Work, clock: FixedClock) -> None:
    """A spending over three lots is undone lot by lot; nothing is new."""
    mei = await a_member(clock)
    for days, points in ((40, 5), (50, 10), (None, 100)):
        await earn(living(work, days), mei, points)
    taken = await spend(work, mei, 30)
    assert await lots(mei) == [85]
    assert await give_back(work, mei, taken.seq) == Moved(5, 30, 115, 0, 0)
    assert await expiries(work, mei) == [(5, 40), (10, 50), (100, None)]
    assert (await balance(work, mei)).redeemed == 0


async def test_what_comes_back_repays_debt_last_taken_first(work: Work, clock: FixedClock) -> None:
    """Of 30 given back 12 repay debt, taken from the lot that was used last."""
    mei = await a_member(clock)
    for days, points in ((40, 5), (50, 10), (60, 15)):
        await earn(living(work, days), mei, points)
    taken = await spend(work, mei, 30)
    await claw_back(work, mei, 12)
    assert await give_back(work, mei, taken.seq) == Moved(6, 30, 18, 0, 0)
    assert await lots(mei) == [5, 10, 3]


LIVES: list[tuple[int | None, int, bool, list[tuple[int, int | None]]]] = [
    (90, 0, False, [(10, 90)]),
    (29, 0, False, [(10, 30)]),
    (30, 0, False, [(10, 30)]),
    (29, 0, True, [(10, 29)]),
    (5, 20, False, [(10, 30)]),
    (5, 20, True, []),
    (None, 20, False, [(10, None)]),
    (None, 20, True, [(10, None)]),
]
"""Days that points live, days that pass, whether the member cancels; what is left, with its days."""


async def test_short_lived_points_get_thirty_days_unless_the_member_cancels(work: Work, clock: FixedClock) -> None:
    """Less than 30 days left or expired: a child lot of 30 days; enough left or no expiry: the lot itself; by the
    member's own cancellation never longer than before."""
    for lived, passed, by_member, left in LIVES:
        mei = await a_member(clock)
        await earn(living(work, lived), mei, 10)
        taken = await spend(work, mei, 10)
        clock.advance(passed * DAY)
        await give_back(work, mei, taken.seq, by_member=by_member)
        assert await expiries(work, mei) == left
        assert (await balance(work, mei)).available == sum(points for points, _ in left)


async def test_exactly_thirty_days_left_are_enough(work: Work, clock: FixedClock) -> None:
    """The boundary: at 30 days to the microsecond the lot itself takes them back, a microsecond later a child does."""
    mei = await a_member(clock)
    await earn(living(work, 60), mei, 10)
    one, other = await spend(work, mei, 4), await spend(work, mei, 6)
    clock.set(datetime.fromisoformat("2026-05-02T00:00+08:00") - 30 * DAY)
    await give_back(work, mei, one.seq)
    assert await expiries(work, mei) == [(4, 30)]
    clock.advance(timedelta(microseconds=1))
    await give_back(work, mei, other.seq)
    roots = await fetch("SELECT root_seq, remaining FROM lot WHERE member_id = $1 AND open ORDER BY expires_at", mei)
    assert [tuple(row) for row in roots] == [(None, 4), (1, 6)]


async def test_the_prolonged_life_of_a_lot_is_set_once(work: Work, clock: FixedClock) -> None:
    """What comes back later to the same lot lives as long as the first child; what comes back after that is gone."""
    mei = await a_member(clock)
    await earn(living(work, 5), mei, 30)
    taken = [await spend(work, mei, 10) for _ in range(3)]
    clock.advance(10 * DAY)
    await give_back(work, mei, taken[0].seq)
    assert await expiries(work, mei) == [(10, 30)]
    clock.advance(20 * DAY)
    await give_back(work, mei, taken[1].seq)
    assert await expiries(work, mei) == [(10, 10), (10, 10)]
    clock.advance(10 * DAY)
    assert await give_back(work, mei, taken[2].seq) == Moved(10, 10, 0, 0, 0)
    assert (await entries(mei))[-4:] == [("EXPIRY", -10), ("EXPIRY", -10), ("RESTORATION", 10), ("EXPIRY", -10)]


async def test_giving_back_one_by_one_and_in_one_batch_is_the_same(work: Work, clock: FixedClock) -> None:
    """Three takings from one expired lot come back alike, however the work is cut into batches."""
    results = []
    for whole in (True, False):
        mei = await a_member(clock)
        await earn(living(work, 5), mei, 30)
        taken = [await spend(work, mei, 10) for _ in range(3)]
        clock.advance(10 * DAY)
        commands = [GiveBack(member_id=mei, seq=each.seq, source=f"{each.seq}") for each in taken]
        for batch in [commands] if whole else [[each] for each in commands]:
            done(await work.perform_all(MOVE, batch))
        results.append((await booked(mei), await expiries(work, mei)))
    assert results[0] == results[1] == ((30, 0, 0), [(10, 30)] * 3)


async def test_a_child_is_not_extended_again(work: Work, clock: FixedClock) -> None:
    """Spending a prolonged lot and getting it back gives it no further days."""
    mei = await a_member(clock)
    await earn(living(work, 5), mei, 10)
    first = await spend(work, mei, 10)
    clock.advance(10 * DAY)
    await give_back(work, mei, first.seq)
    second = await spend(work, mei, 10)
    clock.advance(20 * DAY)
    await give_back(work, mei, second.seq)
    assert await expiries(work, mei) == [(10, 10)]


async def test_an_expired_child_expires_again(work: Work, clock: FixedClock) -> None:
    """What was spent from a child and comes back after its end is gone at once, and the books say so."""
    mei = await a_member(clock)
    await earn(living(work, 5), mei, 10)
    first = await spend(work, mei, 10)
    clock.advance(10 * DAY)
    await give_back(work, mei, first.seq)
    second = await spend(work, mei, 10)
    clock.advance(40 * DAY)
    assert await give_back(work, mei, second.seq) == Moved(6, 10, 0, 0, 0)
    assert (await entries(mei))[-2:] == [("RESTORATION", 10), ("EXPIRY", -10)]


async def test_a_partly_expired_lot_can_expire_again_and_again(work: Work, clock: FixedClock) -> None:
    """4 of 10 expire unused, 3 and 3 come back by the member's own cancellations: three expiries of one lot."""
    mei = await a_member(clock)
    await earn(living(work, 5), mei, 10)
    one, other = await spend(work, mei, 3), await spend(work, mei, 3)
    clock.advance(10 * DAY)
    for each in (one, other):
        await give_back(work, mei, each.seq, by_member=True)
    assert [points for kind, points in await entries(mei) if kind == "EXPIRY"] == [-4, -3, -3]
    (row,) = await fetch("SELECT expired, remaining FROM lot WHERE member_id = $1", mei)
    assert tuple(row) == (10, 0)


async def test_a_taking_is_given_back_once(work: Work, clock: FixedClock) -> None:
    """The source of a restoration is a natural key: the second is a fault and changes nothing."""
    mei = await a_member(clock, points=10)
    taken = await spend(work, mei, 10)
    await give_back(work, mei, taken.seq)
    with pytest.raises(asyncpg.UniqueViolationError):
        await give_back(work, mei, taken.seq)
    assert await booked(mei) == (10, 0, 0)


async def test_nothing_taken_is_nothing_given_back(work: Work, clock: FixedClock) -> None:
    """An accrual, or an entry that is not there, has taken nothing: no entry is posted."""
    mei = await a_member(clock, points=10)
    for seq in (1, 99):
        assert (await give_back(work, mei, seq)).points == 0
    assert await entries(mei) == [("ACCRUAL", 10)]


async def test_restored_and_spent_again_in_one_batch(work: Work, clock: FixedClock) -> None:
    """The running state of a batch knows what came back."""
    mei = await a_member(clock, points=10)
    taken = await spend(work, mei, 10)
    outcomes = await work.perform_all(
        MOVE,
        [GiveBack(member_id=mei, seq=taken.seq, source="x"), Earn(member_id=mei, points=1, source="y")],
    )
    assert outcomes == [Moved(3, 10, 10, 0, 0), Moved(4, 1, 11, 0, 0)] and await lots(mei) == [10, 1]
