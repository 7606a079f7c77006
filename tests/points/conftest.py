"""Surroundings of verbs, and what must hold when a test has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.builders import FOR_EVER, a_work, assert_invariants
from tests.databases import Database


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs under a policy of points that never expire; the books agree in the end."""
    yield a_work(clock, FOR_EVER)
    await assert_invariants()
