"""Rules at work on a member's book: what they rest on, what they post, and what of them is used up.

Nothing of it is read while the programme has no rules: each load is switched off by one look at the policies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.benefits.service import benefits_of, has_multipliers, post_multiplied
from gamification.core.draft import Guard, Load, Rows
from gamification.core.policy import PolicyMissing, Version
from gamification.earning.awarding import Award, Limits, Outcome, Use, Worth, evaluate
from gamification.earning.conditions import Activity, MemberFacts
from gamification.earning.models import RuleUse
from gamification.earning.rulebook import Rule, RulesPolicy, period_start
from gamification.earning.rules import BASIS
from gamification.members.rules import Birthday, Birthdays, birthday_that_counts
from gamification.points.book import Book
from gamification.points.rows import Source
from gamification.tiers.service import tier_code

NO_WORTH = Worth()
NOBODY = MemberFacts(None, date.min, None, False)
"""Who is asked nothing."""
RULED = "EXISTS (SELECT FROM policy_version WHERE kind = 'rules')"


class FactsRow(NamedTuple):
    """What rules may ask of a member, as it was loaded."""

    member_id: UUID
    joined_at: datetime
    birthday_month: int | None
    birthday_day: int | None
    birthday_before_month: int | None
    birthday_before_day: int | None
    birthday_changed_on: date | None


class UseRow(NamedTuple):
    """What a member has had by a rule in a period."""

    member_id: UUID
    rule_code: str
    period: str
    starts_on: date
    points: int
    times: int
    last_at: datetime


class BudgetRow(NamedTuple):
    """What is left of a rule's budget."""

    rule_code: str
    id: UUID
    points_left: int


FACTS = Load(
    name="earning.facts",
    row=FactsRow,
    sql=f"""SELECT id, joined_at, birthday_month, birthday_day, birthday_before_month, birthday_before_day,
                   birthday_changed_on
            FROM member WHERE {RULED} AND id = ANY({{members}})""",
)
BUDGETS = Load(
    name="earning.budgets",
    row=BudgetRow,
    sql=f"SELECT rule_code, id, budget_points - spent_points FROM rule_budget WHERE {RULED}",
    shared=True,
)
USES = "earning.uses"
BUDGET = Guard(
    name="rule_budget",
    sql="""UPDATE rule_budget b SET spent_points = b.spent_points + c.amount FROM {claims} c
           WHERE b.id = c.key AND b.spent_points + c.amount <= b.budget_points RETURNING b.id""",
)
USE_ROWS = Rows(RuleUse, UseRow._fields, ("member_id", "rule_code", "period", "starts_on"))


def rule_loads(earliest: Callable[[Sequence[Any], datetime], date]) -> tuple[Load, ...]:
    """What rules rest on. `earliest` is the first business day of a batch's activities, given its commands and now.

    Verbs load `STANDING` of the tiers besides.
    """
    uses = Load(
        name=USES,
        row=UseRow,
        sql=f"""SELECT member_id, rule_code, period, starts_on, points, times, last_at FROM rule_use
                WHERE {RULED} AND member_id = ANY({{members}})
                  AND (period = 'LIFETIME' OR starts_on >= least(date_trunc('month', {{earliest}})::date,
                                                                date_trunc('week', {{earliest}})::date))""",
        arguments={"earliest": ("date", earliest)},
    )
    return FACTS, BUDGETS, uses


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule did with an activity: its points, or the reason why it paid nothing. Names are the programme's.

    `by` is the period or BUDGET that cut `capped_from`, or that refused; for OUTRANKED the rule that paid instead.
    """

    code: str
    name_zh: str
    name_en: str
    currency: str
    points: int
    capped_from: int | None = None
    by: str | None = None
    reason: str | None = None


def is_ruled(book: Book) -> bool:
    """Whether the programme has rules at all, whatever they say now."""
    return book.policies.latest(RulesPolicy) is not None


def rules_in_force(book: Book, at: datetime) -> Version[RulesPolicy] | None:
    """The rules of an instant; None as long as the programme has none."""
    if not is_ruled(book):
        return None
    try:
        return book.policy(RulesPolicy, at)
    except PolicyMissing:
        return None


def asks_more(book: Book, at: datetime) -> bool:
    """Whether anything is asked of an order beside its rates: rules, or the multiplier of a tier."""
    return is_ruled(book) or has_multipliers(book, at)


def award_for_activity(
    book: Book,
    activity: Activity,
    *,
    at: datetime,
    source: Source,
    worth: Worth = NO_WORTH,
    has_ordered: bool = False,
    order_id: UUID | None = None,
) -> tuple[Outcome, tuple[Verdict, ...]]:
    """Post what the rules of an activity's instant pay, one entry each under `{source}_rule`, and count their use.

    For an order also what the multiplier of the member's tier adds, under `{source}_tier`.

    A verb that calls it loads `rule_loads`, and STANDING of the tiers. Growth is posted here, the tier is the caller's.
    """
    version = rules_in_force(book, at)
    rules = version.body.of(activity.trigger, activity.event) if version is not None else ()
    multiplier_bp = benefits_of(book, at).multiplier_bp if order_id is not None and has_multipliers(book, at) else BASIS
    if not rules and multiplier_bp == BASIS:
        return Outcome(), ()
    member = _member_facts(book, activity.on, has_ordered) if rules else NOBODY
    limits = _limits(book, rules, activity.on) if rules else Limits()
    outcome = evaluate(rules, activity, member, worth, limits, at=at, tier_multiplier_bp=multiplier_bp)
    for award in outcome.awards:
        assert version is not None, "a rule was in force"
        _post(book, award, activity, version, at=at, source=source, order_id=order_id)
    if outcome.tier_points:
        assert order_id is not None, "orders are multiplied"
        post_multiplied(
            book, outcome.tier_points, outcome.tier_portions, at=at, source=source, base_fen=activity.fen,
            rate_bp=worth.points_bp, order_id=order_id,
        )  # fmt: skip
    return outcome, _verdicts(outcome)


def _verdicts(outcome: Outcome) -> tuple[Verdict, ...]:
    paid = [
        Verdict(
            each.rule.code, each.rule.name_zh, each.rule.name_en, each.rule.currency, each.points, each.capped_from,
            each.capped_by,
        )
        for each in outcome.awards
    ]  # fmt: skip
    refused = [
        Verdict(
            each.rule.code, each.rule.name_zh, each.rule.name_en, each.rule.currency, 0, by=each.by,
            reason=each.reason,
        )
        for each in outcome.refused
    ]  # fmt: skip
    return (*paid, *refused)


def _member_facts(book: Book, on: date, has_ordered: bool) -> MemberFacts:
    (row,) = book.loaded(FACTS.name)
    birthdays = Birthdays(
        _birthday(row.birthday_month, row.birthday_day),
        _birthday(row.birthday_before_month, row.birthday_before_day),
        row.birthday_changed_on,
    )
    counting = birthday_that_counts(birthdays, on)
    joined_on = book.calendar.business_date(row.joined_at)
    return MemberFacts(tier_code(book), joined_on, (counting.month, counting.day) if counting else None, has_ordered)


def _birthday(month: int | None, day: int | None) -> Birthday | None:
    return Birthday(month, day) if month is not None and day is not None else None


def _limits(book: Book, rules: Sequence[Rule], on: date) -> Limits:
    rows: list[UseRow] = book.loaded(USES)
    used = {
        (row.rule_code, row.period): Use(row.points, row.times, row.last_at)
        for row in rows
        if row.starts_on == period_start(row.period, on)
    }
    budgets = {rule.code: _budget_left(book, rule) for rule in rules if rule.budget_points is not None}
    return Limits(used, budgets)


def _budget_left(book: Book, rule: Rule) -> int:
    """What a budget has for this member: what others of the batch have claimed of it already is theirs."""
    row: BudgetRow | None = book.shared(BUDGETS.name, rule.code)
    claimed = _claims(book, rule.code)
    return max(row.points_left - sum(points for _, points in claimed.values()), 0) if row else 0


def _claims(book: Book, code: str) -> dict[UUID, tuple[Book, int]]:
    """What the members of the batch have claimed of a budget, this one by this very draft only."""
    claimed: dict[UUID, tuple[Book, int]] = book.common(("rule_claims", code), dict)
    if book.member_id in claimed and claimed[book.member_id][0] is not book:
        del claimed[book.member_id]  # a draft that was given up
    return claimed


def _post(
    book: Book,
    award: Award,
    activity: Activity,
    version: Version[RulesPolicy],
    *,
    at: datetime,
    source: Source,
    order_id: UUID | None,
) -> None:
    rule = award.rule
    own = (f"{source[0]}_rule", f"{source[1]}:{rule.code}")
    trace = _trace(award, activity, version)
    if rule.currency == "GROWTH":
        book.grow(award.points, source=own, kind="BONUS", trace=trace, occurred_at=at)
    else:
        portions = list(enumerate(award.portions)) if order_id is not None else None
        book.accrue(
            award.points, source=own, kind="BONUS", trace=trace, occurred_at=at, order_id=order_id, portions=portions
        )
    _count(book, award, activity.on, at)


def _trace(award: Award, activity: Activity, version: Version[RulesPolicy]) -> Mapping[str, Any]:
    (effect,) = award.rule.effect.given
    trace: dict[str, Any] = {
        "rule": "earning_rule", "policy": ["rules", version.version], "earning_rule": award.rule.code,
        "effect": effect.upper(),
    }  # fmt: skip
    if activity.lines:
        trace["base_fen"] = activity.fen
    if award.multiplied_bp is not None:
        trace |= {"rate_bp": award.multiplied_bp, "multiplier_bp": award.rule.effect.multiplier_bp}
    if award.capped_from is not None:
        trace |= {"capped_from": award.capped_from, "capped_by": award.capped_by}
    return {**trace, "result": award.points}


def _count(book: Book, award: Award, on: date, at: datetime) -> None:
    """Count an award towards the rule's caps, its cooldown and its budget."""
    rule = award.rule
    rows: list[UseRow] = book.loaded(USES)
    periods = {str(cap.period) for cap in rule.caps} | ({"LIFETIME"} if rule.cooldown_hours else set())
    for period in sorted(periods):
        starts_on = period_start(period, on)
        before = next((row for row in rows if row[1:4] == (rule.code, period, starts_on)), None)
        points, times, last_at = (before.points, before.times, before.last_at) if before else (0, 0, at)
        after = UseRow(book.member_id, rule.code, period, starts_on, points + award.points, times + 1, max(last_at, at))
        if before is not None:
            rows.remove(before)
        rows.append(after)
        book.add(USE_ROWS, after)
    if rule.budget_points is not None:
        row: BudgetRow | None = book.shared(BUDGETS.name, rule.code)
        assert row is not None, "without a row nothing was left to award"
        book.claim(BUDGET, row.id, award.points)
        claimed = _claims(book, rule.code)
        claimed[book.member_id] = (book, claimed.get(book.member_id, (book, 0))[1] + award.points)
