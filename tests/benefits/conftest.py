"""A programme whose tiers give something, and what must hold when a test has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.benefits.rules import BenefitsPolicy, TierBenefits
from gamification.core.clock import FixedClock
from tests.builders import EARNING, FOR_EVER, TIERS, a_work, assert_invariants, publish
from tests.databases import Database
from tests.orders.builders import Shop, at

GIVEN = BenefitsPolicy(
    (
        TierBenefits("BASIC", birthday_points=50),
        TierBenefits(
            "SILVER", multiplier_bp=15_000, discount_bp=500, discount_uses_per_month=2, free_deliveries_per_month=None,
            birthday_points=100, entry_points=30,
        ),
        TierBenefits(
            "GOLD", multiplier_bp=20_000, early_access_minutes=60, priority_service=True, entry_points=70
        ),
    )
)  # fmt: skip


@pytest.fixture
async def shop(database: Database, clock: FixedClock) -> AsyncIterator[Shop]:
    """A point and a growth per yuan; silver earns 1.5 times and has a discount, gold twice; gifts."""
    await publish(clock, FOR_EVER, EARNING, TIERS, GIVEN)
    shop = Shop(a_work(clock, listeners={"tier.raised": ("benefits.give_entry_gift",)}))
    await shop.work.policies.refresh()
    await shop.member()
    clock.set(at("03-20"))
    yield shop
    await assert_invariants()
