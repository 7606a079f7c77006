"""The decisions of intake on a member's book: record an order, place a refund."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from gamification.core.draft import Command, Load, Verb
from gamification.core.encoding import encode
from gamification.core.errors import NotFound
from gamification.core.ids import new_id
from gamification.earning.service import Earned, Purchase, accrue_for_order, months_load, revoke_for_refund
from gamification.orders.errors import OrderConflict, RefundConflict
from gamification.orders.models import (
    OrderDirectory,
    OrderLine,
    OrderRefund,
    RefundDirectory,
    RefundPart,
    SalesOrder,
    WaitingRefund,
)
from gamification.orders.rules import KnownOrder, Line, RefundLine, Share, match, shares_of_amount, shares_of_lines
from gamification.orders.service.requests import NewOrder, NewRefund
from gamification.points.book import Book
from gamification.tiers.service import STANDING, raise_tier


@dataclass(frozen=True, kw_only=True)
class RecordOrder(Command):
    """An order of a resolved member; `month` is its programme month."""

    order: NewOrder
    month: date


@dataclass(frozen=True, kw_only=True)
class RecordRefund(Command):
    """A refund of a resolved member; `waited_since` says when it arrived if it comes from the waiting refunds."""

    refund: NewRefund
    waited_since: datetime | None = None


Intake = RecordOrder | RecordRefund


@dataclass(frozen=True, slots=True)
class OrderRecorded:
    """What an order posted. `points` include the ladder's uplift; `available` is the balance after it."""

    order_id: UUID
    member_id: UUID
    external_id: str
    already_recorded: bool
    points: int
    ladder_points: int
    growth: int
    raised_to: str | None
    available: int


@dataclass(frozen=True, slots=True)
class RefundRecorded:
    """What a refund moved: cash placed on orders (fen), points and growth revoked, of which points became debt."""

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
    available: int | None


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
    fingerprint: bytes


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
             o.paid_fen, o.eligible_fen, o.refunded_fen, o.ladder_points, o.fingerprint,
             (SELECT array_agg(
                  ROW(l.line, l.sku, l.category, l.quantity, l.paid_fen, l.eligible, l.refunded_fen,
                      l.refunded_quantity, l.points_earned, l.points_revoked,
                      (SELECT coalesce(sum(t.expired), 0)::bigint FROM lot t
                       WHERE t.member_id = l.member_id AND t.order_id = l.order_id AND t.order_line = l.line),
                      l.growth_earned, l.growth_revoked) ORDER BY l.line)
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
                  r.requested_fen, r.placed_fen, r.points_revoked, r.debt_added, r.growth_revoked, r.fingerprint
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


def decide_intake(book: Book, command: Intake) -> OrderRecorded | RefundRecorded:
    """Record an order or place a refund. Refuses: see `record_order` and `record_refund`."""
    if isinstance(command, RecordOrder):
        return record_order(book, command)
    return record_refund(book, command.refund, waited_since=command.waited_since)


INTAKE: Verb[Any, Any] = Verb(
    "orders.intake",
    decide_intake,
    object,
    loads=(ORDERS, OWNERS, REFUNDS, WAITING, MONTHS, STANDING),
)
"""Orders and refunds in one verb, so that a batch keeps each member's events in their order."""
INTAKE_WITH_REFUNDS: Verb[Any, Any] = Verb("orders.intake", decide_intake, object, loads=INTAKE.loads, lots_max=512)
"""The same with the members' lots, which a claw-back needs."""


def record_order(book: Book, command: RecordOrder) -> OrderRecorded:
    """Post what an order earns and keep it. The same order again changes nothing. Refuses: OrderConflict."""
    order = command.order
    fingerprint = order.fingerprint()
    known = _find(book, order.external_id)
    if known is not None:
        if bytes(known.fingerprint) != fingerprint:
            raise OrderConflict(external_id=order.external_id)
        return _recorded(book, known, already_recorded=True, raised_to=None)
    if book.shared(OWNERS.name, order.external_id) is not None:
        raise OrderConflict(external_id=order.external_id)
    purchase = Purchase(new_id(), order.paid_at, _eligible_fen(order))
    earned = accrue_for_order(book, purchase)
    raised = raise_tier(book, order.paid_at)
    known = _keep_order(book, command, purchase, earned, fingerprint)
    waiting: WaitingRow | None = book.shared(WAITING.name, order.external_id)
    for external_id, body, received_at in waiting.refunds if waiting else ():
        refund = restore_refund(order.external_id, external_id, body)
        record_refund(book, refund, waited_since=received_at)
    return _recorded(book, known, already_recorded=False, raised_to=raised.code if raised else None)


def _eligible_fen(order: NewOrder) -> tuple[int, ...]:
    return tuple(line.net_fen if line.eligible else 0 for line in order.lines)


def _find(book: Book, external_id: str) -> KnownOrder | None:
    orders: list[KnownOrder] = book.loaded(ORDERS.name)
    return next((each for each in orders if each.external_id == external_id), None)


def _recorded(book: Book, order: KnownOrder, *, already_recorded: bool, raised_to: str | None) -> OrderRecorded:
    points = sum(line.points_earned for line in order.lines) + order.ladder_points
    growth = sum(line.growth_earned for line in order.lines)
    return OrderRecorded(
        order.id, book.member_id, order.external_id, already_recorded, points, order.ladder_points, growth,
        raised_to, book.points.available,
    )  # fmt: skip


def _keep_order(book: Book, command: RecordOrder, purchase: Purchase, earned: Earned, print_: bytes) -> KnownOrder:
    """Write the order's rows, and remember them for the rest of the batch."""
    order = command.order
    lines = tuple(
        Line(number, new.sku, new.category, new.quantity, new.net_fen, new.eligible, 0, 0, points, 0, 0, growth, 0)
        for number, (new, points, growth) in enumerate(
            zip(order.lines, earned.line_points, earned.line_growth, strict=True)
        )
    )
    known = KnownOrder(
        book.member_id, purchase.order_id, order.external_id, order.channel, order.store, order.currency,
        order.paid_at, book.now, command.month, order.paid_fen - order.excluded_fen, purchase.base_fen, 0,
        earned.ladder_points, print_, lines,
    )  # fmt: skip
    book.insert(OrderDirectory, external_id=order.external_id, order_id=purchase.order_id)
    book.loaded(ORDERS.name).append(known)
    _put_order(book, known, known.lines)
    return known


def _put_order(book: Book, order: KnownOrder, lines: Iterable[Line]) -> None:
    """Write an order and some of its lines as they are now."""
    values = order._asdict()
    book.put(SalesOrder, ("member_id", "id"), **{name: values[name] for name in _ORDER_COLUMNS})
    for line in lines:
        values = line._asdict()
        del values["points_expired"]
        book.put(OrderLine, ("member_id", "order_id", "line"), order_id=order.id, **values)


_ORDER_COLUMNS = [name for name in KnownOrder._fields if name not in ("member_id", "lines")]


def record_refund(book: Book, refund: NewRefund, *, waited_since: datetime | None) -> RefundRecorded:
    """Place a refund and revoke what it takes with it. The same refund again changes nothing.

    One that waited gives way to whatever was recorded under its id meanwhile. Refuses: RefundConflict,
    RefundExceedsPaid, LineUnknown, QuantityExceedsBought, NotFound (its order).
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
    placed = sum(share.fen for _, shares in placings for share in shares)
    status = "PLACED" if placed == requested else "PARTLY_PLACED" if placed else "UNPLACED"
    matched = refund.order_external_id is None
    book.insert(
        OrderRefund, id=refund_id, external_id=refund.external_id, order_external_id=refund.order_external_id,
        status=status, matched=matched, refunded_at=refund.refunded_at, booked_at=book.now,
        requested_fen=requested, placed_fen=placed, points_revoked=points, debt_added=debt, growth_revoked=growth,
        fingerprint=refund.fingerprint(),
    )  # fmt: skip
    order_external_id, external_id = refund.directory_key
    book.insert(RefundDirectory, order_external_id=order_external_id, external_id=external_id, refund_id=refund_id)
    rows.append(
        RefundRow(
            book.member_id, order_external_id, external_id, refund_id, book.member_id, status, matched, requested,
            placed, points, debt, growth, refund.fingerprint(),
        )
    )  # fmt: skip
    return RefundRecorded(
        refund_id, book.member_id, refund.external_id, status, False, matched, requested, placed,
        points, debt, growth, book.points.available,
    )  # fmt: skip


def _refund_row(book: Book, refund: NewRefund, row: RefundRow) -> RefundRecorded:
    return RefundRecorded(
        row.refund_id, row.owner_id, refund.external_id, row.status, True, row.matched, row.requested_fen,
        row.placed_fen, row.points_revoked, row.debt_added, row.growth_revoked, book.points.available,
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
    order = _find(book, refund.order_external_id)
    if order is None:  # it came in the same batch and was refused
        raise NotFound(kind="order", id=refund.order_external_id)
    if refund.lines:
        return [(order, shares_of_lines(order, refund.lines, tolerant=refund.tolerant))]
    fen = order.refundable_fen if refund.fen is None else refund.fen
    return [(order, shares_of_amount(order, min(fen, order.refundable_fen) if refund.tolerant else fen))]


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
    _put_order(book, after, (line for line in after.lines if line.line in touched))
    points = debt = 0
    for share in shares:
        taken = _revoke_share(book, refund, refund_id, order, share)
        points, debt = points + taken[0], debt + taken[1]
    growth = sum(share.growth for share in shares)
    source = ("refund", f"{refund_id}:{order.id}")
    if growth:
        trace = {"rule": "growth_rate", "order": order.external_id, "refund": refund.external_id}
        book.grow(-growth, source=source, kind="CLAW_BACK", trace=trace, occurred_at=refund.refunded_at)
    purchase = Purchase(order.id, order.paid_at, tuple(line.paid_fen for line in order.lines))
    eligible = sum(share.fen for share in shares if share.line.eligible)
    ladder, ladder_debt = revoke_for_refund(book, purchase, refunded_fen=eligible, source=source)
    return points + ladder, debt + ladder_debt, growth


def _revoke_share(book: Book, refund: NewRefund, refund_id: UUID, order: KnownOrder, share: Share) -> tuple[int, int]:
    """Write what a refund took from a line, and claw its points back; returns points revoked, of which debt."""
    book.insert(
        RefundPart, refund_id=refund_id, order_id=order.id, line=share.line.line, fen=share.fen,
        quantity=share.quantity, points_revoked=share.points, growth_revoked=share.growth,
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
    lines = [[line.line, line.quantity, line.fen] for line in refund.lines]
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
