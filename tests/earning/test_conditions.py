"""Conditions and windows: a golden line for each kind, and what is wrong with bad ones by node."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from gamification.core.policy import adapter, parse_policy
from gamification.earning.conditions import Activity, Condition, MemberFacts, falls_on
from gamification.earning.rulebook import Cap, Effect, LineBonus, PerAmount, RulesPolicy, Window
from tests.earning.rulebooks import CALENDAR, MEI, a_rule, an_order

ORDER = an_order(("tea-1", 8_000), ("cup-2", 2_000))
YES = Condition(amount_at_least_fen=1)
NO = Condition(amount_at_least_fen=1_000_000)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition(amount_at_least_fen=10_000), True),
        (Condition(amount_at_least_fen=10_001), False),
        (Condition(quantity_at_least=2), True),
        (Condition(quantity_at_least=3), False),
        (Condition(sku_in=("cup-2", "pot-1")), True),
        (Condition(sku_in=("cup",)), False),
        (Condition(category_in=("tea",)), True),
        (Condition(category_in=("pot",)), False),
        (Condition(channel_in=("store",)), True),
        (Condition(channel_in=("online",)), False),
        (Condition(store_in=("SH-01",)), True),
        (Condition(store_in=("SH-02",)), False),
        (Condition(tier_in=("BASIC",)), True),
        (Condition(tier_in=("GOLD",)), False),
        (Condition(first_order=False), True),
        (Condition(first_order=True), False),
        (Condition(joined_within_days=366), True),
        (Condition(joined_within_days=365), False),
        (Condition(birthday="DAY"), True),
        (Condition(birthday="MONTH"), True),
        (Condition(anniversary="DAY"), True),
        (Condition(all=(YES, YES)), True),
        (Condition(all=(YES, NO)), False),
        (Condition(any=(NO, YES)), True),
        (Condition(any=(NO, NO)), False),
        (Condition(none=(NO, NO)), True),
        (Condition(none=(NO, YES)), False),
    ],
)
def test_each_condition_holds_where_it_says(condition: Condition, holds: bool) -> None:
    """An order of 100 yuan on the first birthday after joining, a year ago to the day."""
    assert condition.holds(ORDER, MEI) is holds


def test_no_anniversary_on_the_day_of_joining_and_no_birthday_that_is_unknown() -> None:
    """Who joined today celebrates nothing yet; who told no birthday has none."""
    new = MemberFacts("BASIC", date(2026, 3, 4), None, False)
    assert not Condition(anniversary="DAY").holds(ORDER, new) and not Condition(birthday="MONTH").holds(ORDER, new)
    assert Condition(joined_within_days=1).holds(ORDER, new)


@pytest.mark.parametrize(
    ("on", "holds"),
    [(date(2027, 2, 28), True), (date(2028, 2, 28), False), (date(2028, 2, 29), True), (date(2027, 3, 1), False)],
)
def test_the_29th_of_february_is_the_28th_in_other_years(on: date, holds: bool) -> None:
    """Nobody waits four years for a birthday."""
    assert falls_on(2, 29, on, "DAY") is holds


@pytest.mark.parametrize(
    ("window", "at", "is_open"),
    [
        (Window(), "2026-03-04T10:00", True),
        (Window(starts_on=date(2026, 3, 4), ends_on=date(2026, 3, 4)), "2026-03-04T23:59", True),
        (Window(starts_on=date(2026, 3, 5)), "2026-03-04T10:00", False),
        (Window(ends_on=date(2026, 3, 3)), "2026-03-04T10:00", False),
        (Window(weekdays=(3,)), "2026-03-04T10:00", True),
        (Window(weekdays=(1, 2)), "2026-03-04T10:00", False),
        (Window(days_of_month=(4, 18)), "2026-03-04T10:00", True),
        (Window(days_of_month=(18,)), "2026-03-04T10:00", False),
        (Window(from_hour=10, until_hour=11), "2026-03-04T10:59", True),
        (Window(from_hour=10, until_hour=11), "2026-03-04T11:00", False),
        (Window(from_hour=11), "2026-03-04T10:59", False),
    ],
)
def test_each_window_is_open_when_it_says(window: Window, at: str, is_open: bool) -> None:
    """Days are business days, hours those of the programme's clock; the last hour is not in it."""
    instant = datetime.fromisoformat(f"{at}+08:00")
    activity = Activity("ORDER_PAID", CALENDAR.business_date(instant), CALENDAR.local(instant))
    assert window.is_open(activity) is is_open


def deep(levels: int) -> Condition:
    """A condition of so many nested branches over one that holds."""
    return YES if not levels else Condition(all=(deep(levels - 1),))


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"code": "lower"}, "code"),
        ({"name_en": " "}, "name_en"),
        ({"trigger": "CUSTOM"}, "event"),
        ({"event": "quiz"}, "event"),
        ({"trigger": "CUSTOM", "event": "Quiz"}, "event"),
        ({"effect": Effect()}, "effect"),
        ({"effect": Effect(fixed_points=0)}, "effect.fixed_points"),
        ({"effect": Effect(multiplier_bp=10_000)}, "effect.multiplier_bp"),
        ({"effect": Effect(multiplier_bp=20_000), "trigger": "SHARE"}, "effect.multiplier_bp"),
        ({"effect": Effect(per_amount=PerAmount(1, 0))}, "effect.per_amount.fen"),
        ({"effect": Effect(steps=())}, "effect.steps"),
        ({"effect": Effect(line_bonus=LineBonus(points_per_piece=1))}, "effect.line_bonus"),
        ({"effect": Effect(line_bonus=LineBonus(("a",), (), 1, 1))}, "effect.line_bonus"),
        ({"condition": Condition()}, "condition"),
        ({"condition": Condition(all=())}, "condition.all"),
        ({"condition": Condition(all=(YES, Condition(any=(Condition(category_in=()),))))},
         "condition.all.1.any.0.category_in"),
        ({"condition": deep(5)}, "condition.all.0.all.0.all.0.all.0.all"),
        ({"condition": Condition(all=(YES,) * 50)}, "condition"),
        ({"condition": YES, "trigger": "REVIEW"}, "condition.amount_at_least_fen"),
        ({"window": Window(weekdays=(0,))}, "window.weekdays"),
        ({"window": Window(from_hour=9, until_hour=9)}, "window.until_hour"),
        ({"window": Window(date(2026, 3, 2), date(2026, 3, 1))}, "window.ends_on"),
        ({"caps": (Cap("DAY"),)}, "caps.0"),
        ({"caps": (Cap("DAY", 1), Cap("DAY", 2))}, "caps.1.period"),
        ({"cooldown_hours": -1}, "cooldown_hours"),
        ({"budget_points": 0}, "budget_points"),
        ({"priority": 1_001}, "priority"),
        ({"trigger": "CHECK_IN", "currency": "GROWTH"}, "currency"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_node(given: dict[str, Any], path: str) -> None:
    """Whoever wrote a rule is told where it is wrong."""
    rule = replace(a_rule(), **given)
    assert [problem.path for problem in rule.problems()] == [path]


def test_a_whole_tree_survives_storage() -> None:
    """A published body read back is the same rule, whatever nests in it."""
    rule = a_rule(
        condition=Condition(any=(Condition(all=(YES, Condition(birthday="MONTH"))), Condition(sku_in=("a", "b")))),
        window=Window(date(2026, 1, 1), None, (1, 7), (8,), 9, 21), caps=(Cap("DAY", 100, 2),), tiers=("GOLD",),
    )  # fmt: skip
    policy = RulesPolicy((rule,))
    assert parse_policy(RulesPolicy, adapter(RulesPolicy).dump_python(policy, mode="json")) == policy
