"""What rules pay: a golden line for each effect, stacking, caps and budgets, in whatever order rules are written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.earning.awarding import Limits, Use, Worth
from gamification.earning.conditions import Condition
from gamification.earning.rulebook import AmountStep, Cap, Effect, LineBonus, PerAmount, Rule, Window
from tests.earning.rulebooks import AT, a_rule, an_order, judged, paid, reasons

STEPS = (AmountStep(5_000, 20), AmountStep(20_000, 100))


@pytest.mark.parametrize(
    ("effect", "fen", "points"),
    [
        (Effect(fixed_points=50), 1, 50),
        (Effect(per_amount=PerAmount(3, 5_000)), 14_999, 6),
        (Effect(per_amount=PerAmount(3, 5_000)), 15_000, 9),
        (Effect(multiplier_bp=20_000), 9_999, 99),
        (Effect(multiplier_bp=15_000), 9_999, 49),
        (Effect(steps=STEPS), 5_000, 20),
        (Effect(steps=STEPS), 19_999, 20),
        (Effect(steps=STEPS), 20_000, 100),
        (Effect(line_bonus=LineBonus(("tea-1",), (), 7)), 10_000, 7),
        (Effect(line_bonus=LineBonus((), ("tea",), None, 500)), 999, 49),
    ],
)
def test_each_effect_pays_what_it_says(effect: Effect, fen: int, points: int) -> None:
    """An order of one line, whose cash earns 1 %."""
    assert paid(judged(a_rule(effect=effect), activity=an_order(("tea-1", fen)))) == {"RULE": points}


@pytest.mark.parametrize(
    ("rule", "fen", "reason"),
    [
        (a_rule(effect=Effect(steps=STEPS)), 4_999, ("NOTHING_TO_EARN", None)),
        (a_rule(effect=Effect(line_bonus=LineBonus(("cup-1",), (), 7))), 10_000, ("NOTHING_TO_EARN", None)),
        (a_rule(), 0, ("NOTHING_TO_EARN", None)),
        (a_rule(window=Window(weekdays=(7,))), 10_000, ("OUTSIDE_WINDOW", None)),
        (a_rule(tiers=("GOLD",)), 10_000, ("OTHER_TIER", None)),
        (a_rule(condition=Condition(first_order=True)), 10_000, ("CONDITION_FALSE", None)),
    ],
)
def test_each_refusal_says_why(rule: Rule, fen: int, reason: tuple[str, str | None]) -> None:
    """Nothing is refused without its reason."""
    outcome = judged(rule, activity=an_order(("tea-1", fen)))
    assert (paid(outcome), reasons(outcome)) == ({}, {"RULE": reason})


def test_multipliers_of_groups_add_their_excess() -> None:
    """Double and 1.5 × of different groups are 2.5 ×: 1 + 1 + 0.5, with one floor at the end."""
    outcome = judged(
        a_rule("BIRTHDAY", Effect(multiplier_bp=20_000), group="birthday"),
        a_rule("DAY", Effect(multiplier_bp=15_000), group="member day"),
        activity=an_order(("tea-1", 3_333)),
    )
    assert paid(outcome) == {"BIRTHDAY": 33, "DAY": 16} and sum(paid(outcome).values()) == 3_333 * 15_000 // 1_000_000


def test_inside_a_group_the_best_pays() -> None:
    """Triple outranks double, and says so; a fixed bonus without group pays beside them."""
    outcome = judged(
        a_rule("DOUBLE", Effect(multiplier_bp=20_000), group="sale"),
        a_rule("TRIPLE", Effect(multiplier_bp=30_000), group="sale"),
        a_rule("EXTRA"),
    )
    assert paid(outcome) == {"TRIPLE": 200, "EXTRA": 10} and reasons(outcome) == {"DOUBLE": ("OUTRANKED", "TRIPLE")}


def test_of_equals_the_priority_decides_then_the_code() -> None:
    """Two rules of a group that would pay the same."""
    assert paid(judged(a_rule("A", group="x"), a_rule("B", group="x", priority=1))) == {"B": 10}
    assert paid(judged(a_rule("B", group="x"), a_rule("A", group="x"))) == {"A": 10}


def test_all_multipliers_together_are_five_times_at_most() -> None:
    """5 × and 3 × and a tier's 2 × are cut to 5 ×: 400 points on top of 100, split by their excess 4 : 2 : 1."""
    outcome = judged(
        a_rule("FIVE", Effect(multiplier_bp=50_000)), a_rule("THREE", Effect(multiplier_bp=30_000)),
        tier_multiplier_bp=20_000,
    )  # fmt: skip
    assert (paid(outcome), outcome.tier_points) == ({"FIVE": 229, "THREE": 114}, 57)


def test_growth_is_multiplied_by_its_own_rate() -> None:
    """A rule of growth multiplies growth, and the tier's multiplier is of points alone."""
    outcome = judged(
        a_rule(effect=Effect(multiplier_bp=20_000), currency="GROWTH"), worth=Worth(100, 50), tier_multiplier_bp=20_000
    )
    assert (paid(outcome), outcome.tier_points) == ({"RULE": 50}, 100)


@pytest.mark.parametrize(
    ("given_rule", "used", "expected"),
    [
        ({"caps": (Cap("DAY", 15),)}, {("RULE", "DAY"): Use(8, 1, AT)}, (7, 10, "DAY")),
        ({"caps": (Cap("DAY", 15), Cap("MONTH", 9))}, {("RULE", "DAY"): Use(8, 1, AT)}, (7, 10, "DAY")),
        ({"caps": (Cap("DAY", 15), Cap("MONTH", 9))}, {}, (9, 10, "MONTH")),
        ({"caps": (Cap("WEEK", None, 2),)}, {("RULE", "WEEK"): Use(20, 1, AT)}, (10, None, None)),
    ],
)
def test_a_cap_cuts_and_says_from_what(
    given_rule: dict[str, Any], used: dict[tuple[str, str], Use], expected: tuple[int, int | None, str | None]
) -> None:
    """What is left of the narrowest cap is paid; `capped_from` tells what it would have been."""
    (award,) = judged(a_rule(**given_rule), limits=Limits(used)).awards
    assert (award.points, award.capped_from, award.capped_by) == expected


@pytest.mark.parametrize(
    ("given_rule", "limits", "reason"),
    [
        ({"caps": (Cap("DAY", 15),)}, Limits({("RULE", "DAY"): Use(15, 2, AT)}), ("CAP_REACHED", "DAY")),
        ({"caps": (Cap("LIFETIME", None, 1),)}, Limits({("RULE", "LIFETIME"): Use(3, 1, AT)}),
         ("CAP_REACHED", "LIFETIME")),
        ({"cooldown_hours": 24}, Limits({("RULE", "LIFETIME"): Use(3, 1, AT - timedelta(hours=23))}),
         ("COOLING_DOWN", None)),
        ({"cooldown_hours": 24}, Limits({("RULE", "LIFETIME"): Use(3, 1, AT + timedelta(hours=23))}),
         ("COOLING_DOWN", None)),
        ({"budget_points": 100}, Limits(budgets={"RULE": 0}), ("BUDGET_SPENT", None)),
    ],
)  # fmt: skip
def test_what_is_used_up_is_refused(given_rule: dict[str, Any], limits: Limits, reason: tuple[str, str | None]) -> None:
    """A cap that is reached, a cooldown on either side of the last time, a budget that is spent."""
    outcome = judged(a_rule(**given_rule), limits=limits)
    assert (paid(outcome), reasons(outcome)) == ({}, {"RULE": reason})


def test_a_cooldown_ends() -> None:
    """24 hours after the last time it pays again."""
    limits = Limits({("RULE", "LIFETIME"): Use(3, 1, AT - timedelta(hours=24))})
    assert paid(judged(a_rule(cooldown_hours=24), limits=limits)) == {"RULE": 10}


def test_a_budget_pays_what_is_left_of_it() -> None:
    """Of 10 points the last 4 of a budget are paid."""
    (award,) = judged(a_rule(budget_points=100), limits=Limits(budgets={"RULE": 4})).awards
    assert (award.points, award.capped_from, award.capped_by) == (4, 10, "BUDGET")


def test_a_rule_that_is_nearly_used_up_does_not_shut_out_a_fresh_one() -> None:
    """Of a group the best is the one that still has most to give."""
    spent = a_rule("A", Effect(fixed_points=100), group="x", caps=(Cap("DAY", 100),))
    outcome = judged(spent, a_rule("B", group="x"), limits=Limits({("A", "DAY"): Use(95, 1, AT)}))
    assert paid(outcome) == {"B": 10} and reasons(outcome) == {"A": ("OUTRANKED", "B")}


def test_points_lie_on_the_lines_that_earned_them() -> None:
    """A bonus on tea lies on tea; one on the order is split over all lines by their cash."""
    tea = a_rule("TEA", Effect(line_bonus=LineBonus((), ("tea",), 5)))
    outcome = judged(tea, a_rule("ALL"), activity=an_order(("cup-1", 2_000), ("tea-1", 8_000)))
    assert {award.rule.code: award.portions for award in outcome.awards} == {"ALL": (2, 8), "TEA": (0, 5)}


rules_of_any_kind = st.lists(
    st.builds(
        lambda effect, group, cap, priority: (effect, group, cap, priority),
        st.one_of(
            st.integers(1, 500).map(lambda points: Effect(fixed_points=points)),
            st.integers(10_001, 50_000).map(lambda bp: Effect(multiplier_bp=bp)),
            st.integers(1, 5_000).map(lambda fen: Effect(per_amount=PerAmount(1, fen))),
        ),
        st.sampled_from([None, "x", "y"]),
        st.one_of(st.none(), st.integers(1, 200)),
        st.integers(0, 3),
    ),
    max_size=6,
)


@given(rules_of_any_kind, st.randoms(use_true_random=False), st.integers(0, 100_000))
def test_the_order_of_rules_says_nothing(drawn: list[Any], random: Any, fen: int) -> None:
    """Any permutation pays the same; caps hold, groups pay once, every rule has a verdict, lines sum to the award."""
    rules = [
        a_rule(f"R{number}", effect, group=group, priority=priority, caps=(Cap("DAY", cap),) if cap else ())
        for number, (effect, group, cap, priority) in enumerate(drawn)
    ]
    activity = an_order(("tea-1", fen), ("cup-1", fen // 3))
    first = judged(*rules, activity=activity)
    shuffled = random.sample(rules, len(rules))
    assert judged(*shuffled, activity=activity) == first
    assert {*paid(first), *reasons(first)} == {rule.code for rule in rules}
    groups = [award.rule.group for award in first.awards if award.rule.group]
    assert len(groups) == len(set(groups))
    for award in first.awards:
        assert 0 < award.points == sum(award.portions)
        assert all(award.points <= (cap.points or 0) for cap in award.rule.caps)
    multiplied = [award for award in first.awards if award.multiplied_bp]
    assert sum(award.points for award in multiplied) <= activity.fen * 4 // 100
