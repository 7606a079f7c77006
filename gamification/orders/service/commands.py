"""What intake is asked and what it answers, once members are resolved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from gamification.core.draft import Command
from gamification.earning.service import Verdict
from gamification.orders.service.requests import NewOrder, NewRefund


@dataclass(frozen=True, kw_only=True)
class RecordOrder(Command):
    """An order of a resolved member; `month` is its programme month.

    What `is_cart` is only asked about: points that would pay for it are not captured.
    """

    order: NewOrder
    month: date
    is_cart: bool = False


@dataclass(frozen=True, kw_only=True)
class RecordRefund(Command):
    """A refund of a resolved member; `waited_since` says when it arrived if it comes from the waiting refunds."""

    refund: NewRefund
    waited_since: datetime | None = None


Intake = RecordOrder | RecordRefund


@dataclass(frozen=True, slots=True)
class OrderRecorded:
    """What an order posted. `points` include the ladder's uplift; `deduction_points` paid for a part of it.

    `available` is the balance after it; `rules` tells what each rule did with a new order, empty for one that was here.
    """

    order_id: UUID
    member_id: UUID
    external_id: str
    already_recorded: bool
    points: int
    ladder_points: int
    growth: int
    raised_to: str | None
    deduction_points: int
    available: int
    rules: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class RefundRecorded:
    """What a refund moved: cash placed on orders (fen), points and growth revoked, of which points became debt, and
    points that came back."""

    refund_id: UUID | None
    member_id: UUID | None
    external_id: str
    status: str
    already_recorded: bool
    matched: bool
    requested_fen: int
    placed_fen: int
    points_revoked: int
    debt_added: int
    growth_revoked: int
    points_restored: int
    available: int | None
