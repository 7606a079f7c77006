"""What becomes of a proposal: another approves or rejects it, the proposer withdraws it, or it lapses.

Lock order: the adjustment, then (approving) the member's POINTS account.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from gamification.adjustments.errors import NotTheProposer, ProposerLostRole, SameApprover
from gamification.adjustments.queries import COLUMNS, AdjustmentLine
from gamification.adjustments.rules import (
    ADJUSTING_ROLES,
    AdjustmentsPolicy,
    Currency,
    Kind,
    State,
    Step,
    following,
    state_at,
)
from gamification.adjustments.service.changes import LOTS_MAX, Change, Foreseen, check_parties, foresee, post
from gamification.adjustments.service.loads import PARTIES
from gamification.adjustments.service.making import AdjustmentPreview, staff_id_of
from gamification.adjustments.service.trail import note
from gamification.core.actors import SYSTEM, Actor
from gamification.core.audit import check_reason
from gamification.core.database import execute, fetch, fetch_row
from gamification.core.draft import Command, Verb
from gamification.core.encoding import encode
from gamification.core.errors import NotFound
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.members.queries import staff_by_ids
from gamification.points.book import Book
from gamification.tiers.service import TIER_LOADS


@dataclass(frozen=True, kw_only=True)
class Approve(Command):
    """A proposal that a second person approves."""

    adjustment_id: UUID
    kind: Kind
    currency: Currency
    points: int
    made_by: UUID

    @property
    def people(self) -> tuple[UUID, ...]:
        """Who answers for it: both."""
        return self.made_by, staff_id_of(self.actor)


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval posted, and when."""

    entry_seq: int
    foreseen: Foreseen
    posted_at: datetime


def _decide(book: Book, command: Approve) -> Approved:
    check_parties(book)
    approver = staff_id_of(command.actor)
    change = Change(command.kind, command.currency, command.points, command.made_by, approver)
    foreseen = foresee(book, change, book.policy(AdjustmentsPolicy))
    return Approved(post(book, change, command.adjustment_id, foreseen), foreseen, book.now)


APPROVE = Verb("adjustments.approve", _decide, Approved, loads=(*TIER_LOADS, PARTIES), lots_max=LOTS_MAX)


async def approve(work: Work, *, member_id: UUID, adjustment_id: UUID, actor: Actor) -> AdjustmentLine:
    """Post what another proposed, on the balances and the policy of this moment; again by the same person, as it is.

    What is refused leaves the proposal open. Refuses: NotFound, AdjustmentNotOpen, SameApprover, ProposerLostRole,
    MemberNotActive, OwnAccount, AdjustmentTooLarge, InsufficientPoints, InsufficientGrowth, NothingToWaive,
    WaiverExceedsDebt. Locks: the adjustment, account.
    """

    async def run() -> AdjustmentLine:
        async with transaction():
            line = await _held(member_id, adjustment_id)
            if (line.state, line.decided_by) == ("POSTED", actor.id):
                return line
            to = _following(line, "approve", work.clock.now())
            done = await work.perform(APPROVE, await _approval(line, actor))
            before, after = done.foreseen.before, done.foreseen.after
            decided = await _decided(
                line, to, by=actor.id, at=done.posted_at,
                entry_seq=done.entry_seq, before=encode(before), after=encode(after),
            )  # fmt: skip
            await note(
                actor, "approved", member_id, adjustment_id, at=done.posted_at,
                before={"state": line.state, "balances": before}, after=_noted(decided, balances=asdict(after)),
            )  # fmt: skip
            return decided

    return await retrying(run)


async def preview_approval(work: Work, *, member_id: UUID, adjustment_id: UUID, actor: Actor) -> AdjustmentPreview:
    """What `approve` would do now, not written. Refuses: as it does, and a proposal that was approved already."""
    line = await _read(member_id, adjustment_id)
    _following(line, "approve", work.clock.now())
    preview = await work.preview(APPROVE, await _approval(line, actor))
    if preview.refusal is not None:
        raise preview.refusal
    assert preview.answer is not None, "a preview has an answer or a refusal"
    seen = preview.answer.foreseen
    return AdjustmentPreview(line.points, line.because, seen.before, seen.after, seen.trace)


async def reject(work: Work, *, member_id: UUID, adjustment_id: UUID, reason: str, actor: Actor) -> AdjustmentLine:
    """Say no to what another proposed; again by the same person, it stays as it is.

    Refuses: NotFound, AdjustmentNotOpen, SameApprover, InvalidInput. Locks: the adjustment.
    """
    text = check_reason(reason)

    async def run() -> AdjustmentLine:
        async with transaction():
            line = await _held(member_id, adjustment_id)
            if (line.state, line.decided_by) == ("REJECTED", actor.id):
                return line
            return await _close(line, "reject", actor, work.clock.now(), decision_reason=text)

    return await retrying(run)


async def withdraw(work: Work, *, member_id: UUID, adjustment_id: UUID, actor: Actor) -> AdjustmentLine:
    """Take the own proposal back; again, it stays as it is.

    Refuses: NotFound, AdjustmentNotOpen, NotTheProposer. Locks: the adjustment.
    """

    async def run() -> AdjustmentLine:
        async with transaction():
            line = await _held(member_id, adjustment_id)
            if (line.state, line.decided_by) == ("WITHDRAWN", actor.id):
                return line
            return await _close(line, "withdraw", actor, work.clock.now())

    return await retrying(run)


async def lapse_due(*, now: datetime, limit: int) -> int:
    """Book that proposals lapsed, the longest due first; returns how many. Locks: adjustments that are free."""

    async def run() -> int:
        async with transaction():
            rows = await fetch(
                f"""SELECT {COLUMNS} FROM adjustment WHERE state = 'PROPOSED' AND lapses_at <= $1
                    ORDER BY lapses_at, id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED""",
                now, limit,
            )  # fmt: skip
            for line in (AdjustmentLine(*row) for row in rows):
                assert line.lapses_at is not None, "a proposal lapses"
                lapsed = await _decided(line, following(line.state, "lapse"), by=None, at=line.lapses_at)
                await _note_closed(SYSTEM, line, lapsed, now)
            return len(rows)

    return await retrying(run)


async def _close(
    line: AdjustmentLine, step: Step, actor: Actor, now: datetime, decision_reason: str | None = None
) -> AdjustmentLine:
    """End a proposal without moving anything. Refuses: AdjustmentNotOpen, SameApprover, NotTheProposer."""
    to = _following(line, step, now)
    is_own = line.made_by == actor.id
    if step == "withdraw" and not is_own:
        raise NotTheProposer
    if step == "reject" and is_own:
        raise SameApprover
    closed = await _decided(line, to, by=actor.id, at=now, decision_reason=decision_reason)
    await _note_closed(actor, line, closed, now)
    return closed


def _following(line: AdjustmentLine, step: Step, now: datetime) -> State:
    """Where a step leads from the state at this instant. Refuses: AdjustmentNotOpen."""
    return following(state_at(line.state, line.lapses_at, now), step)


async def _approval(line: AdjustmentLine, actor: Actor) -> Approve:
    """The command of an approval by a second person. Refuses: SameApprover, ProposerLostRole."""
    proposer, approver = await staff_by_ids([line.made_by, staff_id_of(actor)])
    if line.made_by == actor.id:
        raise SameApprover
    if proposer is None or proposer.disabled_at is not None or proposer.role not in ADJUSTING_ROLES:
        raise ProposerLostRole
    if approver is not None and approver.phone_index is not None and approver.phone_index == proposer.phone_index:
        raise SameApprover
    return Approve(
        member_id=line.member_id, actor=actor, adjustment_id=line.id, kind=line.kind, currency=line.currency,
        points=line.points, made_by=line.made_by,
    )  # fmt: skip


async def _held(member_id: UUID, adjustment_id: UUID) -> AdjustmentLine:
    """The adjustment, locked in the running transaction. Refuses: NotFound."""
    return await _read(member_id, adjustment_id, "FOR NO KEY UPDATE")


async def _read(member_id: UUID, adjustment_id: UUID, lock: str = "") -> AdjustmentLine:
    row = await fetch_row(
        f"SELECT {COLUMNS} FROM adjustment WHERE member_id = $1 AND id = $2 {lock}", member_id, adjustment_id
    )
    if row is None:
        raise NotFound(kind="adjustment", id=str(adjustment_id))
    return AdjustmentLine(*row)


async def _decided(line: AdjustmentLine, to: State, *, by: UUID | None, at: datetime, **values: Any) -> AdjustmentLine:
    """Write what became of a locked proposal."""
    after = line._replace(state=to, decided_by=by, decided_at=at, **values)
    await execute(
        """UPDATE adjustment SET state = $3, decided_by = $4, decided_at = $5, decision_reason = $6, entry_seq = $7,
                  before = $8::jsonb, after = $9::jsonb WHERE member_id = $1 AND id = $2""",
        after.member_id, after.id, after.state, after.decided_by, after.decided_at, after.decision_reason,
        after.entry_seq, after.before, after.after,
    )  # fmt: skip
    return after


async def _note_closed(actor: Actor, line: AdjustmentLine, closed: AdjustmentLine, now: datetime) -> None:
    await note(
        actor, closed.state.lower(), line.member_id, line.id, at=now,
        before={"state": line.state}, after=_noted(closed),
    )  # fmt: skip


def _noted(line: AdjustmentLine, **more: Any) -> dict[str, Any]:
    figures = {"state": line.state, "kind": line.kind, "currency": line.currency, "points": line.points}
    return {**figures, "entry_seq": line.entry_seq, **more}
