"""How a refund falls on lines, and what a line loses by it: pure, in fen, points and pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from gamification.orders.errors import (
    LineUnknown,
    QuantityExceedsBought,
    RefundExceedsPaid,
    RestorationExceedsDeduction,
)
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
    deduction_points: int = 0
    restored_points: int = 0

    @property
    def refundable_fen(self) -> int:
        """What of the line was paid and not yet refunded."""
        return self.paid_fen - self.refunded_fen

    @property
    def restorable_points(self) -> int:
        """What of the line was paid in points that have not come back yet."""
        return self.deduction_points - self.restored_points


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
    deduction_points: int
    restored_points: int
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
            restored_points=self.restored_points + sum(share.restored for share in shares),
            lines=tuple(after.get(line.line, line) for line in self.lines),
        )


@dataclass(frozen=True, slots=True)
class RefundLine:
    """What comes back of one line: pieces, cash in fen, and points that it was paid with (None: in proportion)."""

    line: int
    quantity: int
    fen: int
    points: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """What a refund takes from one line: cash and pieces, the points and growth that they had earned; and gives back:
    `restored` of the points that the line was paid with."""

    line: Line
    fen: int
    quantity: int
    points: int
    growth: int
    restored: int

    @property
    def after(self) -> Line:
        """The line once the share is taken."""
        return self.line._replace(
            refunded_fen=self.line.refunded_fen + self.fen,
            refunded_quantity=self.line.refunded_quantity + self.quantity,
            points_revoked=self.line.points_revoked + self.points,
            growth_revoked=self.line.growth_revoked + self.growth,
            restored_points=self.line.restored_points + self.restored,
        )


def share_of(line: Line, fen: int, quantity: int, restored: int | None = None) -> Share:
    """What a refund of so much of a line revokes and gives back: cumulative targets minus what is done already.

    target = floor(earned × cumulative refunded ÷ paid), all when all is refunded; points of the line that expired
    unused count as revoked. A line with nothing paid in cash has nothing to claw back.
    """
    refunded = line.refunded_fen + fen
    points = growth = 0
    if line.paid_fen:
        target = claw_back_target(line.points_earned, refunded, line.paid_fen)
        points = max(target - line.points_revoked - line.points_expired, 0)
        growth = max(claw_back_target(line.growth_earned, refunded, line.paid_fen) - line.growth_revoked, 0)
    if restored is None:
        restored = _restored(line, refunded, quantity)
    return Share(line, fen, quantity, points, growth, restored)


def _restored(line: Line, refunded_fen: int, quantity: int) -> int:
    """Points that come back with so much cash; by pieces where the line was paid with points alone."""
    if line.paid_fen:
        target = claw_back_target(line.deduction_points, refunded_fen, line.paid_fen)
    else:
        target = claw_back_target(line.deduction_points, line.refunded_quantity + quantity, line.quantity)
    return max(target - line.restored_points, 0)


def shares_of_amount(order: KnownOrder, fen: int) -> list[Share]:
    """An amount spread over an order's lines in proportion to what is left of each. Refuses: RefundExceedsPaid.

    With the last of the cash comes what points alone paid for: it has no cash of its own to come back with.
    """
    if fen > order.refundable_fen:
        raise RefundExceedsPaid(external_id=order.external_id, requested_fen=fen, refundable_fen=order.refundable_fen)
    parts = split_by_largest_remainder(fen, [line.refundable_fen for line in order.lines])
    shares = [
        share_of(line, part, line.quantity - line.refunded_quantity if part == line.refundable_fen else 0)
        for line, part in zip(order.lines, parts, strict=True)
        if part
    ]
    if shares and fen == order.refundable_fen:
        by_points = [line for line in order.lines if not line.paid_fen and line.restorable_points]
        shares += [_all_of(line) for line in by_points]
    return shares


def shares_of_all(order: KnownOrder) -> list[Share]:
    """Everything that is left of an order: cash, pieces, and the points that it was paid with."""
    shares = map(_all_of, order.lines)
    return [share for share in shares if share.fen or share.quantity or share.restored]


def _all_of(line: Line) -> Share:
    return share_of(line, line.refundable_fen, line.quantity - line.refunded_quantity, line.restorable_points)


def shares_of_lines(order: KnownOrder, wanted: Sequence[RefundLine], *, tolerant: bool = False) -> list[Share]:
    """The lines that a refund names; a tolerant one takes what is left. Refuses: LineUnknown, RefundExceedsPaid,
    QuantityExceedsBought, RestorationExceedsDeduction."""
    by_number = {line.line: line for line in order.lines}
    shares: dict[int, Share] = {}
    sums: dict[int, RefundLine] = {}
    for each in wanted:
        line = by_number.get(each.line)
        if line is None:
            if tolerant:
                continue
            raise LineUnknown(line=each.line, lines=len(order.lines))
        total = sums[each.line] = _sum_of(sums.get(each.line), each)
        if not tolerant:
            _check_left(order, line, total)
        returnable = line.quantity - line.refunded_quantity
        restored = None if total.points is None else min(total.points, line.restorable_points)
        fen, quantity = min(total.fen, line.refundable_fen), min(total.quantity, returnable)
        shares[each.line] = share_of(line, fen, quantity, restored)
    return [share for share in shares.values() if share.fen or share.quantity or share.restored]


def _sum_of(before: RefundLine | None, each: RefundLine) -> RefundLine:
    """A line that a refund names twice counts once, with both amounts."""
    if before is None:
        return each
    named = [points for points in (before.points, each.points) if points is not None]
    return RefundLine(each.line, before.quantity + each.quantity, before.fen + each.fen, sum(named) if named else None)


def _check_left(order: KnownOrder, line: Line, wanted: RefundLine) -> None:
    fen, quantity = wanted.fen, wanted.quantity
    if fen > line.refundable_fen:
        raise RefundExceedsPaid(external_id=order.external_id, requested_fen=fen, refundable_fen=line.refundable_fen)
    returnable = line.quantity - line.refunded_quantity
    if quantity > returnable:
        raise QuantityExceedsBought(line=line.line, requested=quantity, returnable=returnable)
    if wanted.points is not None and wanted.points > line.restorable_points:
        raise RestorationExceedsDeduction(line=line.line, requested=wanted.points, restorable=line.restorable_points)


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
