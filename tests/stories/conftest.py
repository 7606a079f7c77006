"""Stories are told on a served demonstration programme of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.settings import Settings
from tests.docs.conftest import Seeded, own_settings, seeded
from tests.stories.served import Programme, served

__all__ = ["own_settings", "seeded"]


@pytest.fixture
async def programme(own_settings: Settings, seeded: Seeded) -> AsyncIterator[Programme]:
    """The demonstration programme, served over HTTP."""
    async with served(own_settings, seeded.tokens) as programme:
        yield programme
