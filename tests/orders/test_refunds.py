"""Refunds: on which lines they fall, and what they take back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.work import Work
from gamification.earning.rules import EarningPolicy
from gamification.orders.errors import LineUnknown, QuantityExceedsBought, RefundConflict, RefundExceedsPaid
from gamification.orders.rules import RefundLine
from gamification.orders.service import NewLine
from tests.builders import (
    FOR_EVER,
    SPEC_LADDER,
    TIERS,
    a_work,
    assert_invariants,
    dump,
    thorough,
)
from tests.orders.builders import Shop, at, figures

DAY = timedelta(days=1)


async def test_a_refund_of_lines_takes_back_what_each_earned(shop: Shop) -> None:
    """Half of one line and all of another: their points and growth go, the third line keeps its own."""
    await shop.sent(shop.order("A", 10_000, 20_000, 30_000))
    answers = await shop.sent(shop.refund("R", "A", None, (0, 5_000), (2, 30_000)))
    assert figures(answers) == [("PLACED", 35_000, 350, 350)]
    assert await shop.standing() == (250, 0, 250)
    rows = await fetch("SELECT line, refunded_fen, points_revoked, growth_revoked FROM order_line WHERE member_id = $1 "
                       "ORDER BY line", await shop.member())  # fmt: skip
    assert [tuple(row) for row in rows] == [(0, 5_000, 50, 50), (1, 0, 0, 0), (2, 30_000, 300, 300)]


async def test_a_refund_of_an_amount_is_spread_over_what_is_left(shop: Shop) -> None:
    """In proportion to what is left of each line, exact to the fen; without an amount it is all that is left."""
    await shop.sent(shop.order("A", 10_000, 20_000), shop.refund("R0", "A", None, (0, 4_000)))
    answers = await shop.sent(shop.refund("R1", "A", 13_001), shop.refund("R2", "A"), shop.refund("R3", "A"))
    assert figures(answers) == [("PLACED", 13_001, 130, 130), ("PLACED", 12_999, 130, 130), ("PLACED", 0, 0, 0)]
    parts = await fetch("SELECT line, fen FROM refund_part WHERE member_id = $1 ORDER BY refund_id, line",
                        await shop.member())  # fmt: skip
    assert [tuple(row) for row in parts] == [(0, 4_000), (0, 3_000), (1, 10_001), (0, 3_000), (1, 9_999)]
    assert await shop.standing() == (0, 0, 0)


@settings(max_examples=thorough(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), fen=st.lists(st.integers(1, 30_000), min_size=1, max_size=3))
async def test_partial_refunds_in_any_split_end_exactly_at_the_whole(
    work: Work, data: st.DataObject, fen: list[int]
) -> None:
    """Whatever is refunded in whatever parts: when nothing is left of an order, nothing is left of what it earned."""
    shop = Shop(a_work(work.clock, FOR_EVER, TIERS, EarningPolicy(137, 73, SPEC_LADDER)))
    await shop.member()
    await shop.sent(shop.order("A", *fen), shop.order("B", 9_999))
    before = await shop.standing()
    (answer,) = await shop.sent(shop.order("C", *fen))
    left = dict(enumerate(fen))
    for number in range(data.draw(st.integers(0, 4))):
        line = data.draw(st.sampled_from(sorted(left)))
        part = data.draw(st.integers(0, left[line]))
        if part:
            await shop.sent(shop.refund(f"R{number}", "C", None, (line, part)))
            left[line] -= part
    await shop.sent(shop.refund("rest", "C"))
    assert await shop.standing() == before
    assert answer.points >= sum(fen) * 137 // 10_000
    await assert_invariants()


TOO_MUCH: list[tuple[tuple[RefundLine, ...], int | None, type[Exception]]] = [
    ((), 10_001, RefundExceedsPaid),
    ((RefundLine(0, 0, 6_001),), None, RefundExceedsPaid),
    ((RefundLine(0, 0, 3_000), RefundLine(0, 0, 3_001)), None, RefundExceedsPaid),
    ((RefundLine(2, 0, 1),), None, LineUnknown),
    ((RefundLine(-1, 0, 1),), None, LineUnknown),
    ((RefundLine(0, 3, 0),), None, QuantityExceedsBought),
    ((RefundLine(1, 0, 4_000), RefundLine(0, 1, 0), RefundLine(0, 2, 0)), None, QuantityExceedsBought),
]


async def test_more_than_was_paid_or_bought_is_refused(shop: Shop) -> None:
    """By amount, by line, over several mentions of a line, by pieces, on a line that is not there: nothing changes."""
    await shop.sent(shop.order("A", lines=(NewLine("a", None, 2, 6_000), NewLine("b", None, 1, 4_000))))
    before = await dump()
    refunds = [replace(shop.refund(f"R{n}", "A", fen), lines=lines) for n, (lines, fen, _) in enumerate(TOO_MUCH)]
    assert [type(each) for each in await shop.send(*refunds)] == [refusal for _, _, refusal in TOO_MUCH]
    assert await dump() == before


async def test_the_numbers_of_a_refusal_are_those_of_the_line(shop: Shop) -> None:
    """What was asked and what is left."""
    await shop.sent(shop.order("A", 6_000, 4_000), shop.refund("R", "A", None, (0, 1_000)))
    by_line, by_amount, unknown = await shop.send(
        shop.refund("X", "A", None, (0, 5_001)), shop.refund("Y", "A", 9_001), shop.refund("Z", "A", None, (2, 1))
    )
    assert by_line.fields() == {"external_id": shop.named("A"), "requested_fen": 5_001, "refundable_fen": 5_000}
    assert by_amount.fields() == {"external_id": shop.named("A"), "requested_fen": 9_001, "refundable_fen": 9_000}
    assert unknown.fields() == {"line": 2, "lines": 2}


async def test_a_tolerant_refund_is_placed_as_far_as_it_goes(shop: Shop) -> None:
    """Partly placed, or unplaced, and kept with what was asked for."""
    await shop.sent(shop.order("A", 6_000, 4_000))
    answers = await shop.sent(
        shop.refund("R1", "A", None, (0, 7_000), (9, 5), tolerant=True),
        shop.refund("R2", "A", 5_000, tolerant=True),
        shop.refund("R3", "A", 1, tolerant=True),
    )
    assert figures(answers) == [
        ("PARTLY_PLACED", 6_000, 60, 60), ("PARTLY_PLACED", 4_000, 40, 40), ("UNPLACED", 0, 0, 0),
    ]  # fmt: skip
    assert [each.requested_fen for each in answers] == [7_005, 5_000, 1]


@pytest.mark.parametrize("lines", [(), ((0, 4_000),)])
async def test_the_same_refund_again_changes_nothing_and_says_so(shop: Shop, lines: Any) -> None:
    """In a later request, in another zone's notation, and twice in one batch."""
    await shop.sent(shop.order("A", 10_000))
    refund = shop.refund("R", "A", None if lines else 4_000, *lines)
    first, second = await shop.sent(refund, refund)
    assert second == replace(first, already_recorded=True)
    before = await dump()
    later = replace(refund, refunded_at=refund.refunded_at.astimezone(UTC))
    assert await shop.sent(refund, later) == [second, second]
    assert await dump() == before and await shop.standing() == (60, 0, 60)


async def test_a_refund_of_everything_sent_twice_in_one_batch_counts_once(shop: Shop) -> None:
    """The repetition is recognised before it is measured against what is left."""
    await shop.sent(shop.order("A", 10_000))
    refund = shop.refund("R", "A", 10_000)
    assert figures(await shop.send(refund, refund)) == [
        ("PLACED", 10_000, 100, 100), ("PLACED", "again", 10_000, 100, 100),
    ]  # fmt: skip


async def test_another_refund_under_the_same_id_is_refused(shop: Shop) -> None:
    """Another amount, another instant, another line: later and in the same batch."""
    await shop.sent(shop.order("A", 10_000))
    refund = shop.refund("R", "A", 4_000)
    outcomes = await shop.send(refund, replace(refund, fen=4_001))
    assert figures(outcomes) == [("PLACED", 4_000, 40, 40), "REFUND_CONFLICT"]
    before = await dump()
    others = [
        replace(refund, fen=None), replace(refund, refunded_at=at("03-21")),
        replace(refund, fen=None, lines=(RefundLine(0, 0, 4_000),)),
    ]  # fmt: skip
    outcomes = await shop.send(*others)
    assert all(isinstance(each, RefundConflict) for each in outcomes) and await dump() == before


async def test_refund_ids_are_unique_within_their_order(shop: Shop) -> None:
    """The same refund id under two orders is two refunds, whatever characters the ids hold."""
    await shop.sent(shop.order("A", 10_000), shop.order("A|B", 20_000))
    one = shop.refund("R", "A|B", 1_000)
    two = replace(shop.refund("R", "A", 2_000), external_id=f"{shop.prefix}/B|{shop.named('R')}")
    three = replace(shop.refund("R", "A", 3_000), external_id=one.external_id)
    assert figures(await shop.send(one, two, three)) == [
        ("PLACED", 1_000, 10, 10), ("PLACED", 2_000, 20, 20), ("PLACED", 3_000, 30, 30),
    ]  # fmt: skip


async def test_ids_with_the_separator_inside_do_not_collide(shop: Shop) -> None:
    """`x|y` of order `o` is not `y` of order `o|x`."""
    orders = [replace(shop.order(name, 10_000), external_id=f"{shop.prefix}{name}") for name in ("o", "o|x")]
    await shop.sent(*orders)
    refunds = [
        replace(shop.refund("R", "A", fen), external_id=name, order_external_id=f"{shop.prefix}{order}")
        for fen, name, order in ((1_000, "x|y", "o"), (2_000, "y", "o|x"))
    ]
    await shop.sent(refunds[0])
    assert figures(await shop.send(*refunds)) == [("PLACED", "again", 1_000, 10, 10), ("PLACED", 2_000, 20, 20)]


async def test_an_order_and_refunds_of_it_in_one_batch(shop: Shop) -> None:
    """Named and matched refunds see the order that was recorded a moment before."""
    outcomes = await shop.send(
        shop.order("A", 10_000), shop.refund("R1", "A", 2_000), shop.refund("R2", None, 3_000), shop.order("A", 10_000)
    )
    assert figures(outcomes) == [
        ("order", 100, 100), ("PLACED", 2_000, 20, 20), ("PLACED", 3_000, 30, 30), ("again", 100, 100),
    ]  # fmt: skip
    assert await shop.standing() == (50, 0, 50)


async def test_a_refund_without_order_of_an_unknown_member_is_refused(shop: Shop) -> None:
    """Nobody's refund is not kept."""
    (refusal,) = await shop.send(shop.refund("R", None, 1, member="nobody"))
    assert isinstance(refusal, NotFound) and refusal.kind == "member"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"external_id": ""}, "externalId"),
        ({"refunded_at": at("03-20").replace(tzinfo=None)}, "refundedAt"),
        ({"fen": 0}, "fen"),
        ({"fen": 5, "lines": (RefundLine(0, 0, 5),)}, "fen"),
        ({"fen": None, "lines": (RefundLine(0, 0, 0),)}, "lines.0"),
        ({"fen": None, "lines": (RefundLine(0, -1, 5),)}, "lines.0"),
        ({"fen": None, "lines": (RefundLine(0, 0, -5),)}, "lines.0.fen"),
        ({"order_external_id": None}, "orderExternalId"),
        ({"order_external_id": "x" * 101}, "orderExternalId"),
    ],
)
def test_a_refund_out_of_bounds_is_refused(change: dict[str, Any], field: str) -> None:
    """The refusal names the field."""
    refund = Shop(a_work(FixedClock(at("03-02")), FOR_EVER)).refund("R", "A", 5)
    with pytest.raises(InvalidInput) as refusal:
        replace(refund, **change).check()
    assert refusal.value.field == field
