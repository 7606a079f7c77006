"""One change of a member's account by staff: whether it is possible, its trace, its entry.

Making an adjustment and approving one both come here, so that a preview, a posting and an approval decide alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gamification.adjustments.errors import (
    AdjustmentTooLarge,
    InsufficientGrowth,
    NothingToWaive,
    OwnAccount,
    WaiverExceedsDebt,
)
from gamification.adjustments.rules import RULE_NAMES, AdjustmentsPolicy, Balances, Currency, Kind, balances_after
from gamification.adjustments.service.loads import PARTIES, Party
from gamification.core.policy import Version
from gamification.members.errors import MemberNotActive
from gamification.points.book import Book
from gamification.points.errors import InsufficientPoints
from gamification.points.rules import PointsPolicy, lifetime
from gamification.tiers.service import count, raise_tier

LOTS_MAX = 64
"""Lots that are loaded at first; an adjustment that takes from more is decided again over all of them."""


@dataclass(frozen=True, slots=True)
class Change:
    """What staff want: how many points or how much growth (signed), or how much debt waived; by whom."""

    kind: Kind
    currency: Currency
    points: int
    made_by: UUID
    approved_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a change does now: the balances before and after it, and the trace that its entry carries."""

    before: Balances
    after: Balances
    trace: dict[str, Any]


def balances_of(book: Book) -> Balances:
    """What the member has in this draft."""
    account = book.points
    return Balances(account.available, account.pending, account.held, account.debt, book.growth)


def check_parties(book: Book) -> None:
    """Refuses: MemberNotActive (ERASED), OwnAccount for any of the staff who answer for the change."""
    parties: list[Party] = book.loaded(PARTIES.name)
    for party in parties:
        if party.status == "ERASED":
            raise MemberNotActive(status=party.status)
        if party.is_own:
            raise OwnAccount


def foresee(book: Book, change: Change, version: Version[AdjustmentsPolicy]) -> Foreseen:
    """Decide a change without making it.

    Refuses: AdjustmentTooLarge, InsufficientPoints, InsufficientGrowth, NothingToWaive, WaiverExceedsDebt.
    """
    _check_possible(book, change, version.body)
    before = balances_of(book)
    activates_at, _ = lifetime(book.policy(PointsPolicy).body, book.now, book.calendar)
    after = balances_after(before, change.kind, change.currency, change.points, waits=activates_at > book.now)
    return Foreseen(before, after, _trace(change, version, before, after))


def post(book: Book, change: Change, adjustment_id: UUID, foreseen: Foreseen) -> int:
    """Make a change that was foreseen on the same draft; returns the seq of its entry."""
    source, trace = ("adjustment", str(adjustment_id)), {**foreseen.trace, "adjustment": str(adjustment_id)}
    points = change.points
    if change.kind == "DEBT_WAIVER":
        posted = book.waive(points, source=source, trace=trace)
    elif change.currency == "GROWTH":
        posted = book.grow(points, source=source, kind="ADJUSTMENT", trace=trace)
        count(book, book.now, growth=points)
        if points > 0:
            raise_tier(book, book.now)
    elif points > 0:
        posted = book.accrue(points, source=source, kind="ADJUSTMENT", trace=trace)
    else:
        posted = book.take(-points, source=source, kind="ADJUSTMENT", trace=trace, is_revocation=True)
    assert balances_of(book) == foreseen.after, "what is foreseen is what is posted"
    return posted.seq


def _check_possible(book: Book, change: Change, policy: AdjustmentsPolicy) -> None:
    points, account = change.points, book.points
    if change.kind == "DEBT_WAIVER" and not account.debt:
        raise NothingToWaive
    if abs(points) > policy.points_max:
        raise AdjustmentTooLarge(required=abs(points), limit=policy.points_max)
    if change.kind == "DEBT_WAIVER":
        if points > account.debt:
            raise WaiverExceedsDebt(required=points, debt=account.debt)
    elif change.currency == "GROWTH":
        if -points > book.growth:
            raise InsufficientGrowth(required=-points, available=book.growth, missing=-points - book.growth)
    elif -points > account.available:
        missing = -points - account.available + account.debt
        raise InsufficientPoints(required=-points, available=account.available, debt=account.debt, missing=missing)


def _trace(change: Change, version: Version[AdjustmentsPolicy], before: Balances, after: Balances) -> dict[str, Any]:
    """Ids and figures only: the reason is free text and stands in the adjustment's row."""
    trace: dict[str, Any] = {
        "rule": RULE_NAMES[change.kind, change.currency, change.points > 0],
        "policy": [AdjustmentsPolicy.kind, version.version],
        "by": str(change.made_by),
        "result": abs(change.points),
    }
    if change.approved_by is not None:
        trace["approved_by"] = str(change.approved_by)
    if change.kind == "ADJUSTMENT" and after.debt != before.debt:
        trace["repaid"] = before.debt - after.debt
    return trace
