"""However an order that points pay a part of comes back, in the end it is as if it had come back at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamification.core.database import fetch
from gamification.core.work import Work
from gamification.earning.rules import EarningPolicy
from gamification.orders.rules import RefundLine
from gamification.orders.service import NewLine, NewOrder, place_waiting
from gamification.points.rules import DeductionPolicy
from tests.builders import FOR_EVER, SPEC_LADDER, TIERS, a_work, assert_invariants, balance, earn, thorough
from tests.orders.builders import Shop

EARNING = EarningPolicy(100, 50, SPEC_LADDER)
ENDOWMENT = (3_000, 2_000)
COSTS = st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 3), st.booleans()), min_size=1, max_size=3)


def an_order(shop: Shop, costs: list[tuple[int, int, bool]], pays: int) -> NewOrder:
    lines = tuple(NewLine(None, None, pieces, fen, eligible) for fen, pieces, eligible in costs)
    total = sum(fen for fen, _, _ in costs)
    return shop.order("o", lines=lines, paid_fen=total - pays, deduction_points=pays)


@st.composite
def splits(draw: st.DrawFn, cash: list[int], pieces: list[int]) -> list[RefundLine | int]:
    """Lines in parts and amounts in any turn: they sum to all pieces of what points alone paid, and to all the cash."""
    parts: list[RefundLine | int] = []
    for number, (fen, count) in enumerate(zip(cash, pieces, strict=True)):
        if not fen:
            parts += [RefundLine(number, 1, 0) for _ in range(count)]
        elif fen > 1 and draw(st.booleans()):
            first = draw(st.integers(1, fen - 1))
            parts.append(RefundLine(number, 0, first))
    amounts = draw(st.lists(st.integers(1, 5_000), max_size=3))
    return [*draw(st.permutations(parts)), *amounts]


async def books_of(shop: Shop) -> Any:
    """What a member and an order have in the end; entries and lots may differ on the way there."""
    mei = await shop.member()
    now = await balance(shop.work, mei)
    rows = await fetch(
        """SELECT line, paid_fen - refunded_fen, points_earned - points_revoked, growth_earned - growth_revoked,
                  deduction_points - restored_points FROM order_line WHERE member_id = $1 ORDER BY line""", mei,
    )  # fmt: skip
    holds = await fetch("SELECT state, captured - restored FROM points_hold WHERE member_id = $1", mei)
    lots = await fetch("SELECT sum(remaining) FROM lot WHERE member_id = $1 AND order_id IS NULL", mei)
    figures = (now.available, now.pending, now.held, now.debt, now.growth)
    return figures, [tuple(row) for row in rows], [tuple(row) for row in holds], lots[0][0]


async def a_shop(work: Work) -> Shop:
    shop = Shop(a_work(work.clock, FOR_EVER, EARNING, TIERS, DeductionPolicy()))
    mei = await shop.member()
    for points in ENDOWMENT:
        await earn(shop.work, mei, points)
    return shop


@settings(max_examples=thorough(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(costs=COSTS, data=st.data())
async def test_refunds_in_any_split_and_order_end_as_one_whole_refund(
    work: Work, costs: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    """By line, by piece and by amount, some before the order, some twice: the books are those of one whole refund."""
    total = sum(fen for fen, _, _ in costs)
    pays = data.draw(st.just(min(total, sum(ENDOWMENT))) | st.integers(0, min(total, sum(ENDOWMENT))))
    whole, parted = await a_shop(work), await a_shop(work)
    await whole.sent(an_order(whole, costs, pays), whole.refund("all", "o"))
    rows = await fetch("SELECT paid_fen, quantity FROM order_line WHERE member_id = $1 ORDER BY line",
                       await whole.member())  # fmt: skip
    split = data.draw(splits([row[0] for row in rows], [row[1] for row in rows]))
    refunds = [refund_of(parted, place, part) for place, part in enumerate(split)]
    early = data.draw(st.integers(0, len(refunds)))
    await parted.send(*refunds[:early])
    await parted.sent(an_order(parted, costs, pays))
    await parted.send(*refunds[early:], *refunds[: data.draw(st.integers(0, 2))])
    assert await place_waiting(parted.work) == 0
    (left,) = await fetch("SELECT paid_fen - refunded_fen FROM sales_order WHERE member_id = $1", await parted.member())
    if left[0]:
        await parted.sent(parted.refund("rest", "o", left[0]))
    assert await books_of(parted) == await books_of(whole)
    await assert_invariants()


def refund_of(shop: Shop, place: int, part: RefundLine | int) -> Any:
    refund = shop.refund(f"r{place}", "o", part if isinstance(part, int) else None)
    return refund if isinstance(part, int) else replace(refund, lines=(part,))
