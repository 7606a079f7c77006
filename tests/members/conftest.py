"""Keys and ports of members for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.members.credentials import RefreshChain
from gamification.members.phones import PhoneVault
from tests.databases import Database
from tests.members.people import Somebody, broken_invariants


@pytest.fixture
def vault() -> PhoneVault:
    """A vault of phones under keys of its own."""
    return PhoneVault(index_key=b"i" * 32, key=b"s" * 32)


@pytest.fixture
def chain() -> RefreshChain:
    """The chain of refresh tokens under a key of its own."""
    return RefreshChain(b"r" * 32)


@pytest.fixture
def mei() -> Somebody:
    """WeChat as Mei's phone sees it."""
    return Somebody()


@pytest.fixture
async def books(database: Database) -> AsyncIterator[None]:
    """A database whose invariants of members are checked when the test has ended."""
    yield
    assert await broken_invariants() == []
