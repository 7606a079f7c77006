"""One database per module of the ledger's tests: members share nothing, so tests need not either."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.local.stores import Stores
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.builders import FOR_EVER, a_database, a_work, assert_invariants
from tests.databases import Database


@pytest.fixture(scope="module")
async def books(stores: Stores, server: asyncpg.Connection, template: str) -> AsyncIterator[Database]:
    """A database that the tests of a module share."""
    async with a_database(stores, server, template) as database:
        yield database


@pytest.fixture
async def work(books: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs under a policy of points that never expire; the books agree in the end."""
    yield a_work(clock, FOR_EVER)
    await assert_invariants()
