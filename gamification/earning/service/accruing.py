"""What orders and refunds post: called by the orders slice on the member's book, inside its transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.calendar import month_of
from gamification.core.draft import Load, Rows
from gamification.core.policy import Version
from gamification.earning.awarding import Worth
from gamification.earning.conditions import Activity
from gamification.earning.models import MonthSpend
from gamification.earning.rules import EarningPolicy, ladder_points, ladder_rate, points_of
from gamification.earning.service.awards import Verdict, award_for_activity
from gamification.points.book import Book
from gamification.points.rules import split_by_largest_remainder

MONTHS = "earning.months"


class MonthRow(NamedTuple):
    """A member's month as it stands."""

    member_id: UUID
    month: date
    net_fen: int
    ladder_points: int
    policy_version: int


MONTH_ROWS = Rows(MonthSpend, MonthRow._fields, ("member_id", "month"))


@dataclass(frozen=True, slots=True)
class Purchase:
    """What earning needs to know of an order: cash paid per line on what is eligible, in fen.

    `month` is the programme month of `occurred_at`, where the caller knows it already. `activity` is what rules see of
    it (None: no rule is asked), `has_ordered` whether the member had an order before.
    """

    order_id: UUID
    occurred_at: datetime
    eligible_fen: tuple[int, ...]
    month: date | None = None
    activity: Activity | None = None
    has_ordered: bool = False

    @property
    def base_fen(self) -> int:
        """What all lines together accrue for, in fen."""
        return sum(self.eligible_fen)


@dataclass(frozen=True, slots=True)
class Earned:
    """What an order posted: points and growth per line, the change of the month's ladder points, and what rules did.

    Bonuses of rules are in the lines, so that refunds take them back in proportion.
    """

    line_points: tuple[int, ...]
    line_growth: tuple[int, ...]
    ladder_points: int
    verdicts: tuple[Verdict, ...] = ()

    @property
    def points(self) -> int:
        """Points of all lines and of the ladder."""
        return sum(self.line_points) + self.ladder_points

    @property
    def growth(self) -> int:
        """Growth of all lines."""
        return sum(self.line_growth)


def months_load(
    months: Callable[[Sequence[Any]], list[date]], whole_members: Callable[[Sequence[Any]], list[UUID]]
) -> Load:
    """The months of a batch's orders, and every month of the members whose refunds may reach back."""
    return Load(
        name=MONTHS,
        row=MonthRow,
        sql="""SELECT member_id, month, net_fen, ladder_points, policy_version FROM month_spend
               WHERE member_id = ANY({members}) AND (month = ANY({months}) OR member_id = ANY({whole_members}))""",
        arguments={
            "months": ("date[]", lambda commands, now: months(commands)),
            "whole_members": ("uuid[]", lambda commands, now: whole_members(commands)),
        },
    )


def accrue_for_order(book: Book, purchase: Purchase) -> Earned:
    """Post what an order is worth: base points by line, growth, and the month's ladder uplift."""
    version = book.policy(EarningPolicy, purchase.occurred_at)
    policy = version.body
    base_fen = purchase.base_fen
    points = points_of(base_fen, policy.points_rate_bp)
    growth = points_of(base_fen, policy.growth_rate_bp)
    line_points = split_by_largest_remainder(points, purchase.eligible_fen)
    line_growth = split_by_largest_remainder(growth, purchase.eligible_fen)
    source = ("order", str(purchase.order_id))
    if points:
        book.accrue(
            points, source=source, occurred_at=purchase.occurred_at, order_id=purchase.order_id,
            portions=list(enumerate(line_points)),
            trace=_rate_trace("base_rate", version, base_fen, policy.points_rate_bp, points),
        )  # fmt: skip
    if growth:
        trace = _rate_trace("growth_rate", version, base_fen, policy.growth_rate_bp, growth)
        book.grow(growth, source=source, kind="ACCRUAL", trace=trace, occurred_at=purchase.occurred_at)
    uplift, ladder_bp = _post_uplift(book, purchase, base_fen, source)
    earned = Earned(tuple(line_points), tuple(line_growth), uplift)
    worth = Worth(policy.points_rate_bp + ladder_bp, policy.growth_rate_bp)
    return _with_bonuses(book, purchase, earned, worth, source) if purchase.activity is not None else earned


def _with_bonuses(book: Book, purchase: Purchase, earned: Earned, worth: Worth, source: tuple[str, str]) -> Earned:
    """Post what rules add to an order, and count it to the lines that it is for."""
    assert purchase.activity is not None, "asked for"
    outcome, verdicts = award_for_activity(
        book, purchase.activity, at=purchase.occurred_at, source=source, worth=worth,
        has_ordered=purchase.has_ordered, order_id=purchase.order_id,
    )  # fmt: skip
    by_currency = {"POINTS": list(earned.line_points), "GROWTH": list(earned.line_growth)}
    if outcome.tier_points:
        by_currency["POINTS"] = [sum(parts) for parts in zip(earned.line_points, outcome.tier_portions, strict=True)]
    for award in outcome.awards:
        lines = by_currency[award.rule.currency]
        for line, part in enumerate(award.portions):
            lines[line] += part
    return Earned(tuple(by_currency["POINTS"]), tuple(by_currency["GROWTH"]), earned.ladder_points, verdicts)


def points_for_order(book: Book, purchase: Purchase) -> int:
    """Points that an order would be worth now, base and ladder's uplift together; nothing is posted."""
    base = points_of(purchase.base_fen, book.policy(EarningPolicy, purchase.occurred_at).body.points_rate_bp)
    month = month_of(book.calendar.business_date(purchase.occurred_at))
    ladder = book.policy(EarningPolicy, book.calendar.starts_at(month)).body.ladder
    rows: list[MonthRow] = book.loaded(MONTHS)
    net_fen = next((row.net_fen for row in rows if row.month == month), 0)
    return base + ladder_points(ladder, net_fen + purchase.base_fen) - ladder_points(ladder, net_fen)


def revoke_for_refund(
    book: Book, purchase: Purchase, *, refunded_fen: int, refunded_at: datetime, source: tuple[str, str]
) -> tuple[int, int]:
    """Lower the month of a refunded order by the eligible cash that went back.

    Returns the ladder points revoked, and how many of them became debt.
    """
    if not refunded_fen:
        return 0, 0
    trace, change = _move_month(book, purchase, -refunded_fen)
    if not change:
        return 0, 0
    revoked = book.claw_back(
        -change, source=source, kind="LADDER_REVERSAL", trace=trace,
        occurred_at=refunded_at, order_id=purchase.order_id,
    )  # fmt: skip
    return revoked.revoked, revoked.debt


def _post_uplift(book: Book, purchase: Purchase, base_fen: int, source: tuple[str, str]) -> tuple[int, int]:
    """Post what an order adds to its month's ladder points; returns it, and the rate (bp) that the month reached."""
    if not base_fen:
        return 0, 0
    trace, change = _move_month(book, purchase, base_fen)
    if change:
        book.accrue(
            change, source=source, kind="LADDER", trace=trace,
            occurred_at=purchase.occurred_at, order_id=purchase.order_id,
        )  # fmt: skip
    return change, trace["rate_after_bp"]


def _move_month(book: Book, purchase: Purchase, by_fen: int) -> tuple[dict[str, Any], int]:
    """Move a month's net spend under the policy pinned at its start; returns the trace and `T(after) − T(before)`."""
    month = purchase.month or month_of(book.calendar.business_date(purchase.occurred_at))
    rows = book.loaded(MONTHS)
    before = next((row for row in rows if row.month == month), None)
    starts_at = book.common(("starts_at", month), lambda: book.calendar.starts_at(month))
    version = book.policy(EarningPolicy, starts_at)
    ladder = version.body.ladder
    net_before, points_before = (before.net_fen, before.ladder_points) if before else (0, 0)
    net_after = net_before + by_fen
    rate_after_bp = ladder_rate(ladder, net_after)
    points_after = points_of(net_after, rate_after_bp)
    after = MonthRow(book.member_id, month, net_after, points_after, version.version)
    if before is not None:
        rows.remove(before)
    rows.append(after)
    book.add(MONTH_ROWS, after)
    trace = {
        "rule": "ladder", "policy": ["earning", version.version], "month": month.isoformat(),
        "net_before_fen": net_before, "net_after_fen": net_after,
        "rate_before_bp": ladder_rate(ladder, net_before), "rate_after_bp": rate_after_bp,
        "points_before": points_before, "points_after": points_after,
    }  # fmt: skip
    return trace, points_after - points_before


def _rate_trace(rule: str, version: Version[EarningPolicy], base_fen: int, rate_bp: int, result: int) -> dict[str, Any]:
    return {
        "rule": rule, "policy": ["earning", version.version],
        "base_fen": base_fen, "rate_bp": rate_bp, "rounding": "floor", "result": result,
    }  # fmt: skip
