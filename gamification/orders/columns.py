"""From the named values of a line to an order or a refund: money in integers, instants with their offset; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from gamification.members.references import Reference
from gamification.members.rules import REFERENCE_LENGTH_MAX
from gamification.orders.rules import RefundLine
from gamification.orders.service.requests import NewLine, NewOrder, NewRefund

COLUMNS = (
    "external_id", "member_external_id", "paid_at", "amount_minor", "currency", "category", "kind",
    "ref_external_id", "sku", "quantity", "channel", "store", "excluded_minor", "lines",
)  # fmt: skip
"""Our names of what a line may hold."""
REQUIRED = ("external_id", "member_external_id", "paid_at", "amount_minor")
"""The columns without which a CSV file is not read at all."""
FEN_DECIMALS = 2
EXPONENT_MAX = 4
SHOWN_LENGTH_MAX = 60

_MINOR = re.compile(r"[+-]?[0-9]{1,15}")
_MAJOR = re.compile(r"([+-]?[0-9]{1,13})(?:\.([0-9]{1,8}))?")
_COUNT = re.compile(r"[0-9]{1,7}")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Unfit(Exception):
    """A line that cannot become an order or a refund: a code for programs, a reason for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Layout:
    """How a file says things.

    `columns` maps our names to theirs. Amounts are minor units of a currency with `exponent` decimals (2: fen as they
    are), or with `unit` "major" decimals such as 12.34. `zone` is for instants without an offset, refused without it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    exponent: int = FEN_DECIMALS
    unit: Literal["minor", "major"] = "minor"
    zone: str | None = None
    currency: str = "CNY"
    channel: str = "import"

    def __post_init__(self) -> None:
        unknown = sorted(self.columns.keys() - set(COLUMNS))
        if unknown:
            raise ValueError(f"no column of ours is named {', '.join(unknown)}; there are {', '.join(COLUMNS)}")
        if not 0 <= self.exponent <= EXPONENT_MAX:
            raise ValueError(f"an exponent is 0 to {EXPONENT_MAX}")
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError("a currency is three capital letters")
        if self.zone and self.zone not in available_timezones():
            raise ValueError(f"no zone is named {self.zone}")

    @cached_property
    def zone_info(self) -> tzinfo | None:
        """The zone of instants that come without an offset."""
        return ZoneInfo(self.zone) if self.zone else None

    def theirs(self, ours: str) -> str:
        """What the file calls one of our columns."""
        return self.columns.get(ours, ours)

    def described(self) -> dict[str, Any]:
        """The layout as plain values: what makes two imports of a file the same."""
        return asdict(self)


def request_of(layout: Layout, values: Mapping[str, Any]) -> NewOrder | NewRefund:
    """The order or refund that a line's values stand for, under our names; empty values are None.

    Raises Unfit, and the refusals of `check`: InvalidInput, AmountsDisagree.
    """
    kind = (_text(values, "kind") or "order").lower()
    if kind == "order":
        request: NewOrder | NewRefund = _order(layout, values)
    elif kind == "refund":
        request = _refund(layout, values)
    else:
        raise Unfit("UNKNOWN_KIND", f"kind is order or refund, not {shown(kind)}")
    request.check()
    return request


def _order(layout: Layout, values: Mapping[str, Any]) -> NewOrder:
    excluded = _fen(layout, values, "excluded_minor") or 0
    lines = values.get("lines")
    paid = _fen(layout, values, "amount_minor")
    if lines is not None:
        bought = tuple(_bought(layout, line) for line in _objects(lines))
        paid = sum(line.net_fen for line in bought) + excluded if paid is None else paid
    elif paid is None:
        raise Unfit("MISSING_VALUE", "amount_minor is empty")
    else:
        bought = (
            NewLine(
                _text(values, "sku"), _text(values, "category"), _count(values, "quantity", default=1), paid - excluded
            ),
        )
    if paid < 0:
        raise Unfit("NEGATIVE_AMOUNT", "only a refund has a negative amount")
    return NewOrder(
        _needed(values, "external_id"), _member(values, needed=True), _instant(layout, values), paid, bought, excluded,
        _text(values, "channel") or layout.channel, _text(values, "store"), _currency(layout, values),
    )  # fmt: skip


def _bought(layout: Layout, line: Mapping[str, Any]) -> NewLine:
    net = _fen(layout, line, "amount_minor")
    eligible = line.get("eligible", True)
    if net is None or not isinstance(eligible, bool):
        raise Unfit("BAD_VALUE", "a line has an amount_minor, and eligible is true or false")
    return NewLine(_text(line, "sku"), _text(line, "category"), _count(line, "quantity", default=1), net, eligible)


def _refund(layout: Layout, values: Mapping[str, Any]) -> NewRefund:
    """Refunds are tolerant: what cannot be placed is kept and reported. Amounts may be written with either sign."""
    fen = _fen(layout, values, "amount_minor")
    order_external_id = _text(values, "ref_external_id")
    lines = values.get("lines")
    returned = () if lines is None else tuple(_returned(layout, line) for line in _objects(lines))
    if returned and fen is not None and abs(fen) != sum(line.fen for line in returned):
        raise Unfit("AMOUNTS_DISAGREE", "the refund's amount is not the sum of its lines")
    if fen is None and order_external_id is None:
        raise Unfit("MISSING_VALUE", "amount_minor is empty, and the refund names no order")
    return NewRefund(
        _needed(values, "external_id"), _instant(layout, values), order_external_id,
        _member(values, needed=order_external_id is None), None if returned or fen is None else abs(fen), returned,
        tolerant=True,
    )  # fmt: skip


def _returned(layout: Layout, line: Mapping[str, Any]) -> RefundLine:
    return RefundLine(
        _count(line, "line", default=None), _count(line, "quantity", default=0),
        abs(_fen(layout, line, "amount_minor") or 0),
    )  # fmt: skip


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The lines of an order: a JSON array of objects, as such or as text in a CSV cell."""
    if isinstance(value, str):
        try:
            value = read_json(value)
        except ValueError:
            raise Unfit("BAD_VALUE", "lines is no JSON") from None
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Unfit("BAD_VALUE", "lines is a JSON array of objects")
    return value


def read_json(text: str) -> Any:
    """JSON whose fractions stay text, so that no amount passes through a float. Raises ValueError."""
    try:
        return json.loads(text, parse_float=str, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _text(values: Mapping[str, Any], name: str) -> str | None:
    """A text, without space around it; None when it is empty. JSON may write an id as a number."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Unfit("BAD_VALUE", f"{name} is a text, not {shown(value)}")


def _needed(values: Mapping[str, Any], name: str) -> str:
    value = _text(values, name)
    if value is None:
        raise Unfit("MISSING_VALUE", f"{name} is empty")
    return value


def _member(values: Mapping[str, Any], *, needed: bool) -> Any:
    """The member's reference. A refund that names its order may leave it out."""
    value = _needed(values, "member_external_id") if needed else _text(values, "member_external_id")
    if value is None:
        return None
    if len(value) > REFERENCE_LENGTH_MAX or not value.isprintable():
        raise Unfit("BAD_VALUE", f"member_external_id has 1 to {REFERENCE_LENGTH_MAX} printable characters")
    return Reference("external", value)


def _instant(layout: Layout, values: Mapping[str, Any]) -> datetime:
    text = _needed(values, "paid_at")
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            if layout.zone_info is None:
                raise Unfit("BAD_INSTANT", f"paid_at {shown(text)} has no offset, and no zone is given")
            at = at.replace(tzinfo=layout.zone_info)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unfit("BAD_INSTANT", f"paid_at {shown(text)} is no instant of ISO 8601") from None


def _currency(layout: Layout, values: Mapping[str, Any]) -> str:
    value = _text(values, "currency") or layout.currency
    if not _CURRENCY.fullmatch(value):
        raise Unfit("BAD_VALUE", f"currency is three capital letters, not {shown(value)}")
    return value


def _count(values: Mapping[str, Any], name: str, *, default: int | None) -> int:
    text = _text(values, name)
    if text is None and default is not None:
        return default
    if text is None or not _COUNT.fullmatch(text):
        raise Unfit("BAD_VALUE", f"{name} is a whole number, not {shown(text)}")
    return int(text)


def _fen(layout: Layout, values: Mapping[str, Any], name: str) -> int | None:
    """An amount in fen, or None when it is empty: integer arithmetic on what is written."""
    text = _text(values, name)
    if text is None:
        return None
    minor = _from_major(layout, text) if layout.unit == "major" else _whole(text)
    if minor is None:
        wanted = f"at most {layout.exponent} decimals" if layout.unit == "major" else "a whole number"
        raise Unfit("BAD_AMOUNT", f"{name} is {wanted}, not {shown(text)}")
    if layout.exponent <= FEN_DECIMALS:
        return minor * int(10 ** (FEN_DECIMALS - layout.exponent))
    fen, rest = divmod(abs(minor), int(10 ** (layout.exponent - FEN_DECIMALS)))
    if rest:
        raise Unfit("BAD_AMOUNT", f"{name} {shown(text)} is no whole number of fen")
    return fen if minor >= 0 else -fen


def _whole(text: str) -> int | None:
    return int(text) if _MINOR.fullmatch(text) else None


def _from_major(layout: Layout, text: str) -> int | None:
    found = _MAJOR.fullmatch(text)
    decimals = (found[2] or "").rstrip("0") if found else ""
    if found is None or len(decimals) > layout.exponent:
        return None
    return int(found[1] + decimals.ljust(layout.exponent, "0"))


def shown(value: Any) -> str:
    """What a file holds, quoted and cut, for a reason that people read."""
    text = repr(value)
    return text if len(text) <= SHOWN_LENGTH_MAX else text[: SHOWN_LENGTH_MAX - 1] + "…"
