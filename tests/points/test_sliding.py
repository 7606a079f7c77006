"""Sliding expiry: the member's activity counts the life of points anew; nothing else does."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.work import LOTS_ALL, Work
from gamification.points import service
from gamification.points.errors import InsufficientPoints
from gamification.points.rules import DeductionPolicy, Expiry, PointsPolicy
from tests.adjustments.builders import LIMITS, adjust, hire
from tests.builders import (
    EARNING,
    TIERS,
    a_member,
    account,
    balance,
    booked,
    claw_back,
    done,
    earn,
    entries,
    give_back,
    some_members,
    spend,
)
from tests.moves import MOVE, Earn, Moved, Spend, move_verb
from tests.points.lives import a_work_under, ends_of, shanghai, versions_of

SLIDING = PointsPolicy(Expiry(10, "day", sliding=True))
FIXED = PointsPolicy(Expiry(10, "day"))


def living(clock: FixedClock, *policies: PointsPolicy | tuple[str | None, PointsPolicy]) -> Work:
    """Work under these points policies, in which orders may be paid with points."""
    work = a_work_under(clock, *policies)
    dated = [each if isinstance(each, tuple) else (None, each) for each in policies]
    work.policies = versions_of(*dated, others=(EARNING, TIERS, DeductionPolicy()))
    return work


async def test_every_activity_counts_life_anew(work: Work, clock: FixedClock) -> None:
    """An accrual and a redemption move the end of all points to ten days from that day; reading moves nothing."""
    sliding, mei = living(clock, SLIDING), await a_member(clock)
    await earn(sliding, mei, 10)
    assert await ends_of(mei) == [(10, "03-13")]
    clock.set(shanghai("03-05T10:00"))
    await earn(sliding, mei, 20)
    assert await ends_of(mei) == [(10, "03-16"), (20, "03-16")]
    clock.set(shanghai("03-09T10:00"))
    assert (await balance(sliding, mei)).available == 30 and await ends_of(mei) == [(10, "03-16"), (20, "03-16")]
    await spend(sliding, mei, 5)
    assert await ends_of(mei) == [(5, "03-20"), (20, "03-20")]
    clock.set(shanghai("03-20"))
    assert (await balance(sliding, mei)).available == 0
    assert await service.book_due(sliding, [mei]) == []
    assert await entries(mei) == [
        ("ACCRUAL", 10), ("ACCRUAL", 20), ("REDEMPTION", -5), ("EXPIRY", -5), ("EXPIRY", -20),
    ]  # fmt: skip


async def test_what_has_ended_does_not_come_back_to_life(work: Work, clock: FixedClock) -> None:
    """Activity on the first day after the last valid one finds the points gone."""
    sliding, mei = living(clock, SLIDING), await a_member(clock)
    await earn(sliding, mei, 10)
    clock.set(shanghai("03-13"))
    await earn(sliding, mei, 1)
    assert await ends_of(mei) == [(0, "03-13"), (1, "03-24")]


async def test_the_soonest_end_is_used_first_as_it_stood(work: Work, clock: FixedClock) -> None:
    """Points of several versions: what would have ended first goes first, and only then life is counted anew."""
    sliding = living(clock, PointsPolicy(Expiry(5, "day")), ("03-03", SLIDING), ("03-04", FIXED))
    mei = await a_member(clock)
    await earn(sliding, mei, 1)
    clock.set(shanghai("03-03T10:00"))
    await earn(sliding, mei, 10)
    clock.set(shanghai("03-04T10:00"))
    await earn(sliding, mei, 100)
    assert await ends_of(mei) == [(1, "03-08"), (10, "03-15"), (100, "03-15")]
    clock.set(shanghai("03-06T10:00"))
    await spend(sliding, mei, 3)
    assert await ends_of(mei) == [(0, "03-08"), (8, "03-17"), (100, "03-15")]


async def test_a_policy_that_slides_no_more_lets_its_lots_slide_on(work: Work, clock: FixedClock) -> None:
    """Lots obey the version that they were accrued under: older ones never slide, sliding ones always do."""
    sliding = living(clock, FIXED, ("03-04", SLIDING), ("03-06", FIXED))
    mei = await a_member(clock)
    await earn(sliding, mei, 1)
    clock.set(shanghai("03-04T10:00"))
    await earn(sliding, mei, 10)
    clock.set(shanghai("03-07T10:00"))
    await earn(sliding, mei, 100)
    assert await ends_of(mei) == [(1, "03-13"), (10, "03-18"), (100, "03-18")]
    clock.set(shanghai("03-08T10:00"))
    await spend(sliding, mei, 1)
    assert await ends_of(mei) == [(0, "03-13"), (10, "03-19"), (100, "03-18")]


async def test_what_the_member_did_not_do_is_no_activity(work: Work, clock: FixedClock) -> None:
    """A claw-back, what comes back, what activates and what ends leave every other end where it was."""
    sliding, mei = living(clock, PointsPolicy(Expiry(40, "day", sliding=True))), await a_member(clock)
    await earn(sliding, mei, 10)
    await earn(sliding, mei, 20)
    taken = await spend(sliding, mei, 4)
    assert await ends_of(mei) == [(6, "04-12"), (20, "04-12")]
    clock.set(shanghai("03-04T10:00"))
    await claw_back(sliding, mei, 1)
    assert await ends_of(mei) == [(5, "04-12"), (20, "04-12")]
    await give_back(sliding, mei, taken.seq)
    assert await ends_of(mei) == [(9, "04-12"), (20, "04-12")]
    assert await service.book_due(sliding, [mei]) == [] and await ends_of(mei) == [(9, "04-12"), (20, "04-12")]


async def test_staff_who_adjust_points_are_not_the_member(work: Work, clock: FixedClock) -> None:
    """Points that staff add or take off renew nothing; what they added lives and slides like any other."""
    sliding, mei = living(clock, SLIDING), await a_member(clock)
    sliding.policies = versions_of((None, SLIDING), others=(EARNING, TIERS, LIMITS))
    staff = await hire(clock, "wang")
    await earn(sliding, mei, 10)
    clock.set(shanghai("03-04T10:00"))
    await adjust(sliding, mei, 5, staff)
    assert await ends_of(mei) == [(10, "03-13"), (5, "03-15")]
    clock.set(shanghai("03-05T10:00"))
    await adjust(sliding, mei, -3, staff)
    assert await ends_of(mei) == [(7, "03-13"), (5, "03-15")]
    await spend(sliding, mei, 1)
    assert await ends_of(mei) == [(6, "03-16"), (5, "03-16")]


async def test_pending_points_begin_to_live_when_they_activate(work: Work, clock: FixedClock) -> None:
    """Activity before their activation neither shortens nor lengthens what waits."""
    waiting = PointsPolicy(Expiry(10, "day", sliding=True), activation_days=4)
    sliding, mei = living(clock, waiting), await a_member(clock)
    await earn(sliding, mei, 10)
    clock.set(shanghai("03-04T10:00"))
    await earn(sliding, mei, 20)
    assert await ends_of(mei) == [(10, "03-17"), (20, "03-19")]
    clock.set(shanghai("03-07T10:00"))
    await earn(sliding, mei, 1)
    assert await ends_of(mei) == [(10, "03-18"), (20, "03-19"), (1, "03-22")]


async def test_a_hold_is_no_activity_but_what_it_took_lives_on_with_the_rest(work: Work, clock: FixedClock) -> None:
    """Points that are held when the member is active come back with the life that activity gave them."""
    sliding, mei = living(clock, SLIDING), await a_member(clock)
    await earn(sliding, mei, 10)
    clock.set(shanghai("03-12T10:00"))
    hold = await held(sliding, mei, 10)
    assert await ends_of(mei) == [(0, "03-13")]
    await earn(sliding, mei, 1)
    assert await ends_of(mei) == [(0, "03-23"), (1, "03-23")]
    clock.set(shanghai("03-14T10:00"))
    await service.release_hold(sliding, member_id=mei, seq=hold, actor=SYSTEM)
    assert (await booked(mei), await ends_of(mei)) == ((11, 0, 0), [(10, "03-23"), (1, "03-23")])


async def test_a_capture_is_a_redemption_and_an_activity(work: Work, clock: FixedClock) -> None:
    """What is released with it, and what is left, lives from the day of the capture."""
    sliding, mei = living(clock, SLIDING), await a_member(clock)
    await earn(sliding, mei, 10)
    await earn(sliding, mei, 20)
    clock.set(shanghai("03-04T10:00"))
    hold = await held(sliding, mei, 15)
    assert await ends_of(mei) == [(0, "03-13"), (15, "03-13")]
    await service.capture_hold(sliding, member_id=mei, seq=hold, points=8, actor=SYSTEM)
    assert await ends_of(mei) == [(2, "03-15"), (20, "03-15")]


async def held(work: Work, member_id: UUID, points: int) -> int:
    """The seq of a hold of three days."""
    command = service.HoldPoints(
        member_id=member_id, actor=SYSTEM, key=f"{points}", order_external_id="H", points=points, minutes=3 * 24 * 60
    )
    return (await service.hold_points(work, command)).seq


async def test_what_a_redemption_used_up_comes_back_with_the_life_of_that_day(work: Work, clock: FixedClock) -> None:
    """The redemption was an activity for what it used as well; later activity renews only what is there."""
    sliding, mei = living(clock, PointsPolicy(Expiry(40, "day", sliding=True))), await a_member(clock)
    await earn(sliding, mei, 10)
    clock.set(shanghai("03-05T10:00"))
    taken = await spend(sliding, mei, 10)
    assert await ends_of(mei) == [(0, "04-15")]
    clock.set(shanghai("03-08T10:00"))
    await earn(sliding, mei, 1)
    await give_back(sliding, mei, taken.seq)
    assert await ends_of(mei) == [(10, "04-15"), (1, "04-18")]


async def test_a_child_of_what_came_back_slides_as_its_root_would(work: Work, clock: FixedClock) -> None:
    """Restored points that were given thirty days of their own are renewed by the next activity."""
    sliding, mei = living(clock, PointsPolicy(Expiry(40, "day", sliding=True))), await a_member(clock)
    await earn(sliding, mei, 10)
    taken = await spend(sliding, mei, 10)
    clock.set(shanghai("04-10T10:00"))
    await give_back(sliding, mei, taken.seq)
    assert await ends_of(mei) == [(0, "04-12"), (10, "05-10T10:00")]
    clock.set(shanghai("04-20T10:00"))
    await spend(sliding, mei, 1)
    assert await ends_of(mei) == [(0, "04-12"), (9, "05-31")]


async def test_a_refused_redemption_is_no_activity(work: Work, clock: FixedClock) -> None:
    """What was not done renews nothing."""
    sliding, mei = living(clock, SLIDING), await a_member(clock)
    await earn(sliding, mei, 10)
    clock.set(shanghai("03-05T10:00"))
    with pytest.raises(InsufficientPoints):
        await spend(sliding, mei, 11)
    assert await ends_of(mei) == [(10, "03-13")]


@pytest.mark.parametrize("lots_max", [0, 1, 64, LOTS_ALL])
async def test_all_lots_slide_however_few_were_loaded(work: Work, clock: FixedClock, lots_max: int) -> None:
    """Seventy lots and a verb that reads none, one or some of them: it is decided again over all."""
    sliding, mei = living(clock, SLIDING), await a_member(clock)
    done(await sliding.perform_all(MOVE, [Earn(member_id=mei, points=1, source=f"{n}") for n in range(70)]))
    clock.set(shanghai("03-05T10:00"))
    await sliding.perform(move_verb(lots_max), Earn(member_id=mei, points=1, source="x"))
    assert await ends_of(mei) == [(1, "03-16")] * 71


async def test_several_moves_of_one_batch_slide_as_one_by_one(work: Work, clock: FixedClock) -> None:
    """Earned and spent together or one after the other, by two members: the ends are the same."""
    sliding, (mei, lan) = living(clock, SLIDING), await some_members(clock, 2)
    for member_id in (mei, lan):
        await earn(sliding, member_id, 10)
    clock.set(shanghai("03-05T10:00"))
    moves = [
        (Earn(member_id=each, points=5, source="a"), Spend(member_id=each, points=12, source="b"))
        for each in (mei, lan)
    ]
    done(await sliding.perform_all(MOVE, moves[0]))
    for move in moves[1]:
        await sliding.perform(MOVE, move)
    assert await ends_of(mei) == await ends_of(lan) == [(0, "03-16"), (3, "03-16")]


async def test_the_next_due_instant_stays_a_lower_bound(work: Work, clock: FixedClock) -> None:
    """Ends that move away leave the old instant standing; the sweep finds nothing there and looks ahead again."""
    sliding, mei = living(clock, SLIDING), await a_member(clock)
    await earn(sliding, mei, 10)
    clock.set(shanghai("03-05T10:00"))
    await earn(sliding, mei, 1)
    assert (await account(mei))["next_due_at"] == shanghai("03-13")
    clock.set(shanghai("03-13"))
    assert await service.book_due(sliding, [mei]) == []
    assert (await account(mei))["next_due_at"] == shanghai("03-16") and await entries(mei) == [
        ("ACCRUAL", 10), ("ACCRUAL", 1),
    ]  # fmt: skip


async def test_a_programme_that_never_slides_reads_no_more_than_before(work: Work, clock: FixedClock) -> None:
    """A verb that spends nothing is one reading and one writing statement, until a sliding policy is in force: then
    there is one reading more."""
    never, mei = living(clock, FIXED, ("03-09", SLIDING)), await a_member(clock)
    counted = Counted(never)
    await counted.perform(move_verb(0), Earn(member_id=mei, points=1, source="a"))
    assert counted.loads == 1
    clock.set(shanghai("03-09"))
    await counted.perform(move_verb(0), Earn(member_id=mei, points=1, source="b"))
    assert counted.loads == 3 and await fetch_value("SELECT count(*) FROM lot WHERE policy_version = 2") == 1


class Counted(Work):
    """Work that counts its reading statements."""

    def __init__(self, work: Work) -> None:
        super().__init__(clock=work.clock, ledger=work.ledger, policies=work.policies)
        self.loads = 0

    async def _load(self, *given: object, **named: object) -> object:  # type: ignore[override]
        self.loads += 1
        return await super()._load(*given, **named)  # type: ignore[arg-type]


async def test_life_is_counted_to_the_end_of_the_period_where_it_is_rounded(work: Work, clock: FixedClock) -> None:
    """Three months to the end of the quarter, counted anew from each activity."""
    rounded = PointsPolicy(Expiry(3, "month", "quarter", sliding=True))
    sliding, mei = living(clock, rounded), await a_member(clock)
    assert await earn(sliding, mei, 10) == Moved(1, 10, 10, 0, 0)
    clock.set(shanghai("03-31T23:59"))
    await spend(sliding, mei, 1)
    assert await ends_of(mei) == [(9, "07-01")]
    clock.advance(timedelta(minutes=1))
    await spend(sliding, mei, 1)
    assert await ends_of(mei) == [(8, "10-01")]
