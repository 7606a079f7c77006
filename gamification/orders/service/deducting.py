"""Points that pay for an order: captured with it, quoted before it, given back when it does not come about.

Lock order: the member's POINTS account, nothing after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.calendar import month_of
from gamification.core.database import fetch_value
from gamification.core.draft import Command, Load, Verb
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.work import Preview, Work
from gamification.earning.service import Purchase, months_load, points_for_order
from gamification.orders.errors import OrderRecordedAlready
from gamification.orders.service.requests import FEN_MAX, LINES_MAX
from gamification.points.book import Book
from gamification.points.errors import HoldCaptured
from gamification.points.rows import HoldRow, holds_load
from gamification.points.rules import DeductionPolicy, deductible, deduction_by_line
from gamification.points.service.holds import capture_for_order, hold_for_order

NO_ORDER = UUID(int=0)


@dataclass(frozen=True, slots=True)
class QuotedLine:
    """A line that a quote is for: what it costs in fen, and whether it earns."""

    net_fen: int
    eligible: bool = True


@dataclass(frozen=True, kw_only=True)
class QuoteDeduction(Command):
    """How many points may pay for these lines; `requested` None asks for as many as possible."""

    lines: tuple[QuotedLine, ...]
    month: date
    requested: int | None = None


@dataclass(frozen=True, slots=True)
class DeductionQuote:
    """What points may pay: points (= fen), their part of each line, and what the order would earn with and without."""

    member_id: UUID
    points: int
    line_points: tuple[int, ...]
    payable_fen: int
    available: int
    earned_if_used: int
    earned_if_not_used: int
    step_points: int
    valid_until: datetime


def _decide_quote(book: Book, command: QuoteDeduction) -> DeductionQuote:
    policy = book.policy(DeductionPolicy).body
    net = [line.net_fen for line in command.lines]
    available = book.points.available
    points = deductible(policy, payable_fen=sum(net), available=available, requested=command.requested)
    parts = deduction_by_line(points, net)
    cash = [line.net_fen - part for line, part in zip(command.lines, parts, strict=True)]
    return DeductionQuote(
        book.member_id, points, tuple(parts), sum(net), available,
        _earned(book, command.lines, cash), _earned(book, command.lines, net), policy.step_points,
        book.now.replace(microsecond=0) + timedelta(minutes=policy.quote_minutes),
    )  # fmt: skip


def _earned(book: Book, lines: tuple[QuotedLine, ...], cash_fen: list[int]) -> int:
    eligible = tuple(fen if line.eligible else 0 for line, fen in zip(lines, cash_fen, strict=True))
    return points_for_order(book, Purchase(NO_ORDER, book.now, eligible))


QUOTE = Verb(
    "orders.quote_deduction",
    _decide_quote,
    DeductionQuote,
    loads=(months_load(lambda commands: [each.month for each in commands], lambda commands: []),),
)


async def quote_deduction(
    work: Work, *, member_id: UUID, lines: tuple[QuotedLine, ...], requested: int | None, actor: Actor
) -> DeductionQuote:
    """What points may pay of an order: never refused for want of points, never more than there are; nothing is written.

    Refuses: InvalidInput, NotFound.
    """
    _check(lines, requested)
    month = month_of(work.calendar.business_date(work.clock.now()))
    command = QuoteDeduction(member_id=member_id, actor=actor, lines=lines, month=month, requested=requested)
    return (await work.preview(QUOTE, command)).outcome()


def _check(lines: tuple[QuotedLine, ...], requested: int | None) -> None:
    if not 1 <= len(lines) <= LINES_MAX:
        raise InvalidInput(field="lines", reason=f"1 to {LINES_MAX} lines")
    for index, line in enumerate(lines):
        if not 0 <= line.net_fen <= FEN_MAX:
            raise InvalidInput(field=f"lines.{index}.netFen", reason=f"0 to {FEN_MAX}")
    if requested is not None and not 0 <= requested <= FEN_MAX:
        raise InvalidInput(field="requestedPoints", reason=f"0 to {FEN_MAX}")


def settle_deduction(book: Book, order_external_id: str, points: int, store: str | None) -> None:
    """Let an order's points be captured: out of its hold, or of a new one where it has none that still holds.

    Points that a till captured before it sent the order are this order's: an order that says nothing of them, or
    another amount, is refused. One without deduction frees what was held for it. Refuses: OrderAlreadyHeld,
    CaptureExceedsHold, HoldCaptured, InsufficientPoints.
    """
    holds = sorted(_holds_of(book, order_external_id), key=lambda hold: hold.seq)
    active = next((hold for hold in holds if hold.active), None)
    redeemed = next((hold for hold in holds if hold.captured > hold.restored), None)
    if not points:
        if redeemed is not None:
            raise HoldCaptured(requested=0, captured=redeemed.captured, restored=redeemed.restored)
        if active is not None:
            book.release_hold(active, state="RELEASED")
        return
    if active is not None:
        capture_for_order(book, active, points)
        return
    if redeemed is not None:
        capture_for_order(book, redeemed, points)
        return
    ended = holds[-1] if holds else None
    if ended is None or ended.captured or points > ended.points:
        ended = hold_for_order(book, order_external_id, points, store=store)
    capture_for_order(book, ended, points)


def _holds_of(book: Book, order_external_id: str) -> list[HoldRow]:
    return [hold for hold in book.holds_by_seq.values() if hold.order_external_id == order_external_id]


@dataclass(frozen=True, kw_only=True)
class CancelDeduction(Command):
    """What was captured for an order that did not come about is to come back."""

    order_external_id: str


@dataclass(frozen=True, slots=True)
class DeductionCancelled:
    """What came back, or was freed while it was still held; 0 where it had come back before. And the balance after."""

    member_id: UUID
    order_external_id: str
    points: int
    available: int


class RecordedOrder(NamedTuple):
    """An order that is recorded: whose it is, and what it was paid with in points that have not come back yet."""

    external_id: str
    member_id: UUID
    restorable_points: int


RECORDED = Load(
    name="orders.recorded",
    row=RecordedOrder,
    sql="""SELECT d.external_id, d.member_id, o.deduction_points - o.restored_points FROM order_directory d
           JOIN sales_order o ON o.member_id = d.member_id AND o.id = d.order_id
           WHERE d.external_id = ANY({cancelled_orders})""",
    arguments={"cancelled_orders": ("text[]", lambda commands, now: [each.order_external_id for each in commands])},
    shared=True,
)
HOLDS = holds_load(
    "h.member_id = ANY({members}) AND h.order_external_id = ANY({orders_held})",
    {"orders_held": ("text[]", lambda commands, now: [each.order_external_id for each in commands])},
)


def _decide_cancellation(book: Book, command: CancelDeduction) -> DeductionCancelled:
    order = command.order_external_id
    recorded: RecordedOrder | None = book.shared(RECORDED.name, order)
    if recorded is not None and recorded.member_id == book.member_id and recorded.restorable_points:
        raise OrderRecordedAlready(external_id=order)
    points = 0
    for hold in _holds_of(book, order):
        points += _undo(book, hold)
    return DeductionCancelled(book.member_id, order, points, book.points.available)


def _undo(book: Book, hold: HoldRow) -> int:
    if hold.active:
        book.release_hold(hold, state="RELEASED")
        return hold.points
    left = hold.captured - hold.restored
    if left:
        trace = {"rule": "deduction_cancelled", "order": hold.order_external_id, "hold": hold.seq, "result": left}
        book.restore(hold, left, source=("hold", str(hold.seq)), trace=trace)
    return left


CANCEL = Verb(
    "orders.cancel_deduction",
    _decide_cancellation,
    DeductionCancelled,
    loads=(RECORDED, HOLDS),
)


async def cancel_deduction(work: Work, *, order_external_id: str, actor: Actor) -> DeductionCancelled:
    """Give back what was held or captured for an order that does not come about; again it changes nothing.

    Also what was captured beside the order, after it had been recorded without it. Refuses: NotFound (nothing was held
    for the order), OrderRecordedAlready (it was paid with these points: a refund gives them back). Locks: account.
    """
    return await work.perform(CANCEL, await _cancellation(order_external_id, actor))


async def preview_cancellation(work: Work, *, order_external_id: str, actor: Actor) -> Preview[DeductionCancelled]:
    """What `cancel_deduction` would give back now, not written; its outcome refuses as that does."""
    return await work.preview(CANCEL, await _cancellation(order_external_id, actor))


async def _cancellation(order_external_id: str, actor: Actor) -> CancelDeduction:
    member_id = await fetch_value(
        """SELECT member_id FROM points_hold WHERE order_external_id = $1
           ORDER BY captured > restored DESC, state = 'ACTIVE' DESC, held_at DESC LIMIT 1""",
        order_external_id,
    )
    if member_id is None:
        raise NotFound(kind="hold", id=order_external_id)
    return CancelDeduction(member_id=member_id, actor=actor, order_external_id=order_external_id)
