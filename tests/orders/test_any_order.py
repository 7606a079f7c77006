"""Orders and refunds in any order, cut into any batches, delivered more than once: the same books in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamification.core.database import fetch
from gamification.core.work import Work
from gamification.earning.rules import EarningPolicy, ladder_points
from gamification.orders.service import place_waiting
from tests.builders import FOR_EVER, SPEC_LADDER, TIERS, a_work, assert_invariants, thorough
from tests.orders.builders import Shop

POLICY = EarningPolicy(100, 50, SPEC_LADDER)


@dataclass(frozen=True)
class Sale:
    """An order of one month with its lines in fen, and refunds of them: per refund a part of each line."""

    month: int
    fen: tuple[int, ...]
    refunds: tuple[tuple[int, ...], ...]

    @property
    def left(self) -> list[int]:
        return [fen - sum(refund[line] for refund in self.refunds) for line, fen in enumerate(self.fen)]


@st.composite
def sales(draw: st.DrawFn) -> Sale:
    fen = draw(st.lists(st.integers(1, 40_000), min_size=1, max_size=3))
    left, refunds = list(fen), []
    for _ in range(draw(st.integers(0, 2))):
        parts = tuple(draw(st.integers(0, each)) for each in left)
        left = [each - part for each, part in zip(left, parts, strict=True)]
        if any(parts):
            refunds.append(parts)
    return Sale(draw(st.integers(3, 4)), tuple(fen), tuple(refunds))


def expected(sold: list[Sale]) -> tuple[int, int, int]:
    """What the books must say: line by line what the cash left is worth, and the ladder's worth of each month."""
    points = growth = 0
    for sale in sold:
        for earned, fen, left in _split(sale, POLICY.points_rate_bp):
            points += earned - (earned if not left else earned * (fen - left) // fen)
        for earned, fen, left in _split(sale, POLICY.growth_rate_bp):
            growth += earned - (earned if not left else earned * (fen - left) // fen)
    months = {sale.month for sale in sold}
    for month in months:
        points += ladder_points(SPEC_LADDER, sum(sum(sale.left) for sale in sold if sale.month == month))
    return points, 0, growth


def _split(sale: Sale, rate_bp: int) -> list[tuple[int, int, int]]:
    """What each line earns (largest remainder, ties to the earlier), beside what it cost and what is left of it."""
    whole = sum(sale.fen)
    total = whole * rate_bp // 10_000
    exact = [divmod(total * fen, whole) for fen in sale.fen]
    missing = total - sum(quotient for quotient, _ in exact)
    ranked = sorted(range(len(exact)), key=lambda line: (-exact[line][1], line))[:missing]
    earned = [quotient + (line in ranked) for line, (quotient, _) in enumerate(exact)]
    return list(zip(earned, sale.fen, sale.left, strict=True))


@settings(max_examples=thorough(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sold=st.lists(sales(), min_size=1, max_size=4), data=st.data())
async def test_any_delivery_of_the_same_events_ends_in_the_same_books(
    work: Work, sold: list[Sale], data: st.DataObject
) -> None:
    """Every event at least once, duplicates and permutations, batches of any size: the balances are those that the
    events are worth, computed apart."""
    shop = Shop(a_work(work.clock, FOR_EVER, POLICY, TIERS))
    await shop.member()
    requests: list[Any] = []
    for number, sale in enumerate(sold):
        requests.append(shop.order(f"{number}", *sale.fen, paid=f"0{sale.month}-1{number}"))
        for place, parts in enumerate(sale.refunds):
            lines = [(line, fen) for line, fen in enumerate(parts) if fen]
            requests.append(shop.refund(f"r{place}", f"{number}", None, *lines, on="05-01"))
    twice = data.draw(st.lists(st.sampled_from(requests), max_size=3))
    delivered = data.draw(st.permutations(requests + twice))
    while delivered:
        size = data.draw(st.integers(1, len(delivered)))
        await shop.sent(*delivered[:size])
        delivered = delivered[size:]
    assert await place_waiting(shop.work) == 0
    assert await shop.standing() == expected(sold)
    left = await fetch("SELECT sum(paid_fen - refunded_fen) FROM sales_order WHERE member_id = $1", await shop.member())
    assert left[0][0] == sum(sum(sale.left) for sale in sold)
    await assert_invariants()
