"""Tiers follow what members do, and time: raised at once, judged when they end, bought, pinned.

Called on the member's book by whatever posts growth or records orders. Lock order: the member's POINTS account, nothing
after it.
"""

from gamification.tiers.service.following import (
    StandingState,
    buy_tiers,
    end_purchase,
    follow_refund,
    follow_time,
    raise_tier,
    tier_code,
)
from gamification.tiers.service.loads import FACTS, PURCHASES, STANDING, TIER_LOADS, count
from gamification.tiers.service.terms import TierPinned, evaluate_due, pin_tier, preview_pin, preview_unpin, unpin_tier

__all__ = [
    "FACTS",
    "PURCHASES",
    "STANDING",
    "TIER_LOADS",
    "StandingState",
    "TierPinned",
    "buy_tiers",
    "count",
    "end_purchase",
    "evaluate_due",
    "follow_refund",
    "follow_time",
    "pin_tier",
    "preview_pin",
    "preview_unpin",
    "raise_tier",
    "tier_code",
    "unpin_tier",
]
