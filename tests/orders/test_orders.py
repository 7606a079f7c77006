"""Orders: what they post, and what the same order again does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import Any

import orjson
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.policy import PolicyMissing
from gamification.earning.rules import EarningPolicy
from gamification.members.references import Origin
from gamification.orders.errors import AmountsDisagree, OrderConflict
from gamification.orders.service import NewLine, NewOrder, NewRefund
from gamification.orders.service.intake import preview
from tests.builders import FOR_EVER, TIERS, a_work, dump, entries, rows_in
from tests.moves import Overtaken
from tests.orders.builders import Shop, at, figures


async def test_an_order_posts_points_and_growth_once(shop: Shop) -> None:
    """350 yuan at one point and one growth per yuan, floored once over the whole order."""
    (answer,) = await shop.sent(shop.order("A", 12_350, 22_699))
    assert (answer.points, answer.ladder_points, answer.growth, answer.available) == (350, 0, 350, 350)
    assert not answer.already_recorded and answer.external_id == shop.named("A")
    mei = await shop.member()
    assert answer.member_id == mei
    assert (await entries(mei), await entries(mei, "GROWTH")) == ([("ACCRUAL", 350)], [("ACCRUAL", 350)])
    rows = await fetch("SELECT line, points_earned, growth_earned FROM order_line WHERE member_id = $1 ORDER BY 1", mei)
    assert [tuple(row) for row in rows] == [(0, 123, 123), (1, 227, 227)]
    rows = await fetch("SELECT order_line, original FROM lot WHERE member_id = $1 ORDER BY line", mei)
    assert [tuple(row) for row in rows] == [(0, 123), (1, 227)]


async def test_what_is_not_eligible_or_excluded_earns_nothing(shop: Shop) -> None:
    """Of 100 yuan eligible, 50 not eligible and 10 of shipping, 100 yuan earn."""
    lines = (NewLine("a", "tea", 2, 10_000), NewLine("b", None, 1, 5_000, eligible=False))
    (answer,) = await shop.sent(shop.order("A", lines=lines, excluded_fen=1_000))
    assert (answer.points, answer.growth) == (100, 100)
    (row,) = await fetch("SELECT paid_fen, eligible_fen FROM sales_order WHERE id = $1", answer.order_id)
    assert tuple(row) == (15_000, 10_000)


async def test_an_order_of_nothing_is_kept_and_earns_nothing(shop: Shop) -> None:
    """A line paid wholly otherwise: an order without entries."""
    (answer,) = await shop.sent(shop.order("A", 0))
    assert (answer.points, answer.growth, answer.available) == (0, 0, 0)
    assert await entries(await shop.member()) == []
    assert figures(await shop.send(shop.refund("R", "A"))) == [("PLACED", 0, 0, 0)]


async def test_the_same_order_again_changes_nothing_and_says_so(shop: Shop) -> None:
    """Also when its instant is written in another zone, and after it was partly refunded."""
    order = shop.order("A", 10_000)
    (first,) = await shop.sent(order)
    await shop.sent(shop.refund("R", "A", 4_000))
    before = await dump()
    again = await shop.sent(order, replace(order, paid_at=order.paid_at.astimezone(UTC)))
    assert again == [replace(first, already_recorded=True, available=60)] * 2
    assert await dump() == before


CHANGES: list[dict[str, Any]] = [
    {"paid_at": at("03-02T10:01")},
    {"store": "SH-02"},
    {"channel": "web"},
    {"currency": "HKD"},
    {"lines": (NewLine("sku-1", None, 1, 10_000),)},
    {"lines": (NewLine("sku-0", None, 2, 10_000),)},
    {"lines": (NewLine("sku-0", None, 1, 10_000, eligible=False),)},
    {"lines": (NewLine("sku-0", None, 1, 9_000),), "excluded_fen": 1_000},
]


async def test_another_order_under_the_same_id_is_refused(shop: Shop) -> None:
    """Any difference is a conflict; nothing changes."""
    order = shop.order("A", 10_000)
    await shop.sent(order)
    before = await dump()
    refusals = await shop.send(*(replace(order, **change) for change in CHANGES))
    assert [(type(each), each.external_id) for each in refusals] == [(OrderConflict, order.external_id)] * len(CHANGES)
    assert await dump() == before


async def test_an_order_id_belongs_to_one_member(shop: Shop) -> None:
    """The same order for another member is a conflict: later, in the same batch, and overtaken between load and
    write."""
    await shop.member("lan")
    mine, hers = shop.order("A", 10_000), shop.order("A", 10_000, member="lan")
    assert figures(await shop.send(mine, hers)) == [("order", 100, 100), "ORDER_CONFLICT"]
    assert figures(await shop.send(hers)) == ["ORDER_CONFLICT"]
    first, second = shop.order("B", 10_000), shop.order("B", 10_000, member="lan")
    late = Shop(Overtaken(shop.work, meanwhile=lambda: shop.sent(first)), shop.prefix)
    assert figures(await late.send(second)) == ["ORDER_CONFLICT"]
    assert (await shop.standing(), await shop.standing("lan")) == ((200, 0, 200), (0, 0, 0))


async def test_the_same_order_twice_in_a_batch_counts_once(shop: Shop) -> None:
    """The second is answered as already recorded; a third of other content is a conflict."""
    order = shop.order("A", 10_000)
    outcomes = await shop.send(order, order, replace(order, store="SH-02"))
    assert figures(outcomes) == [("order", 100, 100), ("again", 100, 100), "ORDER_CONFLICT"]
    assert await shop.standing() == (100, 0, 100)


async def test_an_unknown_member_is_refused_or_created(shop: Shop) -> None:
    """Refused by default, naming the reference; with an origin the member is created, unclaimed, and earns."""
    order = shop.order("A", 10_000, member="nobody yet")
    before = await dump()
    (refusal,) = await shop.send(order)
    assert isinstance(refusal, NotFound)
    assert (refusal.kind, refusal.id) == ("member", f"card:{shop.named('nobody yet')}")
    assert await dump() == before
    (answer,) = await shop.sent(order, create_members=Origin("import"))
    (row,) = await fetch("SELECT claimed_at, origin_channel FROM member WHERE id = $1", answer.member_id)
    assert tuple(row) == (None, "import") and answer.points == 100


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"external_id": ""}, "externalId"),
        ({"external_id": "x" * 101}, "externalId"),
        ({"external_id": "a\nb"}, "externalId"),
        ({"paid_at": at("03-02").replace(tzinfo=None)}, "paidAt"),
        ({"paid_at": at("03-02").replace(year=1969)}, "paidAt"),
        ({"lines": ()}, "lines"),
        ({"lines": (NewLine(None, None, 0, 10_000),)}, "lines.0.quantity"),
        ({"lines": (NewLine(None, None, 1, -1),)}, "lines.0.netFen"),
        ({"lines": (NewLine(None, None, 1, 10**12 + 1),)}, "lines.0.netFen"),
        ({"lines": (NewLine("", None, 1, 10_000),)}, "lines.0.sku"),
        ({"lines": (NewLine(None, "c" * 101, 1, 10_000),)}, "lines.0.category"),
        ({"excluded_fen": -1}, "excludedFen"),
        ({"store": "s" * 41}, "store"),
    ],
)
def test_an_order_out_of_bounds_is_refused(change: dict[str, Any], field: str) -> None:
    """The refusal names the field."""
    order = Shop(a_work(FixedClock(at("03-02")), FOR_EVER)).order("A", 10_000)
    with pytest.raises(InvalidInput) as refusal:
        replace(order, **change).check()
    assert refusal.value.field == field


async def test_an_order_out_of_bounds_does_not_touch_its_neighbours(shop: Shop) -> None:
    """The good order of a batch is recorded, nothing of the other is kept."""
    outcomes = await shop.send(shop.order("B", 10_000, store=""), shop.order("A", 10_000))
    assert figures(outcomes) == ["INVALID_INPUT", ("order", 100, 100)]
    assert await rows_in("sales_order") == 1


async def test_amounts_have_to_agree(shop: Shop) -> None:
    """What was paid is the sum of the lines and of what is excluded; the refusal carries both."""
    (refusal,) = await shop.send(shop.order("A", 10_000, 5, excluded_fen=7, paid_fen=10_011))
    assert isinstance(refusal, AmountsDisagree)
    assert (refusal.expected_fen, refusal.paid_fen) == (10_012, 10_011)


async def test_without_a_policy_an_order_is_refused_and_can_be_sent_again(shop: Shop, clock: FixedClock) -> None:
    """Nothing of it stays; once the programme is published the same order is recorded."""
    early = Shop(a_work(clock, FOR_EVER, TIERS), shop.prefix)
    before = await dump()
    (refusal,) = await early.send(shop.order("A", 10_000))
    assert isinstance(refusal, PolicyMissing) and refusal.kind == "earning" and await dump() == before
    assert figures(await shop.send(shop.order("A", 10_000))) == [("order", 100, 100)]


async def test_a_preview_of_intake_answers_what_recording_answers_and_writes_nothing(shop: Shop) -> None:
    """Orders, refunds and refusals alike; only the ids drawn differ."""
    await shop.sent(shop.order("A", 30_000, 20_000))
    requests: list[NewOrder | NewRefund] = [
        shop.order("B", 10_000),
        shop.order("A", 1),
        shop.refund("R1", "A", None, (0, 10_000)),
        shop.refund("R2", "A", 99_999),
        shop.refund("R3", None, 70_000),
    ]
    for request in requests:
        before = await dump()
        seen = await preview(shop.work, request)
        assert await dump() == before
        (outcome,) = await shop.send(request)
        drawn = {"refund_id": None} if isinstance(request, NewRefund) else {"order_id": None}
        if seen.answer is None:
            assert seen.refusal is not None
            assert (seen.refusal.code, seen.refusal.fields()) == (outcome.code, outcome.fields())
        else:
            assert replace(seen.answer, **drawn) == replace(outcome, **drawn)


async def test_a_batch_keeps_each_members_order_of_events(shop: Shop, clock: FixedClock) -> None:
    """Three hundred requests of thirty members, mixed: each member's balance is what their own events make."""
    names = [f"m{number}" for number in range(30)]
    for name in names:
        await shop.member(name)
    requests: list[Any] = [
        shop.order(f"{name}-{number}", (number + 1) * 1_000, member=name) for number in range(9) for name in names
    ]
    requests += [shop.refund(f"r-{name}", f"{name}-8") for name in names]
    await shop.sent(*requests)
    assert {await shop.standing(name) for name in names} == {(360, 0, 360)}


async def test_the_trace_of_an_order_says_how_it_came_about(shop: Shop) -> None:
    """Rule, policy version, base, rate, rounding and result, for points and growth."""
    await shop.sent(shop.order("A", 12_399))
    rows = await fetch("SELECT trace FROM entry WHERE member_id = $1 ORDER BY currency", await shop.member())
    shared = {"policy": ["earning", 1], "base_fen": 12_399, "rate_bp": 100, "rounding": "floor", "result": 123}
    assert [orjson.loads(row["trace"]) for row in rows] == [
        {"rule": "growth_rate", **shared}, {"rule": "base_rate", **shared},
    ]  # fmt: skip


async def test_a_rate_of_nothing_posts_nothing(shop: Shop, clock: FixedClock) -> None:
    """A programme without base points and growth keeps orders without entries."""
    plain = Shop(a_work(clock, FOR_EVER, TIERS, EarningPolicy(0, 0)), shop.prefix)
    assert figures(await plain.sent(shop.order("A", 10_000))) == [("order", 0, 0)]
    assert figures(await plain.sent(shop.refund("R", "A"))) == [("PLACED", 10_000, 0, 0)]
