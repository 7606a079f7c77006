"""Holds: points reserved for an order, captured once, released in full, never used twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.errors import IdempotencyConflict, InvalidInput, NotFound
from gamification.core.work import Work
from gamification.points import service
from gamification.points.errors import CaptureExceedsHold, HoldCaptured, InsufficientPoints, OrderAlreadyHeld
from gamification.points.rules import DeductionPolicy, Expiry, PointsPolicy
from gamification.points.service import HoldAnswer, HoldPoints
from tests.builders import (
    FOR_EVER,
    a_crowd_of_connections,
    a_member,
    a_work,
    account,
    assert_invariants,
    balance,
    booked,
    claw_back,
    dump,
    earn,
    entries,
    lots,
    spend,
)
from tests.databases import Database
from tests.points.stories import tell

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
PAYING = DeductionPolicy(hold_minutes=30)


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """Points that never expire, and holds of half an hour; the books agree in the end."""
    yield a_work(clock, FOR_EVER, PAYING)
    await assert_invariants()


def living(work: Work, days: int) -> Work:
    """The same surroundings with points that live so many days."""
    return a_work(work.clock, PointsPolicy(Expiry(days, "day")), PAYING)


async def hold(work: Work, member_id: UUID, points: int, order: str = "o1", **given: object) -> HoldAnswer:
    command = HoldPoints(member_id=member_id, actor=SYSTEM, order_external_id=order, points=points, **given)  # type: ignore[arg-type]
    return await service.hold_points(work, command)


async def capture(work: Work, held: HoldAnswer, points: int | None = None) -> HoldAnswer:
    return await service.capture_hold(work, member_id=held.member_id, seq=held.seq, points=points, actor=SYSTEM)


async def release(work: Work, held: HoldAnswer) -> HoldAnswer:
    return await service.release_hold(work, member_id=held.member_id, seq=held.seq, actor=SYSTEM)


async def state(held: HoldAnswer) -> tuple[str, int, int]:
    """What is written of a hold: its state, points captured and released."""
    rows = await fetch(
        "SELECT state, captured, released FROM points_hold WHERE member_id = $1 AND seq = $2", held.member_id, held.seq
    )
    return tuple(rows[0])


async def test_held_points_are_reserved_and_nobody_else_can_use_them(work: Work, clock: FixedClock) -> None:
    """Of 100 points 60 are held: 40 are available, 41 are refused, and the total is what it was."""
    mei = await a_member(clock, points=100)
    held = await hold(work, mei, 60)
    assert (held.state, held.available, held.held, held.changed) == ("ACTIVE", 40, 60, True)
    assert held.expires_at == clock.now() + 30 * MINUTE
    with pytest.raises(InsufficientPoints) as refusal:
        await spend(work, mei, 41)
    assert (refusal.value.required, refusal.value.available, refusal.value.missing) == (41, 40, 1)
    assert await entries(mei) == [("ACCRUAL", 100), ("HOLD", 0)] and await lots(mei) == [40]


async def test_a_capture_redeems_a_part_and_releases_the_rest(work: Work, clock: FixedClock) -> None:
    """60 held, 45 captured: 15 come back, and the member has used 45 points."""
    mei = await a_member(clock, points=100)
    captured = await capture(work, await hold(work, mei, 60), 45)
    assert (captured.state, captured.captured, captured.released, captured.available) == ("CAPTURED", 45, 15, 55)
    assert await entries(mei) == [("ACCRUAL", 100), ("HOLD", 0), ("CAPTURE", -45), ("RELEASE", 0)]
    assert ((await balance(work, mei)).redeemed, (await balance(work, mei)).held) == (45, 0)


async def test_the_same_capture_again_changes_nothing_and_another_is_refused(work: Work, clock: FixedClock) -> None:
    """A till that did not hear the answer asks again; asking for something else, it reads what was captured."""
    mei = await a_member(clock, points=100)
    held = await hold(work, mei, 60)
    first = await capture(work, held, 45)
    before = await dump()
    again = await capture(work, held, 45)
    assert (again.changed, again.captured, again.seq) == (False, 45, first.seq)
    with pytest.raises(HoldCaptured) as refusal:
        await capture(work, held, 44)
    assert (refusal.value.requested, refusal.value.captured, refusal.value.restored) == (44, 45, 0)
    with pytest.raises(HoldCaptured):
        await release(work, held)
    assert await dump() == before


async def test_no_more_is_captured_than_was_held(work: Work, clock: FixedClock) -> None:
    """61 of 60 are refused with both figures, though 100 are there; the hold stays."""
    mei = await a_member(clock, points=100)
    held = await hold(work, mei, 60)
    with pytest.raises(CaptureExceedsHold) as refusal:
        await capture(work, held, 61)
    assert (refusal.value.requested, refusal.value.held) == (61, 60)
    assert await state(held) == ("ACTIVE", 0, 0) and await booked(mei) == (40, 0, 0)


async def test_a_release_gives_everything_back_once(work: Work, clock: FixedClock) -> None:
    """Released points are in the lots they came from; a second release changes nothing and says so."""
    mei = await a_member(clock)
    for points in (5, 10, 100):
        await earn(work, mei, points)
    held = await hold(work, mei, 12)
    assert await lots(mei) == [3, 100]
    assert ((await release(work, held)).changed, await lots(mei)) == (True, [5, 10, 100])
    assert ((await release(work, held)).changed, await state(held)) == (False, ("RELEASED", 0, 12))


async def test_a_hold_ends_by_itself_at_its_instant(work: Work, clock: FixedClock) -> None:
    """A microsecond before its end it holds; at its end the points are there for everybody, booked or not."""
    mei = await a_member(clock, points=100)
    held = await hold(work, mei, 60, minutes=15)
    clock.advance(15 * MINUTE - timedelta(microseconds=1))
    assert (await balance(work, mei)).available == 40
    clock.advance(timedelta(microseconds=1))
    now = await balance(work, mei)
    assert (now.available, now.held, await booked(mei)) == (100, 0, (40, 0, 0))
    assert await service.book_due(work, [mei]) == []
    assert await state(held) == ("TIMED_OUT", 0, 60) and (await account(mei))["next_due_at"] is None
    rows = await fetch("SELECT kind, occurred_at FROM entry WHERE member_id = $1 ORDER BY seq DESC LIMIT 1", mei)
    assert [tuple(row) for row in rows] == [("RELEASE", held.expires_at)]


async def test_a_capture_after_the_end_holds_anew_where_the_points_are_still_there(
    work: Work, clock: FixedClock
) -> None:
    """A late till gets its points by a new hold in the same transaction; asking again changes nothing."""
    mei = await a_member(clock, points=100)
    held = await hold(work, mei, 60, minutes=15)
    clock.advance(DAY)
    captured = await capture(work, held, 50)
    assert (captured.state, captured.captured, captured.available) == ("CAPTURED", 50, 50) and captured.seq != held.seq
    assert ((await capture(work, held, 50)).changed, (await capture(work, held, 50)).seq) == (False, captured.seq)
    assert await entries(mei) == [
        ("ACCRUAL", 100), ("HOLD", 0), ("RELEASE", 0), ("HOLD", 0), ("CAPTURE", -50),
    ]  # fmt: skip


async def test_a_capture_after_the_end_is_refused_where_the_points_are_gone(work: Work, clock: FixedClock) -> None:
    """What was used meanwhile is not taken twice: the refusal says what is there, and nothing changes."""
    mei = await a_member(clock, points=100)
    held = await hold(work, mei, 60, minutes=15)
    clock.advance(DAY)
    await spend(work, mei, 70)
    before = await dump()
    with pytest.raises(InsufficientPoints) as refusal:
        await capture(work, held)
    assert (refusal.value.required, refusal.value.available) == (60, 30)
    assert await dump() == before


async def test_an_order_has_one_active_hold(work: Work, clock: FixedClock) -> None:
    """A second hold of the same order is refused with what stands, the member's own or another's; later it is free."""
    mei, lan = await a_member(clock, points=100), await a_member(clock, points=100)
    held = await hold(work, mei, 60, minutes=15)
    for member in (mei, lan):
        with pytest.raises(OrderAlreadyHeld) as refusal:
            await hold(work, member, 5)
        assert (refusal.value.points, refusal.value.expires_at) == (60, held.expires_at)
    clock.advance(15 * MINUTE)
    assert (await hold(work, lan, 5)).available == 95
    assert await state(held) == ("TIMED_OUT", 0, 60)


async def test_the_same_key_holds_once(work: Work, clock: FixedClock) -> None:
    """A repeated request is answered with the same hold; another request under its key is refused."""
    mei = await a_member(clock, points=100)
    first = await hold(work, mei, 60, key="k")
    assert await hold(work, mei, 60, key="k") == first
    with pytest.raises(IdempotencyConflict):
        await hold(work, mei, 61, key="k")
    assert await booked(mei) == (40, 0, 0)


async def test_a_claw_back_never_takes_held_points(work: Work, clock: FixedClock) -> None:
    """With 60 of 100 held, 70 revoked take the 40 that are free and leave a debt of 30; a release repays it first."""
    mei = await a_member(clock, points=100)
    held = await hold(work, mei, 60)
    await claw_back(work, mei, 70)
    assert await booked(mei) == (0, 0, 30)
    released = await release(work, held)
    assert (released.available, released.held, await booked(mei)) == (30, 0, (30, 0, 0))


async def test_in_debt_nothing_can_be_held(work: Work, clock: FixedClock) -> None:
    """A member in debt has nothing available; the refusal counts the debt as missing."""
    mei = await a_member(clock)
    await claw_back(work, mei, 10)
    with pytest.raises(InsufficientPoints) as refusal:
        await hold(work, mei, 5)
    assert (refusal.value.debt, refusal.value.missing) == (10, 15)


async def test_a_preview_is_the_same_decision_not_written(work: Work, clock: FixedClock) -> None:
    """Previews of hold, capture and release say what then happens, to the point, and write nothing."""
    mei = await a_member(clock, points=100)
    command = HoldPoints(member_id=mei, actor=SYSTEM, order_external_id="o1", points=60)
    before = await dump()
    seen = (await service.preview_hold(work, command)).outcome()
    assert await dump() == before
    held = await service.hold_points(work, command)
    assert seen == held
    before = await dump()
    capturing = await service.preview_capture(work, member_id=mei, seq=held.seq, points=45, actor=SYSTEM)
    releasing = await service.preview_release(work, member_id=mei, seq=held.seq, actor=SYSTEM)
    assert (releasing.outcome().available, await dump()) == (100, before)
    assert capturing.outcome() == await capture(work, held, 45)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"points": 0}, "points"),
        ({"points": 2**53}, "points"),
        ({"points": 5, "order": ""}, "orderExternalId"),
        ({"points": 5, "order": "a\nb"}, "orderExternalId"),
        ({"points": 5, "order": "x" * 101}, "orderExternalId"),
        ({"points": 5, "minutes": 0}, "minutes"),
        ({"points": 5, "minutes": 10_081}, "minutes"),
        ({"points": 5, "store": ""}, "store"),
        ({"points": 5, "store": "x" * 41}, "store"),
        ({"points": 5, "store": "a\tb"}, "store"),
    ],
)
async def test_a_hold_out_of_its_bounds_is_refused(
    work: Work, clock: FixedClock, given: dict[str, int | str], field: str
) -> None:
    """The refusal names the field; nothing is written."""
    mei, before = await a_member(clock, points=100), await dump()
    with pytest.raises(InvalidInput) as refusal:
        await hold(work, mei, **given)  # type: ignore[arg-type]
    assert refusal.value.field == field and await dump() == before


async def test_an_unknown_hold_is_not_found(work: Work, clock: FixedClock) -> None:
    """Neither a seq that is no hold nor another member's hold can be ended."""
    mei, lan = await a_member(clock, points=100), await a_member(clock, points=100)
    held = await hold(work, mei, 60)
    for member, seq in ((mei, 1), (lan, held.seq)):
        with pytest.raises(NotFound):
            await service.release_hold(work, member_id=member, seq=seq, actor=SYSTEM)
    assert await state(held) == ("ACTIVE", 0, 0)


OVERTAKEN_BY_EXPIRY = """
step                       | available | pending | debt | lots
earn 100                   | 100       | 0       | 0    | 100
hold 60                    | 40        | 0       | 0    | 40
3 days pass                | 0         | 0       | 0    | 40
release                    | 0         | 0       | 0    | none
"""

CAPTURED_AFTER_EXPIRY = """
step                       | available | pending | debt | lots
earn 100                   | 100       | 0       | 0    | 100
hold 60                    | 40        | 0       | 0    | 40
3 days pass                | 0         | 0       | 0    | 40
capture 45                 | 0         | 0       | 0    | none
"""

TIMED_OUT = """
step                       | available | pending | debt | lots
earn 100                   | 100       | 0       | 0    | 100
hold 60                    | 40        | 0       | 0    | 40
20 days pass               | 0         | 0       | 0    | 40
book what is due           | 0         | 0       | 0    | none
"""

OWING = """
step                       | available | pending | debt | lots
earn 100                   | 100       | 0       | 0    | 100
hold 60                    | 40        | 0       | 0    | 40
revoke 90                  | 0         | 0       | 50   | none
capture 20                 | 0         | 0       | 10   | none
earn 25                    | 15        | 0       | 0    | 15
"""


@pytest.mark.parametrize(
    ("story", "days"),
    [(OVERTAKEN_BY_EXPIRY, 2), (CAPTURED_AFTER_EXPIRY, 2), (TIMED_OUT, 2), (OWING, 365)],
    ids=["released after its lot's end", "captured after its lot's end", "timed out after both", "owing"],
)
async def test_a_story_of_holds(work: Work, clock: FixedClock, story: str, days: int) -> None:
    """After every step the balances and the lots are those of the table, and all invariants hold.

    What was held when its lot ended can still be captured; what comes back to that lot expires.
    """
    mei, ruled = await a_member(clock), living(work, days)
    held: list[HoldAnswer] = []

    async def step(words: str) -> object:
        match words.split():
            case ["earn", points]:
                return await earn(ruled, mei, int(points))
            case ["hold", points]:
                held.append(await hold(ruled, mei, int(points), minutes=10_080))
            case ["capture", points]:
                return await capture(ruled, held[-1], int(points))
            case ["release"]:
                return await release(ruled, held[-1])
            case ["revoke", points]:
                return await claw_back(ruled, mei, int(points))
            case ["book", *_]:
                return await service.book_due(ruled, [mei])
            case [number, *_]:
                clock.advance(int(number) * DAY)
        return None

    await tell(ruled, mei, story, step)


async def test_an_expired_lot_that_points_come_back_to_expires_again(work: Work, clock: FixedClock) -> None:
    """A lot expired with what was left of it, and again with what a release brought: two lines, not one twice."""
    mei, short = await a_member(clock), living(work, 2)
    await earn(short, mei, 100)
    held = await hold(short, mei, 60, minutes=10_080)
    clock.advance(3 * DAY)
    await release(short, held)
    assert await entries(mei) == [("ACCRUAL", 100), ("HOLD", 0), ("EXPIRY", -40), ("RELEASE", 0), ("EXPIRY", -60)]
    assert (await balance(work, mei)).expired == 100


async def test_two_tills_never_over_take_one_balance(database: Database, clock: FixedClock) -> None:
    """Twenty tills hold 15 of the same 100 points: six hold, the others read what is left; all sums are right."""
    async with a_crowd_of_connections(database):
        work, mei = a_work(clock, FOR_EVER, PAYING), await a_member(clock, points=100)
        outcomes = await asyncio.gather(*(hold(work, mei, 15, f"o{n}") for n in range(20)), return_exceptions=True)
        assert Counter(type(each).__name__ for each in outcomes) == {"HoldAnswer": 6, "InsufficientPoints": 14}
        assert ((await account(mei))["available"], (await account(mei))["held"]) == (10, 90)
        await assert_invariants()


async def test_one_order_is_held_once_however_many_ask(database: Database, clock: FixedClock) -> None:
    """Ten members' tills race for one order: one hold stands, nine read whose it is not."""
    async with a_crowd_of_connections(database):
        work = a_work(clock, FOR_EVER, PAYING)
        members = [await a_member(clock, points=100) for _ in range(10)]
        outcomes = await asyncio.gather(*(hold(work, each, 15) for each in members), return_exceptions=True)
        assert Counter(type(each).__name__ for each in outcomes) == {"HoldAnswer": 1, "OrderAlreadyHeld": 9}
        await assert_invariants()


async def test_capture_release_and_time_out_race_to_one_end(database: Database, clock: FixedClock) -> None:
    """Captures, releases and sweepers meet at a hold's end: it ends once, and no point is there twice or lost."""
    async with a_crowd_of_connections(database):
        work = a_work(clock, FOR_EVER, PAYING)
        for late in (False, True):
            mei = await a_member(clock, points=100)
            held = await hold(work, mei, 60, f"late {late}", minutes=15)
            clock.advance(15 * MINUTE if late else MINUTE)
            outcomes = await asyncio.gather(
                *(capture(work, held, 60) for _ in range(4)),
                *(release(work, held) for _ in range(4)),
                *(service.book_due(work, [mei]) for _ in range(4)),
                return_exceptions=True,
            )
            faults = [each for each in outcomes if isinstance(each, Exception) and not isinstance(each, HoldCaptured)]
            assert faults == [] and sum(isinstance(each, HoldAnswer) for each in outcomes[:4]) == 4
            now = await balance(work, mei)
            assert (now.available, now.held, now.redeemed) == (40, 0, 60)
            await assert_invariants()
