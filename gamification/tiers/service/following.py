"""The tier on a member's book: what time, growth, orders, refunds and purchases make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.calendar import add_months
from gamification.core.draft import Rows
from gamification.core.policy import Version
from gamification.points.book import Book
from gamification.tiers.evaluation import (
    DAY,
    Fact,
    Standing,
    Step,
    after_refund,
    effective,
    next_due,
    noticed,
    raised,
    rank_of,
    settled,
    validity_end,
    value_of,
)
from gamification.tiers.events import TierEnding, TierLowered, TierRaised
from gamification.tiers.models import TierChange, TierPurchase, TierStanding
from gamification.tiers.rows import PurchaseRow, StandingRow
from gamification.tiers.rules import Tier, TierPolicy
from gamification.tiers.service.loads import PURCHASES, STANDING, facts_of, purchases_of

PURCHASED_MONTHS_MAX = 1_200
_STANDINGS = Rows(TierStanding, StandingRow._fields, ("member_id",))
_PURCHASES = Rows(TierPurchase, PurchaseRow._fields, ("member_id", "order_id", "line"))
_CHANGES = Rows(
    TierChange,
    ("member_id", "number", "from_code", "to_code", "cause", "growth", "policy_version", "changed_at"),
)


class StandingState(NamedTuple):
    """A standing in the middle of a decision: the stored row, or one that starts in the lowest tier and is new."""

    row: StandingRow
    is_new: bool


@dataclass(slots=True)
class _Follow:
    """One look at a member's tier: what it rests on, and what has happened to it."""

    book: Book
    version: Version[TierPolicy]
    state: StandingState
    standing: Standing
    facts: list[Fact]
    pin: tuple[str, date | None] | None

    @property
    def policy(self) -> TierPolicy:
        return self.version.body

    def value(self, on: date) -> int:
        """The metric on a day; the growth account itself where nothing more is asked."""
        if self.policy.rests_on_growth_alone:
            return self.book.growth
        return value_of(self.policy, self.facts, self.standing.since_on, on)

    def tier_on(self, on: date) -> Tier:
        """The tier that the member has on a day, as things stand."""
        return effective(self.policy, self.standing, purchases_of(self.book), self.pin, on)


def tier_code(book: Book) -> str:
    """The code of the tier that the member is in at this point of the batch; the lowest where nothing is known."""
    rows: list[StandingRow] = book.loaded(STANDING.name)
    return rows[0].tier_code if rows else book.policy(TierPolicy).body.tiers[0].code


def raise_tier(book: Book, at: datetime) -> Tier | None:
    """Raise the member to the tier that the metric reaches now; returns the new tier, or None when nothing is raised.

    What time has ended is judged first.
    """
    version = book.policy(TierPolicy)
    policy = version.body
    rows: list[StandingRow] = book.loaded(STANDING.name)
    if policy.rests_on_growth_alone:  # most programmes, and every order: nothing to be done without looking further
        rank = rank_of(policy, rows[0].earned_code) if rows else 0
        is_due = bool(rows) and rows[0].due_on is not None and rows[0].due_on <= book.on
        if policy.rank(policy.reached(book.growth).code) <= rank and not is_due:
            return None
    follow = _look(book, version)
    before = follow.state.row.tier_code
    _settle(follow)
    follow.standing, step = raised(policy, follow.standing, follow.value(book.on), book.on)
    _finish(follow, [step] if step else [], at)
    after: StandingRow | None = next(iter(book.loaded(STANDING.name)), None)
    if after is None or rank_of(policy, after.tier_code) <= rank_of(policy, before):
        return None
    return policy.tiers[rank_of(policy, after.tier_code)]


def follow_refund(book: Book, at: datetime) -> None:
    """Judge again what an upgrade rested on, where the refund comes soon after it; what time has ended comes first."""
    version = book.policy(TierPolicy)
    if not version.body.refund_days or not book.loaded(STANDING.name):
        return
    follow = _look(book, version)
    _settle(follow)
    follow.standing, step = after_refund(follow.policy, follow.standing, follow.value(book.on), book.on)
    _finish(follow, [step] if step else [], at)
    _settle(follow)
    _finish(follow, [], at)


def follow_time(book: Book) -> bool:
    """Do what is due today: judge what has ended, tell what is about to end. Returns whether anything was written."""
    version = book.policy(TierPolicy)
    changes = book.changes
    follow = _look(book, version)
    standing = follow.standing
    if standing.valid_until is None and version.body.validity_months and rank_of(version.body, standing.code):
        since_on = standing.since_on or book.on
        follow.standing = standing._replace(since_on=since_on, valid_until=validity_end(version.body, book.on))
    _settle(follow)
    follow.standing, step = raised(follow.policy, follow.standing, follow.value(book.on), book.on)
    follow.standing, notice = noticed(follow.policy, follow.standing, follow.facts, book.on)
    _finish(follow, [step] if step else [], book.now)
    if notice is not None:
        book.emit(TierEnding(book.member_id, *notice))
    return book.changes != changes


def pin(book: Book, code: str | None, until: date | None) -> StandingRow:
    """Set or end (None) the tier that staff chose; returns the standing as it is then."""
    follow = _look(book, book.policy(TierPolicy))
    _settle(follow)
    follow.pin = (code, until) if code is not None else None
    _finish(follow, [], book.now, cause="PIN" if code is not None else "UNPIN")
    row: StandingRow = book.loaded(STANDING.name)[0]
    return row


def buy_tiers(book: Book, order_id: UUID, lines: Sequence[tuple[str | None, int]], at: datetime) -> None:
    """Give the tiers that an order's lines (SKU, pieces) buy, each behind what is already bought of it."""
    tiers = {tier.purchase_sku: tier for tier in book.policy(TierPolicy).body.tiers if tier.purchase_sku is not None}
    if not tiers:
        return
    bought_on = book.calendar.business_date(at)
    rows: list[PurchaseRow] = book.loaded(PURCHASES.name)
    for line, (sku, quantity) in enumerate(lines):
        if sku not in tiers:
            continue
        tier = tiers[sku]
        starts_on = max([bought_on, *(row.ends_on + DAY for row in rows if row.tier_code == tier.code)])
        ends_on = add_months(starts_on, min(quantity * tier.purchase_months, PURCHASED_MONTHS_MAX)) - DAY
        row = PurchaseRow(book.member_id, order_id, line, tier.code, starts_on, ends_on)
        rows.append(row)
        book.add(_PURCHASES, row)
    _follow_purchases(book, at)


def end_purchase(book: Book, *, order_id: UUID, line: int, at: datetime) -> None:
    """End what an order line bought, since the line was refunded: from that day on it counts no more."""
    rows: list[PurchaseRow] = book.loaded(PURCHASES.name)
    bought = next((row for row in rows if (row.order_id, row.line) == (order_id, line)), None)
    if bought is None:
        return
    last = min(bought.ends_on, book.calendar.business_date(at) - DAY)
    after = bought._replace(ends_on=max(last, bought.starts_on - DAY))
    rows[rows.index(bought)] = after
    book.add(_PURCHASES, after)
    _follow_purchases(book, at)


def _follow_purchases(book: Book, at: datetime) -> None:
    follow = _look(book, book.policy(TierPolicy))
    _settle(follow)
    _finish(follow, [], at, cause="PURCHASE")


def _look(book: Book, version: Version[TierPolicy]) -> _Follow:
    rows: list[StandingRow] = book.loaded(STANDING.name)
    lowest = version.body.tiers[0].code
    row = rows[0] if rows else StandingRow(book.member_id, lowest, book.now, version.version, 0, lowest)
    state = StandingState(row, not rows)
    return _Follow(book, version, state, row.standing, facts_of(book, version.body), row.pin)


def _settle(follow: _Follow) -> None:
    """Judge every boundary that lies behind, and write what came of it."""
    follow.standing, steps = settled(follow.policy, follow.standing, follow.facts, follow.book.on)
    if steps:
        _finish(follow, steps, follow.book.now)


def _finish(follow: _Follow, steps: list[Step], at: datetime, *, cause: str = "END") -> None:
    """Write the standing as it is now, and its history: a row for each step, and for what a purchase or pin changed."""
    book, policy, before = follow.book, follow.policy, follow.state.row
    code, number = before.tier_code, before.changes
    for step in steps:
        to_code = effective(policy, Standing(step.to_code), purchases_of(book), follow.pin, step.on).code
        number += 1
        _note(follow, number, code, to_code, step.cause, step.value, _instant(book, step, at))
        code = to_code
    after = follow.tier_on(book.on)
    if after.code != code:
        number += 1
        _note(follow, number, code, after.code, cause, follow.value(book.on), at)
    changed = number > before.changes
    row = StandingRow(
        book.member_id, after.code, at if after.code != before.tier_code else before.since,
        follow.version.version if changed else before.policy_version, number, *follow.standing,
    )._replace(due_on=next_due(policy, follow.standing, purchases_of(book), follow.pin, book.on))  # fmt: skip
    if follow.pin is not None:
        row = row._replace(pin_code=follow.pin[0], pin_until=follow.pin[1])
    if row == before or (follow.state.is_new and not changed and row.due_on is None and follow.pin is None):
        return
    rows: list[StandingRow] = book.loaded(STANDING.name)
    rows[:] = [row]
    follow.state = StandingState(row, False)
    book.add(_STANDINGS, row)


def _instant(book: Book, step: Step, at: datetime) -> datetime:
    """When a step took place: what time brought about, at the start of its day, whenever it is booked."""
    return book.calendar.starts_at(step.on) if step.cause in ("RETENTION", "GRACE", "DOWNGRADE") else at


def _note(follow: _Follow, number: int, code: str, to_code: str, cause: str, value: int, at: datetime) -> None:
    """Add a row of history, and tell of a tier that is higher or lower than the one before."""
    book, policy = follow.book, follow.policy
    from_code = None if follow.state.is_new and number == 1 else code
    book.add(_CHANGES, (book.member_id, number, from_code, to_code, cause, value, follow.version.version, at))
    if rank_of(policy, to_code) > rank_of(policy, code):
        book.emit(TierRaised(book.member_id, from_code, to_code))
    elif to_code != code:
        book.emit(TierLowered(book.member_id, code, to_code, cause))
