"""Earning rules as data: a trigger, a condition, an effect, and how often it pays; pure.

All rules in force are one policy, so that a version of it never changes and every entry can name the one that made it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal

from gamification.core.calendar import month_of, week_of
from gamification.core.policy import Problem
from gamification.earning.conditions import (
    FEN_MAX,
    Activity,
    Condition,
    Trigger,
    condition_problems,
    word_problems,
)
from gamification.earning.rules import BASIS, RATE_MAX_BP

Currency = Literal["POINTS", "GROWTH"]
Period = Literal["DAY", "WEEK", "MONTH", "LIFETIME"]

RULES_MAX = 200
POINTS_MAX = 1_000_000
CAP_POINTS_MAX = 1_000_000_000
BUDGET_POINTS_MAX = 1_000_000_000_000
TIMES_MAX = 1_000_000
COOLDOWN_HOURS_MAX = 8_784
STEPS_MAX = 20
PRIORITY_MAX = 1_000
MULTIPLIER_MAX_BP = 50_000
"""Five times, whatever comes together: the excess of all multipliers of an order is cut to it."""
SINCE_EVER = date(1, 1, 1)
CODE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
EVENT = re.compile(r"[a-z][a-z0-9_.]{0,39}")
NAME_LENGTH_MAX = 40


@dataclass(frozen=True, slots=True)
class PerAmount:
    """`points` for every whole `fen` of cash that earns."""

    points: int
    fen: int


@dataclass(frozen=True, slots=True)
class AmountStep:
    """From `from_fen` of an order's cash on, `points`."""

    from_fen: int
    points: int


@dataclass(frozen=True, slots=True)
class LineBonus:
    """For the lines listed by SKU or category: points for each piece, or a rate (bp) of their cash."""

    sku_in: tuple[str, ...] = ()
    category_in: tuple[str, ...] = ()
    points_per_piece: int | None = None
    rate_bp: int | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule pays: exactly one field is given. A multiplier (bp) is of what the order's cash earns."""

    fixed_points: int | None = None
    per_amount: PerAmount | None = None
    multiplier_bp: int | None = None
    steps: tuple[AmountStep, ...] | None = None
    line_bonus: LineBonus | None = None

    @property
    def given(self) -> list[str]:
        """The names of the fields that are given."""
        names = ("fixed_points", "per_amount", "multiplier_bp", "steps", "line_bonus")
        return [name for name in names if getattr(self, name) is not None]


@dataclass(frozen=True, slots=True)
class Window:
    """When a rule pays: business days from `starts_on` to `ends_on`, ISO weekdays (1 Monday), days of the month, and
    hours of the programme's wall clock from `from_hour` up to, not including, `until_hour`. Empty means any."""

    starts_on: date | None = None
    ends_on: date | None = None
    weekdays: tuple[int, ...] = ()
    days_of_month: tuple[int, ...] = ()
    from_hour: int = 0
    until_hour: int = 24

    def lasts(self, on: date) -> bool:
        """Whether a business day lies between its first and its last."""
        return (self.starts_on is None or self.starts_on <= on) and (self.ends_on is None or on <= self.ends_on)

    def is_open(self, activity: Activity) -> bool:
        """Whether an activity falls into it."""
        on = activity.on
        return (
            self.lasts(on)
            and (not self.weekdays or on.isoweekday() in self.weekdays)
            and (not self.days_of_month or on.day in self.days_of_month)
            and self.from_hour <= activity.local.hour < self.until_hour
        )


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that one member gets by a rule in a business day, week, month or ever: points, times, or both."""

    period: Period
    points: int | None = None
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One earning rule. Of the rules of a `group` the best pays; rules without group all pay.

    `tiers` names the tiers that it is for, `event` the custom event; `cooldown_hours` lie between two awards to a
    member, `budget_points` is the most that all members together get.
    """

    code: str
    name_zh: str
    name_en: str
    trigger: Trigger
    effect: Effect
    event: str | None = None
    currency: Currency = "POINTS"
    condition: Condition | None = None
    window: Window = Window()
    tiers: tuple[str, ...] = ()
    group: str | None = None
    priority: int = 0
    caps: tuple[Cap, ...] = ()
    cooldown_hours: int = 0
    budget_points: int | None = None

    def problems(self) -> list[Problem]:
        """What is wrong with it, by node."""
        return list(_rule_problems(self))


@dataclass(frozen=True, slots=True)
class RulesPolicy:
    """Every rule in force, by code."""

    kind: ClassVar[str] = "rules"
    rules: tuple[Rule, ...] = ()

    def problems(self) -> Sequence[Problem]:
        found = []
        if len(self.rules) > RULES_MAX:
            found.append(Problem("rules", f"at most {RULES_MAX} rules"))
        codes = [rule.code for rule in self.rules]
        for index, rule in enumerate(self.rules):
            if codes.index(rule.code) != index:
                found.append(Problem(f"rules.{index}.code", "each code once"))
            found += [Problem(f"rules.{index}.{each.path}", each.reason) for each in rule.problems()]
        return found

    def of(self, trigger: str, event: str | None = None) -> tuple[Rule, ...]:
        """The rules of a trigger, by code, so that their order says nothing."""
        found = [rule for rule in self.rules if rule.trigger == trigger and rule.event == event]
        return tuple(sorted(found, key=lambda rule: rule.code))


def period_start(period: str, on: date) -> date:
    """The first day of the period that a day lies in: what a cap is counted under."""
    if period == "DAY":
        return on
    if period == "WEEK":
        return week_of(on)
    return month_of(on) if period == "MONTH" else SINCE_EVER


def is_cooling(last_at: datetime | None, at: datetime, hours: int) -> bool:
    """Whether an award at an instant lies too close to the last one, before or after it."""
    return last_at is not None and abs((at - last_at).total_seconds()) < hours * 3_600


def _rule_problems(rule: Rule) -> Iterator[Problem]:
    if not CODE.fullmatch(rule.code):
        yield Problem("code", "1 to 40 capitals, digits or _, a capital first")
    for name in ("name_zh", "name_en"):
        text = getattr(rule, name)
        if not (text == text.strip() and 0 < len(text) <= NAME_LENGTH_MAX and text.isprintable()):
            yield Problem(name, f"1 to {NAME_LENGTH_MAX} characters that can be shown")
    if (rule.trigger == "CUSTOM") != (rule.event is not None):
        yield Problem("event", "named for custom events, and for them alone")
    elif rule.event is not None and not EVENT.fullmatch(rule.event):
        yield Problem("event", "1 to 40 small letters, digits, _ or dots, a letter first")
    if rule.trigger == "CHECK_IN" and rule.currency == "GROWTH":
        yield Problem("currency", "check-ins pay points")
    yield from _effect_problems(rule)
    if rule.condition is not None:
        yield from condition_problems(rule.condition, "condition", of_orders=rule.trigger == "ORDER_PAID")
    yield from _window_problems(rule.window)
    yield from word_problems(rule.tiers, "tiers")
    if rule.group is not None:
        yield from word_problems([rule.group], "group")
    if not 0 <= rule.priority <= PRIORITY_MAX:
        yield Problem("priority", f"0 to {PRIORITY_MAX}")
    yield from _limit_problems(rule)


def _effect_problems(rule: Rule) -> Iterator[Problem]:
    effect = rule.effect
    if len(effect.given) != 1:
        yield Problem("effect", "exactly one effect")
        return
    (name,) = effect.given
    place = f"effect.{name}"
    if name != "fixed_points" and rule.trigger != "ORDER_PAID":
        yield Problem(place, "only for orders that are paid")
    if effect.fixed_points is not None and not 1 <= effect.fixed_points <= POINTS_MAX:
        yield Problem(place, f"1 to {POINTS_MAX} points")
    if effect.multiplier_bp is not None and not BASIS < effect.multiplier_bp <= MULTIPLIER_MAX_BP:
        yield Problem(place, f"{BASIS + 1} to {MULTIPLIER_MAX_BP} basis points")
    if effect.per_amount is not None:
        if not 1 <= effect.per_amount.points <= POINTS_MAX:
            yield Problem(f"{place}.points", f"1 to {POINTS_MAX} points")
        if not 1 <= effect.per_amount.fen <= FEN_MAX:
            yield Problem(f"{place}.fen", f"1 to {FEN_MAX} fen")
    if effect.steps is not None:
        yield from _step_problems(effect.steps, place)
    if effect.line_bonus is not None:
        yield from _line_bonus_problems(effect.line_bonus, place)


def _step_problems(steps: Sequence[AmountStep], place: str) -> Iterator[Problem]:
    if not 1 <= len(steps) <= STEPS_MAX:
        yield Problem(place, f"1 to {STEPS_MAX} steps")
    for index, step in enumerate(steps):
        if not (0 <= step.from_fen <= FEN_MAX and 1 <= step.points <= POINTS_MAX):
            yield Problem(f"{place}.{index}", f"from 0 fen on, 1 to {POINTS_MAX} points")
        elif index and not (steps[index - 1].from_fen < step.from_fen and steps[index - 1].points < step.points):
            yield Problem(f"{place}.{index}", "each step starts later and pays more than the one before")


def _line_bonus_problems(bonus: LineBonus, place: str) -> Iterator[Problem]:
    yield from word_problems(bonus.sku_in, f"{place}.sku_in")
    yield from word_problems(bonus.category_in, f"{place}.category_in")
    if not (bonus.sku_in or bonus.category_in):
        yield Problem(place, "at least one SKU or category")
    if (bonus.points_per_piece is None) == (bonus.rate_bp is None):
        yield Problem(place, "either points for each piece or a rate")
    elif bonus.points_per_piece is not None and not 1 <= bonus.points_per_piece <= POINTS_MAX:
        yield Problem(f"{place}.points_per_piece", f"1 to {POINTS_MAX} points")
    elif bonus.rate_bp is not None and not 1 <= bonus.rate_bp <= RATE_MAX_BP:
        yield Problem(f"{place}.rate_bp", f"1 to {RATE_MAX_BP} basis points")


def _window_problems(window: Window) -> Iterator[Problem]:
    if window.starts_on and window.ends_on and window.ends_on < window.starts_on:
        yield Problem("window.ends_on", "not before it starts")
    for name, most in (("weekdays", 7), ("days_of_month", 31)):
        days = getattr(window, name)
        if len(set(days)) != len(days) or any(not 1 <= day <= most for day in days):
            yield Problem(f"window.{name}", f"1 to {most}, each once")
    if not 0 <= window.from_hour < window.until_hour <= 24:
        yield Problem("window.until_hour", "hours from 0 to 24, the end after the start")


def _limit_problems(rule: Rule) -> Iterator[Problem]:
    periods = [cap.period for cap in rule.caps]
    for index, cap in enumerate(rule.caps):
        place = f"caps.{index}"
        if periods.index(cap.period) != index:
            yield Problem(f"{place}.period", "each period once")
        if cap.points is None and cap.times is None:
            yield Problem(place, "points, times or both")
        if cap.points is not None and not 1 <= cap.points <= CAP_POINTS_MAX:
            yield Problem(f"{place}.points", f"1 to {CAP_POINTS_MAX} points")
        if cap.times is not None and not 1 <= cap.times <= TIMES_MAX:
            yield Problem(f"{place}.times", f"1 to {TIMES_MAX} times")
    if not 0 <= rule.cooldown_hours <= COOLDOWN_HOURS_MAX:
        yield Problem("cooldown_hours", f"0 to {COOLDOWN_HOURS_MAX} hours")
    if rule.budget_points is not None and not 1 <= rule.budget_points <= BUDGET_POINTS_MAX:
        yield Problem("budget_points", f"1 to {BUDGET_POINTS_MAX} points")
