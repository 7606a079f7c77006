"""The outcome function itself: golden values, and odds that hold over a million plays."""

from __future__ import annotations

import math
from collections import Counter
from uuid import UUID

import pytest

from gamification.instant_draws.rules import Odds, is_pity, message, outcome
from tests.instant_draws.builders import a_prize, a_table

SEED = bytes(range(32))
DRAW, MEMBER = UUID("01900000-0000-7000-8000-000000000001"), UUID("01900000-0000-7000-8000-0000000000aa")
EVEN = a_table(*[a_prize(1, 100_000)] * 9)
STEEP = a_table(a_prize(500, 1_000), a_prize(100, 9_000), a_prize(20, 90_000), a_prize(5, 300_000))
RARE = a_table(a_prize(5_000, 50), a_prize(500, 450), a_prize(5, 500))
PITY = a_table(a_prize(100, 10_000, pity_ppm=50_000), a_prize(5, 200_000, pity_ppm=700_000), pity_after=3)

GOLDEN = [288662, 669985, 919522, 383321, 99263, 278341, 793124, 920578, 282855, 500249]

CHI_SQUARE_ONE_IN_A_MILLION = {2: 27.63, 3: 30.66, 4: 33.38, 9: 45.08}
"""What χ² passes once in a million runs, by degrees of freedom; the seed is fixed, so the runs are always the same."""


def test_golden_values() -> None:
    """The first ten plays of a member under a known seed; a change of one is another algorithm."""
    rolls = [outcome(SEED, DRAW, MEMBER, number, EVEN, pity=False).roll for number in range(1, 11)]
    assert rolls == GOLDEN
    assert message(DRAW, MEMBER, 7) == f"{DRAW}|{MEMBER}|7"


@pytest.mark.parametrize(("odds", "plays"), [(EVEN, 350_000), (STEEP, 350_000), (RARE, 300_000)])
def test_odds_hold_over_a_million_plays(odds: Odds, plays: int) -> None:
    """χ² of what the real outcome function gives to many members, for tables even, steep and rare."""
    counted = Counter(
        outcome(SEED, DRAW, UUID(int=index % 1_000), index // 1_000 + 1, odds, pity=False).place
        for index in range(plays)
    )
    assert chi_square(counted, odds.column(pity=False), plays) < CHI_SQUARE_ONE_IN_A_MILLION[len(odds.lines) - 1]


def test_pity_odds_hold_where_pity_decides() -> None:
    """Of members who play on and on, plays in pity follow the pity odds and the others the plain ones."""
    counted: dict[bool, Counter[int]] = {False: Counter(), True: Counter()}
    for member in range(100):
        misses = 0
        for number in range(1, 1_001):
            pity = is_pity(PITY.pity_after, misses)
            place = outcome(SEED, DRAW, UUID(int=member), number, PITY, pity=pity).place
            counted[pity][place] += 1
            misses = 0 if PITY.line(place).wins else misses + 1
    for pity, found in counted.items():
        assert chi_square(found, PITY.column(pity=pity), found.total()) < CHI_SQUARE_ONE_IN_A_MILLION[2]
    assert counted[True].total() > 10_000


def chi_square(counted: Counter[int], column: tuple[int, ...], plays: int) -> float:
    """The sum of the squared deviations from what the odds expect, each relative to that."""
    expected = {place: ppm * plays / 1_000_000 for place, ppm in enumerate(column, 1)}
    return math.fsum((counted[place] - mean) ** 2 / mean for place, mean in expected.items() if mean)
