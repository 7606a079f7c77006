"""Tier sets that end, for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from gamification.tiers.evaluation import Fact
from gamification.tiers.rules import Tier, TierPolicy

YEARLY = TierPolicy(
    (
        Tier("BASIC", "普通会员", "Basic", 0),
        Tier("SILVER", "银卡会员", "Silver", 1_000, retention=800),
        Tier("GOLD", "金卡会员", "Gold", 5_000, retention=4_000, purchase_sku="gold-card", purchase_months=3),
        Tier("BLACK", "黑金会员", "Black", 20_000),
    ),
    window="ROLLING_MONTHS", window_months=12, validity_months=12, downgrade="ONE_LEVEL", refund_days=30,
)  # fmt: skip
"""Growth of the last twelve months; a tier holds for a year, then falls by one."""


def a_set(**given: Any) -> TierPolicy:
    """The yearly set with some terms of its own."""
    return replace(YEARLY, **given)


def day(text: str) -> date:
    return date.fromisoformat(text)


def grown(*facts: tuple[str, int]) -> list[Fact]:
    """Growth by day, each of one order of a yuan a point."""
    return [Fact(day(on), growth, growth * 100, 1) for on, growth in facts]


def days(first: date, last: date) -> list[date]:
    """Every day from one to another, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
