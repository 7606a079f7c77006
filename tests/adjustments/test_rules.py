"""The limits, the balances that a change leaves, and where each step leads: pure decisions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gamification.adjustments
from gamification.adjustments.errors import AdjustmentNotOpen
from gamification.adjustments.rules import (
    POINTS_MAX,
    RULE_NAMES,
    STATES,
    TRANSITIONS,
    AdjustmentsPolicy,
    Balances,
    State,
    Step,
    balances_after,
    following,
    state_at,
)
from tests.docs.pages import ROOT, table_rows

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
AMOUNTS = st.integers(0, 10**6)


@pytest.mark.parametrize(
    ("points", "moved", "because"),
    [
        (100, 0, None),
        (-100, 0, None),
        (101, 0, "ABOVE_LIMIT"),
        (-101, 0, "ABOVE_LIMIT"),
        (50, 200, None),
        (51, 200, "DAY_ALLOWANCE_USED"),
        (-51, 200, "DAY_ALLOWANCE_USED"),
        (101, 250, "ABOVE_LIMIT"),
    ],
)
def test_more_than_a_limit_needs_a_second_person(points: int, moved: int, because: str | None) -> None:
    """The limit itself is still alone; up and down count alike; what is too large at once says so first."""
    policy = AdjustmentsPolicy(approval_above_points=100, points_per_staff_day_max=250)
    assert policy.because(points, moved) == because


def test_no_limit_of_the_day_is_no_limit_and_zero_is_always_a_second_person() -> None:
    """NULL is unlimited, 0 is nothing alone."""
    unlimited = AdjustmentsPolicy(approval_above_points=100, points_per_staff_day_max=None)
    assert unlimited.because(100, 10**12) is None
    assert AdjustmentsPolicy(approval_above_points=0).because(1, 0) == "ABOVE_LIMIT"
    assert AdjustmentsPolicy(points_per_staff_day_max=0).because(1, 0) == "DAY_ALLOWANCE_USED"


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (AdjustmentsPolicy(), []),
        (AdjustmentsPolicy(0, 1, 0, 1), []),
        (AdjustmentsPolicy(POINTS_MAX, POINTS_MAX, POINTS_MAX, 90), []),
        (AdjustmentsPolicy(points_per_staff_day_max=None), []),
        (
            AdjustmentsPolicy(-1, 0, -1, 0),
            ["approval_above_points", "points_max", "points_per_staff_day_max", "proposal_days"],
        ),
        (
            AdjustmentsPolicy(POINTS_MAX + 1, POINTS_MAX + 1, POINTS_MAX + 1, 91),
            ["approval_above_points", "points_max", "points_per_staff_day_max", "proposal_days"],
        ),
    ],
)
def test_limits_have_bounds(body: AdjustmentsPolicy, paths: list[str]) -> None:
    """Each figure outside its bounds is a problem of its own."""
    assert [problem.path for problem in body.problems()] == paths


@given(
    available=AMOUNTS, pending=AMOUNTS, held=AMOUNTS, debt=AMOUNTS, growth=AMOUNTS, share=st.integers(0, 100),
    up=st.booleans(), waits=st.booleans(), currency=st.sampled_from(["POINTS", "GROWTH"]), waives=st.booleans(),
)  # fmt: skip
def test_a_possible_change_moves_exactly_its_figure(
    available: int, pending: int, held: int, debt: int, growth: int, share: int, up: bool, waits: bool,
    currency: str, waives: bool,
) -> None:  # fmt: skip
    """In all buckets together, debt counted against them; nothing becomes negative, nothing is there beside a debt."""
    before = Balances(0 if debt else available, pending, held, debt, growth)
    kind = "DEBT_WAIVER" if waives else "ADJUSTMENT"
    account = "POINTS" if waives else currency
    most = debt if waives else 10**6 if up else before.growth if account == "GROWTH" else before.available
    points = (most * share // 100) * (1 if up or waives else -1)
    after = balances_after(before, kind, account, points, waits=waits)  # type: ignore[arg-type]
    worth = (after.available + after.pending + after.held - after.debt) - (
        before.available + before.pending + before.held - before.debt
    )
    assert (worth, after.growth - before.growth) == ((0, points) if account == "GROWTH" else (points, 0))
    assert min(after.available, after.pending, after.held, after.debt, after.growth) >= 0
    assert (after.available == 0 or after.debt == 0) and after.held == before.held
    if kind == "DEBT_WAIVER":
        assert (after.available, after.pending) == (before.available, before.pending)


def test_a_change_that_is_impossible_is_a_programmers_error() -> None:
    """Decisions refuse it before; no balance falls below zero by it."""
    nothing = Balances(0, 0, 0, 0, 0)
    for kind, account, points in (("DEBT_WAIVER", "POINTS", 1), ("ADJUSTMENT", "POINTS", -1)):
        with pytest.raises(AssertionError, match="nothing is negative"):
            balances_after(nothing, kind, account, points, waits=False)  # type: ignore[arg-type]


def test_a_step_leads_where_the_table_says_or_nowhere() -> None:
    """Of all states and steps only those of a proposal lead on; every other is refused with the state."""
    for state, step in product(STATES, get_args(Step)):
        if state == "PROPOSED":
            assert following(state, step) == TRANSITIONS[state, step]
        else:
            with pytest.raises(AdjustmentNotOpen) as refusal:
                following(state, step)
            assert refusal.value.state == state
    assert set(TRANSITIONS.values()) == set(STATES) - {"PROPOSED"} and get_args(State) == STATES


def test_the_documents_draw_the_table_of_the_code() -> None:
    """The front page of the slice and docs/adjustments.md show each state, and where it leads, as the code has it."""
    led = {state: [to for (start, _), to in TRANSITIONS.items() if start == state] for state in STATES}
    written = re.findall(r"^\| ([A-Z]+) +\|[^|]+\|([^|]*)\|$", gamification.adjustments.__doc__ or "", re.MULTILINE)
    assert {state: re.findall("[A-Z]+", cell) for state, cell in written} == led
    rows = table_rows(ROOT / "docs" / "adjustments.md", "`[A-Z]+`")
    assert {row[0].strip("`"): re.findall("[A-Z]+", row[2]) for row in rows if row[0].strip("`") in STATES} == led


@pytest.mark.parametrize(
    ("after", "state"), [(-1, "PROPOSED"), (0, "LAPSED"), (1, "LAPSED")], ids=["before", "at", "behind"]
)
def test_a_proposal_lapses_at_its_instant(after: int, state: str) -> None:
    """The instant itself is too late already; what is decided does not lapse."""
    now = NOON + timedelta(seconds=after)
    assert state_at("PROPOSED", NOON, now) == state
    assert state_at("POSTED", NOON, now) == "POSTED" and state_at("POSTED", None, now) == "POSTED"


def test_every_rule_has_a_name_of_its_own() -> None:
    """Up and down, points and growth, and the waiver: five sentences of the statement."""
    assert list(RULE_NAMES.values()) == [
        "points_raised", "points_lowered", "growth_raised", "growth_lowered", "debt_waiver",
    ]  # fmt: skip
