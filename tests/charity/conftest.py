"""A programme in which members give, whose invariants are checked when the test has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.charity.builders import a_programme, broken_invariants
from tests.databases import Database


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs in a programme that has been published."""
    yield await a_programme(clock)
    assert await broken_invariants() == []
