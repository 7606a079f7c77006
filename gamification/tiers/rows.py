"""Rows of tiers as they are read, by decisions and by queries alike.

Facts are read only where a published tier set asks for more than the growth account says.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from gamification.tiers.evaluation import Purchase, Standing


class StandingRow(NamedTuple):
    """A member's standing as it is stored."""

    member_id: UUID
    tier_code: str
    since: datetime
    policy_version: int
    changes: int
    earned_code: str
    earned_on: date | None = None
    valid_until: date | None = None
    grace_until: date | None = None
    warned_days: int | None = None
    before_code: str | None = None
    before_on: date | None = None
    before_valid_until: date | None = None
    raised_on: date | None = None
    pin_code: str | None = None
    pin_until: date | None = None
    due_on: date | None = None

    @property
    def standing(self) -> Standing:
        """What the member has earned."""
        return Standing(*self[5:14])

    @property
    def pin(self) -> tuple[str, date | None] | None:
        """The tier that staff set, and its last day."""
        return (self.pin_code, self.pin_until) if self.pin_code is not None else None


class FactRow(NamedTuple):
    """What occurred at an instant."""

    member_id: UUID
    at: datetime
    growth: int
    net_fen: int
    orders: int


class PurchaseRow(NamedTuple):
    """A tier that an order line bought."""

    member_id: UUID
    order_id: UUID
    line: int
    tier_code: str
    starts_on: date
    ends_on: date

    @property
    def purchase(self) -> Purchase:
        """The days that it is for."""
        return Purchase(self.tier_code, self.starts_on, self.ends_on)


_ASKED = """EXISTS (SELECT FROM policy_version WHERE kind = 'tiers'
    AND (body ->> 'metric' <> 'GROWTH' OR body ->> 'window' <> 'LIFETIME' OR body ->> 'validity_months' IS NOT NULL
         OR (body ->> 'refund_days')::int > 0))"""
FACTS_SQL = f"""SELECT o.member_id, o.paid_at,
      (SELECT coalesce(sum(l.growth_earned - l.growth_revoked), 0)::bigint FROM order_line l
       WHERE l.member_id = o.member_id AND l.order_id = o.id),
      o.paid_fen - o.refunded_fen, (o.paid_fen = 0 OR o.refunded_fen < o.paid_fen)::int
    FROM sales_order o WHERE {_ASKED} AND o.member_id = ANY({{members}})
    UNION ALL SELECT e.member_id, e.occurred_at, e.available_delta, 0, 0 FROM entry e
    WHERE {_ASKED} AND e.member_id = ANY({{members}}) AND e.currency = 'GROWTH'
      AND e.source_type NOT IN ('order', 'order_rule', 'refund')"""
"""A refund counts on the day of its order: what went back is as if it had never been paid."""
PURCHASES_SQL = """SELECT member_id, order_id, line, tier_code, starts_on, ends_on FROM tier_purchase
    WHERE EXISTS (SELECT FROM tier_purchase) AND member_id = ANY({members})"""
