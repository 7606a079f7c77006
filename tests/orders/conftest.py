"""One database per module of these tests: members share nothing, so tests need not either."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.local.stores import Stores
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.builders import EARNING, FOR_EVER, TIERS, a_database, a_work, assert_invariants
from tests.databases import Database


@pytest.fixture(scope="module")
async def books(stores: Stores, server: asyncpg.Connection, template: str) -> AsyncIterator[Database]:
    """A database that the tests of a module share."""
    async with a_database(stores, server, template) as database:
        yield database


@pytest.fixture
async def work(books: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs in a programme of one point and one growth per yuan; the books agree in the end."""
    yield a_work(clock, FOR_EVER, EARNING, TIERS)
    await assert_invariants()


@pytest.fixture
async def shop(work: Work) -> Shop:
    """A shop whose member Mei is known."""
    shop = Shop(work)
    await shop.member()
    return shop
