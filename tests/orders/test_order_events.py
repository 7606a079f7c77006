"""Points of an order wait for what happens to it: goods received, the refund window closed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.errors import InvalidInput
from gamification.core.work import Work
from gamification.earning.rules import EarningPolicy
from gamification.orders import jobs
from gamification.orders.service import EventRecorded, NewOrderEvent, apply_crossed, record_event, record_events
from gamification.points.rules import ActivationEvent, Expiry, PointsPolicy
from tests.builders import SPEC_LADDER, TIERS, balance, booked, claw_back, dump, earn, entries, spend
from tests.moves import Moved, Overtaken
from tests.orders.builders import TILL, Shop, figures
from tests.points.lives import a_work_under, ends_of, shanghai, versions_of, waits_of

ON_RECEIPT = PointsPolicy(Expiry(1, "month"), activation_event="RECEIVED", activation_latest_days=20)
A_WEEK_LATER = PointsPolicy(
    Expiry(30, "day"), activation_event="REFUND_WINDOW_CLOSED", activation_event_days=7, activation_latest_days=90
)


async def a_shop(clock: FixedClock, *policies: PointsPolicy | tuple[str | None, PointsPolicy]) -> tuple[Shop, UUID]:
    """A shop of a programme under these points policies, and its member Mei."""
    shop = Shop(a_work_under(clock, *policies))
    return shop, await shop.member()


async def tell(
    shop: Shop, order: str, at: datetime, type: ActivationEvent = "RECEIVED", work: Work | None = None
) -> EventRecorded:
    """The shop tells that something happened to an order."""
    return await record_event(
        work or shop.work, order_external_id=shop.named(order), type=type, occurred_at=at, actor=TILL
    )


async def test_points_of_an_order_wait_and_activate_as_it_is_received(work: Work, clock: FixedClock) -> None:
    """Pending until the message comes, usable in its transaction, and their life is counted from that day."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    await shop.sent(shop.order("A", 10_000))
    assert await waits_of(mei) == [(100, "03-22", "04-23")]
    clock.set(shanghai("03-06T15:00"))
    answer = await tell(shop, "A", shanghai("03-06T14:00"))
    assert answer == EventRecorded(shop.named("A"), "RECEIVED", False, False, 100, 100)
    assert (await booked(mei), await ends_of(mei)) == ((100, 0, 0), [(100, "04-07")])
    rows = await fetch("SELECT kind, occurred_at, trace ->> 'rule' FROM entry WHERE currency = 'POINTS' ORDER BY seq")
    assert [tuple(row) for row in rows] == [
        ("ACCRUAL", shanghai("03-02T10:00"), "base_rate"),
        ("ACTIVATION", clock.now(), "order_received"),
    ]
    assert await spend(shop.work, mei, 100) == Moved(3, 100, 0, 0, 0)


async def test_a_lost_message_keeps_nobodys_points(work: Work, clock: FixedClock) -> None:
    """Without one the points activate at the start of the latest day, and a message after that changes nothing."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    await shop.sent(shop.order("A", 10_000))
    clock.set(shanghai("03-22"))
    assert (await balance(shop.work, mei)).available == 100
    assert (await tell(shop, "A", shanghai("03-21T10:00"))).points == 0
    assert (await booked(mei), await ends_of(mei)) == ((100, 0, 0), [(100, "04-23")])


async def test_days_after_the_event_are_waited_for_as_well(work: Work, clock: FixedClock) -> None:
    """The message brings the day forward; until then the points stay pending, and then they activate by the clock."""
    shop, mei = await a_shop(clock, A_WEEK_LATER)
    await shop.sent(shop.order("A", 10_000))
    assert await waits_of(mei) == [(100, "05-31", "07-01")]
    clock.set(shanghai("03-10T12:00"))
    closed: ActivationEvent = "REFUND_WINDOW_CLOSED"
    assert await tell(shop, "A", shanghai("03-09T23:59"), closed) == EventRecorded(
        shop.named("A"), closed, False, False, 100, 0
    )
    assert await waits_of(mei) == [(100, "03-16", "04-16")]
    assert await entries(mei) == [("ACCRUAL", 100)]
    clock.set(shanghai("03-16"))
    assert (await balance(shop.work, mei)).available == 100 and await spend(shop.work, mei, 1) == Moved(3, 1, 99, 0, 0)


async def test_a_message_never_puts_points_off(work: Work, clock: FixedClock) -> None:
    """Days after a late event would end later than the latest day: nothing moves, and nothing goes into the past."""
    late = PointsPolicy(
        Expiry(1, "month"), activation_event="RECEIVED", activation_event_days=7, activation_latest_days=20
    )
    shop, mei = await a_shop(clock, late)
    await shop.sent(shop.order("A", 10_000), shop.order("B", 20_000))
    clock.set(shanghai("03-18T12:00"))
    assert (await tell(shop, "A", shanghai("03-18T10:00"))).points == 0
    assert (await tell(shop, "B", shanghai("03-03T10:00"))).points == 200
    assert (await waits_of(mei), await booked(mei)) == ([(100, "03-22", "04-23")], (200, 100, 0))
    assert await ends_of(mei) == [(100, "04-23"), (200, "04-19")]


async def test_another_event_than_the_one_waited_for_changes_nothing(work: Work, clock: FixedClock) -> None:
    """A refund window that closes wakes no points that wait for the goods; the goods still do."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    await shop.sent(shop.order("A", 10_000))
    assert (await tell(shop, "A", clock.now(), "REFUND_WINDOW_CLOSED")).points == 0
    assert await booked(mei) == (0, 100, 0)
    assert (await tell(shop, "A", clock.now())).points == 100 and await booked(mei) == (100, 0, 0)


async def test_only_the_orders_own_points_are_brought_forward(work: Work, clock: FixedClock) -> None:
    """Another order keeps waiting, another member's too, and points of no order never waited."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    lan = await shop.member("lan")
    await shop.sent(shop.order("A", 10_000), shop.order("B", 20_000), shop.order("C", 30_000, member="lan"))
    await earn(shop.work, mei, 5)
    assert await booked(mei) == (5, 300, 0)
    assert (await tell(shop, "A", clock.now())).points == 100
    assert (await booked(mei), await booked(lan)) == ((105, 200, 0), (0, 300, 0))


async def test_the_same_event_again_changes_nothing(work: Work, clock: FixedClock) -> None:
    """However often it is told, at whatever time: an event of a type happens to an order once, and says so."""
    shop, _ = await a_shop(clock, ON_RECEIPT)
    await shop.sent(shop.order("A", 10_000))
    await tell(shop, "A", clock.now())
    before = await dump()
    clock.advance(timedelta(days=1))
    assert await tell(shop, "A", clock.now()) == EventRecorded(shop.named("A"), "RECEIVED", True, False, 0, 100)
    assert await dump() == before


async def test_an_event_before_its_order_waits_and_takes_effect_with_it(work: Work, clock: FixedClock) -> None:
    """It answers that it waits; the order posts its points and they are usable in the same transaction."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    assert await tell(shop, "A", clock.now()) == EventRecorded(shop.named("A"), "RECEIVED", False, True, 0, None)
    clock.advance(timedelta(hours=1))
    assert await tell(shop, "A", clock.now()) == EventRecorded(shop.named("A"), "RECEIVED", True, True, 0, None)
    (order,) = await shop.sent(shop.order("A", 10_000, 5_000))
    assert (order.points, order.available, await booked(mei)) == (150, 150, (150, 0, 0))
    assert await entries(mei) == [("ACCRUAL", 150), ("ACTIVATION", 0), ("ACTIVATION", 0)]
    (row,) = await fetch("SELECT member_id, occurred_at, received_at, applied_at FROM order_event")
    assert tuple(row) == (mei, shanghai("03-02T10:00"), shanghai("03-02T10:00"), clock.now())


async def test_an_event_that_crossed_with_its_order_is_applied_by_the_job(work: Work, clock: FixedClock) -> None:
    """Neither saw the other: the job lets it have its effect, once."""
    shop, mei = await a_shop(clock, ON_RECEIPT)

    async def the_event_comes() -> None:
        await tell(shop, "A", clock.now())

    crossing = Shop(Overtaken(shop.work, the_event_comes), shop.prefix)
    await crossing.sent(shop.order("A", 10_000))
    assert await booked(mei) == (0, 100, 0)
    context: Any = _Context(shop.work)
    await jobs.apply_waiting_events(context)
    assert await booked(mei) == (100, 0, 0)
    before = await dump()
    await jobs.apply_waiting_events(context)
    assert await apply_crossed(shop.work) == 0 and await dump() == before


class _Context:
    """As much of a job's context as the job asks for."""

    def __init__(self, work: Work) -> None:
        self.work = work

    async def heartbeat(self) -> None:
        return None


async def test_a_crossed_event_told_again_is_the_first_one(work: Work, clock: FixedClock) -> None:
    """Told again after its order came: what was told first counts, with its instant."""
    shop, mei = await a_shop(clock, A_WEEK_LATER)
    closed: ActivationEvent = "REFUND_WINDOW_CLOSED"

    async def the_event_comes() -> None:
        await tell(shop, "A", clock.now(), closed)

    await Shop(Overtaken(shop.work, the_event_comes), shop.prefix).sent(shop.order("A", 10_000))
    clock.set(shanghai("03-05T10:00"))
    answer = await tell(shop, "A", clock.now(), closed)
    assert (answer.already_recorded, answer.points, await waits_of(mei)) == (True, 100, [(100, "03-09", "04-09")])


async def test_events_of_many_orders_are_recorded_in_one_batch(work: Work, clock: FixedClock) -> None:
    """Each stands alone: applied, waiting, twice the same, refused for its shape."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    lan = await shop.member("lan")
    await shop.sent(shop.order("A", 10_000), shop.order("B", 20_000, member="lan"))
    now, later = clock.now(), clock.now() + timedelta(seconds=1)
    told = [("A", now), ("X", now), ("B", now), ("A", now), ("X", now), ("B", later)]
    events = [NewOrderEvent(shop.named(order), "RECEIVED", at) for order, at in told]
    outcomes = await record_events(shop.work, [*events, NewOrderEvent("", "RECEIVED", now)], actor=TILL)
    seen = [
        (each.already_recorded, each.waits, each.points) if isinstance(each, EventRecorded) else each
        for each in outcomes
    ]
    assert seen[:5] == [
        (False, False, 100), (False, True, 0), (False, False, 200), (True, False, 0), (True, True, 0),
    ]  # fmt: skip
    assert [each.field for each in seen[5:] if isinstance(each, InvalidInput)] == ["occurredAt", "orderExternalId"]
    assert (await booked(mei), await booked(lan)) == ((100, 0, 0), (200, 0, 0))
    assert await record_events(shop.work, [], actor=TILL) == []


@pytest.mark.parametrize(
    ("order", "at", "field"),
    [
        ("", "03-02T09:00", "orderExternalId"),
        ("x" * 101, "03-02T09:00", "orderExternalId"),
        ("a\nb", "03-02T09:00", "orderExternalId"),
        ("A", "03-02T10:01", "occurredAt"),
    ],
)
async def test_what_is_no_event_is_refused_and_nothing_is_kept(
    work: Work, clock: FixedClock, order: str, at: str, field: str
) -> None:
    """An id out of shape, an instant that lies ahead: refused by the name of the field."""
    before = await dump()
    with pytest.raises(InvalidInput) as refusal:
        await record_event(work, order_external_id=order, type="RECEIVED", occurred_at=shanghai(at), actor=TILL)
    assert refusal.value.field == field and await dump() == before


async def test_an_activation_by_event_repays_debt_first(work: Work, clock: FixedClock) -> None:
    """What is owed is paid out of the points that the message made usable, the soonest to end first."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    await shop.sent(shop.order("A", 10_000))
    assert await claw_back(shop.work, mei, 30) == Moved(2, 30, 0, 100, 30)
    assert (await tell(shop, "A", clock.now())).available == 70
    assert await booked(mei) == (70, 0, 0)


async def test_a_refund_takes_pending_points_and_then_active_ones(work: Work, clock: FixedClock) -> None:
    """Before the message out of what waits, after it out of what is usable; what waits meanwhile is less."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    await shop.sent(shop.order("A", 10_000))
    assert figures(await shop.sent(shop.refund("R1", "A", 4_000))) == [("PLACED", 4_000, 40, 40)]
    assert await booked(mei) == (0, 60, 0)
    assert (await tell(shop, "A", clock.now())).points == 60
    assert figures(await shop.sent(shop.refund("R2", "A", 6_000))) == [("PLACED", 6_000, 60, 60)]
    assert await booked(mei) == (0, 0, 0)


async def test_lots_obey_the_policy_that_they_were_accrued_under(work: Work, clock: FixedClock) -> None:
    """A later policy that knows no events, or other lives, moves nothing of an order from before; a message does."""
    later = PointsPolicy(Expiry(3, "day"))
    shop, mei = await a_shop(clock, ON_RECEIPT, ("03-05", later))
    await shop.sent(shop.order("A", 10_000))
    clock.set(shanghai("03-06T10:00"))
    await shop.sent(shop.order("B", 20_000))
    assert await ends_of(mei) == [(100, "04-23"), (200, "03-10")]
    assert (await tell(shop, "A", clock.now())).points == 100
    assert (await tell(shop, "B", clock.now())).points == 0
    assert await ends_of(mei) == [(100, "04-07"), (200, "03-10")]


async def test_points_from_before_a_policy_with_events_do_not_wait_for_any(work: Work, clock: FixedClock) -> None:
    """Points that wait seven days go on waiting them, whatever is published and told meanwhile."""
    shop, mei = await a_shop(clock, PointsPolicy(activation_days=7), ("03-03", ON_RECEIPT))
    await shop.sent(shop.order("A", 10_000))
    clock.set(shanghai("03-04T10:00"))
    assert (await tell(shop, "A", clock.now())).points == 0
    assert await waits_of(mei) == [(100, "03-09", None)]


async def test_ladder_points_wait_with_the_order_that_raised_them(work: Work, clock: FixedClock) -> None:
    """The uplift that an order brings waits for the same message."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    earning = EarningPolicy(points_rate_bp=100, growth_rate_bp=0, ladder=SPEC_LADDER)
    shop.work.policies = versions_of((None, ON_RECEIPT), others=(earning, TIERS))
    await shop.sent(shop.order("A", 10_000))
    assert await booked(mei) == (0, 200, 0)
    assert (await tell(shop, "A", clock.now())).points == 200 and await booked(mei) == (200, 0, 0)
