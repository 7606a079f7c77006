"""What rules pay for an activity, and why others do not; pure.

The order of work, whatever order the rules are written in:

1  a rule that is out of its window, tier or condition, cools down, or is used up, is refused with that reason;
2  of each group the best pays (most points, then priority, then code), the others are outranked;
3  multipliers that pay add their excess, `1 + Σ(m − 1)`, cut to five times, and multiply once with one floor; the sum
   is split over them by largest remainder, so that each has an entry of its own;
4  caps, then the budget, cut what is left; what was cut says from how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from gamification.earning.conditions import Activity, MemberFacts, is_listed
from gamification.earning.rulebook import MULTIPLIER_MAX_BP, Currency, Rule, is_cooling
from gamification.earning.rules import BASIS
from gamification.points.rules import split_by_largest_remainder

Reason = Literal[
    "OUTSIDE_WINDOW", "OTHER_TIER", "CONDITION_FALSE", "NOTHING_TO_EARN", "COOLING_DOWN", "CAP_REACHED",
    "BUDGET_SPENT", "OUTRANKED",
]  # fmt: skip


class Use(NamedTuple):
    """What a member has had by a rule in a period, and when last."""

    points: int = 0
    times: int = 0
    last_at: datetime | None = None


NEVER = Use()


@dataclass(frozen=True, slots=True)
class Worth:
    """What an order's cash earns before any rule, in basis points: points with the ladder's rate, and growth."""

    points_bp: int = 0
    growth_bp: int = 0

    def rate(self, currency: Currency) -> int:
        """The rate that a multiplier of that currency multiplies."""
        return self.points_bp if currency == "POINTS" else self.growth_bp


@dataclass(frozen=True, slots=True)
class Limits:
    """What has been used: by (rule code, period) of the activity's day, and what is left of budgets by code."""

    used: Mapping[tuple[str, str], Use] = field(default_factory=dict)
    budgets: Mapping[str, int] = field(default_factory=dict)

    def use(self, code: str, period: str) -> Use:
        """What a member has had by a rule in a period."""
        return self.used.get((code, period), NEVER)


@dataclass(frozen=True, slots=True)
class Award:
    """What a rule pays: points or growth, and their portion of each line of an order.

    `capped_from` is what it would have been, `capped_by` the period or BUDGET that cut it. `multiplied_bp` is the
    rate that a multiplier multiplied.
    """

    rule: Rule
    points: int
    portions: tuple[int, ...]
    capped_from: int | None = None
    capped_by: str | None = None
    multiplied_bp: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule that does not pay, and why. `by` names the period of a cap, or the rule that outranks it."""

    rule: Rule
    reason: Reason
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What rules did with an activity. `tier_points` are the tier's part of the multipliers, with their lines."""

    awards: tuple[Award, ...] = ()
    refused: tuple[Refused, ...] = ()
    tier_points: int = 0
    tier_portions: tuple[int, ...] = ()


class _Candidate(NamedTuple):
    rule: Rule
    points: int
    weights: tuple[int, ...]


def evaluate(
    rules: Iterable[Rule],
    activity: Activity,
    member: MemberFacts,
    worth: Worth,
    limits: Limits,
    *,
    at: datetime,
    tier_multiplier_bp: int = BASIS,
) -> Outcome:
    """What these rules pay for an activity of a member; every rule is either awarded or refused."""
    refused: list[Refused] = []
    candidates: list[_Candidate] = []
    for rule in sorted(rules, key=lambda each: each.code):
        found = _refusal(rule, activity, member, limits, at)
        if found is not None:
            refused.append(Refused(rule, *found))
            continue
        candidate = _candidate(rule, activity, worth)
        if candidate.points:
            candidates.append(candidate)
        else:
            refused.append(Refused(rule, "NOTHING_TO_EARN"))
    chosen = _best_of_groups(candidates, limits, refused)
    awards: list[Award] = []
    multiplied, tier_points = _multiplied(chosen, activity, worth, tier_multiplier_bp)
    for candidate in chosen:
        points = multiplied.get(candidate.rule.code, candidate.points)
        if not points:
            refused.append(Refused(candidate.rule, "NOTHING_TO_EARN"))
            continue
        awards.append(_award(candidate, points, *_left(candidate.rule, limits), worth))
    tier_portions = tuple(split_by_largest_remainder(tier_points, [line.fen for line in activity.lines]))
    ordered = tuple(sorted(refused, key=lambda each: each.rule.code))
    return Outcome(tuple(awards), ordered, tier_points, tier_portions)


def _refusal(
    rule: Rule, activity: Activity, member: MemberFacts, limits: Limits, at: datetime
) -> tuple[Reason, str | None] | None:
    """Why a rule does not even come into question, or None."""
    if not rule.window.is_open(activity):
        return "OUTSIDE_WINDOW", None
    if rule.tiers and member.tier not in rule.tiers:
        return "OTHER_TIER", None
    if rule.condition is not None and not rule.condition.holds(activity, member):
        return "CONDITION_FALSE", None
    if rule.cooldown_hours and is_cooling(limits.use(rule.code, "LIFETIME").last_at, at, rule.cooldown_hours):
        return "COOLING_DOWN", None
    for cap in rule.caps:
        used = limits.use(rule.code, cap.period)
        if (cap.times is not None and used.times >= cap.times) or (
            cap.points is not None and used.points >= cap.points
        ):
            return "CAP_REACHED", cap.period
    if rule.budget_points is not None and limits.budgets.get(rule.code, rule.budget_points) <= 0:
        return "BUDGET_SPENT", None
    return None


def _candidate(rule: Rule, activity: Activity, worth: Worth) -> _Candidate:
    """What a rule would pay alone and uncapped, and how it spreads over the lines."""
    effect = rule.effect
    weights = tuple(line.fen for line in activity.lines)
    fen = sum(weights)
    if activity.trigger == "ORDER_PAID" and not fen:
        return _Candidate(rule, 0, weights)  # what points alone paid for earns nothing
    if effect.fixed_points is not None:
        return _Candidate(rule, effect.fixed_points, weights)
    if effect.per_amount is not None:
        return _Candidate(rule, fen // effect.per_amount.fen * effect.per_amount.points, weights)
    if effect.steps is not None:
        reached = [step.points for step in effect.steps if step.from_fen <= fen]
        return _Candidate(rule, max(reached, default=0), weights)
    if effect.multiplier_bp is not None:
        excess_bp = effect.multiplier_bp - BASIS
        return _Candidate(rule, _excess_points(fen, worth.rate(rule.currency), excess_bp), weights)
    return _line_bonus(rule, activity)


def _line_bonus(rule: Rule, activity: Activity) -> _Candidate:
    bonus = rule.effect.line_bonus
    assert bonus is not None, "exactly one effect is given"
    listed = [
        line if is_listed(line, bonus.sku_in, bonus.category_in) and line.fen else None for line in activity.lines
    ]
    if bonus.points_per_piece is not None:
        pieces = tuple(line.quantity if line else 0 for line in listed)
        return _Candidate(rule, sum(pieces) * bonus.points_per_piece, pieces)
    assert bonus.rate_bp is not None, "either points for each piece or a rate"
    weights = tuple(line.fen if line else 0 for line in listed)
    return _Candidate(rule, sum(weights) * bonus.rate_bp // BASIS, weights)


def _excess_points(fen: int, rate_bp: int, excess_bp: int) -> int:
    """What a multiplier's excess adds: one multiplication, one floor."""
    return fen * rate_bp * excess_bp // (BASIS * BASIS)


def _best_of_groups(candidates: Sequence[_Candidate], limits: Limits, refused: list[Refused]) -> list[_Candidate]:
    """The candidates that pay: the best of each group and all without one; the others are noted as refused.

    What a cap or budget leaves counts, not what it cuts: a rule that is nearly used up does not shut out a fresh one.
    """
    best: dict[str, _Candidate] = {}
    for each in candidates:
        group = each.rule.group
        if group is not None and (group not in best or _strength(each, limits) > _strength(best[group], limits)):
            best[group] = each  # they come by code: the first of equals stays
    chosen = []
    for each in candidates:
        first = best.get(each.rule.group) if each.rule.group is not None else each
        if first is each:
            chosen.append(each)
        else:
            assert first is not None, "every group has a best"
            refused.append(Refused(each.rule, "OUTRANKED", first.rule.code))
    return chosen


def _strength(candidate: _Candidate, limits: Limits) -> tuple[int, int]:
    left, _ = _left(candidate.rule, limits)
    points = candidate.points if left is None else min(candidate.points, left)
    return points, candidate.rule.priority


def _multiplied(
    chosen: Sequence[_Candidate], activity: Activity, worth: Worth, tier_multiplier_bp: int
) -> tuple[dict[str, int], int]:
    """What each multiplier pays of their common product, and what the tier's does."""
    paid: dict[str, int] = {}
    tier_points = 0
    currencies: tuple[Currency, ...] = ("POINTS", "GROWTH")
    for currency in currencies:
        rules = [each.rule for each in chosen if each.rule.effect.multiplier_bp and each.rule.currency == currency]
        excesses = [(rule.effect.multiplier_bp or BASIS) - BASIS for rule in rules]
        tier_bp = max(tier_multiplier_bp - BASIS, 0) if currency == "POINTS" else 0
        together = min(sum(excesses) + tier_bp, MULTIPLIER_MAX_BP - BASIS)
        if not together:
            continue
        total = _excess_points(activity.fen, worth.rate(currency), together)
        *parts, tier_part = split_by_largest_remainder(total, [*excesses, tier_bp])
        paid |= {rule.code: part for rule, part in zip(rules, parts, strict=True)}
        tier_points += tier_part
    return paid, tier_points


def _left(rule: Rule, limits: Limits) -> tuple[int | None, str | None]:
    """What caps and budget leave of a rule, and which of them leaves least; None where there are none."""
    ends = [
        (cap.points - limits.use(rule.code, cap.period).points, str(cap.period))
        for cap in rule.caps
        if cap.points is not None
    ]
    if rule.budget_points is not None:
        ends.append((limits.budgets.get(rule.code, rule.budget_points), "BUDGET"))
    return min(ends, key=lambda end: end[0], default=(None, None))


def _award(candidate: _Candidate, points: int, left: int | None, by: str | None, worth: Worth) -> Award:
    rule = candidate.rule
    given = points if left is None else min(points, left)
    portions = tuple(split_by_largest_remainder(given, candidate.weights)) if candidate.weights else ()
    multiplied_bp = worth.rate(rule.currency) if rule.effect.multiplier_bp is not None else None
    if given == points:
        return Award(rule, given, portions, multiplied_bp=multiplied_bp)
    return Award(rule, given, portions, points, by, multiplied_bp)
