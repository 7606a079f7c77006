"""Verbs with a price read no more lots than hold it, and decide as if they had read all."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gamification.core.clock import FixedClock
from gamification.core.draft import Price
from gamification.core.work import Work
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import FOR_EVER, a_member, a_work, assert_invariants, some_members
from tests.databases import Database
from tests.moves import MOVE, Earn, Moved, Spend
from tests.points.lives import a_work_under, ends_of, shanghai

DAY = timedelta(days=1)
LATE = PointsPolicy(activation_days=5, expiry=Expiry(12, "day"))
LONG = PointsPolicy(expiry=Expiry(30, "day"))
SHORT = PointsPolicy(expiry=Expiry(9, "day"))
SLIDING = PointsPolicy(expiry=Expiry(10, "day", sliding=True))


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs under a policy of points that never expire; the books agree in the end."""
    yield a_work(clock, FOR_EVER)
    await assert_invariants()


def priced(points: int, lots_max: int = 16) -> Any:
    """The test verb at a price."""
    price = Price("{price}", {"price": ("bigint", lambda commands, now: points)})
    return replace(MOVE, lots_max=lots_max, price=price, points_only=True)


async def _earn(work: Work, member_id: UUID, *points: int) -> None:
    moves = [Earn(member_id=member_id, points=each, source=f"{work.clock.now()}{n}") for n, each in enumerate(points)]
    await work.perform_all(MOVE, moves)


async def _read(work: Work, verb: Any, member_id: UUID, points: int) -> list[int]:
    """The originals of the lots that a spend read, in the order in which they came."""
    seen = await work.preview(verb, Spend(member_id=member_id, points=points, source="x"))
    return [lot.original for lot in sorted(seen.draft.lots_by_key.values(), key=lambda lot: lot.key)]


async def test_only_the_lots_that_hold_the_price_are_read(work: Work, clock: FixedClock) -> None:
    """Of lots of 3, 1, 4, 1 and 5 the first two hold 4 points, the first three 5; a lot more is for nothing."""
    mei = await a_member(clock)
    await _earn(work, mei, 3, 1, 4, 1, 5)
    assert [await _read(work, priced(price), mei, 1) for price in (1, 3, 4, 5, 14)] == [
        [3], [3], [3, 1], [3, 1, 4], [3, 1, 4, 1, 5],
    ]  # fmt: skip


async def test_who_costs_more_than_the_price_is_decided_over_all_lots(work: Work, clock: FixedClock) -> None:
    """A price that was put too low costs a second look, never a wrong answer."""
    mei = await a_member(clock)
    await _earn(work, mei, *[1] * 70)
    assert await work.perform(priced(5), Spend(member_id=mei, points=6, source="a")) == Moved(71, 6, 64, 0, 0)
    assert await work.perform(priced(64), Spend(member_id=mei, points=60, source="b")) == Moved(72, 60, 4, 0, 0)
    assert await work.perform(priced(1), Spend(member_id=mei, points=4, source="c")) == Moved(73, 4, 0, 0, 0)


async def test_a_price_that_is_not_known_reads_no_more_than_one_lot(work: Work, clock: FixedClock) -> None:
    """Where the price is that of nothing the verb refuses for that reason, or is decided over all lots."""
    mei = await a_member(clock)
    await _earn(work, mei, 3, 4)
    nothing = replace(priced(1), price=Price("(SELECT NULL::bigint)", {}))
    preview = await work.preview(nothing, Earn(member_id=mei, points=1, source="x"))
    assert len(preview.draft.lots_by_key) == 2  # the first of them, and the new one
    assert await work.perform(nothing, Spend(member_id=mei, points=5, source="x")) == Moved(3, 5, 2, 0, 0)


async def test_pending_lots_hold_no_price(database: Database, clock: FixedClock) -> None:
    """Points that cannot be used yet are passed over: the usable ones behind them are read as well."""
    work, mei = a_work_under(clock, LATE, ("03-03", LONG)), await a_member(clock)
    await _earn(work, mei, 8, 9)
    clock.set(shanghai("03-03T10:00"))
    await _earn(work, mei, 5, 6)
    assert await _read(work, priced(5), mei, 5) == [8, 9, 5]
    assert await work.perform(priced(5), Spend(member_id=mei, points=5, source="a")) == Moved(5, 5, 6, 17, 0)
    await assert_invariants()


async def test_what_is_due_is_booked_as_ever(database: Database, clock: FixedClock) -> None:
    """Where a lot has expired or become usable, the price does not keep it from being read."""
    work, mei = a_work_under(clock, LATE, ("03-03", LONG)), await a_member(clock)
    await _earn(work, mei, 8)
    clock.set(shanghai("03-03T10:00"))
    await _earn(work, mei, 5, 6)
    clock.set(shanghai("03-07T10:00"))
    assert await work.perform(priced(1), Spend(member_id=mei, points=9, source="a")) == Moved(5, 9, 10, 0, 0)
    assert [remaining for remaining, _ in await ends_of(mei)] == [0, 4, 6]
    await assert_invariants()


async def test_where_activity_renews_lives_a_price_keeps_no_lot_away(database: Database, clock: FixedClock) -> None:
    """Under a sliding life all lots are read at once, and renewed."""
    work, mei = a_work_under(clock, SLIDING), await a_member(clock)
    await _earn(work, mei, 1, 2, 3)
    clock.set(shanghai("03-05T10:00"))
    assert await _read(work, priced(1), mei, 1) == [1, 2, 3]
    await work.perform(priced(1), Spend(member_id=mei, points=1, source="a"))
    assert await ends_of(mei) == [(0, "03-16"), (2, "03-16"), (3, "03-16")]
    await assert_invariants()


@pytest.mark.parametrize("seed", range(6))
async def test_a_member_at_a_price_fares_as_one_whose_lots_are_all_read(
    database: Database, clock: FixedClock, seed: int
) -> None:
    """Forty moves under changing policies, twins side by side: equal answers, equal lots."""
    chance = random.Random(seed)
    work = a_work_under(clock, LATE, ("03-06", SHORT), ("03-11", LONG), ("03-20", LATE))
    twins = await some_members(clock, 2)
    for number in range(40):
        kind, points = chance.choice([Earn, Earn, Spend]), chance.randint(1, 12)
        verbs = (priced(chance.choice([1, points]), chance.choice([1, 2, 16])), MOVE)
        outcomes = [
            (await work.perform_all(verb, [kind(member_id=each, points=points, source=f"{number}")]))[0]
            for verb, each in zip(verbs, twins, strict=True)
        ]
        assert repr(outcomes[0]) == repr(outcomes[1])
        clock.set(clock.now().astimezone(shanghai("03-02").tzinfo) + chance.choice([0, 0, 1, 2]) * DAY)
    assert await ends_of(twins[0]) == await ends_of(twins[1])
    await assert_invariants()
