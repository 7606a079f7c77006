"""Claw-back: in which order lots are reached, how far a policy goes, and what is said about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.points.errors import InsufficientPoints
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import a_member, a_work, balance, booked, claw_back, done, earn, entries, give_back, lots, spend
from tests.moves import MOVE, ClawBack, Earn, Moved, move_verb


@pytest.mark.parametrize(
    ("reach", "after", "forgiven"),
    [
        ("TO_DEBT", Moved(4, 100, 0, 5, 35), None),
        ("TO_ZERO", Moved(4, 65, 0, 5, 0), 35),
        ("PENDING_ONLY", Moved(4, 30, 35, 5, 0), 70),
    ],
)
async def test_a_policy_says_how_far_a_claw_back_goes(
    work: Work, clock: FixedClock, reach: Any, after: Moved, forgiven: int | None
) -> None:
    """100 revoked where 30 of the line wait, 5 of another order wait and 35 are usable; the entry says what was
    forgiven."""
    mei, order = await a_member(clock), new_id()
    waiting = a_work(clock, PointsPolicy(activation_days=5))
    await earn(waiting, mei, 30, order_id=order, portions=((0, 30),))
    await earn(waiting, mei, 5, order_id=new_id())
    await earn(work, mei, 35)
    policy = PointsPolicy(claw_back=reach)
    assert await claw_back(a_work(clock, policy), mei, 100, order_id=order, order_line=0) == after
    (row,) = await fetch("SELECT trace FROM entry WHERE member_id = $1 AND seq = 4", mei)
    assert orjson.loads(row["trace"]).get("forgiven") == forgiven


async def test_a_claw_back_that_finds_nothing_still_says_so(work: Work, clock: FixedClock) -> None:
    """Under a policy that only reaches waiting points, an entry of zero tells that all was forgiven."""
    mei = await a_member(clock, points=50)
    lenient = a_work(clock, PointsPolicy(claw_back="PENDING_ONLY"))
    assert await claw_back(lenient, mei, 40, order_id=new_id()) == Moved(2, 0, 50, 0, 0)
    (row,) = await fetch("SELECT trace FROM entry WHERE member_id = $1 AND seq = 2", mei)
    assert orjson.loads(row["trace"]) == {"rule": "test", "forgiven": 40}
    assert await entries(mei) == [("ACCRUAL", 50), ("CLAW_BACK", 0)]


async def test_a_claw_back_goes_line_order_others_debt(work: Work, clock: FixedClock) -> None:
    """Waiting points of the line, of the order, then usable ones of the line, of the order, of others by expiry."""
    mei, order = await a_member(clock), new_id()
    waiting = a_work(clock, PointsPolicy(activation_days=5))
    await earn(a_work(clock, PointsPolicy(Expiry(9, "day"))), mei, 1)
    await earn(a_work(clock, PointsPolicy(Expiry(3, "day"))), mei, 2)
    await earn(work, mei, 12, order_id=order, portions=((0, 4), (1, 8)))
    await earn(waiting, mei, 48, order_id=order, portions=((0, 16), (1, 32)))
    steps: list[tuple[int, list[int]]] = []
    for points in (32, 16, 8, 4, 2, 1, 7):
        moved = await claw_back(work, mei, points, order_id=order, order_line=1)
        steps.append((moved.debt, await lots(mei)))
    assert steps == [
        (0, [2, 1, 4, 8, 16]), (0, [2, 1, 4, 8]), (0, [2, 1, 4]), (0, [2, 1]), (0, [1]), (0, []), (7, []),
    ]  # fmt: skip


async def test_waiting_points_of_other_orders_are_left_alone(work: Work, clock: FixedClock) -> None:
    """What another order accrued and is not usable yet is not taken: the rest becomes debt and is repaid by it."""
    mei = await a_member(clock)
    waiting = a_work(clock, PointsPolicy(activation_days=1))
    await earn(waiting, mei, 50, order_id=new_id())
    assert await claw_back(work, mei, 20, order_id=new_id()) == Moved(2, 20, 0, 50, 20)
    clock.advance(timedelta(days=1))
    now = await balance(work, mei)
    assert (now.available, now.pending, now.debt) == (30, 0, 0)


async def test_debt_blocks_spending_and_is_named(work: Work, clock: FixedClock) -> None:
    """Who owes 7 and wants 5 misses 12."""
    mei = await a_member(clock)
    await claw_back(work, mei, 7)
    with pytest.raises(InsufficientPoints) as refusal:
        await spend(work, mei, 5)
    assert refusal.value.fields() == {"required": 5, "available": 0, "debt": 7, "missing": 12}
    assert await booked(mei) == (0, 0, 7)


@pytest.mark.parametrize(("earned", "after"), [(6, (0, 0, 1)), (7, (0, 0, 0)), (8, (1, 0, 0))])
async def test_an_accrual_repays_debt_first(
    work: Work, clock: FixedClock, earned: int, after: tuple[int, int, int]
) -> None:
    """What is owed is taken from the accrual within its own entry."""
    mei = await a_member(clock)
    await claw_back(work, mei, 7)
    await earn(work, mei, earned)
    assert await booked(mei) == after
    assert await entries(mei) == [("CLAW_BACK", -7), ("ACCRUAL", earned)]


async def test_an_accrual_over_several_lines_repays_from_the_first_on(work: Work, clock: FixedClock) -> None:
    """Debt of 7 takes the line of 5 and two of the next."""
    mei = await a_member(clock)
    await claw_back(work, mei, 7)
    await earn(work, mei, 12, order_id=new_id(), portions=((0, 5), (1, 3), (2, 4)))
    assert await lots(mei) == [1, 4]


async def test_a_claw_back_reaches_lots_beyond_the_loaded_ones(work: Work, clock: FixedClock) -> None:
    """The order's own lot is found behind seventy lots that expire sooner."""
    mei, order = await a_member(clock), new_id()
    await earn(work, mei, 50, order_id=order)
    soon = a_work(clock, PointsPolicy(Expiry(9, "day")))
    done(await soon.perform_all(MOVE, [Earn(member_id=mei, points=1, source=f"{n}") for n in range(70)]))
    done(await work.perform_all(move_verb(1), [ClawBack(member_id=mei, points=50, order_id=order, source="x")]))
    assert await lots(mei) == [1] * 70


async def test_lifetime_figures_add_up(work: Work, clock: FixedClock) -> None:
    """Accrued − redeemed − expired − revoked is what is there less what is owed, whatever happened."""
    mei = await a_member(clock, points=100)
    taken = await spend(work, mei, 60)
    await give_back(work, mei, taken.seq)
    await claw_back(work, mei, 130)
    await earn(a_work(clock, PointsPolicy(Expiry(1, "day"))), mei, 50)
    clock.advance(timedelta(days=9))
    now = await balance(work, mei)
    assert (now.accrued, now.redeemed, now.expired, now.revoked) == (150, 0, 20, 130)
    assert now.accrued - now.redeemed - now.expired - now.revoked == now.available + now.pending - now.debt == 0
