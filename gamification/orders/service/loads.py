"""What the decisions of intake rest on, and how orders are written back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.draft import Load, Rows
from gamification.earning.service import RULED, months_load, rule_loads
from gamification.orders.models import OrderLine, SalesOrder
from gamification.orders.rules import KnownOrder, Line
from gamification.orders.service.commands import Intake, RecordOrder, RecordRefund
from gamification.orders.service.events import events_load
from gamification.points.book import Book
from gamification.points.rows import extended_load, holds_load
from gamification.points.service.holds import standing_holds_load


class RefundRow(NamedTuple):
    """A refund that is here already, as the member of a command meets it: it may be another member's (`owner_id`)."""

    member_id: UUID
    order_external_id: str
    external_id: str
    refund_id: UUID
    owner_id: UUID
    status: str
    matched: bool
    requested_fen: int
    placed_fen: int
    points_revoked: int
    debt_added: int
    growth_revoked: int
    points_restored: int
    fingerprint: bytes


class OrderedRow(NamedTuple):
    """A member who has ordered."""

    member_id: UUID


class OwnerRow(NamedTuple):
    """Whose order an external id is."""

    external_id: str
    member_id: UUID


class WaitingRow(NamedTuple):
    """The refunds that wait for an order: (external id, body, received at)."""

    order_external_id: str
    refunds: list[tuple[str, str, datetime]]


def _known_order(*columns: Any) -> KnownOrder:
    *own, lines = columns
    return KnownOrder._make([*own, tuple(Line(*line) for line in lines or ())])


def _orders(commands: Iterable[Intake]) -> list[RecordOrder]:
    return [each for each in commands if isinstance(each, RecordOrder)]


def _refunds(commands: Iterable[Intake]) -> list[RecordRefund]:
    return [each for each in commands if isinstance(each, RecordRefund)]


def _own_external_ids(commands: Sequence[Intake]) -> list[str]:
    return [each.order.external_id for each in _orders(commands)]


def _all_external_ids(commands: Sequence[Intake]) -> list[str]:
    named = [each.refund.order_external_id for each in _refunds(commands)]
    return _own_external_ids(commands) + [each for each in named if each is not None]


def _matching_members(commands: Sequence[Intake]) -> list[UUID]:
    return list({each.member_id for each in _refunds(commands) if each.refund.order_external_id is None})


ORDERS = Load(
    name="orders.orders",
    row=_known_order,
    sql="""SELECT o.member_id, o.id, o.external_id, o.channel, o.store, o.currency, o.paid_at, o.booked_at, o.month,
             o.paid_fen, o.eligible_fen, o.refunded_fen, o.ladder_points, o.deduction_points, o.restored_points,
             o.fingerprint,
             (SELECT array_agg(
                  ROW(l.line, l.sku, l.category, l.quantity, l.paid_fen, l.eligible, l.refunded_fen,
                      l.refunded_quantity, l.points_earned, l.points_revoked,
                      (SELECT coalesce(sum(t.expired), 0)::bigint FROM lot t
                       WHERE t.member_id = l.member_id AND t.order_id = l.order_id AND t.order_line = l.line),
                      l.growth_earned, l.growth_revoked, l.deduction_points, l.restored_points) ORDER BY l.line)
              FROM order_line l WHERE l.member_id = o.member_id AND l.order_id = o.id)
           FROM (SELECT member_id, order_id FROM order_directory WHERE external_id = ANY({external_ids})
                 UNION SELECT member_id, id FROM sales_order
                 WHERE member_id = ANY({matching}) AND refunded_fen < paid_fen) AS wanted
           JOIN sales_order o ON o.member_id = wanted.member_id AND o.id = wanted.order_id""",
    arguments={
        "external_ids": ("text[]", lambda commands, now: _all_external_ids(commands)),
        "matching": ("uuid[]", lambda commands, now: _matching_members(commands)),
    },
)
ORDERED = Load(
    name="orders.ordered",
    row=OrderedRow,
    sql=f"""SELECT m.id FROM unnest({{members}}) AS m(id)
            WHERE {RULED} AND EXISTS (SELECT FROM sales_order o WHERE o.member_id = m.id)""",
)
"""Which members had an order before this batch: rules may ask."""
OWNERS = Load(
    name="orders.owners",
    row=OwnerRow,
    sql="SELECT external_id, member_id FROM order_directory WHERE external_id = ANY({external_ids})",
    arguments={"external_ids": ("text[]", lambda commands, now: _own_external_ids(commands))},
    shared=True,
)
REFUNDS = Load(
    name="orders.refunds",
    row=RefundRow,
    sql="""SELECT wanted.member_id, d.order_external_id, d.external_id, r.id, r.member_id, r.status, r.matched,
                  r.requested_fen, r.placed_fen, r.points_revoked, r.debt_added, r.growth_revoked, r.points_restored,
                  r.fingerprint
           FROM unnest({refunded}, {order_external_ids}, {refund_external_ids})
             AS wanted(member_id, order_external_id, external_id)
           JOIN refund_directory d USING (order_external_id, external_id)
           JOIN order_refund r ON r.member_id = d.member_id AND r.id = d.refund_id""",
    arguments={
        "refunded": ("uuid[]", lambda commands, now: [each.member_id for each in _refunds(commands)]),
        "order_external_ids": (
            "text[]",
            lambda commands, now: [each.refund.directory_key[0] for each in _refunds(commands)],
        ),
        "refund_external_ids": (
            "text[]",
            lambda commands, now: [each.refund.directory_key[1] for each in _refunds(commands)],
        ),
    },
)
WAITING = Load(
    name="orders.waiting",
    row=WaitingRow,
    sql="""SELECT order_external_id, array_agg(ROW(external_id, body, received_at) ORDER BY received_at, external_id)
           FROM waiting_refund WHERE order_external_id = ANY({external_ids}) AND placed_at IS NULL
           GROUP BY order_external_id""",
    arguments={"external_ids": ("text[]", lambda commands, now: _own_external_ids(commands))},
    shared=True,
)
MONTHS = months_load(
    lambda commands: [each.month for each in _orders(commands)],
    lambda commands: list({each.member_id for each in commands if isinstance(each, RecordRefund)}),
)


def _earliest(commands: Sequence[Intake], now: datetime) -> date:
    """The first day that an order of the batch may lie on: the months of orders are known, refunds ask no rule."""
    return min((each.month for each in _orders(commands)), default=now.date())


RULES = rule_loads(_earliest)
HOLDS = holds_load(
    "h.order_external_id = ANY({orders_held}) OR (h.member_id = ANY({matching_held}) AND h.captured > h.restored)",
    {
        "orders_held": ("text[]", lambda commands, now: _all_external_ids(commands)),
        "matching_held": ("uuid[]", lambda commands, now: _matching_members(commands)),
    },
)
"""What was held for the orders of a batch, and what matched refunds may give back."""
ORDER_EVENTS = events_load(lambda commands: [(each.member_id, each.order.external_id) for each in _orders(commands)])


def _paid_with_points(commands: Sequence[Intake]) -> list[RecordOrder]:
    return [each for each in _orders(commands) if each.order.deduction_points]


def _their_ids(commands: Sequence[Intake]) -> list[str]:
    return [each.order.external_id for each in _paid_with_points(commands)]


STANDING_HOLDS = standing_holds_load(_their_ids)
SEEN_HOLDS = standing_holds_load(_their_ids, over_ended=True)
EXTENDED = extended_load(lambda commands: [each.member_id for each in _paid_with_points(commands)])


def find_order(book: Book, external_id: str) -> KnownOrder | None:
    """The member's order under an external id, as it stands in this batch."""
    orders: list[KnownOrder] = book.loaded(ORDERS.name)
    return next((each for each in orders if each.external_id == external_id), None)


def put_order(book: Book, order: KnownOrder, lines: Iterable[Line]) -> None:
    """Write an order and some of its lines as they are now."""
    book.add(_ORDER_ROWS, order[:-1])
    for line in lines:
        book.add(_LINE_ROWS, (order.member_id, order.id, *line[:_EXPIRED], *line[_EXPIRED + 1 :]))


assert KnownOrder._fields[0] == "member_id" and KnownOrder._fields[-1] == "lines", "an order's columns lie between"
_ORDER_ROWS = Rows(SalesOrder, KnownOrder._fields[:-1], ("member_id", "id"))
_EXPIRED = Line._fields.index("points_expired")
_LINE_ROWS = Rows(
    OrderLine,
    ("member_id", "order_id", *(name for name in Line._fields if name != "points_expired")),
    ("member_id", "order_id", "line"),
)
