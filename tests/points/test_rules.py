"""When points activate and expire, how a claw-back is measured, how a sum is split."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.core.calendar import Calendar
from gamification.points.rules import (
    Expiry,
    Lot,
    PointsPolicy,
    claw_back_target,
    consumption_order,
    last_valid_day,
    lifetime,
    split_by_largest_remainder,
)

CALENDAR = Calendar()


@pytest.mark.parametrize(
    ("expiry", "activated_on", "expected"),
    [
        (Expiry(None), date(2026, 3, 2), None),
        (Expiry(1, "day"), date(2026, 12, 31), date(2027, 1, 1)),
        (Expiry(30, "day"), date(2026, 1, 30), date(2026, 3, 1)),
        (Expiry(1, "month"), date(2026, 1, 31), date(2026, 2, 28)),
        (Expiry(1, "month"), date(2028, 1, 31), date(2028, 2, 29)),
        (Expiry(12, "month"), date(2026, 3, 2), date(2027, 3, 2)),
        (Expiry(1, "year"), date(2028, 2, 29), date(2029, 2, 28)),
        (Expiry(4, "year"), date(2028, 2, 29), date(2032, 2, 29)),
        (Expiry(12, "month", "month"), date(2026, 3, 2), date(2027, 3, 31)),
        (Expiry(11, "month", "month"), date(2027, 3, 31), date(2028, 2, 29)),
        (Expiry(3, "month", "quarter"), date(2026, 3, 31), date(2026, 6, 30)),
        (Expiry(1, "day", "quarter"), date(2026, 3, 31), date(2026, 6, 30)),
        (Expiry(1, "month", "quarter"), date(2026, 11, 30), date(2026, 12, 31)),
        (Expiry(1, "year", "year"), date(2026, 1, 1), date(2027, 12, 31)),
        (Expiry(1, "day", "year"), date(2026, 12, 31), date(2027, 12, 31)),
    ],
)
def test_the_last_valid_day_is_so_many_units_later_rounded_up(
    expiry: Expiry, activated_on: date, expected: date | None
) -> None:
    """Days, months and years after activation, to the end of month, quarter or year; None without expiry."""
    assert last_valid_day(expiry, activated_on) == expected


@pytest.mark.parametrize(
    ("policy", "booked_at", "activates_at", "expires_at"),
    [
        (PointsPolicy(), "03-02T10:00", "2026-03-02T10:00", None),
        (PointsPolicy(Expiry(1, "day")), "03-02T23:59:59", "2026-03-02T23:59:59", "2026-03-04T00:00"),
        (PointsPolicy(Expiry(1, "day")), "03-03T00:00", "2026-03-03T00:00", "2026-03-05T00:00"),
        (PointsPolicy(Expiry(1, "month"), 7), "01-24T10:00", "2026-01-31T00:00", "2026-03-01T00:00"),
        (PointsPolicy(Expiry(), 1), "12-31T23:00", "2027-01-01T00:00", None),
        (PointsPolicy(Expiry(1, "year", "year"), 2), "12-30T10:00", "2027-01-01T00:00", "2029-01-01T00:00"),
    ],
)  # fmt: skip
def test_points_expire_at_the_first_instant_after_the_last_valid_day(
    policy: PointsPolicy, booked_at: str, activates_at: str, expires_at: str | None
) -> None:
    """Waiting points activate at the start of a business day, and the clock of expiry starts there."""
    expected = (in_shanghai(activates_at), in_shanghai(expires_at) if expires_at else None)
    assert lifetime(policy, in_shanghai(f"2026-{booked_at}"), CALENDAR) == expected


def in_shanghai(wall: str) -> datetime:
    return datetime.fromisoformat(f"{wall}+08:00").astimezone(UTC)


EXPIRIES = st.builds(
    Expiry,
    st.none() | st.integers(1, 400),
    st.sampled_from(["day", "month", "year"]),
    st.sampled_from(["day", "month", "quarter", "year"]),
)
INSTANTS = st.integers(0, 20 * 366 * 86400).map(
    lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(policy=st.builds(PointsPolicy, EXPIRIES, st.integers(0, 366)), booked_at=INSTANTS)
def test_points_live_at_least_one_business_day_after_activation(policy: PointsPolicy, booked_at: datetime) -> None:
    """Activation is never before booking; expiry is the start of a business day after the day of activation."""
    activates_at, expires_at = lifetime(policy, booked_at, CALENDAR)
    assert activates_at >= booked_at and (activates_at == booked_at) == (policy.activation_days == 0)
    if expires_at is not None:
        expires_on = CALENDAR.business_date(expires_at)
        assert expires_at == CALENDAR.starts_at(expires_on)
        assert expires_on >= CALENDAR.business_date(activates_at) + timedelta(days=2)


@given(expiry=EXPIRIES.filter(lambda each: each.count is not None), first=st.dates(date(2020, 1, 1), date(2040, 1, 1)))
def test_who_activates_later_expires_no_earlier(expiry: Expiry, first: date) -> None:
    """The last valid day never goes back from one day of activation to the next."""
    one, other = last_valid_day(expiry, first), last_valid_day(expiry, first + timedelta(days=1))
    assert one is not None and other is not None and one <= other


@given(earned=st.integers(0, 10**9), paid=st.integers(1, 10**9), parts=st.lists(st.integers(0, 10**9), max_size=8))
def test_partial_refunds_in_any_split_revoke_exactly_the_whole(earned: int, paid: int, parts: list[int]) -> None:
    """Cumulative targets rise, stay below the exact share, and end at everything when all is refunded."""
    cuts = sorted({min(part, paid) for part in parts} | {paid})
    targets = [claw_back_target(earned, cut, paid) for cut in cuts]
    assert targets == sorted(targets) and targets[-1] == earned
    for cut, target in zip(cuts[:-1], targets[:-1], strict=True):
        assert target * paid <= earned * cut < (target + 1) * paid


def test_a_line_that_cost_nothing_is_refunded_whole() -> None:
    """Nothing paid and nothing refunded is all of it."""
    assert claw_back_target(7, 0, 0) == 7


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, (1, 1, 1), [34, 33, 33]),
        (5, (100, 200, 200), [1, 2, 2]),
        (1, (1, 1), [1, 0]),
        (2, (1, 2, 1), [1, 1, 0]),
        (10, (0, 3, 0), [0, 10, 0]),
        (3, (0, 0), [3, 0]),
        (0, (5, 5), [0, 0]),
        (0, (), []),
        (7, (999, 1), [7, 0]),
    ],
)
def test_a_split_gives_the_largest_remainders_first(total: int, weights: tuple[int, ...], parts: list[int]) -> None:
    """Hamilton's method, ties to the earlier part."""
    assert split_by_largest_remainder(total, weights) == parts


@given(total=st.integers(0, 10**12), weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=12))
def test_a_split_is_exact_and_fair(total: int, weights: list[int]) -> None:
    """Parts sum to the total and are within one of the exact share; a weight of zero gets nothing."""
    parts, whole = split_by_largest_remainder(total, weights), sum(weights)
    assert sum(parts) == total
    if whole:
        for part, weight in zip(parts, weights, strict=True):
            assert part * whole - total * weight < whole and total * weight - part * whole < whole
            assert weight or not part


@given(whole=st.integers(1, 10**9), data=st.data())
def test_no_part_of_a_refund_exceeds_what_is_left(whole: int, data: st.DataObject) -> None:
    """An amount up to the sum of the weights never gives a part more than its weight."""
    weights = data.draw(st.lists(st.integers(0, whole), min_size=1, max_size=9))
    total = data.draw(st.integers(0, sum(weights)))
    parts = split_by_largest_remainder(total, weights)
    assert all(part <= weight for part, weight in zip(parts, weights, strict=True)) or not sum(weights)


def a_lot(seq: int, *, activates: int, expires: int | None, line: int = 0) -> Lot:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    given_: dict[str, Any] = {
        "activates_at": start + timedelta(days=activates),
        "expires_at": None if expires is None else start + timedelta(days=expires),
    }
    return Lot(
        UUID(int=1), seq, line, 1, 1, 0, False, given_["activates_at"], given_["expires_at"], None, None, None, None, 1
    )


def test_lots_are_used_by_expiry_then_activation_then_age() -> None:
    """Soonest expiry first, no expiry last, then the earliest activation, then the oldest lot and line."""
    ordered = [
        a_lot(9, activates=5, expires=10),
        a_lot(2, activates=1, expires=20),
        a_lot(7, activates=1, expires=20),
        a_lot(7, activates=1, expires=20, line=1),
        a_lot(1, activates=2, expires=20),
        a_lot(3, activates=0, expires=None),
        a_lot(4, activates=0, expires=None),
    ]
    shuffled = [ordered[place] for place in (3, 0, 6, 1, 5, 2, 4)]
    assert sorted(shuffled, key=consumption_order) == ordered
