"""What cash is worth: rates, the monthly ladder, the next step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.earning.rules import (
    EarningPolicy,
    LadderStep,
    NextStep,
    ladder_points,
    ladder_rate,
    next_step,
    points_of,
)
from tests.builders import SPEC_LADDER


@pytest.mark.parametrize(
    ("fen", "rate_bp", "points"),
    [
        (0, 100, 0),
        (99, 100, 0),
        (100, 100, 1),
        (9_999, 100, 99),
        (10**12, 100_000, 10**13),
        (1, 9_999, 0),
        (1, 10_000, 1),
    ],
)
def test_a_rate_turns_fen_into_points_with_one_floor(fen: int, rate_bp: int, points: int) -> None:
    """1 % of 99 fen is nothing, of 100 fen a point."""
    assert points_of(fen, rate_bp) == points


@pytest.mark.parametrize(
    ("yuan", "rate_bp", "points"),
    [
        (0, 0, 0), (99, 0, 0), (100, 100, 100), (299, 100, 299), (300, 150, 450), (350, 150, 525),
        (499, 150, 748), (500, 200, 1_000), (550, 200, 1_100), (10_000, 200, 20_000),
    ],
)  # fmt: skip
def test_the_whole_month_is_worth_the_highest_rate_reached(yuan: int, rate_bp: int, points: int) -> None:
    """100, 350, 550 and 300 yuan of a month are worth 100, 525, 1,100 and 450 points."""
    assert ladder_rate(SPEC_LADDER, yuan * 100) == rate_bp
    assert ladder_points(SPEC_LADDER, yuan * 100) == points


@pytest.mark.parametrize(("fen", "points"), [(9_999, 0), (10_000, 100), (29_999, 299), (30_000, 450), (49_999, 749)])
def test_a_step_begins_at_its_first_fen(fen: int, points: int) -> None:
    """One fen below the threshold the lower rate holds, and the floor comes last."""
    assert ladder_points(SPEC_LADDER, fen) == points


@pytest.mark.parametrize(
    ("fen", "expected"),
    [
        (0, NextStep(10_000, 100, 100)),
        (9_999, NextStep(1, 100, 100)),
        (10_000, NextStep(20_000, 150, 350)),
        (29_900, NextStep(100, 150, 151)),
        (30_000, NextStep(20_000, 200, 550)),
        (50_000, None),
        (60_000, None),
    ],
)
def test_the_member_sees_what_the_next_step_takes_and_adds(fen: int, expected: NextStep | None) -> None:
    """Spend so much more to reach a rate: it adds so many points."""
    assert next_step(SPEC_LADDER, fen) == expected


def test_without_a_ladder_there_is_no_step() -> None:
    """An empty ladder is worth nothing at any spend."""
    assert (ladder_points((), 10**9), ladder_rate((), 10**9), next_step((), 10**9)) == (0, 0, None)


@st.composite
def ladders(draw: st.DrawFn) -> tuple[LadderStep, ...]:
    froms = sorted(draw(st.sets(st.integers(0, 10**7), min_size=1, max_size=6)))
    rates = sorted(draw(st.sets(st.integers(1, 100_000), min_size=len(froms), max_size=len(froms))))
    return tuple(LadderStep(start, rate) for start, rate in zip(froms, rates, strict=True))


@given(ladder=ladders(), one=st.integers(0, 2 * 10**7), other=st.integers(0, 2 * 10**7))
def test_more_spend_is_never_worth_less(ladder: tuple[LadderStep, ...], one: int, other: int) -> None:
    """Any ladder that can be published is monotone, so that an order never costs points."""
    assert not EarningPolicy(ladder=ladder).problems()
    less, more = sorted((one, other))
    assert ladder_points(ladder, less) <= ladder_points(ladder, more)


@given(ladder=ladders(), fen=st.integers(0, 2 * 10**7))
def test_the_promise_of_the_next_step_is_kept(ladder: tuple[LadderStep, ...], fen: int) -> None:
    """Spending exactly what is missing reaches the rate and adds the gain."""
    step = next_step(ladder, fen)
    if step is None:
        assert ladder_rate(ladder, fen) == ladder[-1].rate_bp
    else:
        assert (
            ladder_rate(ladder, fen + step.missing_fen)
            == step.rate_bp
            > ladder_rate(ladder, fen + step.missing_fen - 1)
        )
        assert ladder_points(ladder, fen + step.missing_fen) - ladder_points(ladder, fen) == step.gain
