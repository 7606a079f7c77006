"""Reads of orders: by external id, a member's orders, refunds that found no place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.database import fetch


class OrderRow(NamedTuple):
    """An order with what it earned and what refunds took back; fen, points, growth."""

    member_id: UUID
    id: UUID
    external_id: str
    channel: str
    store: str | None
    currency: str
    paid_at: datetime
    booked_at: datetime
    paid_fen: int
    eligible_fen: int
    refunded_fen: int
    ladder_points: int
    deduction_points: int
    restored_points: int


class LineRow(NamedTuple):
    """A line of an order."""

    order_id: UUID
    line: int
    sku: str | None
    category: str | None
    quantity: int
    paid_fen: int
    eligible: bool
    refunded_fen: int
    refunded_quantity: int
    points_earned: int
    points_revoked: int
    growth_earned: int
    growth_revoked: int
    deduction_points: int
    restored_points: int


class RefundRow(NamedTuple):
    """A refund and how much of it was placed."""

    id: UUID
    member_id: UUID
    external_id: str
    order_external_id: str | None
    status: str
    matched: bool
    refunded_at: datetime
    requested_fen: int
    placed_fen: int
    points_revoked: int
    debt_added: int
    growth_revoked: int
    points_restored: int


class WaitingRow(NamedTuple):
    """A refund whose order has not arrived."""

    order_external_id: str
    external_id: str
    received_at: datetime


_ORDER = """o.member_id, o.id, o.external_id, o.channel, o.store, o.currency, o.paid_at, o.booked_at, o.paid_fen,
            o.eligible_fen, o.refunded_fen, o.ladder_points, o.deduction_points, o.restored_points"""
_REFUND = """id, member_id, external_id, order_external_id, status, matched, refunded_at, requested_fen, placed_fen,
             points_revoked, debt_added, growth_revoked, points_restored"""


async def orders_by_external_ids(external_ids: Sequence[str]) -> list[OrderRow | None]:
    """The order under each external id, in the order asked."""
    rows = await fetch(
        f"""SELECT {_ORDER} FROM order_directory d
            JOIN sales_order o ON o.member_id = d.member_id AND o.id = d.order_id WHERE d.external_id = ANY($1)""",
        list(external_ids),
    )
    found = {row["external_id"]: OrderRow(*row) for row in rows}
    return [found.get(each) for each in external_ids]


async def orders_page(member_ids: Sequence[UUID], before: UUID | None, limit: int) -> dict[UUID, list[OrderRow]]:
    """For each member the orders that arrived before an order, the newest first; one statement."""
    rows = await fetch(
        f"""SELECT q.* FROM unnest($1::uuid[]) AS m(id) CROSS JOIN LATERAL (
                SELECT {_ORDER} FROM sales_order o WHERE o.member_id = m.id AND ($2::uuid IS NULL OR o.id < $2)
                ORDER BY o.id DESC LIMIT $3) q""",
        list(member_ids), before, limit,
    )  # fmt: skip
    grouped: dict[UUID, list[OrderRow]] = {}
    for row in rows:
        grouped.setdefault(row["member_id"], []).append(OrderRow(*row))
    return grouped


async def lines_of_orders(keys: Sequence[tuple[UUID, UUID]]) -> list[list[LineRow]]:
    """The lines of each order (member, order), in the order asked; one statement."""
    rows = await fetch(
        """SELECT l.order_id, l.line, l.sku, l.category, l.quantity, l.paid_fen, l.eligible, l.refunded_fen,
                  l.refunded_quantity, l.points_earned, l.points_revoked, l.growth_earned, l.growth_revoked,
                  l.deduction_points, l.restored_points
           FROM unnest($1::uuid[], $2::uuid[]) AS k(member_id, order_id)
           JOIN order_line l ON l.member_id = k.member_id AND l.order_id = k.order_id ORDER BY l.order_id, l.line""",
        [member_id for member_id, _ in keys], [order_id for _, order_id in keys],
    )  # fmt: skip
    grouped: dict[UUID, list[LineRow]] = {}
    for row in rows:
        grouped.setdefault(row["order_id"], []).append(LineRow(*row))
    return [grouped.get(order_id, []) for _, order_id in keys]


async def entry_sources_by_orders(external_ids: Sequence[str]) -> list[list[tuple[str, str]]]:
    """What the ledger's entries of each order and of its refunds stand for, as (kind of thing, id); one statement.

    The order itself, the multiplier of the member's tier and each rule that may have added to it, each refund that took
    something from it, and each line that such a refund took from. None at all for an id that is not known.
    """
    rows = await fetch(
        """SELECT d.external_id, 'order' AS type, d.order_id::text AS id
           FROM order_directory d WHERE d.external_id = ANY($1)
           UNION SELECT d.external_id, 'order_tier', d.order_id::text FROM order_directory d
           WHERE d.external_id = ANY($1)
           UNION SELECT d.external_id, 'order_rule', concat_ws(':', d.order_id, r.code)
           FROM order_directory d CROSS JOIN (SELECT DISTINCT code FROM earning_rule WHERE state <> 'DRAFT') r
           WHERE d.external_id = ANY($1)
           UNION SELECT d.external_id, 'refund', concat_ws(':', p.refund_id, p.order_id, q.line)
           FROM order_directory d JOIN refund_part p ON p.member_id = d.member_id AND p.order_id = d.order_id
           CROSS JOIN LATERAL (VALUES (NULL::int), (p.line)) AS q(line) WHERE d.external_id = ANY($1)""",
        list(external_ids),
    )
    grouped: dict[str, list[tuple[str, str]]] = {}
    for external_id, *source in rows:
        grouped.setdefault(external_id, []).append((source[0], source[1]))
    return [grouped.get(each, []) for each in external_ids]


async def refunds_not_placed(before: UUID | None, limit: int) -> list[RefundRow]:
    """Refunds of which something found no order, the newest first."""
    rows = await fetch(
        f"""SELECT {_REFUND} FROM order_refund WHERE status <> 'PLACED' AND ($1::uuid IS NULL OR id < $1)
            ORDER BY id DESC LIMIT $2""",
        before, limit,
    )  # fmt: skip
    return [RefundRow(*row) for row in rows]


async def waiting_refunds(after: tuple[datetime, str, str] | None, limit: int) -> list[WaitingRow]:
    """Refunds that wait for their order, the longest waiting first."""
    rows = await fetch(
        """SELECT order_external_id, external_id, received_at FROM waiting_refund
           WHERE placed_at IS NULL AND ($1::timestamptz IS NULL
                 OR (received_at, order_external_id, external_id) > ($1, $2, $3))
           ORDER BY received_at, order_external_id, external_id LIMIT $4""",
        *(after or (None, None, None)), limit,
    )  # fmt: skip
    return [WaitingRow(*row) for row in rows]
