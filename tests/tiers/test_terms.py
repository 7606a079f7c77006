"""Tiers on real books: two years lived day by day through the job, purchases, pins, refunds, notices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.errors import InvalidInput
from gamification.core.work import Work
from gamification.orders.service import NewLine
from gamification.tiers import service as tiers
from gamification.tiers.queries import progress_by_member_ids
from gamification.tiers.rules import TierPolicy
from tests.builders import EARNING, FOR_EVER, a_work, publish
from tests.databases import Database
from tests.orders.builders import Shop, at
from tests.staff.rooms import OWNER
from tests.tiers.terms import YEARLY, a_set, day, days


async def a_shop(clock: FixedClock, policy: TierPolicy, prefix: str = "") -> Shop:
    """A shop of a programme of one growth per yuan, under a published tier set; three events have a listener."""
    if not await fetch_value("SELECT EXISTS (SELECT FROM policy_version WHERE kind = 'tiers')"):
        await publish(clock, FOR_EVER, EARNING, policy)
    listeners = dict.fromkeys(("tier.raised", "tier.lowered", "tier.ending"), ("test.tell",))
    shop = Shop(a_work(clock, listeners=listeners), prefix)
    await shop.work.policies.refresh()
    await shop.member()
    return shop


@pytest.fixture
async def shop(work: Work, clock: FixedClock) -> Shop:
    """A shop under the yearly set."""
    return await a_shop(clock, YEARLY)


async def evaluate(shop: Shop) -> None:
    """Run the job."""

    async def alive() -> None:
        return None

    assert await tiers.evaluate_due(shop.work, heartbeat=alive) == []


async def history(shop: Shop, member_id: UUID | None = None) -> list[tuple[Any, ...]]:
    rows = await fetch(
        "SELECT cause, from_code, to_code, growth, changed_at FROM tier_change WHERE member_id = $1 ORDER BY number",
        member_id or await shop.member(),
    )
    return [tuple(row) for row in rows]


async def told(shop: Shop, name: str) -> int:
    """How many events of a kind went out: their payloads have fields of their own."""
    fields = {"tier.ending": "missing", "tier.lowered": "cause"}
    rows = await fetch("SELECT payload FROM outbox WHERE job = 'test.tell'")
    return sum(f'"{fields[name]}"' in row["payload"] for row in rows)


async def lived(clock: FixedClock, prefix: str, *, daily: bool) -> tuple[list[tuple[Any, ...]], Shop]:
    """Two years of a member: 1,200 in March, 3,900 in December, nothing for a year, 900 after it. Orders come in the
    shop's time; the job runs every day, or once in a while."""
    clock.set(at("03-02"))
    shop = await a_shop(clock, a_set(grace_days=20), prefix)
    spent = {day("2026-03-02"): 120_000, day("2026-12-10"): 390_000, day("2028-01-15"): 90_000}
    for number, on in enumerate(days(day("2026-03-02"), day("2028-03-31"))):
        clock.set(at("03-02") + timedelta(days=number))
        if on in spent:
            await shop.sent(shop.order(on.isoformat(), spent[on], paid=f"{clock.now():%m-%dT%H:%M}"))
        if daily or number % 97 == 0 or on == day("2028-03-31"):
            await evaluate(shop)
    return await history(shop), shop


async def test_two_years_lived_day_by_day_equal_two_years_caught_up(work: Work, clock: FixedClock) -> None:
    """Silver, gold, grace, back to silver, and at last kept: the same rows, whether the worker was there or away."""
    daily, _ = await lived(clock, "daily", daily=True)
    seldom, shop = await lived(clock, "seldom", daily=False)
    assert [row[:4] for row in daily] == [
        ("UPGRADE", None, "SILVER", 1_200), ("UPGRADE", "SILVER", "GOLD", 5_100), ("GRACE", "GOLD", "GOLD", 3_900),
        ("DOWNGRADE", "GOLD", "SILVER", 0),
    ]  # fmt: skip
    assert [shop.work.calendar.business_date(row[4]) for row in daily][2:] == [day("2027-12-10"), day("2027-12-30")]
    assert seldom == daily
    assert (await shop.standing())[2] == 6_000


@pytest.mark.parametrize(("growth", "days_late", "code"), [(5_000, 0, "GOLD"), (4_999, 0, "SILVER")])
async def test_an_upgrade_is_at_once(shop: Shop, growth: int, days_late: int, code: str) -> None:
    """In the transaction that earned it; the tier is skipped that lies between."""
    (answer,) = await shop.sent(shop.order("A", growth * 100))
    assert answer.raised_to == code
    row = (await fetch("SELECT valid_until, due_on FROM tier_standing"))[0]
    assert tuple(row) == (day("2027-03-01"), day("2027-01-30"))


async def test_an_order_judges_first_what_has_ended(shop: Shop, clock: FixedClock) -> None:
    """The worker was away when gold ended; the order that comes then is the first of a silver member."""
    await shop.sent(shop.order("A", 500_000))
    clock.set(at("03-02") + timedelta(days=800))
    new = shop.order("B", 10_000)
    await shop.sent(type(new)(new.external_id, new.member, clock.now(), new.paid_fen, new.lines))
    assert [row[:3] for row in await history(shop)] == [
        ("UPGRADE", None, "GOLD"), ("RETENTION", "GOLD", "GOLD"), ("DOWNGRADE", "GOLD", "SILVER"),
    ]  # fmt: skip
    assert await told(shop, "tier.lowered") == 1


async def test_a_refund_within_thirty_days_takes_the_upgrade_back(shop: Shop, clock: FixedClock) -> None:
    """As if it had never been paid; a partial refund that leaves enough takes nothing."""
    await shop.sent(shop.order("A", 150_000))
    clock.set(at("03-05"))
    await shop.sent(shop.order("B", 400_000, paid="03-05"))
    clock.set(at("03-20"))
    await shop.sent(shop.refund("R1", "B", 40_000))
    assert (await history(shop))[-1][:3] == ("UPGRADE", "SILVER", "GOLD")
    await shop.sent(shop.refund("R2", "B"))
    assert (await history(shop))[-1][:4] == ("REFUND", "GOLD", "SILVER", 1_500)


async def test_a_refund_after_thirty_days_takes_no_tier(shop: Shop, clock: FixedClock) -> None:
    """It counts when the tier ends."""
    await shop.sent(shop.order("A", 500_000))
    clock.set(at("04-20"))
    await shop.sent(shop.refund("R", "A", on="04-20"))
    assert [row[0] for row in await history(shop)] == ["UPGRADE"]
    clock.set(at("03-02") + timedelta(days=365))
    await evaluate(shop)
    assert (await history(shop))[-1][:4] == ("DOWNGRADE", "GOLD", "SILVER", 0)


async def test_who_falls_short_is_told_twice(shop: Shop, clock: FixedClock) -> None:
    """30 and 7 days before, however often the job runs; in the first year what kept the tier is not missing."""
    await shop.sent(shop.order("A", 500_000))
    seen = []
    for number in (335, 358, *range(690, 730)):
        clock.set(at("03-02") + timedelta(days=number))
        await evaluate(shop)
        seen.append(await told(shop, "tier.ending"))
    assert (seen[:2], seen[-1]) == ([0, 0], 2)


async def test_a_bought_tier_ends_with_its_months(shop: Shop, clock: FixedClock) -> None:
    """Two cards are six months of gold; then the member is what was earned. It counts from the day it was paid."""
    await shop.sent(shop.order("A", lines=(NewLine("gold-card", None, 2, 39_800),)))
    row = (await fetch("SELECT tier_code, earned_code, due_on FROM tier_standing"))[0]
    assert tuple(row) == ("GOLD", "BASIC", day("2026-09-02"))
    clock.set(at("09-02"))
    await evaluate(shop)
    assert [entry[:3] for entry in await history(shop)] == [("PURCHASE", None, "GOLD"), ("END", "GOLD", "BASIC")]


async def test_a_refund_of_the_card_ends_what_it_bought(shop: Shop, clock: FixedClock) -> None:
    """The whole line went back: so does the tier, at once."""
    await shop.sent(shop.order("A", lines=(NewLine("gold-card", None, 1, 19_900), NewLine("tea", None, 1, 100))))
    clock.set(at("03-10"))
    await shop.sent(shop.refund("R", "A", None, (0, 19_900), on="03-10"))
    rows = await fetch("SELECT tier_code FROM tier_standing")
    assert [row["tier_code"] for row in rows] == ["GOLD"]  # cash went back, the card did not
    await shop.sent(shop.refund("R2", "A", on="03-10"))
    assert (await fetch("SELECT tier_code FROM tier_standing"))[0]["tier_code"] == "BASIC"


async def test_staff_pin_a_tier_for_a_time(shop: Shop, clock: FixedClock) -> None:
    """It overrides what is earned, is audited with its reason, and ends by itself."""
    mei = await shop.member()
    pinned = await tiers.pin_tier(
        shop.work, member_id=mei, code="BLACK", until=day("2026-03-31"), reason="complaint", actor=OWNER
    )
    assert (pinned.tier_code, pinned.earned_code) == ("BLACK", "BASIC")
    await shop.sent(shop.order("A", 500_000))
    clock.set(at("04-01"))
    await evaluate(shop)
    assert [row[:3] for row in await history(shop)] == [
        ("PIN", None, "BLACK"), ("UPGRADE", "BLACK", "BLACK"), ("END", "BLACK", "GOLD"),
    ]  # fmt: skip
    assert await fetch_value("SELECT reason FROM audit_record WHERE action = 'tier.pinned'") == "complaint"


@pytest.mark.parametrize(("code", "until", "field"), [("PLATINUM", None, "tier"), ("GOLD", "2026-03-01", "until")])
async def test_a_pin_that_cannot_be_is_refused(shop: Shop, code: str, until: str | None, field: str) -> None:
    """A code of another set, a day that is over; nothing changes."""
    mei, last = await shop.member(), day(until) if until else None
    with pytest.raises(InvalidInput) as refusal:
        await tiers.pin_tier(shop.work, member_id=mei, code=code, until=last, reason="because", actor=OWNER)
    assert refusal.value.field == field and await fetch_value("SELECT count(*) FROM tier_standing") == 0
    with pytest.raises(InvalidInput):
        await tiers.unpin_tier(shop.work, member_id=mei, reason="because", actor=OWNER)


async def test_progress_says_what_keeps_the_tier(shop: Shop, clock: FixedClock) -> None:
    """Half a year later all of it still counts; a year later nothing does, judged or not."""
    await shop.sent(shop.order("A", 500_000))
    mei = await shop.member()

    async def seen() -> Any:
        return (await progress_by_member_ids([mei], clock.now(), shop.work.policies, shop.work.calendar))[mei]

    clock.set(at("09-02"))
    now = await seen()
    assert (now.tier.code, now.value, now.missing, now.valid_until) == ("GOLD", 5_000, 15_000, day("2027-03-01"))
    assert (now.retention, now.projected.code, now.risks) == ((4_000, 0, day("2027-03-01")), "GOLD", ())
    clock.set(at("03-02") + timedelta(days=365))
    later = await seen()
    assert (later.tier.code, later.value, later.valid_until) == ("GOLD", 0, day("2028-03-01"))
    assert (later.risks, later.projected.code) == (("ENDS_WITHOUT_MORE",), "SILVER")


async def test_a_new_set_with_terms_demotes_nobody_at_once(database: Database, clock: FixedClock) -> None:
    """Gold without end gets a year from the day on which the job finds it."""
    shop = await a_shop(clock, TierPolicy(YEARLY.tiers))
    await shop.sent(shop.order("A", 500_000))
    clock.set(at("06-01"))
    await publish(clock, YEARLY)
    await shop.work.policies.refresh()
    clock.advance(timedelta(hours=1))
    await evaluate(shop)
    row = (await fetch("SELECT tier_code, valid_until FROM tier_standing"))[0]
    assert tuple(row) == ("GOLD", day("2027-05-31")) and len(await history(shop)) == 1
