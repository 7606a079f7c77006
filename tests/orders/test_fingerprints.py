"""What makes an order or a refund the same: pinned, since a till may send again what was recorded years ago."""

from __future__ import annotations

from dataclasses import replace

from gamification.orders.rules import RefundLine
from gamification.orders.service import NewLine, NewOrder, NewRefund
from tests.builders import card
from tests.orders.builders import at

ORDER = NewOrder(
    "A-1", card("x"), at("03-02"), 15_900,
    (NewLine("s", "c", 2, 10_000), NewLine(None, None, 1, 5_000, False)), 900, "web", "SH-01",
)  # fmt: skip
REFUND = NewRefund("R-1", at("03-02"), "A-1", lines=(RefundLine(0, 1, 500),))


def test_an_order_hashes_as_ever_and_a_deduction_makes_it_another() -> None:
    """An order without deduction has the hash that it had before points could pay; one with points has its own."""
    assert ORDER.fingerprint().hex() == "69f347f058743fb3f0418db84cc7920afb78a0e958b1c33c8e5228e2e5b17449"
    paid = replace(ORDER, paid_fen=15_800, deduction_points=100)
    assert paid.fingerprint().hex() == "88da7f5889cac2efd7849f570ad628905237e16bc18fe4c4a5d97ff968ee5e20"
    assert replace(ORDER, member=card("y")).fingerprint() == ORDER.fingerprint()


def test_a_refund_hashes_as_ever_and_points_make_it_another() -> None:
    """A refund whose lines name no points has the hash that it always had; one that names some has another."""
    assert REFUND.fingerprint().hex() == "1856246dc0fa50f22a8e765046cfd7a2f480889bf8a2ff3d531d4f80373536e8"
    named = [replace(REFUND, lines=(RefundLine(0, 1, 500, points),)).fingerprint() for points in (0, 40)]
    assert len({*named, REFUND.fingerprint()}) == 3
