"""Chance that can be recomputed: golden values, and no number likelier than another."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from inspect import getgeneratorlocals
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.core.chance import BELOW_MAX, below, commitment, in_order, new_seed, place, shuffled

SEED = bytes(range(32))


def test_a_commitment_is_the_sha256_of_the_seed() -> None:
    """Pinned: what was committed once must verify for ever."""
    assert commitment(SEED).hex() == "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"


def test_places_and_their_order_are_pinned() -> None:
    """HMAC-SHA256(seed, scope|number), computed here with the standard library once more."""
    assert [place(SEED, "draw", number).hex() for number in (1, 2, 3)] == [
        "b358a49e456870404994a56633dc73cdc55e75817050132744579501dfb9f47d",
        "7eaa3285ad88cc43b4ef82f8ae33f02a2a51ee44e86a3614f5be6af33d8df27a",
        "5258bba4e265ff5d03cc1c344f41a2e99cc6efcb0bd8a480308af5bf201d21e1",
    ]
    assert place(SEED, "draw", 1) == hmac.new(SEED, b"draw|1", hashlib.sha256).digest()
    assert shuffled(SEED, "draw", 10) == [8, 6, 3, 2, 5, 7, 4, 1, 10, 9]


def test_bounded_numbers_are_pinned_also_where_a_value_was_rejected() -> None:
    """With a bound just above a third of 2^64 every third value is drawn again: the 1st, 2nd and 4th were."""
    assert [below(SEED, f"play|{turn}", 1_000_000) for turn in range(5)] == [847825, 767271, 792137, 95785, 254474]
    assert [below(SEED, f"play|{turn}", 6148914691236517206) for turn in range(4)] == [
        98989212069129988, 3449596426889399924, 520439170576792137, 538329770395146683,
    ]  # fmt: skip


@given(st.integers(1, BELOW_MAX), st.text(max_size=20))
def test_a_bounded_number_stays_below_its_bound(bound: int, message: str) -> None:
    """From 0 up to, and not including, the bound."""
    assert 0 <= below(SEED, message, bound) < bound


def test_each_number_comes_about_as_often() -> None:
    """χ² of 6,000 throws of a fixed seed's die; pinned by the seed, so it never fails by chance."""
    throws = Counter(below(SEED, f"die|{turn}", 6) for turn in range(6000))
    assert sorted(throws) == [0, 1, 2, 3, 4, 5]
    assert sum((count - 1000) ** 2 for count in throws.values()) / 1000 < 15.09  # 1 % of five degrees of freedom


@given(st.integers(0, 300))
def test_an_order_holds_every_number_once(last: int) -> None:
    """Nothing is lost and nothing doubled."""
    assert sorted(shuffled(SEED, "draw", last)) == list(range(1, last + 1))


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 3))
def test_an_order_read_one_by_one_is_the_order(last: int, expected: int, held: int) -> None:
    """Whatever was expected to be taken, and however few places are held at a time: the same numbers, all of them."""
    with patch("gamification.core.chance.HELD_MIN", held):
        numbers = list(in_order(SEED, "draw", last, expected=expected))
    assert numbers == sorted(range(1, last + 1), key=lambda number: (place(SEED, "draw", number), number))


def test_the_first_of_many_are_found_without_holding_all() -> None:
    """The first three of ten thousand; about as many places are held as were expected and `HELD_MIN`, not all."""
    numbers = in_order(SEED, "draw", 10_000, expected=3)
    first = [next(numbers) for _ in range(3)]
    assert 900 < len(getgeneratorlocals(cast(Any, numbers))["held"]) < 1_100
    assert first == shuffled(SEED, "draw", 10_000)[:3]


def test_seeds_differ_and_have_32_bytes() -> None:
    """They come from the operating system."""
    seeds = {new_seed() for _ in range(100)}
    assert len(seeds) == 100 and {len(seed) for seed in seeds} == {32}


@pytest.mark.parametrize("bound", [0, -1, BELOW_MAX + 1])
def test_a_bound_out_of_range_is_a_programmers_error(bound: int) -> None:
    """It is asserted, not answered."""
    with pytest.raises(AssertionError):
        below(SEED, "x", bound)
