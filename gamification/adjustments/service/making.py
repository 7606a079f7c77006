"""Staff adjust points or growth, or waive debt: within the limits it is posted, beyond them proposed.

Lock order: the member of staff, whose day's allowance is counted; then the member's POINTS account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gamification.adjustments.errors import NothingToWaive
from gamification.adjustments.models import Adjustment
from gamification.adjustments.rules import AdjustmentsPolicy, Balances, Because, Currency, Kind, State
from gamification.adjustments.service.changes import LOTS_MAX, Change, check_parties, foresee, post
from gamification.adjustments.service.loads import MOVED_ALONE, PARTIES, Moved
from gamification.adjustments.service.trail import note
from gamification.core.actors import Actor
from gamification.core.audit import check_reason
from gamification.core.database import execute
from gamification.core.draft import Command, Verb
from gamification.core.encoding import encode
from gamification.core.errors import InvalidInput
from gamification.core.ids import new_id
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.points.book import Book
from gamification.tiers.service import TIER_LOADS


@dataclass(frozen=True, kw_only=True)
class Adjust(Command):
    """One change by hand; `points` None waives the whole debt."""

    kind: Kind
    currency: Currency
    points: int | None
    reason: str
    adjustment_id: UUID = field(default_factory=new_id, metadata={"fingerprint": False})

    @property
    def people(self) -> tuple[UUID, ...]:
        """Who answers for it."""
        return (staff_id_of(self.actor),)


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What became of a change: POSTED with its entry, or PROPOSED for a reason and until an instant.

    `before` and `after` are the balances around it; for a proposal, what they would be if it were approved now.
    """

    member_id: UUID
    adjustment_id: UUID
    kind: Kind
    currency: Currency
    points: int
    state: State
    because: Because | None
    lapses_at: datetime | None
    entry_seq: int | None
    before: Balances
    after: Balances
    trace: dict[str, Any]
    made_at: datetime


@dataclass(frozen=True, slots=True)
class AdjustmentPreview:
    """What a change would do now: whether it needs a second person and why, the balances around it, its trace."""

    points: int
    because: Because | None
    before: Balances
    after: Balances
    trace: dict[str, Any]


def _decide(book: Book, command: Adjust) -> Adjusted:
    check_parties(book)
    change = _change(book, command)
    version = book.policy(AdjustmentsPolicy)
    foreseen = foresee(book, change, version)
    because = version.body.because(change.points, _moved_today(book, change.made_by))
    lapses_at = entry_seq = None
    if because is None:
        entry_seq = post(book, change, command.adjustment_id, foreseen)
        book.loaded(MOVED_ALONE.name).append(Moved(book.member_id, change.made_by, book.on, abs(change.points)))
    else:
        lapses_at = book.calendar.ends_at(book.on + timedelta(days=version.body.proposal_days))
    made = Adjusted(
        book.member_id, command.adjustment_id, change.kind, change.currency, change.points,
        "POSTED" if because is None else "PROPOSED", because, lapses_at, entry_seq,
        foreseen.before, foreseen.after, foreseen.trace, book.now,
    )  # fmt: skip
    _insert(book, made, command, version.version)
    return made


def _change(book: Book, command: Adjust) -> Change:
    points = book.points.debt if command.points is None else command.points
    if not points:
        raise NothingToWaive
    return Change(command.kind, command.currency, points, staff_id_of(command.actor))


def _moved_today(book: Book, staff_id: UUID) -> int:
    moved: list[Moved] = book.loaded(MOVED_ALONE.name)
    return sum(row.points for row in moved if (row.staff_id, row.made_on) == (staff_id, book.on))


def _insert(book: Book, made: Adjusted, command: Adjust, policy_version: int) -> None:
    is_posted = made.state == "POSTED"
    book.insert(
        Adjustment, id=made.adjustment_id, kind=made.kind, currency=made.currency, points=made.points,
        reason=command.reason, state=made.state, because=made.because, policy_version=policy_version,
        made_by=staff_id_of(command.actor), made_at=made.made_at, made_on=book.on, lapses_at=made.lapses_at,
        entry_seq=made.entry_seq, before=encode(made.before) if is_posted else None,
        after=encode(made.after) if is_posted else None,
    )  # fmt: skip


LOADS = (*TIER_LOADS, PARTIES, MOVED_ALONE)
ADJUST = Verb("adjustments.adjust", _decide, Adjusted, loads=LOADS, lots_max=LOTS_MAX)
WAIVE = Verb("adjustments.waive", _decide, Adjusted, loads=LOADS, lots_max=LOTS_MAX)


async def adjust(
    work: Work, *, member_id: UUID, currency: Currency, points: int, reason: str, actor: Actor, key: str
) -> Adjusted:
    """Move points or growth up (positive) or down (negative), or propose it where that needs a second person.

    The same key again answers the same. Refuses: InvalidInput, NotFound, MemberNotActive, OwnAccount,
    AdjustmentTooLarge, InsufficientPoints, InsufficientGrowth, IdempotencyConflict.
    Locks: the member of staff, account.
    """
    return await _make(work, ADJUST, _adjustment(member_id, currency, points, reason, actor, key))


async def waive_debt(
    work: Work, *, member_id: UUID, points: int | None, reason: str, actor: Actor, key: str
) -> Adjusted:
    """Waive so many points of debt (None: all of it), or propose it where that needs a second person.

    The same key again answers the same. Refuses: InvalidInput, NotFound, MemberNotActive, OwnAccount, NothingToWaive,
    WaiverExceedsDebt, AdjustmentTooLarge, IdempotencyConflict. Locks: the member of staff, account.
    """
    return await _make(work, WAIVE, _waiver(member_id, points, reason, actor, key))


async def preview_adjustment(
    work: Work, *, member_id: UUID, currency: Currency, points: int, actor: Actor
) -> AdjustmentPreview:
    """What `adjust` would do now, not written. Refuses: as it does."""
    return await _preview(work, ADJUST, _adjustment(member_id, currency, points, "preview", actor, None))


async def preview_waiver(work: Work, *, member_id: UUID, points: int | None, actor: Actor) -> AdjustmentPreview:
    """What `waive_debt` would do now, not written. Refuses: as it does."""
    return await _preview(work, WAIVE, _waiver(member_id, points, "preview", actor, None))


def _adjustment(
    member_id: UUID, currency: Currency, points: int, reason: str, actor: Actor, key: str | None
) -> dict[str, Any]:
    """A command's values, checked. Refuses: InvalidInput."""
    if not points:
        raise InvalidInput(field="points", reason="not zero")
    return {
        "member_id": member_id, "kind": "ADJUSTMENT", "currency": currency, "points": points,
        "reason": check_reason(reason), "actor": actor, "key": key,
    }  # fmt: skip


def _waiver(member_id: UUID, points: int | None, reason: str, actor: Actor, key: str | None) -> dict[str, Any]:
    """A command's values, checked. Refuses: InvalidInput."""
    if points is not None and points < 1:
        raise InvalidInput(field="points", reason="1 or more, or left out for the whole debt")
    return {
        "member_id": member_id, "kind": "DEBT_WAIVER", "currency": "POINTS", "points": points,
        "reason": check_reason(reason), "actor": actor, "key": key,
    }  # fmt: skip


async def _make(work: Work, verb: Verb[Adjust, Adjusted], values: dict[str, Any]) -> Adjusted:
    """Decide and write, with the audit line, in one transaction; a refusal commits too, for its receipt.

    Requests of one member of staff hold the person's row in turn, so that each sees what the others moved, and the
    receipt that another took under the same key.
    """

    async def run() -> Adjusted | Exception:
        command = Adjust(**values)  # an id of its own for each attempt tells a replayed answer from a fresh one
        async with transaction():
            await execute("SELECT FROM staff WHERE id = $1 FOR NO KEY UPDATE", command.actor.id)
            (outcome,) = await work.perform_all(verb, [command])
            if isinstance(outcome, Adjusted) and outcome.adjustment_id == command.adjustment_id:
                await _note(outcome, command.actor)
        return outcome

    outcome = await retrying(run)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _note(made: Adjusted, actor: Actor) -> None:
    is_posted = made.state == "POSTED"
    await note(
        actor, "posted" if is_posted else "proposed", made.member_id, made.adjustment_id, at=made.made_at,
        before={"balances": made.before},
        after={
            "state": made.state, "kind": made.kind, "currency": made.currency, "points": made.points,
            "entry_seq": made.entry_seq, "balances": made.after if is_posted else made.before,
        },
    )  # fmt: skip


async def _preview(work: Work, verb: Verb[Adjust, Adjusted], values: dict[str, Any]) -> AdjustmentPreview:
    preview = await work.preview(verb, Adjust(**values))
    if preview.refusal is not None:
        raise preview.refusal
    assert preview.answer is not None, "a preview has an answer or a refusal"
    seen = preview.answer
    return AdjustmentPreview(seen.points, seen.because, seen.before, seen.after, seen.trace)


def staff_id_of(actor: Actor) -> UUID:
    """The member of staff who acts."""
    assert actor.kind == "staff" and actor.id is not None, "adjustments are made by staff"
    return actor.id
