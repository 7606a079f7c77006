"""Refusals: codes, numbers, messages, and their way through a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from string import Formatter
from uuid import UUID

import orjson
import pytest

import gamification.invariants  # noqa: F401 - every slice's refusals are registered with it
from gamification.core.encoding import encode_sorted
from gamification.core.errors import DEFAULT_LOCALE, LOCALES, NotFound, Refusal, restore_refusal
from gamification.core.ids import new_id
from gamification.orders.errors import RefundExceedsPaid
from gamification.points.errors import InsufficientPoints


@dataclass(kw_only=True, eq=False)
class TestShopIsClosed(Refusal):
    """A refusal with fields of every sort that receipts keep."""

    __test__ = False
    shop_id: UUID
    opens_at: datetime
    on: date
    seats: int | None
    messages = {"zh-CN": "门店休息,{on} 开门", "en": "Closed until {on}."}


def test_the_code_is_the_name_in_capitals() -> None:
    """`InsufficientPoints` is INSUFFICIENT_POINTS."""
    assert (InsufficientPoints.code, RefundExceedsPaid.code) == ("INSUFFICIENT_POINTS", "REFUND_EXCEEDS_PAID")


def test_a_refusal_speaks_the_callers_language_or_the_programmes() -> None:
    """Chinese by default and for languages that are not spoken, English when asked; the exception's text is English."""
    refusal = InsufficientPoints(required=50, available=20, debt=3, missing=33)
    assert refusal.message() == refusal.message("fr") == "积分不足:需要 50,可用 20,还差 33"
    assert refusal.message("en") == str(refusal) == "Not enough points: 50 needed, 20 available, 33 missing."


def test_a_refusal_comes_back_from_a_receipt_as_it_was() -> None:
    """Ids, instants, days, numbers and absent values keep their types through JSON."""
    opens_at = datetime(2026, 3, 2, 1, tzinfo=UTC)
    refusal = TestShopIsClosed(shop_id=new_id(), opens_at=opens_at, on=date(2026, 3, 2), seats=None)
    stored = orjson.loads(encode_sorted(refusal.fields()))
    restored = restore_refusal(refusal.code, stored)
    assert type(restored) is TestShopIsClosed and restored.fields() == refusal.fields()


def test_two_refusals_cannot_share_a_code() -> None:
    """A second class of the same name elsewhere is a programmer's error."""
    with pytest.raises(AssertionError, match="NOT_FOUND"):
        type("NotFound", (Refusal,), {"__qualname__": "Elsewhere.NotFound"})
    assert Refusal.by_code["NOT_FOUND"] is NotFound


@pytest.mark.parametrize("code", sorted(code for code, kind in Refusal.by_code.items() if not kind.__subclasses__()))
def test_every_refusal_has_a_message_per_language_over_its_own_numbers(code: str) -> None:
    """No message names a field that its refusal does not carry, and none is missing in a language."""
    kind = Refusal.by_code[code]
    assert set(kind.messages) >= set(LOCALES) and DEFAULT_LOCALE in kind.messages
    for template in kind.messages.values():
        named = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        assert named <= set(kind.field_names())
