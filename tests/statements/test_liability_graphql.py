"""The liability over GraphQL, asked as every kind of caller."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.points import liability
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import a_member, a_work, dump, earn, rows_in
from tests.statements.asking import CALLERS, Refused, as_staff

REPORT = """query ($on: Date, $rate: Int) { liability(on: $on, breakageBp: $rate) {
    computedAt businessDate points available pending held debt grossFen breakageBp breakageFen netFen
    buckets { month available pending grossFen breakageFen netFen }
    measured { since until lots original expired rateBp }
    reconciliation { buckets notBooked lots accounts entries ties } } }"""
COMPUTE = """mutation { computeLiability { __typename ... on LiabilityRequested { requestedAt }
    ... on LiabilityJustComputed { code message computedAt retryAfterSeconds } } }"""


async def a_reported_programme(work: Work, clock: FixedClock) -> None:
    """40 points until the end of March, 5 until the end of April, 100 for ever."""
    mei = await a_member(clock)
    for months, points in ((0, 40), (1, 5), (None, 100)):
        unit: Any = "month" if months else "day"
        expiry = Expiry() if months is None else Expiry(months or 1, unit, "month")
        await earn(a_work(clock, PointsPolicy(expiry)), mei, points)
    await liability.keep(await liability.compute(clock.now(), work.calendar))


async def test_an_auditor_reads_gross_and_net_by_month(work: Work, clock: FixedClock) -> None:
    """At a given rate of 25 % eleven of the 45 points with an end break; the parts sum to the whole."""
    await a_reported_programme(work, clock)
    found = (await as_staff(work, REPORT, CALLERS["auditor"], rate=2_500))["liability"]
    assert found == {
        "computedAt": "2026-03-02T02:00:00+00:00", "businessDate": "2026-03-02", "points": 145, "available": 145,
        "pending": 0, "held": 0, "debt": 0, "grossFen": 145, "breakageBp": 2_500, "breakageFen": 11, "netFen": 134,
        "buckets": [
            {"month": "2026-03", "available": 40, "pending": 0, "grossFen": 40, "breakageFen": 10, "netFen": 30},
            {"month": "2026-04", "available": 5, "pending": 0, "grossFen": 5, "breakageFen": 1, "netFen": 4},
            {"month": None, "available": 100, "pending": 0, "grossFen": 100, "breakageFen": 0, "netFen": 100},
        ],
        "measured": {"since": "2025-03-01", "until": "2026-02-28", "lots": 0, "original": 0, "expired": 0,
                     "rateBp": None},
        "reconciliation": {"buckets": 145, "notBooked": 0, "lots": 145, "accounts": 145, "entries": 145, "ties": True},
    }  # fmt: skip


async def test_without_a_rate_there_is_no_net(work: Work, clock: FixedClock) -> None:
    """Before enough lots have ended nothing is measured: gross stands alone, net and breakage are null."""
    await a_reported_programme(work, clock)
    found = (await as_staff(work, REPORT))["liability"]
    assert (found["grossFen"], found["breakageBp"], found["breakageFen"], found["netFen"]) == (145, None, None, None)
    assert [each["netFen"] for each in found["buckets"]] == [None, None, None]
    assert (await as_staff(work, REPORT, on="2026-03-01"))["liability"] is None


@pytest.mark.parametrize("rate", [-1, 10_001])
async def test_a_rate_out_of_bounds_is_refused(work: Work, rate: int) -> None:
    """Bad input that names the argument."""
    with pytest.raises(Refused) as refusal:
        await as_staff(work, REPORT, rate=rate)
    assert (refusal.value.code, refusal.value.argument) == ("BAD_USER_INPUT", "breakageBp")


async def test_it_is_computed_on_demand_and_not_at_once_again(work: Work, clock: FixedClock) -> None:
    """The request is one job; shortly after a report it is refused with the seconds to wait."""
    found = (await as_staff(work, COMPUTE, CALLERS["operator"]))["computeLiability"]
    assert found == {"__typename": "LiabilityRequested", "requestedAt": "2026-03-02T02:00:00+00:00"}
    assert await rows_in("outbox") == 1
    await a_reported_programme(work, clock)
    clock.advance(timedelta(seconds=30))
    before = await dump()
    refused = (await as_staff(work, COMPUTE))["computeLiability"]
    assert refused == {
        "__typename": "LiabilityJustComputed", "code": "LIABILITY_JUST_COMPUTED",
        "message": "The liability has just been computed; try again in 570 seconds.",
        "computedAt": "2026-03-02T02:00:00+00:00", "retryAfterSeconds": 570,
    }  # fmt: skip
    assert await dump() == before


@pytest.mark.parametrize("caller", CALLERS)
async def test_who_may_read_and_compute_it(work: Work, clock: FixedClock, caller: str) -> None:
    """Owner, operator and auditor; nobody else, and a refused caller starts no job."""
    actor = CALLERS[caller]
    if caller in ("owner", "operator", "auditor"):
        assert await as_staff(work, REPORT, actor) == {"liability": None}
        assert (await as_staff(work, COMPUTE, actor))["computeLiability"]["__typename"] == "LiabilityRequested"
        return
    for text in (REPORT, COMPUTE):
        with pytest.raises(Refused) as refusal:
            await as_staff(work, text, actor)
        assert refusal.value.code == ("UNAUTHENTICATED" if caller == "anonymous" else "FORBIDDEN")
    assert await rows_in("outbox") == 0
