"""Surroundings of verbs and a keeper of the log; what must hold when a test has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.transparency.keeper import Keeper
from tests.builders import FOR_EVER, a_work, assert_invariants
from tests.databases import Database
from tests.transparency.builders import a_keeper


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs under a policy of points that never expire; the books agree in the end."""
    yield a_work(clock, FOR_EVER)
    await assert_invariants()


@pytest.fixture
async def victim(database: Database, clock: FixedClock) -> Work:
    """The same for tests that tamper with the books, which then do not agree."""
    return a_work(clock, FOR_EVER)


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Signs, and keeps copies in a folder of the test."""
    return a_keeper(tmp_path / "outside")
