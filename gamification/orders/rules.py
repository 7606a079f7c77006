"""How a refund falls on lines, and what a line loses by it: pure, in fen, points and pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from gamification.orders.errors import LineUnknown, QuantityExceedsBought, RefundExceedsPaid
from gamification.points.rules import claw_back_target, split_by_largest_remainder


class Line(NamedTuple):
    """A line of a known order. `points_expired` is what expired unused of its lots: it counts as revoked."""

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
    points_expired: int
    growth_earned: int
    growth_revoked: int

    @property
    def refundable_fen(self) -> int:
        """What of the line was paid and not yet refunded."""
        return self.paid_fen - self.refunded_fen


class KnownOrder(NamedTuple):
    """An order of a member as it stands in a decision."""

    member_id: UUID
    id: UUID
    external_id: str
    channel: str
    store: str | None
    currency: str
    paid_at: datetime
    booked_at: datetime
    month: date
    paid_fen: int
    eligible_fen: int
    refunded_fen: int
    ladder_points: int
    fingerprint: bytes
    lines: tuple[Line, ...]

    @property
    def refundable_fen(self) -> int:
        """What of the order was paid and not yet refunded."""
        return self.paid_fen - self.refunded_fen

    def with_shares(self, shares: Sequence[Share]) -> KnownOrder:
        """The order once a refund has taken its shares."""
        after = {share.line.line: share.after for share in shares}
        return self._replace(
            refunded_fen=self.refunded_fen + sum(share.fen for share in shares),
            lines=tuple(after.get(line.line, line) for line in self.lines),
        )


@dataclass(frozen=True, slots=True)
class RefundLine:
    """What comes back of one line: pieces, and cash in fen."""

    line: int
    quantity: int
    fen: int


@dataclass(frozen=True, slots=True)
class Share:
    """What a refund takes from one line: cash and pieces, and the points and growth that go with them."""

    line: Line
    fen: int
    quantity: int
    points: int
    growth: int

    @property
    def after(self) -> Line:
        """The line once the share is taken."""
        return self.line._replace(
            refunded_fen=self.line.refunded_fen + self.fen,
            refunded_quantity=self.line.refunded_quantity + self.quantity,
            points_revoked=self.line.points_revoked + self.points,
            growth_revoked=self.line.growth_revoked + self.growth,
        )


def share_of(line: Line, fen: int, quantity: int) -> Share:
    """What a refund of so much of a line revokes: cumulative targets minus what is revoked already.

    target = floor(earned × cumulative refunded ÷ paid), all when all is refunded; points of the line that expired
    unused count as revoked. A line with nothing paid in cash has nothing to claw back.
    """
    refunded = line.refunded_fen + fen
    points = growth = 0
    if line.paid_fen:
        target = claw_back_target(line.points_earned, refunded, line.paid_fen)
        points = max(target - line.points_revoked - line.points_expired, 0)
        growth = max(claw_back_target(line.growth_earned, refunded, line.paid_fen) - line.growth_revoked, 0)
    return Share(line, fen, quantity, points, growth)


def shares_of_amount(order: KnownOrder, fen: int) -> list[Share]:
    """An amount spread over an order's lines in proportion to what is left of each. Refuses: RefundExceedsPaid."""
    if fen > order.refundable_fen:
        raise RefundExceedsPaid(external_id=order.external_id, requested_fen=fen, refundable_fen=order.refundable_fen)
    parts = split_by_largest_remainder(fen, [line.refundable_fen for line in order.lines])
    return [
        share_of(line, part, line.quantity - line.refunded_quantity if part == line.refundable_fen else 0)
        for line, part in zip(order.lines, parts, strict=True)
        if part
    ]


def shares_of_lines(order: KnownOrder, wanted: Sequence[RefundLine], *, tolerant: bool = False) -> list[Share]:
    """The lines that a refund names; a tolerant one takes what is left. Refuses: LineUnknown, RefundExceedsPaid,
    QuantityExceedsBought."""
    by_number = {line.line: line for line in order.lines}
    shares: dict[int, Share] = {}
    for each in wanted:
        line = by_number.get(each.line)
        if line is None:
            if tolerant:
                continue
            raise LineUnknown(line=each.line, lines=len(order.lines))
        before = shares.get(each.line, share_of(line, 0, 0))
        fen, quantity = before.fen + each.fen, before.quantity + each.quantity
        if not tolerant:
            _check_left(order, line, fen, quantity)
        returnable = line.quantity - line.refunded_quantity
        shares[each.line] = share_of(line, min(fen, line.refundable_fen), min(quantity, returnable))
    return [share for share in shares.values() if share.fen or share.quantity]


def _check_left(order: KnownOrder, line: Line, fen: int, quantity: int) -> None:
    if fen > line.refundable_fen:
        raise RefundExceedsPaid(external_id=order.external_id, requested_fen=fen, refundable_fen=line.refundable_fen)
    returnable = line.quantity - line.refunded_quantity
    if quantity > returnable:
        raise QuantityExceedsBought(line=line.line, requested=quantity, returnable=returnable)


def match(orders: Iterable[KnownOrder], refunded_at: datetime, fen: int) -> list[tuple[KnownOrder, int]]:
    """The orders that a refund without a reference falls on, and how much on each.

    Orders paid no later than the refund, newest first, then in the order in which they arrived. Amounts beyond what is
    left of them stay unplaced.
    """
    candidates = [order for order in orders if order.paid_at <= refunded_at and order.refundable_fen > 0]
    candidates.sort(key=lambda order: order.id)
    candidates.sort(key=lambda order: order.paid_at, reverse=True)
    placed = []
    for order in candidates:
        part = min(fen, order.refundable_fen)
        placed.append((order, part))
        fen -= part
        if not fen:
            break
    return placed
