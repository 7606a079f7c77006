"""The staff's rooms over a fresh database."""

from __future__ import annotations

import pytest

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.points.ledger import PointsLedger
from tests.databases import Database
from tests.staff.rooms import Office


@pytest.fixture
def office(database: Database, clock: FixedClock) -> Office:
    """An endpoint without HTTP whose programme has not been published yet."""
    return Office(Work(clock=clock, ledger=PointsLedger()), clock)
