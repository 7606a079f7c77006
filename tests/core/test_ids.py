"""Identifiers that grow."""

from __future__ import annotations

import time
from itertools import pairwise
from uuid import RFC_4122

import pytest

from gamification.core.ids import new_id


def test_ids_are_version_seven_and_strictly_growing() -> None:
    """A hundred thousand ids drawn in a row ascend, are all different, and carry version and variant of RFC 9562."""
    drawn = [new_id() for _ in range(100_000)]
    assert all(a < b for a, b in pairwise(drawn))
    assert {(each.version, each.variant) for each in drawn} == {(7, RFC_4122)}


def test_an_id_starts_with_its_milliseconds() -> None:
    """The first 48 bits lie between the instants before and after."""
    before = time.time_ns() // 1_000_000
    stamp = new_id().int >> 80
    assert before <= stamp <= time.time_ns() // 1_000_000 + 1


def test_ids_grow_while_the_clock_stands_or_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Order within a process does not depend on the clock."""
    first = new_id()
    monkeypatch.setattr("gamification.core.ids.time.time_ns", lambda: 0)
    later = [new_id() for _ in range(1000)]
    assert first < later[0] and later == sorted(set(later))
