"""The points multiplier of a tier, on the member's book."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from gamification.benefits.rules import BASIS, NOTHING, BenefitsPolicy, TierBenefits
from gamification.core.policy import PolicyMissing, Version
from gamification.points.book import Book
from gamification.points.rows import Source
from gamification.tiers.service import tier_code


def in_force(book: Book, at: datetime) -> Version[BenefitsPolicy] | None:
    """What tiers give at an instant; None as long as the programme gives nothing."""
    if book.policies.latest(BenefitsPolicy) is None:
        return None
    try:
        return book.policy(BenefitsPolicy, at)
    except PolicyMissing:
        return None


def has_multipliers(book: Book, at: datetime) -> bool:
    """Whether any tier multiplies points at an instant."""
    version = in_force(book, at)
    return version is not None and any(tier.multiplier_bp > BASIS for tier in version.body.tiers)


def benefits_of(book: Book, at: datetime) -> TierBenefits:
    """What the member's tier gives at an instant. The verb loads STANDING of the tiers."""
    version = in_force(book, at)
    return version.body.of(tier_code(book)) if version is not None else NOTHING


def post_multiplied(
    book: Book, points: int, portions: Sequence[int], *, at: datetime, source: Source, base_fen: int, rate_bp: int,
    order_id: UUID,
) -> None:  # fmt: skip
    """Post what a tier's multiplier adds to an order, on its lines."""
    version = in_force(book, at)
    assert version is not None, "somebody multiplied"
    tier = tier_code(book)
    trace = {
        "rule": "tier_multiplier", "policy": ["benefits", version.version], "tier": tier, "base_fen": base_fen,
        "rate_bp": rate_bp, "multiplier_bp": version.body.of(tier).multiplier_bp, "result": points,
    }  # fmt: skip
    book.accrue(
        points, source=(f"{source[0]}_tier", source[1]), kind="BONUS", trace=trace, occurred_at=at, order_id=order_id,
        portions=list(enumerate(portions)),
    )  # fmt: skip
