"""Staff adjust and waive: what is posted at once, what is proposed, what is refused, what is written about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest

from gamification.adjustments import service as adjustments
from gamification.adjustments.errors import (
    AdjustmentTooLarge,
    InsufficientGrowth,
    NothingToWaive,
    OwnAccount,
    WaiverExceedsDebt,
)
from gamification.adjustments.rules import AdjustmentsPolicy, Balances
from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.errors import IdempotencyConflict, InvalidInput, NotFound, Refusal
from gamification.core.policy import PolicyMissing
from gamification.core.work import Work
from gamification.members import service as members
from gamification.members.errors import MemberNotActive
from gamification.points.errors import InsufficientPoints
from gamification.points.rules import Expiry, PointsPolicy
from gamification.tiers.queries import progress_by_member_ids
from tests.adjustments.builders import (
    LIMITS,
    REASON,
    VAULT,
    actions,
    adjust,
    an_office,
    figures,
    hire,
    line_of,
    traces,
    trail,
    waive,
)
from tests.builders import (
    FOR_EVER,
    TIERS,
    a_member,
    a_work,
    account,
    booked,
    claw_back,
    dump,
    entries,
    publish,
    rows_in,
    some_members,
)
from tests.members.people import a_member as a_member_known_by

DAY = timedelta(days=1)


async def test_points_up_are_posted_with_row_trace_and_audit_line(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Entry, adjustment and audit line say the same; the reason stands in the adjustment alone."""
    mei = await a_member(clock, points=5)
    made = await adjust(work, mei, 30, lin)
    assert (made.state, made.because, made.entry_seq, made.points) == ("POSTED", None, 2, 30)
    assert (made.before, made.after) == (Balances(5, 0, 0, 0, 0), Balances(35, 0, 0, 0, 0))
    assert await entries(mei) == [("ACCRUAL", 5), ("ADJUSTMENT", 30)]
    assert await traces(mei) == [
        {
            "rule": "points_raised", "policy": ["adjustments", 1], "by": str(lin.id), "result": 30,
            "adjustment": str(made.adjustment_id),
        }
    ]  # fmt: skip
    line = await line_of(made)
    assert (line.state, line.reason, line.made_by, line.made_at, line.lapses_at, line.decided_by, line.entry_seq) == (
        "POSTED", REASON, lin.id, clock.now(), None, None, 2,
    )  # fmt: skip
    assert (orjson.loads(line.before or ""), orjson.loads(line.after or "")) == (figures(5), figures(35))
    stated = {"state": "POSTED", "kind": "ADJUSTMENT", "currency": "POINTS", "points": 30, "entry_seq": 2}
    assert await trail() == [
        (
            lin.key, "adjustment.posted", {"balances": figures(5)},
            {"adjustment": str(made.adjustment_id), **stated, "balances": figures(35)},
        )
    ]  # fmt: skip
    assert await fetch_value("SELECT subject FROM audit_record WHERE action ~ '^adjustment'") == f"member:{mei}"


async def test_a_reason_is_written_in_one_place(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Of all tables only the adjustment's row holds it, so that erasing it there erases it."""
    mei = await a_member(clock)
    await adjust(work, mei, 30, lin, reason="  Mrs Mei was overcharged  ")
    holders = [name for name, rows in (await dump()).items() if any("overcharged" in row for row in rows)]
    assert holders == ["adjustment"]
    assert await fetch_value("SELECT reason FROM adjustment") == "Mrs Mei was overcharged"
    await execute("UPDATE adjustment SET reason = NULL")
    assert [name for name, rows in (await dump()).items() if any("overcharged" in row for row in rows)] == []


async def test_points_down_take_no_more_than_is_available(work: Work, clock: FixedClock, lin: Actor) -> None:
    """All of them go; one more is refused with its numbers, and nothing changes."""
    mei = await a_member(clock, points=60)
    before = await dump()
    with pytest.raises(InsufficientPoints) as refusal:
        await adjust(work, mei, -61, lin, key=None)
    assert refusal.value.fields() == {"required": 61, "available": 60, "debt": 0, "missing": 1}
    assert await dump() == before
    made = await adjust(work, mei, -60, lin)
    assert made.after == Balances(0, 0, 0, 0, 0)
    assert await entries(mei) == [("ACCRUAL", 60), ("ADJUSTMENT", -60)]
    row = await account(mei)
    assert (row["accrued"], row["redeemed"], row["revoked"]) == (60, 0, 60)


async def test_points_down_from_a_member_in_debt_say_that_the_debt_comes_first(
    work: Work, clock: FixedClock, lin: Actor
) -> None:
    """Nothing is available; what is missing includes what is owed."""
    mei = await a_member(clock)
    await claw_back(work, mei, 7)
    with pytest.raises(InsufficientPoints) as refusal:
        await adjust(work, mei, -1, lin)
    assert refusal.value.fields() == {"required": 1, "available": 0, "debt": 7, "missing": 8}
    assert await entries(mei) == [("CLAW_BACK", -7)] and await actions() == []


async def test_points_up_repay_debt_first_and_say_so(work: Work, clock: FixedClock, lin: Actor) -> None:
    """The trace names what was repaid."""
    mei = await a_member(clock)
    await claw_back(work, mei, 7)
    made = await adjust(work, mei, 10, lin)
    assert (made.before, made.after) == (Balances(0, 0, 0, 7, 0), Balances(3, 0, 0, 0, 0))
    assert (await traces(mei))[0]["repaid"] == 7 and await booked(mei) == (3, 0, 0)


async def test_growth_up_raises_the_tier_at_once(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Silver starts at 1,000: an adjustment that reaches it writes the standing in the same transaction."""
    office = an_office(clock, AdjustmentsPolicy(approval_above_points=2_000, points_per_staff_day_max=None))
    mei = await a_member(clock)
    made = await adjust(office, mei, 1_000, lin, currency="GROWTH")
    assert (made.after, made.trace["rule"]) == (Balances(0, 0, 0, 0, 1_000), "growth_raised")
    assert await entries(mei, "GROWTH") == [("ADJUSTMENT", 1_000)] and await entries(mei) == []
    standing = (await progress_by_member_ids([mei], clock.now(), office.policies, office.calendar))[mei]
    assert (standing.tier.code, standing.since, standing.growth) == ("SILVER", clock.now(), 1_000)


async def test_growth_down_takes_no_tier_and_never_falls_below_zero(work: Work, clock: FixedClock, lin: Actor) -> None:
    """All of it may go; one more is refused with its numbers. The tier stays."""
    office = an_office(clock, AdjustmentsPolicy(approval_above_points=2_000, points_per_staff_day_max=None))
    mei = await a_member(clock)
    await adjust(office, mei, 1_000, lin, currency="GROWTH")
    with pytest.raises(InsufficientGrowth) as refusal:
        await adjust(office, mei, -1_001, lin, currency="GROWTH")
    assert refusal.value.fields() == {"required": 1_001, "available": 1_000, "missing": 1}
    await adjust(office, mei, -1_000, lin, currency="GROWTH")
    assert await entries(mei, "GROWTH") == [("ADJUSTMENT", 1_000), ("ADJUSTMENT", -1_000)]
    standing = (await progress_by_member_ids([mei], clock.now(), office.policies, office.calendar))[mei]
    assert (standing.tier.code, standing.growth) == ("SILVER", 0)


@pytest.mark.parametrize(("points", "left"), [(None, 0), (90, 0), (40, 50)])
async def test_debt_is_waived_in_whole_or_in_part(
    work: Work, clock: FixedClock, lin: Actor, points: int | None, left: int
) -> None:
    """The entry moves debt alone; what is left of it is still owed."""
    mei = await a_member(clock)
    await claw_back(work, mei, 90)
    made = await waive(work, mei, points, lin)
    assert (made.state, made.points, made.after.debt) == ("POSTED", 90 - left, left)
    assert await entries(mei) == [("CLAW_BACK", -90), ("DEBT_WAIVER", 90 - left)]
    assert await booked(mei) == (0, 0, left) and (await traces(mei))[0]["rule"] == "debt_waiver"


async def test_only_what_is_owed_is_waived(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Without debt there is nothing to waive, whatever the amount; more than is owed is refused with its numbers."""
    mei = await a_member(clock, points=5)
    for points in (None, 5):
        with pytest.raises(NothingToWaive):
            await waive(work, mei, points, lin)
    await claw_back(work, mei, 12)
    with pytest.raises(WaiverExceedsDebt) as refusal:
        await waive(work, mei, 8, lin)
    assert refusal.value.fields() == {"required": 8, "debt": 7}
    assert await booked(mei) == (0, 0, 7) and await rows_in("adjustment") == 0 and await actions() == []


@pytest.mark.parametrize(("points", "state", "because"), [(100, "POSTED", None), (101, "PROPOSED", "ABOVE_LIMIT")])
async def test_above_the_limit_a_change_is_only_proposed(
    work: Work, clock: FixedClock, lin: Actor, points: int, state: str, because: str | None
) -> None:
    """Nothing moves; the row says why and until when, the third day after its own, at midnight in Shanghai."""
    mei = await a_member(clock)
    made = await adjust(work, mei, points, lin)
    assert (made.state, made.because) == (state, because)
    if because:
        assert (made.before, made.after) == (Balances(0, 0, 0, 0, 0), Balances(101, 0, 0, 0, 0))
        assert await entries(mei) == [] and await booked(mei) == (0, 0, 0)
        line = await line_of(made)
        assert line.lapses_at == datetime.fromisoformat("2026-03-06T00:00:00+08:00") == made.lapses_at
        assert (line.entry_seq, line.before, line.after, line.decided_at) == (None, None, None, None)
        (_, action, before, after) = (await trail())[0]
        assert (action, before["balances"], after["balances"]) == ("adjustment.proposed", figures(), figures())
        assert (after["state"], after["points"], after["entry_seq"]) == ("PROPOSED", 101, None)


async def test_the_days_allowance_counts_whatever_one_person_moved_alone(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """Up, down, growth and waivers of any member add up; proposals, and what others do, do not. It starts anew."""
    mei, lan = await some_members(clock, 2, points=100)
    await claw_back(work, lan, 140)
    await adjust(work, mei, -90, lin)
    await adjust(work, mei, 500, lin)
    await adjust(work, mei, 80, lin, currency="GROWTH")
    await waive(work, lan, 40, lin)
    assert (await adjust(work, mei, 41, lin)).because == "DAY_ALLOWANCE_USED"
    assert (await adjust(work, mei, 41, zhou)).because is None
    assert (await adjust(work, mei, 40, lin)).because is None
    assert (await adjust(work, mei, 1, lin)).because == "DAY_ALLOWANCE_USED"
    clock.set(datetime.fromisoformat("2026-03-02T23:59:59+08:00"))
    assert (await adjust(work, mei, -1, lin)).because == "DAY_ALLOWANCE_USED"
    clock.set(datetime.fromisoformat("2026-03-03T00:00:00+08:00"))
    assert (await adjust(work, mei, -1, lin)).because is None


async def test_the_ceiling_holds_for_everybody(work: Work, clock: FixedClock, lin: Actor) -> None:
    """A thousand is proposed, one more is refused, also as a waiver or a number beyond all bounds."""
    mei = await a_member(clock)
    assert (await adjust(work, mei, 1_000, lin)).state == "PROPOSED"
    await claw_back(work, mei, 1_001)
    for points in (1_001, -1_001, 2**53, -(2**63)):
        with pytest.raises(AdjustmentTooLarge) as refusal:
            await adjust(work, mei, points, lin)
        assert refusal.value.fields() == {"required": abs(points), "limit": 1_000}
    with pytest.raises(AdjustmentTooLarge):
        await waive(work, mei, None, lin)
    assert await rows_in("adjustment") == 1 and await booked(mei) == (0, 0, 1_001)


@pytest.mark.parametrize("reason", ["", "   \n", "\u200b\u2060", "x" * 501])
async def test_a_reason_is_given(work: Work, clock: FixedClock, lin: Actor, reason: str) -> None:
    """Nothing, blanks, what cannot be seen and 501 characters are no reason; nothing is written."""
    mei = await a_member(clock)
    before = await dump()
    for attempt in (adjust(work, mei, 5, lin, reason=reason), waive(work, mei, 5, lin, reason=reason)):
        with pytest.raises(InvalidInput) as refusal:
            await attempt
        assert refusal.value.field == "reason"
    assert await dump() == before


async def test_nothing_is_not_a_change(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Zero points, and a waiver of none or of less than none, are no input."""
    mei = await a_member(clock)
    for attempt in (adjust(work, mei, 0, lin), waive(work, mei, 0, lin), waive(work, mei, -5, lin)):
        with pytest.raises(InvalidInput) as refusal:
            await attempt
        assert refusal.value.field == "points"


async def test_a_blocked_member_is_corrected_an_erased_one_is_not(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Books outlive the block; a tombstone's stay as they are, and one who became another is not found."""
    mei, lan = await a_member(clock), await a_member(clock)
    await members.block_member(member_id=mei, reason="fraud", actor=lin, now=clock.now())
    assert (await adjust(work, mei, 5, lin)).state == "POSTED"
    await execute("DELETE FROM member_reference")
    await execute("UPDATE member SET status = 'ERASED' WHERE id = $1", mei)
    with pytest.raises(MemberNotActive) as refusal:
        await adjust(work, mei, 5, lin)
    assert refusal.value.status == "ERASED" and await booked(mei) == (5, 0, 0)
    await execute("UPDATE member SET status = 'MERGED', merged_into_id = $2 WHERE id = $1", lan, mei)
    for nobody in (lan, UUID(int=7)):
        with pytest.raises(NotFound) as absent:
            await adjust(work, nobody, 5, lin)
        assert (absent.value.kind, absent.value.id) == ("member", str(nobody))


async def test_nobody_adjusts_the_own_account(work: Work, clock: FixedClock, zhou: Actor) -> None:
    """Whose phone is bound to the member is refused; a colleague is not."""
    office, phone = an_office(clock), "+8613800138000"
    lin = await hire(clock, "lin", phone=phone)
    own = (await a_member_known_by(clock, VAULT.reference(phone))).id
    await claw_back(office, own, 5)
    before = await dump()
    for attempt in (adjust(office, own, 50, lin), adjust(office, own, 500, lin), waive(office, own, 1, lin)):
        with pytest.raises(OwnAccount):
            await attempt
    assert await dump() == before
    assert (await adjust(office, own, 50, zhou)).state == "POSTED"
    assert (await adjust(office, await a_member(clock), 50, lin)).state == "POSTED"


async def test_the_same_key_again_is_answered_the_same(work: Work, clock: FixedClock, lin: Actor) -> None:
    """One row, one entry, one audit line; also for a proposal, and also where the balance has moved on."""
    mei = await a_member(clock)
    for points, key in ((50, "a"), (500, "b")):
        first = await adjust(work, mei, points, lin, key=key)
        await adjust(work, mei, 1, lin)
        before = await dump()
        assert await adjust(work, mei, points, lin, key=key) == first
        assert await dump() == before
    assert await actions() == ["posted", "posted", "proposed", "posted"]


async def test_another_request_under_the_same_key_is_refused(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Another amount, reason, currency or member under a key is a conflict; another's key is one's own to use."""
    mei, lan = await some_members(clock, 2, points=50)
    await adjust(work, mei, 5, lin, key="k")
    changed: list[dict[str, Any]] = [{"points": 6}, {"reason": "other"}, {"currency": "GROWTH"}, {"member_id": lan}]
    for change in changed:
        with pytest.raises(IdempotencyConflict):
            await adjust(work, by=lin, key="k", **{"member_id": mei, "points": 5, **change})
    assert await rows_in("adjustment") == 1
    zhou = await hire(clock, "zhou")
    assert (await adjust(work, mei, 5, zhou, key="k")).entry_seq == 3
    with pytest.raises(InvalidInput) as refusal:
        await adjust(work, mei, 5, lin, key="")
    assert refusal.value.field == "idempotencyKey"


async def test_a_refusal_under_a_key_is_kept(work: Work, clock: FixedClock, lin: Actor) -> None:
    """A business refusal is replayed with its numbers of then, after the member has become rich."""
    mei = await a_member(clock, points=10)
    for _ in range(2):
        with pytest.raises(InsufficientPoints) as refusal:
            await adjust(work, mei, -30, lin, key="k")
        assert refusal.value.available == 10
        await adjust(work, mei, 40, lin)
    assert await fetch_value("SELECT count(*) FROM receipt WHERE refusal") == 1
    assert (await adjust(work, mei, -30, lin, key="l")).after.available == 60


async def test_a_programme_without_limits_adjusts_nothing(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Until the policy is published nobody adjusts anything."""
    mei = await a_member(clock)
    with pytest.raises(PolicyMissing):
        await adjust(a_work(clock, FOR_EVER, TIERS), mei, 5, lin)
    assert await rows_in("adjustment") == 0


async def test_an_adjustment_is_under_the_policy_in_force(work: Work, clock: FixedClock, lin: Actor) -> None:
    """A new version changes what one does alone from its instant on, and trace and row name it."""
    await publish(clock, FOR_EVER, TIERS, LIMITS)
    await publish(clock, AdjustmentsPolicy(approval_above_points=4), effective_from=clock.now() + DAY)
    office, mei = a_work(clock), await a_member(clock)
    first = await adjust(office, mei, 5, lin)
    clock.advance(DAY)
    second = await adjust(office, mei, 5, lin)
    assert (first.state, second.state, second.because) == ("POSTED", "PROPOSED", "ABOVE_LIMIT")
    assert [(await line_of(made)).policy_version for made in (first, second)] == [1, 2]
    assert (await traces(mei))[0]["policy"] == ["adjustments", 1]


async def test_what_fell_due_is_booked_before_an_adjustment(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Points that expired a moment ago are not there to be taken, and are shown in no balance."""
    office, mei = an_office(clock, points=PointsPolicy(Expiry(1, "day"))), await a_member(clock)
    await adjust(office, mei, 50, lin)
    clock.advance(2 * DAY)
    with pytest.raises(InsufficientPoints) as refusal:
        await adjust(office, mei, -1, lin)
    assert refusal.value.available == 0
    assert (await adjust(office, mei, 5, lin)).before == Balances(0, 0, 0, 0, 0)


async def test_a_change_takes_from_more_lots_than_were_loaded(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Ninety lots of one point are taken by one adjustment."""
    office = an_office(clock, AdjustmentsPolicy(points_per_staff_day_max=None))
    mei = await a_member(clock)
    for _ in range(90):
        await adjust(office, mei, 1, lin)
    assert (await adjust(office, mei, -90, lin)).after.available == 0
    assert await fetch_value("SELECT count(*) FROM lot WHERE open") == 0


REFUSED: tuple[type[Refusal], ...] = (InsufficientPoints, InsufficientGrowth, NothingToWaive, WaiverExceedsDebt)


async def test_a_preview_is_the_decision_without_the_writing(work: Work, clock: FixedClock, lin: Actor) -> None:
    """For changes of every kind and size, on whatever the member has: the same figures, trace and refusal."""
    random = Random(11)
    office = an_office(clock, AdjustmentsPolicy(approval_above_points=60, points_per_staff_day_max=900))
    mei = await a_member(clock, points=40)
    seen_kinds = set()
    for _ in range(80):
        kind, points = random.choice(["POINTS", "GROWTH", "WAIVER", "CLAW_BACK"]), random.randint(-70, 70) or 1
        if kind == "CLAW_BACK":
            await claw_back(office, mei, abs(points))
            continue
        amount = random.choice([None, abs(points)])
        before = await dump()
        seen = await outcome(
            adjustments.preview_waiver(office, member_id=mei, points=amount, actor=lin)
            if kind == "WAIVER"
            else adjustments.preview_adjustment(office, member_id=mei, currency=kind, points=points, actor=lin)  # type: ignore[arg-type]
        )
        assert await dump() == before
        made = await outcome(
            waive(office, mei, amount, lin) if kind == "WAIVER" else adjust(office, mei, points, lin, currency=kind)
        )
        assert summary(seen) == summary(made)
        seen_kinds.add((kind, type(made).__name__, getattr(made, "state", None)))
        if isinstance(made, adjustments.Adjusted) and made.state == "POSTED":
            trace = (await traces(mei, "GROWTH" if kind == "GROWTH" else "POINTS"))[-1]
            assert trace == {**seen.trace, "adjustment": str(made.adjustment_id)}
    assert {name for _, name, _ in seen_kinds} >= {"Adjusted", "InsufficientPoints", "InsufficientGrowth"}
    assert {state for _, _, state in seen_kinds} == {"POSTED", "PROPOSED", None}


async def outcome(attempt: Any) -> Any:
    """An answer or a refusal."""
    try:
        return await attempt
    except REFUSED as refusal:
        return refusal


def summary(found: Any) -> Any:
    """What a preview and a posting must have in common."""
    if isinstance(found, Refusal):
        return type(found), found.fields()
    return found.points, found.because, found.before, found.after, found.trace


async def test_a_preview_looks_at_nobody_elses_account(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Unknown members, zero, and too much are refused to a preview as to the change itself."""
    mei = await a_member(clock)
    preview = adjustments.preview_adjustment
    with pytest.raises(NotFound):
        await preview(work, member_id=UUID(int=7), currency="POINTS", points=1, actor=lin)
    with pytest.raises(InvalidInput):
        await preview(work, member_id=mei, currency="POINTS", points=0, actor=lin)
    with pytest.raises(AdjustmentTooLarge):
        await preview(work, member_id=mei, currency="GROWTH", points=1_001, actor=lin)
    assert await fetch("SELECT FROM adjustment") == []
