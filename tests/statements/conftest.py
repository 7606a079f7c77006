"""Surroundings of verbs in a programme with a ladder, and what must hold when a test has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.checkins.rules import CheckInPolicy
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.draws.rules import DrawsPolicy
from gamification.earning.rules import EarningPolicy
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import SPEC_LADDER, TIERS, a_work, assert_invariants
from tests.databases import Database
from tests.orders.builders import Shop

LADDER = EarningPolicy(points_rate_bp=100, growth_rate_bp=100, ladder=SPEC_LADDER)
A_YEAR = PointsPolicy(Expiry(12, "month", "month"))


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """One point a yuan and a ladder, points that live to the end of the twelfth month, a cycle of check-ins."""
    yield a_work(clock, A_YEAR, LADDER, TIERS, CheckInPolicy(), DrawsPolicy())
    await assert_invariants()


@pytest.fixture
async def shop(work: Work) -> Shop:
    """A shop whose member Mei is known."""
    shop = Shop(work)
    await shop.member()
    return shop


"""The shop's members are `mei` and `lin`; both are known by cards."""
