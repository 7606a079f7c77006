"""One V8 for all tests of verifiers, which keep nothing between two calls; and a programme with draws."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from py_mini_racer import MiniRacer

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.databases import Database
from tests.draws.builders import a_programme, broken_invariants
from tests.verifiers.running import a_machine


@pytest.fixture(scope="session")
def machine() -> MiniRacer:
    """A V8 that has read verify.js."""
    return a_machine()


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs in a programme that has been published."""
    yield await a_programme(clock)
    assert await broken_invariants() == []
