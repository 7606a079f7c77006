"""An office with two who may adjust, over a database whose books agree in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.adjustments.builders import an_office, hire
from tests.builders import assert_invariants
from tests.databases import Database


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """A programme of points that never expire, with limits of adjustment; the books agree in the end."""
    yield an_office(clock)
    await assert_invariants()


@pytest.fixture
async def lin(database: Database, clock: FixedClock) -> Actor:
    """An operator, who proposes."""
    return await hire(clock, "lin")


@pytest.fixture
async def zhou(database: Database, clock: FixedClock) -> Actor:
    """An owner, who approves."""
    return await hire(clock, "zhou", "owner")
