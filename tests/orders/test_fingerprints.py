"""What makes an order, a refund, a hold or a policy the same: pinned, since a till may send again after years."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from uuid import UUID

from gamification.core.actors import SYSTEM, Actor
from gamification.core.clock import FixedClock
from gamification.core.policy import publish_policy
from gamification.core.receipts import fingerprint
from gamification.orders.rules import RefundLine
from gamification.orders.service import NewLine, NewOrder, NewRefund
from gamification.points.rules import DeductionPolicy
from gamification.points.service import HoldPoints
from tests.builders import card
from tests.databases import Database
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


def test_a_refund_of_an_amount_and_of_points_are_these_hashes() -> None:
    """An amount hashes as before points could pay; a line that names points has its own hash, which stays."""
    amount = replace(REFUND, lines=(), fen=500)
    assert amount.fingerprint().hex() == "886655243524279ca9d8b0aff51356cad36638bc53e1c1d5b164563b0f0493b4"
    named = replace(REFUND, lines=(RefundLine(0, 1, 500, 40),))
    assert named.fingerprint().hex() == "34738a54aa26ea07b8397461e7118e23d72262e5233b8e56b78a35154303fd5c"


def test_the_receipt_of_a_hold_is_this_hash() -> None:
    """What a till asked under its idempotency key, whoever's session sent it: a retry after an upgrade is the same."""
    command = HoldPoints(
        member_id=UUID(int=7), actor=SYSTEM, key="k", order_external_id="A-1", points=500, store="SH-01"
    )
    assert fingerprint(command).hex() == "f33f61677a3a2d59df40868c94a5d1c3c332a311957bc4dfaeb628a5152e5c08"
    assert fingerprint(replace(command, key="l", actor=Actor("integration", UUID(int=1)))) == fingerprint(command)
    assert fingerprint(replace(command, points=501)) != fingerprint(command)


async def test_the_body_of_a_policy_is_this_hash(database: Database, clock: FixedClock) -> None:
    """What publication answers and the audit trail keeps: the sorted JSON of the body."""
    made = await publish_policy(DeductionPolicy(), actor=SYSTEM, now=clock.now())
    body = b'{"hold_minutes":30,"quote_minutes":10,"share_max_bp":10000,"step_points":100}'
    assert made.hash.hex() == "02bcca28b5293f13e9229a9daee43949a4c97dace005337e0789a2bc725655c0"
    assert made.hash == sha256(body).digest()
