"""Surroundings of verbs, and what must hold when a test has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.builders import EARNING, FOR_EVER, TIERS, a_work, assert_invariants
from tests.databases import Database
from tests.orders.builders import Shop


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs in a programme of one point and one growth per yuan; the books agree in the end."""
    yield a_work(clock, FOR_EVER, EARNING, TIERS)
    await assert_invariants()


@pytest.fixture
async def shop(work: Work) -> Shop:
    """A shop whose member Mei is known."""
    shop = Shop(work)
    await shop.member()
    return shop
