"""Orders and refunds as they come in, checked for shape before anybody's account is touched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from gamification.core.encoding import encode_sorted
from gamification.core.errors import InvalidInput
from gamification.members.references import MemberNumber, Reference
from gamification.orders.errors import AmountsDisagree, DeductionExceedsLines
from gamification.orders.rules import RefundLine

EXTERNAL_ID_LENGTH_MAX = 100
LINES_MAX = 500
FEN_MAX = 1_000_000_000_000
QUANTITY_MAX = 1_000_000

MemberName = Reference | MemberNumber


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line of an order: `net_fen` is what it costs after discounts; `eligible` lines earn."""

    sku: str | None
    category: str | None
    quantity: int
    net_fen: int
    eligible: bool = True


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that was paid: `paid_fen` = Σ net of the lines − `deduction_points` + `excluded_fen`.

    What is excluded (shipping, gift cards) earns none; what is deducted was paid with points, 1 point = 1 fen.
    """

    external_id: str
    member: MemberName
    paid_at: datetime
    paid_fen: int
    lines: tuple[NewLine, ...]
    excluded_fen: int = 0
    channel: str = "store"
    store: str | None = None
    currency: str = "CNY"
    deduction_points: int = 0

    def check(self) -> None:
        """Refuses: InvalidInput, AmountsDisagree, DeductionExceedsLines."""
        check_external_id("externalId", self.external_id)
        check_instant("paidAt", self.paid_at)
        _check_fen("excludedFen", self.excluded_fen)
        if not 1 <= len(self.lines) <= LINES_MAX:
            raise InvalidInput(field="lines", reason=f"1 to {LINES_MAX} lines")
        for index, line in enumerate(self.lines):
            _check_fen(f"lines.{index}.netFen", line.net_fen)
            if not 1 <= line.quantity <= QUANTITY_MAX:
                raise InvalidInput(field=f"lines.{index}.quantity", reason=f"1 to {QUANTITY_MAX}")
            _check_label(f"lines.{index}.sku", line.sku, 100)
            _check_label(f"lines.{index}.category", line.category, 100)
        _check_label("channel", self.channel, 40)
        _check_label("store", self.store, 40)
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise InvalidInput(field="currency", reason="three capitals, as ISO 4217 has them")
        payable = sum(line.net_fen for line in self.lines)
        if not 0 <= self.deduction_points <= FEN_MAX:
            raise InvalidInput(field="deductionPoints", reason=f"0 to {FEN_MAX}")
        if self.deduction_points > payable:
            raise DeductionExceedsLines(deduction_points=self.deduction_points, payable_fen=payable)
        expected = payable - self.deduction_points + self.excluded_fen
        if expected != self.paid_fen:
            raise AmountsDisagree(expected_fen=expected, paid_fen=self.paid_fen)

    def fingerprint(self) -> bytes:
        """What makes the same order the same: everything but the member's reference."""
        return _digest(self, "member", *(() if self.deduction_points else ("deduction_points",)))


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A refund. It names its order and lines, or its order and an amount (None: all that is left), or only an amount.

    `tolerant` refunds are placed as far as they go and kept; others are refused when more is asked than was paid.
    """

    external_id: str
    refunded_at: datetime
    order_external_id: str | None = None
    member: MemberName | None = None
    fen: int | None = None
    lines: tuple[RefundLine, ...] = ()
    tolerant: bool = False

    def check(self) -> None:
        """Refuses: InvalidInput."""
        check_external_id("externalId", self.external_id)
        check_instant("refundedAt", self.refunded_at)
        if self.fen is not None and not 1 <= self.fen <= FEN_MAX:
            raise InvalidInput(field="fen", reason=f"1 to {FEN_MAX}")
        if self.lines and self.fen is not None:
            raise InvalidInput(field="fen", reason="either lines or an amount, not both")
        if len(self.lines) > LINES_MAX:
            raise InvalidInput(field="lines", reason=f"at most {LINES_MAX} lines")
        for index, line in enumerate(self.lines):
            _check_fen(f"lines.{index}.fen", line.fen)
            if line.points is not None:
                _check_fen(f"lines.{index}.points", line.points)
            if not 0 <= line.quantity <= QUANTITY_MAX or not (line.fen or line.quantity or line.points):
                raise InvalidInput(field=f"lines.{index}", reason="cash, pieces or points, none below zero")
        if self.order_external_id is None:
            if self.member is None or self.fen is None or self.lines:
                raise InvalidInput(
                    field="orderExternalId", reason="a refund without order needs a member and an amount"
                )
        else:
            check_external_id("orderExternalId", self.order_external_id)

    @property
    def directory_key(self) -> tuple[str, str]:
        """Refund ids are unique within their order; those that name none are unique among themselves."""
        return self.order_external_id or "", self.external_id

    def fingerprint(self) -> bytes:
        """What makes the same refund the same."""
        return _digest(self, "member", "tolerant")


@dataclass(frozen=True, slots=True)
class _LineAsEver:
    """A line of a refund that names no points: it is hashed as it was before lines could."""

    line: int
    quantity: int
    fen: int


def _plain(line: RefundLine) -> tuple[int, int, int]:
    return line.line, line.quantity, line.fen


def _digest(request: NewOrder | NewRefund, *left_out: str) -> bytes:
    body = {each.name: getattr(request, each.name) for each in fields(request) if each.name not in left_out}
    if isinstance(request, NewRefund):
        body["lines"] = [line if line.points is not None else _LineAsEver(*_plain(line)) for line in request.lines]
        body["refunded_at"] = request.refunded_at.astimezone(UTC)
    else:
        body["paid_at"] = request.paid_at.astimezone(UTC)
    return hashlib.sha256(encode_sorted(body)).digest()


def check_external_id(field: str, value: str) -> None:
    """An id that others give us. Refuses: InvalidInput."""
    if not 1 <= len(value) <= EXTERNAL_ID_LENGTH_MAX or not value.isprintable():
        raise InvalidInput(field=field, reason=f"1 to {EXTERNAL_ID_LENGTH_MAX} printable characters")


def _check_label(field: str, value: str | None, length_max: int) -> None:
    if value is not None and (not 1 <= len(value) <= length_max or not value.isprintable()):
        raise InvalidInput(field=field, reason=f"1 to {length_max} printable characters")


def _check_fen(field: str, fen: int) -> None:
    if not 0 <= fen <= FEN_MAX:
        raise InvalidInput(field=field, reason=f"0 to {FEN_MAX}")


def check_instant(field: str, at: datetime) -> None:
    """An instant with its offset, from 1970 on. Refuses: InvalidInput."""
    if at.tzinfo is None:
        raise InvalidInput(field=field, reason="an instant with its offset")
    if not 1970 <= at.year < 9000:
        raise InvalidInput(field=field, reason="from 1970 on")
