"""What can be won, and what it may be worth."""

from __future__ import annotations

from typing import get_args

import pytest

from gamification.prizes.errors import PrizeTooValuable
from gamification.prizes.rules import PrizeKind, value_fen
from gamification.prizes.service import GRANTERS, check_value


def test_every_kind_can_be_granted() -> None:
    """A kind that nothing grants is not one."""
    assert set(GRANTERS) == set(get_args(PrizeKind))


def test_the_law_bounds_a_prize() -> None:
    """50,000 yuan are allowed, a fen more is not; the refusal has the numbers. Nothing is worth nothing."""
    check_value(1, "POINTS", 5_000_000)
    with pytest.raises(PrizeTooValuable) as refusal:
        check_value(3, "POINTS", 5_000_001)
    assert refusal.value.fields() == {"place": 3, "value_fen": 5_000_001, "limit_fen": 5_000_000}
    assert value_fen("NONE", 0) == 0
