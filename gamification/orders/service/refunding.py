"""The decision on a refund: which orders and lines it falls on, and what goes back with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson

from gamification.core.encoding import encode
from gamification.core.errors import NotFound
from gamification.core.ids import new_id
from gamification.earning.service import Purchase, revoke_for_refund
from gamification.orders.errors import RefundConflict
from gamification.orders.models import OrderRefund, RefundDirectory, RefundPart, WaitingRefund
from gamification.orders.rules import (
    KnownOrder,
    RefundLine,
    Share,
    match,
    shares_of_all,
    shares_of_amount,
    shares_of_lines,
)
from gamification.orders.service.commands import RefundRecorded
from gamification.orders.service.loads import ORDERS, REFUNDS, RefundRow, find_order, put_order
from gamification.orders.service.requests import NewRefund
from gamification.points.book import Book
from gamification.points.rows import Source
from gamification.tiers.service import count, end_purchase, follow_refund


def record_refund(book: Book, refund: NewRefund, *, waited_since: datetime | None) -> RefundRecorded:
    """Place a refund and revoke what it takes with it. The same refund again changes nothing.

    One that waited gives way to whatever was recorded under its id meanwhile. Refuses: RefundConflict,
    RefundExceedsPaid, LineUnknown, QuantityExceedsBought, RestorationExceedsDeduction, NotFound (its order).
    """
    if waited_since is not None:
        _leave_the_waiting(book, refund, waited_since)
    rows: list[RefundRow] = book.loaded(REFUNDS.name)
    known = next((row for row in rows if (row.order_external_id, row.external_id) == refund.directory_key), None)
    if known is not None:
        same = bytes(known.fingerprint) == refund.fingerprint() and known.owner_id == book.member_id
        if not same and waited_since is None:
            raise RefundConflict(external_id=refund.external_id)
        return _refund_row(book, refund, known)
    refund_id = new_id()
    _count_what_expired(book)
    placings = _placings(book, refund)
    requested = _requested_fen(refund, placings)
    points = debt = growth = 0
    for order, shares in placings:
        revoked = _revoke(book, refund, refund_id, order, shares)
        points, debt, growth = points + revoked[0], debt + revoked[1], growth + revoked[2]
        _tell_tiers(book, refund, order, shares, revoked[2])
    if placings:
        follow_refund(book, refund.refunded_at)
    placed = sum(share.fen for _, shares in placings for share in shares)
    restored = sum(share.restored for _, shares in placings for share in shares)
    status = "PLACED" if placed == requested else "PARTLY_PLACED" if placed else "UNPLACED"
    matched = refund.order_external_id is None
    book.insert(
        OrderRefund, id=refund_id, external_id=refund.external_id, order_external_id=refund.order_external_id,
        status=status, matched=matched, refunded_at=refund.refunded_at, booked_at=book.now,
        requested_fen=requested, placed_fen=placed, points_revoked=points, debt_added=debt, growth_revoked=growth,
        points_restored=restored, fingerprint=refund.fingerprint(),
    )  # fmt: skip
    order_external_id, external_id = refund.directory_key
    book.insert(RefundDirectory, order_external_id=order_external_id, external_id=external_id, refund_id=refund_id)
    rows.append(
        RefundRow(
            book.member_id, order_external_id, external_id, refund_id, book.member_id, status, matched, requested,
            placed, points, debt, growth, restored, refund.fingerprint(),
        )
    )  # fmt: skip
    return RefundRecorded(
        refund_id, book.member_id, refund.external_id, status, False, matched, requested, placed,
        points, debt, growth, restored, book.points.available,
    )  # fmt: skip


def _refund_row(book: Book, refund: NewRefund, row: RefundRow) -> RefundRecorded:
    return RefundRecorded(
        row.refund_id, row.owner_id, refund.external_id, row.status, True, row.matched, row.requested_fen,
        row.placed_fen, row.points_revoked, row.debt_added, row.growth_revoked, row.points_restored,
        book.points.available,
    )  # fmt: skip


def _count_what_expired(book: Book) -> None:
    """Points that expired as the draft was opened count as expired of their lines, which were loaded before."""
    if not book.expired_now:
        return
    orders: list[KnownOrder] = book.loaded(ORDERS.name)
    for index, order in enumerate(orders):
        expired = [book.expired_now.pop((order.id, line.line), 0) for line in order.lines]
        if any(expired):
            lines = zip(order.lines, expired, strict=True)
            after = tuple(line._replace(points_expired=line.points_expired + points) for line, points in lines)
            orders[index] = order._replace(lines=after)


def _placings(book: Book, refund: NewRefund) -> list[tuple[KnownOrder, list[Share]]]:
    """Which shares of which orders a refund takes."""
    if refund.order_external_id is None:
        assert refund.fen is not None, "checked with the request"
        matched = match(book.loaded(ORDERS.name), refund.refunded_at, refund.fen)
        return [(order, shares_of_amount(order, fen)) for order, fen in matched]
    order = find_order(book, refund.order_external_id)
    if order is None:  # it came in the same batch and was refused
        raise NotFound(kind="order", id=refund.order_external_id)
    if refund.lines:
        return [(order, shares_of_lines(order, refund.lines, tolerant=refund.tolerant))]
    if refund.fen is None:
        return [(order, shares_of_all(order))]
    fen = min(refund.fen, order.refundable_fen) if refund.tolerant else refund.fen
    return [(order, shares_of_amount(order, fen))]


def _requested_fen(refund: NewRefund, placings: Sequence[tuple[KnownOrder, list[Share]]]) -> int:
    if refund.fen is not None:
        return refund.fen
    if refund.lines:
        return sum(line.fen for line in refund.lines)
    return sum(share.fen for _, shares in placings for share in shares)


def _revoke(
    book: Book, refund: NewRefund, refund_id: UUID, order: KnownOrder, shares: Sequence[Share]
) -> tuple[int, int, int]:
    """Take back what one order's shares earned; returns points revoked, of which debt, and growth."""
    after = order.with_shares(shares)
    orders: list[KnownOrder] = book.loaded(ORDERS.name)
    orders[orders.index(order)] = after
    touched = {share.line.line for share in shares}
    put_order(book, after, (line for line in after.lines if line.line in touched))
    points = debt = 0
    for share in shares:
        taken = _revoke_share(book, refund, refund_id, order, share)
        points, debt = points + taken[0], debt + taken[1]
    growth = sum(share.growth for share in shares)
    source = ("refund", f"{refund_id}:{order.id}")
    if growth:
        trace = {"rule": "growth_claw_back", "order": order.external_id, "refund": refund.external_id}
        book.grow(-growth, source=source, kind="CLAW_BACK", trace=trace, occurred_at=refund.refunded_at, forgiving=True)
    purchase = Purchase(order.id, order.paid_at, tuple(line.paid_fen for line in order.lines))
    eligible = sum(share.fen for share in shares if share.line.eligible)
    ladder, ladder_debt = revoke_for_refund(
        book, purchase, refunded_fen=eligible, refunded_at=refund.refunded_at, source=source
    )
    _give_back_deduction(book, refund, order, sum(share.restored for share in shares), source)
    return points + ladder, debt + ladder_debt, growth


def _tell_tiers(book: Book, refund: NewRefund, order: KnownOrder, shares: Sequence[Share], growth: int) -> None:
    """What went back of an order counts on the order's day, and a tier that a line bought ends with the whole line."""
    fen = sum(share.fen for share in shares)
    is_whole = order.paid_fen > 0 and fen > 0 and order.refundable_fen == fen
    count(book, order.paid_at, growth=-growth, net_fen=-fen, orders=-1 if is_whole else 0)
    for share in shares:
        if share.after.refunded_fen == share.line.paid_fen and share.after.refunded_quantity >= share.line.quantity:
            end_purchase(book, order_id=order.id, line=share.line.line, at=refund.refunded_at)


def _give_back_deduction(book: Book, refund: NewRefund, order: KnownOrder, points: int, source: Source) -> None:
    """Points that paid for what comes back go to the lots they came from, after what is owed for it."""
    if not points:
        return
    holds = [hold for hold in book.holds_by_seq.values() if hold.order_external_id == order.external_id]
    hold = next(hold for hold in holds if hold.captured - hold.restored >= points)
    trace = {
        "rule": "deduction_restored", "order": order.external_id, "refund": refund.external_id, "hold": hold.seq,
        "deducted": order.deduction_points, "restored_before": order.restored_points, "result": points,
    }  # fmt: skip
    book.restore(hold, points, source=source, trace=trace)


def _revoke_share(book: Book, refund: NewRefund, refund_id: UUID, order: KnownOrder, share: Share) -> tuple[int, int]:
    """Write what a refund took from a line, and claw its points back; returns points revoked, of which debt."""
    book.insert(
        RefundPart, refund_id=refund_id, order_id=order.id, line=share.line.line, fen=share.fen,
        quantity=share.quantity, points_revoked=share.points, growth_revoked=share.growth,
        points_restored=share.restored,
    )  # fmt: skip
    if not share.points:
        return 0, 0
    trace = {
        "rule": "claw_back", "order": order.external_id, "refund": refund.external_id, "line": share.line.line,
        "matched": refund.order_external_id is None, "earned": share.line.points_earned,
        "refunded_fen": share.line.refunded_fen + share.fen, "paid_fen": share.line.paid_fen,
        "revoked_before": share.line.points_revoked, "expired_unused": share.line.points_expired,
    }  # fmt: skip
    taken = book.claw_back(
        share.points, source=("refund", f"{refund_id}:{order.id}:{share.line.line}"), trace=trace,
        occurred_at=refund.refunded_at, order_id=order.id, order_line=share.line.line,
    )  # fmt: skip
    return taken.revoked, taken.debt


def _leave_the_waiting(book: Book, refund: NewRefund, received_at: datetime) -> None:
    order_external_id, external_id = refund.directory_key
    book.put(
        WaitingRefund, ("order_external_id", "external_id"), order_external_id=order_external_id,
        external_id=external_id, body=waiting_body(refund), received_at=received_at, placed_at=book.now,
    )  # fmt: skip


def waiting_body(refund: NewRefund) -> str:
    """A waiting refund as JSON."""
    lines = [
        [line.line, line.quantity, line.fen, *(() if line.points is None else (line.points,))] for line in refund.lines
    ]
    return encode({"refunded_at": refund.refunded_at.astimezone(UTC), "fen": refund.fen, "lines": lines})


def restore_refund(order_external_id: str, external_id: str, body: str) -> NewRefund:
    """A refund that waited; it is placed as far as it goes, since its sender cannot be asked any more."""
    values = orjson.loads(body)
    return NewRefund(
        external_id,
        datetime.fromisoformat(values["refunded_at"]),
        order_external_id,
        fen=values["fen"],
        lines=tuple(RefundLine(*line) for line in values["lines"]),
        tolerant=True,
    )
