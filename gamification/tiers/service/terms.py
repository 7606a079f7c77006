"""Tiers as time and staff move them: evaluation of what is due, pins with their reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from gamification.core.actors import SYSTEM, Actor
from gamification.core.audit import audit, check_reason
from gamification.core.database import fetch
from gamification.core.draft import Command, Verb
from gamification.core.errors import InvalidInput
from gamification.core.policy import PolicyMissing
from gamification.core.transactions import transaction
from gamification.core.work import Preview, Work
from gamification.points.book import Book
from gamification.tiers.rows import StandingRow
from gamification.tiers.rules import TierPolicy
from gamification.tiers.service.following import follow_time, pin
from gamification.tiers.service.loads import STANDING, TIER_LOADS

EVALUATED_MAX = 500
"""Members per write of the evaluation."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Whether an evaluation wrote anything."""

    changed: bool


def _decide_evaluation(book: Book, command: Command) -> Evaluated:
    return Evaluated(follow_time(book))


EVALUATE = Verb("tiers.evaluate", _decide_evaluation, Evaluated, loads=TIER_LOADS)


async def evaluate_due(work: Work, *, heartbeat: Callable[[], Awaitable[None]]) -> list[Exception]:
    """Judge every standing on which time moves something, a batch of members at a time; returns the faults.

    Safe to run twice: what is judged is no longer due. A member whose evaluation fails does not hold up the others.
    Locks: accounts.
    """
    today = work.calendar.business_date(work.clock.now())
    try:
        policy = work.policies.at(TierPolicy, work.clock.now()).body
    except PolicyMissing:
        return []
    faults: list[Exception] = []
    last = UUID(int=0)
    while True:
        rows = await fetch(
            """SELECT member_id FROM tier_standing
               WHERE member_id > $4 AND (due_on <= $1 OR ($2 AND valid_until IS NULL AND earned_code <> $3))
               ORDER BY member_id LIMIT $5""",
            today, policy.validity_months is not None, policy.tiers[0].code, last, EVALUATED_MAX,
        )  # fmt: skip
        if not rows:
            return faults
        commands = [Command(member_id=row["member_id"], actor=SYSTEM) for row in rows]
        outcomes = await work.perform_all(EVALUATE, commands)
        faults += [each for each in outcomes if isinstance(each, Exception)]
        last = rows[-1]["member_id"]
        await heartbeat()


@dataclass(frozen=True, kw_only=True)
class PinTier(Command):
    """A tier that staff set until a day (None: until it is taken away), or end (`code` None)."""

    code: str | None
    until: date | None


@dataclass(frozen=True, slots=True)
class TierPinned:
    """The tier that a member has after staff set or ended one, the one that was earned, and the pin's last day."""

    member_id: UUID
    tier_code: str
    earned_code: str
    pin_code: str | None
    pin_until: date | None


def _decide_pin(book: Book, command: PinTier) -> TierPinned:
    policy = book.policy(TierPolicy).body
    if command.code is not None and policy.rank(command.code) < 0:
        raise InvalidInput(field="tier", reason="a code of the tier set in force")
    if command.until is not None and command.until < book.on:
        raise InvalidInput(field="until", reason="not before today")
    rows: list[StandingRow] = book.loaded(STANDING.name)
    if command.code is None and (not rows or rows[0].pin_code is None):
        raise InvalidInput(field="member", reason="no tier is pinned")
    row = pin(book, command.code, command.until)
    return TierPinned(book.member_id, row.tier_code, row.earned_code, row.pin_code, row.pin_until)


PIN = Verb("tiers.pin", _decide_pin, TierPinned, loads=TIER_LOADS)


async def pin_tier(
    work: Work, *, member_id: UUID, code: str, until: date | None, reason: str, actor: Actor
) -> TierPinned:
    """Set a member's tier, whatever was earned, until a day or until it is taken away; audited with its reason.

    Refuses: InvalidInput (the code, the day, the reason), NotFound. Locks: account.
    """
    return await _audited(work, PinTier(member_id=member_id, actor=actor, code=code, until=until), reason)


async def unpin_tier(work: Work, *, member_id: UUID, reason: str, actor: Actor) -> TierPinned:
    """End a pin: the member has what was earned or bought. Refuses: InvalidInput (nothing is pinned, the reason)."""
    return await _audited(work, PinTier(member_id=member_id, actor=actor, code=None, until=None), reason)


async def preview_pin(
    work: Work, *, member_id: UUID, code: str, until: date | None, actor: Actor
) -> Preview[TierPinned]:
    """What `pin_tier` would make of it, not written; its outcome refuses as that does."""
    return await work.preview(PIN, PinTier(member_id=member_id, actor=actor, code=code, until=until))


async def preview_unpin(work: Work, *, member_id: UUID, actor: Actor) -> Preview[TierPinned]:
    """What `unpin_tier` would make of it, not written; its outcome refuses as that does."""
    return await work.preview(PIN, PinTier(member_id=member_id, actor=actor, code=None, until=None))


async def _audited(work: Work, command: PinTier, reason: str) -> TierPinned:
    text = check_reason(reason)
    async with transaction():
        pinned = await work.perform(PIN, command)
        after = {"tier": pinned.tier_code, "pin": pinned.pin_code, "until": _day(pinned.pin_until)}
        action = "tier.pinned" if command.code is not None else "tier.unpinned"
        await audit(
            command.actor, action, "member", str(command.member_id), now=work.clock.now(), after=after, reason=text
        )
    return pinned


def _day(on: date | None) -> str | None:
    return on.isoformat() if on else None
