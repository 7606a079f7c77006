"""A stand-in relay, and no relays left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from gamification.beacons import ports
from tests.beacons.builders import StandIn, a_stand_in


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with a_stand_in() as serving:
        yield serving


@pytest.fixture(autouse=True)
def _no_relays_left() -> Iterator[None]:
    yield
    ports.appoint(None)
