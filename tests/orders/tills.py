"""A till that holds, captures and releases points, and orders that points pay a part of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from gamification.core.actors import SYSTEM
from gamification.core.database import fetch
from gamification.earning.rules import EarningPolicy
from gamification.orders import service as orders
from gamification.orders.service import DeductionCancelled
from gamification.points import service as points
from gamification.points.rules import DeductionPolicy
from gamification.points.service import HoldAnswer, HoldPoints
from tests.builders import earn
from tests.orders.builders import Shop

RATE = EarningPolicy(points_rate_bp=100, growth_rate_bp=100)
PAYING = DeductionPolicy(step_points=100, share_max_bp=5_000, quote_minutes=10, hold_minutes=30)
DAY = timedelta(days=1)


async def a_buyer(shop: Shop, available: int, name: str = "mei") -> UUID:
    """A member with so many points."""
    member = await shop.member(name)
    await earn(shop.work, member, available)
    return member


async def hold(shop: Shop, member_id: UUID, held: int, order: str = "o1", **given: Any) -> HoldAnswer:
    command = HoldPoints(member_id=member_id, actor=SYSTEM, order_external_id=shop.named(order), points=held, **given)
    return await points.hold_points(shop.work, command)


async def capture(shop: Shop, held: HoldAnswer, captured: int | None = None) -> HoldAnswer:
    return await points.capture_hold(shop.work, member_id=held.member_id, seq=held.seq, points=captured, actor=SYSTEM)


async def release(shop: Shop, held: HoldAnswer) -> HoldAnswer:
    return await points.release_hold(shop.work, member_id=held.member_id, seq=held.seq, actor=SYSTEM)


async def cancel(shop: Shop, order: str = "o1") -> DeductionCancelled:
    return await orders.cancel_deduction(shop.work, order_external_id=shop.named(order), actor=SYSTEM)


async def holds(member_id: UUID) -> list[tuple[str, int, int, int]]:
    """Each hold's state, and its points captured, released and restored."""
    rows = await fetch(
        "SELECT state, captured, released, restored FROM points_hold WHERE member_id = $1 ORDER BY seq", member_id
    )
    return [tuple(row) for row in rows]


def deducted(shop: Shop, pays: int, *fen: int, name: str = "o1", **given: Any) -> Any:
    """An order of which points pay a part."""
    return shop.order(name, *fen, paid_fen=sum(fen) - pays, deduction_points=pays, **given)
