"""The tier follows growth upwards: called by whatever posts growth, on the member's book.

Lock order: the member's POINTS account, nothing after it.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.draft import Load
from gamification.points.book import Book
from gamification.tiers.events import TierRaised
from gamification.tiers.models import TierChange, TierStanding
from gamification.tiers.rules import Tier, TierPolicy


class StandingRow(NamedTuple):
    """A member's standing as it was loaded."""

    member_id: UUID
    tier_code: str
    changes: int


STANDING = Load(
    name="tiers.standing",
    row=StandingRow,
    sql="SELECT member_id, tier_code, changes FROM tier_standing WHERE member_id = ANY({members})",
)


def tier_code(book: Book) -> str:
    """The code of the tier that the member is in at this point of the batch; the lowest where nothing is known."""
    rows: list[StandingRow] = book.loaded(STANDING.name)
    return rows[0].tier_code if rows else book.policy(TierPolicy).body.tiers[0].code


def raise_tier(book: Book, at: datetime) -> Tier | None:
    """Raise the member to the tier that growth reaches now; returns the new tier, or None when nothing changes."""
    version = book.policy(TierPolicy)
    policy = version.body
    rows = book.loaded(STANDING.name)
    before: StandingRow | None = rows[0] if rows else None
    reached = policy.reached(book.growth)
    rank = policy.rank(before.tier_code) if before else 0
    if policy.rank(reached.code) <= rank:
        return None
    changes = (before.changes if before else 0) + 1
    rows[:] = [StandingRow(book.member_id, reached.code, changes)]
    book.put(
        TierStanding, ("member_id",),
        tier_code=reached.code, since=at, policy_version=version.version, changes=changes,
    )  # fmt: skip
    book.insert(
        TierChange, number=changes, from_code=before.tier_code if before else None, to_code=reached.code,
        cause="UPGRADE", growth=book.growth, policy_version=version.version, changed_at=at,
    )  # fmt: skip
    book.emit(TierRaised(book.member_id, before.tier_code if before else None, reached.code))
    return reached
