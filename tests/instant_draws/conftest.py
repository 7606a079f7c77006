"""A programme with instant draws, whose invariants are checked when the test has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.databases import Database
from tests.draws.builders import a_programme
from tests.instant_draws.builders import broken_invariants


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs in a programme that has been published."""
    yield await a_programme(clock)
    assert await broken_invariants() == []
