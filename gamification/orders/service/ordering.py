"""The decision on an order: what it earns is posted, and the order is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gamification.core.ids import new_id
from gamification.earning.conditions import LineFacts, order_activity
from gamification.earning.service import Earned, Purchase, accrue_for_order, asks_more
from gamification.orders.errors import OrderConflict
from gamification.orders.models import OrderDirectory
from gamification.orders.rules import KnownOrder, Line
from gamification.orders.service.commands import OrderRecorded, RecordOrder
from gamification.orders.service.deducting import settle_deduction
from gamification.orders.service.events import apply_waiting
from gamification.orders.service.loads import ORDERED, ORDERS, OWNERS, WAITING, WaitingRow, find_order, put_order
from gamification.orders.service.refunding import record_refund, restore_refund
from gamification.orders.service.requests import NewOrder
from gamification.points.book import Book
from gamification.points.rules import deduction_by_line
from gamification.tiers.service import buy_tiers, count, raise_tier


def record_order(book: Book, command: RecordOrder) -> OrderRecorded:
    """Deduct what points pay, post what the cash earns, and keep the order. The same again changes nothing.

    Refuses: OrderConflict, HoldCaptured (other points than it says have paid for it); where points pay,
    OrderAlreadyHeld, CaptureExceedsHold, InsufficientPoints.
    """
    order = command.order
    fingerprint = order.fingerprint()
    known = find_order(book, order.external_id)
    if known is not None:
        if bytes(known.fingerprint) != fingerprint:
            raise OrderConflict(external_id=order.external_id)
        return _recorded(book, known, already_recorded=True, raised_to=None)
    if book.shared(OWNERS.name, order.external_id) is not None:
        raise OrderConflict(external_id=order.external_id)
    if not command.is_cart:
        settle_deduction(book, order.external_id, order.deduction_points, order.store)
    deducted = _deducted(order)
    purchase = _purchase(book, command, _eligible_fen(order, deducted))
    earned = accrue_for_order(book, purchase)
    cash_fen = order.paid_fen - order.excluded_fen
    count(book, order.paid_at, growth=earned.growth, net_fen=cash_fen, orders=1)
    raised = raise_tier(book, order.paid_at)
    buy_tiers(book, purchase.order_id, [(line.sku, line.quantity) for line in order.lines], order.paid_at)
    known = _keep_order(book, command, purchase, earned, deducted, fingerprint)
    apply_waiting(book, order.external_id, known.id)
    waiting: WaitingRow | None = book.shared(WAITING.name, order.external_id)
    for external_id, body, received_at in waiting.refunds if waiting else ():
        refund = restore_refund(order.external_id, external_id, body)
        record_refund(book, refund, waited_since=received_at)
    recorded = _recorded(book, known, already_recorded=False, raised_to=raised.code if raised else None)
    return replace(recorded, rules=earned.verdicts) if earned.verdicts else recorded


def _purchase(book: Book, command: RecordOrder, eligible_fen: tuple[int, ...]) -> Purchase:
    """The order as earning sees it; what rules ask is put together only where there are any."""
    order = command.order
    if not asks_more(book, order.paid_at):
        return Purchase(new_id(), order.paid_at, eligible_fen, command.month)
    lines = tuple(
        LineFacts(line.sku, line.category, line.quantity, fen)
        for line, fen in zip(order.lines, eligible_fen, strict=True)
    )
    activity = order_activity(order.paid_at, book.calendar, lines, order.channel, order.store)
    return Purchase(new_id(), order.paid_at, eligible_fen, command.month, activity, _has_ordered(book))


def _has_ordered(book: Book) -> bool:
    """Whether the member had an order before, counted as orders arrive."""
    return bool(book.loaded(ORDERED.name) or book.loaded(ORDERS.name))


def _deducted(order: NewOrder) -> list[int]:
    if not order.deduction_points:
        return [0] * len(order.lines)
    return deduction_by_line(order.deduction_points, [line.net_fen for line in order.lines])


def _eligible_fen(order: NewOrder, deducted: Sequence[int]) -> tuple[int, ...]:
    """Cash paid on each line that earns: what points paid for earns none."""
    lines = zip(order.lines, deducted, strict=True)
    return tuple(line.net_fen - points if line.eligible else 0 for line, points in lines)


def _recorded(book: Book, order: KnownOrder, *, already_recorded: bool, raised_to: str | None) -> OrderRecorded:
    points = sum(line.points_earned for line in order.lines) + order.ladder_points
    growth = sum(line.growth_earned for line in order.lines)
    return OrderRecorded(
        order.id, book.member_id, order.external_id, already_recorded, points, order.ladder_points, growth,
        raised_to, order.deduction_points, book.points.available,
    )  # fmt: skip


def _keep_order(
    book: Book, command: RecordOrder, purchase: Purchase, earned: Earned, deducted: Sequence[int], print_: bytes
) -> KnownOrder:
    """Write the order's rows, and remember them for the rest of the batch."""
    order = command.order
    lines = tuple(
        Line(
            number,
            new.sku,
            new.category,
            new.quantity,
            new.net_fen - paid_with_points,
            new.eligible,
            0,
            0,
            points,
            0,
            0,
            growth,
            0,
            paid_with_points,
        )
        for number, (new, points, growth, paid_with_points) in enumerate(
            zip(order.lines, earned.line_points, earned.line_growth, deducted, strict=True)
        )
    )
    known = KnownOrder(
        book.member_id, purchase.order_id, order.external_id, order.channel, order.store, order.currency,
        order.paid_at, book.now, command.month, order.paid_fen - order.excluded_fen, purchase.base_fen, 0,
        earned.ladder_points, order.deduction_points, 0, print_, lines,
    )  # fmt: skip
    book.insert(OrderDirectory, external_id=order.external_id, order_id=purchase.order_id)
    book.loaded(ORDERS.name).append(known)
    put_order(book, known, known.lines)
    return known
