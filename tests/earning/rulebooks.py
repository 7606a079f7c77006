"""Rules, orders and members for tests of earning rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from gamification.core.calendar import Calendar
from gamification.earning.awarding import Limits, Outcome, Worth, evaluate
from gamification.earning.conditions import Activity, LineFacts, MemberFacts, order_activity
from gamification.earning.rulebook import Effect, Rule

CALENDAR = Calendar()
AT = datetime.fromisoformat("2026-03-04T10:00+08:00")
"""A Wednesday."""
MEI = MemberFacts("BASIC", date(2025, 3, 4), (3, 4), True)
ONE_PER_CENT = Worth(points_bp=100, growth_bp=100)


def a_rule(code: str = "RULE", effect: Effect | None = None, **given: Any) -> Rule:
    """A rule that pays 10 points for every order unless told otherwise."""
    usual = Rule(code, "规则", "Rule", "ORDER_PAID", effect or Effect(fixed_points=10))
    return replace(usual, **given)


def an_order(
    *lines: tuple[str | None, int], at: datetime = AT, channel: str | None = "store", store: str | None = "SH-01"
) -> Activity:
    """An order of lines (SKU, fen), each of one piece of the category that the SKU begins with."""
    facts = tuple(LineFacts(sku, sku.split("-")[0] if sku else None, 1, fen) for sku, fen in lines)
    return order_activity(at, CALENDAR, facts, channel, store)


def judged(
    *rules: Rule,
    activity: Activity | None = None,
    member: MemberFacts = MEI,
    worth: Worth = ONE_PER_CENT,
    limits: Limits | None = None,
    tier_multiplier_bp: int = 10_000,
) -> Outcome:
    """What rules do with an order of 100 yuan, or with another activity."""
    return evaluate(
        rules, activity or an_order(("tea-1", 10_000)), member, worth, limits or Limits(), at=AT,
        tier_multiplier_bp=tier_multiplier_bp,
    )  # fmt: skip


def paid(outcome: Outcome) -> dict[str, int]:
    """What each rule that pays pays."""
    return {award.rule.code: award.points for award in outcome.awards}


def reasons(outcome: Outcome) -> dict[str, tuple[str, str | None]]:
    """Why each rule that does not pay does not."""
    return {refused.rule.code: (refused.reason, refused.by) for refused in outcome.refused}
