"""One V8 for all tests of verifiers; they keep nothing between two calls."""

from __future__ import annotations

import pytest
from py_mini_racer import MiniRacer

from tests.verifiers.running import a_machine


@pytest.fixture(scope="session")
def machine() -> MiniRacer:
    """A V8 that has read verify.js."""
    return a_machine()
