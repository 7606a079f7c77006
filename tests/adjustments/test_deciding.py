"""What becomes of a proposal: approved, rejected, withdrawn, lapsed, by whom and by whom not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from gamification.adjustments import service as adjustments
from gamification.adjustments.errors import (
    AdjustmentNotOpen,
    AdjustmentTooLarge,
    InsufficientGrowth,
    NothingToWaive,
    NotTheProposer,
    OwnAccount,
    ProposerLostRole,
    SameApprover,
    WaiverExceedsDebt,
)
from gamification.adjustments.jobs import lapse_due_proposals
from gamification.adjustments.rules import AdjustmentsPolicy, Balances
from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.jobs import JobContext
from gamification.core.outbox import Run
from gamification.core.work import Work
from gamification.members.errors import MemberNotActive
from gamification.points.errors import InsufficientPoints
from gamification.tiers.queries import progress_by_member_ids
from tests.adjustments.builders import (
    VAULT,
    actions,
    adjust,
    an_office,
    approve,
    figures,
    hire,
    line_of,
    reject,
    traces,
    trail,
    waive,
    withdraw,
)
from tests.builders import a_member, booked, claw_back, dump, earn, entries, rows_in, spend
from tests.members.people import a_member as a_member_known_by

FRIDAY = datetime.fromisoformat("2026-03-06T00:00:00+08:00")
"""When a proposal of Monday lapses."""


async def test_a_second_person_posts_what_the_first_proposed(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """Entry, row and audit line name both, with the balances of the approval."""
    mei = await a_member(clock, points=5)
    made = await adjust(work, mei, 500, lin)
    clock.advance(timedelta(hours=3))
    await earn(work, mei, 10)
    line = await approve(work, made, zhou)
    assert (line.state, line.decided_by, line.decided_at, line.entry_seq) == ("POSTED", zhou.id, clock.now(), 3)
    assert (orjson.loads(line.before or ""), orjson.loads(line.after or "")) == (figures(15), figures(515))
    assert (await line_of(made))._replace(before=line.before, after=line.after) == line
    assert await entries(mei) == [("ACCRUAL", 5), ("ACCRUAL", 10), ("ADJUSTMENT", 500)]
    assert await traces(mei) == [
        {
            "rule": "points_raised", "policy": ["adjustments", 1], "by": str(lin.id), "approved_by": str(zhou.id),
            "result": 500, "adjustment": str(made.adjustment_id),
        }
    ]  # fmt: skip
    actor, action, before, after = (await trail())[-1]
    assert (actor, action) == (zhou.key, "adjustment.approved")
    assert before == {"state": "PROPOSED", "balances": figures(15)}
    assert (after["state"], after["balances"], after["entry_seq"]) == ("POSTED", figures(515), 3)
    assert await actions() == ["proposed", "approved"]


async def test_approving_again_changes_nothing(work: Work, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """The same person is answered the same; another reads that it is posted."""
    mei = await a_member(clock)
    made = await adjust(work, mei, 500, lin)
    first = await approve(work, made, zhou)
    before = await dump()
    again = await approve(work, made, zhou)
    assert again._replace(before=None, after=None) == first._replace(before=None, after=None)
    assert (orjson.loads(again.before or ""), orjson.loads(again.after or "")) == (figures(0), figures(500))
    third = await hire(clock, "wang")
    now = await dump()
    with pytest.raises(AdjustmentNotOpen) as refusal:
        await approve(work, made, third)
    assert refusal.value.state == "POSTED" and await dump() == now
    assert before["entry"] == now["entry"] and before["adjustment"] == now["adjustment"]


async def test_approving_a_waiver_and_growth(work: Work, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """Both kinds are posted with all that follows: the debt is gone, the tier is raised."""
    mei = await a_member(clock)
    await claw_back(work, mei, 300)
    await approve(work, await waive(work, mei, None, lin), zhou)
    await approve(work, await adjust(work, mei, 1_000, lin, currency="GROWTH"), zhou)
    assert await entries(mei) == [("CLAW_BACK", -300), ("DEBT_WAIVER", 300)]
    standing = (await progress_by_member_ids([mei], clock.now(), work.policies, work.calendar))[mei]
    assert (await booked(mei), standing.tier.code) == ((0, 0, 0), "SILVER")


async def test_nobody_approves_or_rejects_the_own_proposal(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """Not in another session, nor in another role: the account counts. Nothing is written."""
    mei = await a_member(clock)
    made = await adjust(work, mei, 500, lin)
    assert lin.id is not None
    elsewhere = Actor("staff", lin.id, role="owner", session_id=UUID(int=9))
    before = await dump()
    for attempt in (approve(work, made, lin), approve(work, made, elsewhere), reject(work, made, elsewhere)):
        with pytest.raises(SameApprover):
            await attempt
    with pytest.raises(SameApprover):
        await adjustments.preview_approval(work, member_id=mei, adjustment_id=made.adjustment_id, actor=elsewhere)
    assert await dump() == before


async def test_a_second_login_of_the_same_phone_is_no_second_person(work: Work, clock: FixedClock) -> None:
    """Two accounts with one phone are one person; accounts without a phone are two."""
    lin = await hire(clock, "lin", phone="+8613800138000")
    made = await adjust(work, await a_member(clock), 500, lin)
    with pytest.raises(SameApprover):
        await approve(work, made, await hire(clock, "lin-too", phone="138 0013 8000"))
    assert (await line_of(made)).state == "PROPOSED"
    assert (await approve(work, made, await hire(clock, "zhou", phone="+8613900139000"))).state == "POSTED"
    none = await adjust(work, await a_member(clock), 500, await hire(clock, "bao"))
    assert (await approve(work, none, await hire(clock, "qin"))).state == "POSTED"


@pytest.mark.parametrize("change", ["disabled_at = now()", "role = 'auditor'", "role = 'cashier', stores = '{a}'"])
async def test_a_proposal_of_who_may_no_longer_adjust_is_not_approved(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor, change: str
) -> None:
    """A disabled account, or one of another role, stands behind nothing: it can only be rejected."""
    made = await adjust(work, await a_member(clock), 500, lin)
    await execute(f"UPDATE staff SET {change} WHERE id = $1", lin.id)
    with pytest.raises(ProposerLostRole):
        await approve(work, made, zhou)
    assert (await line_of(made)).state == "PROPOSED"
    assert (await reject(work, made, zhou)).state == "REJECTED"


async def test_an_approver_adjusts_not_the_own_account(work: Work, clock: FixedClock, lin: Actor) -> None:
    """The second person answers for the change as well; nor does a proposer who bound a phone meanwhile."""
    phone = "+8613800138000"
    zhou = await hire(clock, "zhou", "owner", phone=phone)
    own = (await a_member_known_by(clock, VAULT.reference(phone))).id
    made = await adjust(work, own, 500, lin)
    with pytest.raises(OwnAccount):
        await approve(work, made, zhou)
    await execute("UPDATE staff SET phone_index = NULL WHERE id = $1", zhou.id)
    await execute("UPDATE staff SET phone_index = $2 WHERE id = $1", lin.id, VAULT.reference(phone).value)
    with pytest.raises(OwnAccount):
        await approve(work, made, zhou)
    assert (await line_of(made)).state == "PROPOSED" and await entries(own) == []


async def test_what_is_refused_at_approval_leaves_the_proposal_open(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """Decided on the balances of then, refused with their numbers, approved once they allow it."""
    mei = await a_member(clock, points=200)
    made = await adjust(work, mei, -150, lin)
    await spend(work, mei, 100)
    before = await dump()
    with pytest.raises(InsufficientPoints) as refusal:
        await approve(work, made, zhou)
    assert (refusal.value.required, refusal.value.available) == (150, 100)
    assert await dump() == before
    await earn(work, mei, 50)
    assert (await approve(work, made, zhou)).state == "POSTED"
    assert await booked(mei) == (0, 0, 0) and await actions() == ["proposed", "approved"]


async def test_growth_and_debt_are_decided_anew_too(work: Work, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """Growth that went, debt that shrank or went: refused with the numbers of the approval."""
    mei = await a_member(clock)
    await adjust(work, mei, 100, zhou, currency="GROWTH")
    await adjust(work, mei, 100, zhou, currency="GROWTH")
    lowered = await adjust(work, mei, -200, lin, currency="GROWTH")
    await adjust(work, mei, -50, zhou, currency="GROWTH")
    with pytest.raises(InsufficientGrowth) as growth:
        await approve(work, lowered, zhou)
    assert (growth.value.required, growth.value.available, growth.value.missing) == (200, 150, 50)
    await claw_back(work, mei, 300)
    waived = await waive(work, mei, None, lin)
    await earn(work, mei, 100)
    with pytest.raises(WaiverExceedsDebt) as debt:
        await approve(work, waived, zhou)
    assert (debt.value.required, debt.value.debt) == (300, 200)
    await earn(work, mei, 200)
    with pytest.raises(NothingToWaive):
        await approve(work, waived, zhou)
    assert [(await line_of(made)).state for made in (lowered, waived)] == ["PROPOSED", "PROPOSED"]


async def test_a_lowered_ceiling_and_an_erased_member_stop_an_approval(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """The policy and the member's status are those of the approval."""
    mei = await a_member(clock)
    made = await adjust(work, mei, 500, lin)
    with pytest.raises(AdjustmentTooLarge) as refusal:
        await approve(an_office(clock, AdjustmentsPolicy(points_max=499)), made, zhou)
    assert (refusal.value.required, refusal.value.limit) == (500, 499)
    await execute("DELETE FROM member_reference")
    await execute("UPDATE member SET status = 'ERASED' WHERE id = $1", mei)
    with pytest.raises(MemberNotActive):
        await approve(work, made, zhou)
    assert (await line_of(made)).state == "PROPOSED" and await entries(mei) == []


async def test_a_second_person_says_no_and_why(work: Work, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """The reason stands in the row; nothing has moved; saying it again changes nothing."""
    mei = await a_member(clock)
    made = await adjust(work, mei, 500, lin)
    line = await reject(work, made, zhou, "  The till was right ")
    assert line == await line_of(made)
    assert (line.state, line.decided_by, line.decided_at) == ("REJECTED", zhou.id, clock.now())
    assert (line.decision_reason, line.entry_seq) == ("The till was right", None)
    (_, _, before, after) = (await trail())[-1]
    assert (before, after["state"]) == ({"state": "PROPOSED"}, "REJECTED") and "till" not in str(await trail())
    written = await dump()
    assert (await reject(work, made, zhou, "another reason")).decision_reason == "The till was right"
    assert await dump() == written and await entries(mei) == []
    with pytest.raises(InvalidInput):
        await reject(work, made, zhou, "   ")


async def test_the_proposer_alone_withdraws(work: Work, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """Another is refused; once withdrawn it stays so."""
    made = await adjust(work, await a_member(clock), 500, lin)
    with pytest.raises(NotTheProposer):
        await withdraw(work, made, zhou)
    assert (await line_of(made)).state == "PROPOSED"
    line = await withdraw(work, made, lin)
    assert (line.state, line.decided_by) == ("WITHDRAWN", lin.id)
    assert await withdraw(work, made, lin) == line and await actions() == ["proposed", "withdrawn"]


async def test_what_is_decided_stays_decided(work: Work, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """From no end of a proposal does another step lead on, and each refusal says where it stands."""
    mei, third = await a_member(clock), await hire(clock, "wang")
    posted, rejected, withdrawn = [await adjust(work, mei, 500, lin) for _ in range(3)]
    at_once = await adjust(work, mei, 5, lin)
    await approve(work, posted, zhou)
    await reject(work, rejected, zhou)
    await withdraw(work, withdrawn, lin)
    before = await dump()
    ends = [(posted, "POSTED"), (rejected, "REJECTED"), (withdrawn, "WITHDRAWN"), (at_once, "POSTED")]
    for made, state in ends:
        attempts: list[Any] = [approve(work, made, third), reject(work, made, third)]
        attempts += [] if made is withdrawn else [withdraw(work, made, lin)]
        for attempt in attempts:
            with pytest.raises(AdjustmentNotOpen) as refusal:
                await attempt
            assert refusal.value.state == state
    assert await dump() == before


async def test_a_proposal_lapses_by_its_instant_and_the_job_books_it(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """A second before it is approved; at the instant it is not, whether or not the job has run, nor by another step."""
    mei = await a_member(clock)
    early, late = await adjust(work, mei, 500, lin), await adjust(work, mei, 600, lin)
    clock.set(FRIDAY - timedelta(seconds=1))
    assert (await approve(work, early, zhou)).state == "POSTED"
    clock.set(FRIDAY)
    for attempt in (approve(work, late, zhou), reject(work, late, zhou), withdraw(work, late, lin)):
        with pytest.raises(AdjustmentNotOpen) as refusal:
            await attempt
        assert refusal.value.state == "LAPSED"
    assert (await line_of(late)).state == "PROPOSED"
    await run_job(work)
    line = await line_of(late)
    assert (line.state, line.decided_by, line.decided_at) == ("LAPSED", None, FRIDAY)
    actor, action, before, after = (await trail())[-1]
    assert (actor, action, before, after["state"]) == ("system", "adjustment.lapsed", {"state": "PROPOSED"}, "LAPSED")


async def test_the_job_is_safe_to_run_twice(work: Work, clock: FixedClock, lin: Actor) -> None:
    """Of five proposals in chunks of two, all lapse once, one audit line each; a second run changes nothing."""
    made = [await adjust(work, await a_member(clock), 500, lin) for _ in range(5)]
    clock.set(FRIDAY)
    assert [await adjustments.lapse_due(now=clock.now(), limit=2) for _ in range(4)] == [2, 2, 1, 0]
    before = await dump()
    await run_job(work)
    assert await dump() == before
    assert {(await line_of(each)).state for each in made} == {"LAPSED"}
    assert await actions() == ["proposed"] * 5 + ["lapsed"] * 5


async def test_what_is_not_due_does_not_lapse(work: Work, clock: FixedClock, lin: Actor) -> None:
    """A proposal of Tuesday stays open when one of Monday lapses."""
    early = await adjust(work, await a_member(clock), 500, lin)
    clock.advance(timedelta(days=1))
    late = await adjust(work, await a_member(clock), 500, lin)
    clock.set(FRIDAY)
    await run_job(work)
    assert [(await line_of(made)).state for made in (early, late)] == ["LAPSED", "PROPOSED"]


async def test_a_proposal_for_a_member_who_became_another_can_still_end(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """It is not approved, since the member is not found; it is rejected, withdrawn, or lapses."""
    mei, lan = await a_member(clock), await a_member(clock)
    made = [await adjust(work, mei, 500, lin) for _ in range(3)]
    await execute("DELETE FROM member_reference")
    await execute("UPDATE member SET status = 'MERGED', merged_into_id = $2 WHERE id = $1", mei, lan)
    with pytest.raises(NotFound):
        await approve(work, made[0], zhou)
    await reject(work, made[0], zhou)
    await withdraw(work, made[1], lin)
    clock.set(FRIDAY)
    await run_job(work)
    assert [(await line_of(each)).state for each in made] == ["REJECTED", "WITHDRAWN", "LAPSED"]


async def test_a_preview_of_an_approval_is_the_approval(work: Work, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """The same figures and trace, on the balances of that moment, and nothing written."""
    mei = await a_member(clock)
    await claw_back(work, mei, 30)
    made = await adjust(work, mei, 500, lin)
    before = await dump()
    seen = await adjustments.preview_approval(work, member_id=mei, adjustment_id=made.adjustment_id, actor=zhou)
    assert await dump() == before
    assert (seen.points, seen.because, seen.before, seen.after) == (
        500, "ABOVE_LIMIT", Balances(0, 0, 0, 30, 0), Balances(470, 0, 0, 0, 0),
    )  # fmt: skip
    line = await approve(work, made, zhou)
    assert orjson.loads(line.after or "") == figures(470)
    assert await traces(mei) == [{**seen.trace, "adjustment": str(made.adjustment_id)}]
    with pytest.raises(AdjustmentNotOpen):
        await adjustments.preview_approval(work, member_id=mei, adjustment_id=made.adjustment_id, actor=zhou)


async def test_a_preview_of_an_approval_is_refused_as_the_approval(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """With the numbers of that moment."""
    mei = await a_member(clock, points=150)
    made = await adjust(work, mei, -150, lin)
    await spend(work, mei, 1)
    with pytest.raises(InsufficientPoints) as refusal:
        await adjustments.preview_approval(work, member_id=mei, adjustment_id=made.adjustment_id, actor=zhou)
    assert refusal.value.available == 149


async def test_what_does_not_exist_is_not_found(work: Work, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """Neither an unknown id nor an adjustment under another member's."""
    mei, lan = await a_member(clock), await a_member(clock)
    made = await adjust(work, mei, 500, lin)
    for member_id, adjustment_id in ((mei, UUID(int=7)), (lan, made.adjustment_id)):
        place: Any = {"member_id": member_id, "adjustment_id": adjustment_id, "actor": zhou}
        for attempt in (
            adjustments.approve(work, **place),
            adjustments.reject(work, reason="no", **place),
            adjustments.withdraw(work, **place),
            adjustments.preview_approval(work, **place),
        ):
            with pytest.raises(NotFound) as refusal:
                await attempt
            assert (refusal.value.kind, refusal.value.id) == ("adjustment", str(adjustment_id))
    assert await rows_in("adjustment") == 1


async def run_job(work: Work) -> None:
    """The job as the worker runs it, without an outbox row."""
    run = Run(id=1, send=1, job="adjustments.lapse_due_proposals", payload={}, attempt=1, correlation_id=None)
    await lapse_due_proposals(JobContext(work, run, timedelta(minutes=1)))
    assert await fetch("SELECT FROM outbox") == []
