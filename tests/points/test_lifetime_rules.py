"""When points activate and when they end, on the days that calendars are bad at."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.core.calendar import Calendar
from gamification.core.policy import PolicyInvalid, adapter, parse_policy
from gamification.points.rules import (
    Expiry,
    PointsPolicy,
    activation_after,
    first_listed_day,
    last_valid_day,
    lifetime,
)

SHANGHAI = Calendar()
MONTH_ENDS = ("31",)
QUARTERS = ("03-31", "06-30", "09-30", "12-31")
LEAP_DAY = ("02-29",)


@pytest.mark.parametrize(
    ("listed", "on", "expected"),
    [
        (QUARTERS, date(2026, 3, 30), date(2026, 3, 31)),
        (QUARTERS, date(2026, 3, 31), date(2026, 3, 31)),
        (QUARTERS, date(2026, 4, 1), date(2026, 6, 30)),
        (QUARTERS, date(2026, 12, 31), date(2026, 12, 31)),
        (("03-31",), date(2026, 4, 1), date(2027, 3, 31)),
        (LEAP_DAY, date(2027, 2, 28), date(2027, 2, 28)),
        (LEAP_DAY, date(2027, 3, 1), date(2028, 2, 29)),
        (LEAP_DAY, date(2028, 2, 28), date(2028, 2, 29)),
        (LEAP_DAY, date(2028, 2, 29), date(2028, 2, 29)),
        (LEAP_DAY, date(2028, 3, 1), date(2029, 2, 28)),
        (MONTH_ENDS, date(2027, 2, 1), date(2027, 2, 28)),
        (MONTH_ENDS, date(2028, 2, 28), date(2028, 2, 29)),
        (MONTH_ENDS, date(2026, 4, 30), date(2026, 4, 30)),
        (MONTH_ENDS, date(2026, 5, 1), date(2026, 5, 31)),
        (("01", "15"), date(2026, 1, 16), date(2026, 2, 1)),
        (("30", "31"), date(2027, 2, 27), date(2027, 2, 28)),
        (("15", "06-10"), date(2026, 6, 1), date(2026, 6, 10)),
        (("15", "06-10"), date(2026, 6, 11), date(2026, 6, 15)),
    ],
)
def test_the_first_listed_day_is_that_day_or_later(listed: tuple[str, ...], on: date, expected: date) -> None:
    """Days of the year or of every month; what a month lacks is its last day, 29 February included."""
    assert first_listed_day(listed, on) == expected


DAYS = st.dates(date(2028, 1, 1), date(2028, 12, 31)).map(lambda day: f"{day:%m-%d}")
LISTS = st.lists(DAYS | st.integers(1, 31).map("{:02d}".format), min_size=1, max_size=6).map(tuple)
DATES = st.dates(date(2020, 1, 1), date(2040, 1, 1))


@given(listed=LISTS, on=DATES)
def test_no_listed_day_lies_between(listed: tuple[str, ...], on: date) -> None:
    """The next listed day is listed, comes within a year and a day, and from the day after it a later one follows."""
    found = first_listed_day(listed, on)
    assert on <= found <= on + timedelta(days=366)
    assert first_listed_day(listed, found) == found
    between = (on + timedelta(days=number) for number in range((found - on).days))
    assert all(first_listed_day(listed, day) == found for day in between)
    assert first_listed_day(listed, found + timedelta(days=1)) > found


@pytest.mark.parametrize(
    ("expiry", "activated_on", "expected"),
    [
        (Expiry(0, "day", dates=QUARTERS), date(2026, 3, 31), date(2026, 3, 31)),
        (Expiry(1, "day", dates=QUARTERS), date(2026, 3, 31), date(2026, 6, 30)),
        (Expiry(6, "month", dates=("12-31",)), date(2026, 6, 30), date(2026, 12, 31)),
        (Expiry(6, "month", dates=("12-31",)), date(2026, 7, 1), date(2027, 12, 31)),
        (Expiry(1, "year", dates=LEAP_DAY), date(2026, 2, 28), date(2027, 2, 28)),
        (Expiry(1, "year", dates=LEAP_DAY), date(2027, 2, 28), date(2028, 2, 29)),
        (Expiry(1, "month", dates=MONTH_ENDS), date(2026, 1, 31), date(2026, 2, 28)),
        (Expiry(30, "day", sliding=True), date(2026, 1, 30), date(2026, 3, 1)),
        (Expiry(12, "month", "month", sliding=True), date(2027, 2, 3), date(2028, 2, 29)),
        (Expiry(1, "day", "quarter", sliding=True), date(2026, 3, 31), date(2026, 6, 30)),
    ],
)
def test_dates_are_a_rounding_and_sliding_is_a_rolling_life(expiry: Expiry, activated_on: date, expected: date) -> None:
    """The first listed date on or after the least life; a sliding life is counted like any rolling one."""
    assert last_valid_day(expiry, activated_on) == expected


ON_EVENT = PointsPolicy(Expiry(1, "month"), activation_event="RECEIVED", activation_event_days=7)
ON_DATES = PointsPolicy(Expiry(1, "year", "year"), activation_dates=("01", "15"))


@pytest.mark.parametrize(
    ("policy", "of_order", "booked_at", "activates_at", "expires_at"),
    [
        (ON_EVENT, True, "2026-03-02T10:00", "2026-04-01T00:00", "2026-05-02T00:00"),
        (ON_EVENT, True, "2026-01-01T00:00", "2026-01-31T00:00", "2026-03-01T00:00"),
        (ON_EVENT, False, "2026-03-02T10:00", "2026-03-02T10:00", "2026-04-03T00:00"),
        (ON_DATES, False, "2026-03-14T23:59:59", "2026-03-15T00:00", "2028-01-01T00:00"),
        (ON_DATES, True, "2026-03-15T00:00", "2026-04-01T00:00", "2028-01-01T00:00"),
        (ON_DATES, False, "2026-12-15T12:00", "2027-01-01T00:00", "2029-01-01T00:00"),
        (PointsPolicy(Expiry(0, "day", dates=MONTH_ENDS)), True, "2028-02-29T23:00", "2028-02-29T23:00",
         "2028-03-01T00:00"),
    ],
)  # fmt: skip
def test_life_begins_at_activation(
    policy: PointsPolicy, of_order: bool, booked_at: str, activates_at: str, expires_at: str
) -> None:
    """An order's points wait for the latest day of their event, others do not; dates are always later than booking."""
    expected = (in_shanghai(activates_at), in_shanghai(expires_at))
    assert lifetime(policy, in_shanghai(booked_at), SHANGHAI, of_order=of_order) == expected


@pytest.mark.parametrize(
    ("days", "occurred_at", "expected"),
    [
        (0, "2026-03-05T09:00", "2026-03-05T09:00"),
        (7, "2026-03-05T09:00", "2026-03-12T00:00"),
        (7, "2026-03-05T23:59", "2026-03-12T00:00"),
        (1, "2026-02-28T09:00", "2026-03-01T00:00"),
        (1, "2028-02-28T09:00", "2028-02-29T00:00"),
    ],
)
def test_an_event_activates_so_many_business_days_later(days: int, occurred_at: str, expected: str) -> None:
    """Counted from the business day of the event, to the start of a business day; at its instant without days."""
    policy = PointsPolicy(activation_event="RECEIVED", activation_event_days=days)
    assert activation_after(policy, in_shanghai(occurred_at), SHANGHAI) == in_shanghai(expected)


@pytest.mark.parametrize(
    ("zone", "start", "booked_at", "activates_at", "expires_at"),
    [
        ("Asia/Shanghai", 4, "2026-03-02T19:59:59Z", "2026-03-03T20:00:00Z", "2026-03-05T20:00:00Z"),
        ("Asia/Shanghai", 4, "2026-03-02T20:00:00Z", "2026-03-04T20:00:00Z", "2026-03-06T20:00:00Z"),
        ("America/New_York", 0, "2026-03-06T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-10T04:00:00Z"),
        ("America/New_York", 0, "2026-10-30T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-03T05:00:00Z"),
        ("Europe/Berlin", 4, "2026-03-27T12:00:00Z", "2026-03-29T02:00:00Z", "2026-03-31T02:00:00Z"),
        ("Europe/Berlin", 4, "2026-10-23T12:00:00Z", "2026-10-25T03:00:00Z", "2026-10-27T03:00:00Z"),
        ("Africa/Cairo", 0, "2026-04-22T12:00:00Z", "2026-04-23T22:00:00Z", "2026-04-25T21:00:00Z"),
        ("Pacific/Apia", 0, "2026-01-01T09:59:59Z", "2026-01-02T11:00:00Z", "2026-01-04T11:00:00Z"),
    ],
)
def test_days_are_the_programmes_in_every_zone(
    zone: str, start: int, booked_at: str, activates_at: str, expires_at: str
) -> None:
    """Two business days of waiting and one of life, across summer time, a late start of day, and a midnight that the
    clocks skip."""
    policy = PointsPolicy(Expiry(1, "day"), activation_days=2)
    calendar = Calendar(zone, timedelta(hours=start))
    expected = (datetime.fromisoformat(activates_at), datetime.fromisoformat(expires_at))
    assert lifetime(policy, datetime.fromisoformat(booked_at), calendar) == expected


def in_shanghai(wall: str) -> datetime:
    return datetime.fromisoformat(f"{wall}+08:00").astimezone(UTC)


def waiting(days: int, latest: int) -> PointsPolicy:
    return PointsPolicy(activation_event="RECEIVED", activation_event_days=days, activation_latest_days=latest)


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (PointsPolicy(Expiry(0)), "expiry.count"),
        (PointsPolicy(Expiry(3661)), "expiry.count"),
        (PointsPolicy(Expiry(-1, dates=MONTH_ENDS)), "expiry.count"),
        (PointsPolicy(Expiry(None, sliding=True)), "expiry.sliding"),
        (PointsPolicy(Expiry(1, "month", "month", MONTH_ENDS)), "expiry.round_to_end_of"),
        (PointsPolicy(Expiry(1, dates=MONTH_ENDS, sliding=True)), "expiry.sliding"),
        *[(PointsPolicy(Expiry(1, dates=("01-01", each))), "expiry.dates.1")
          for each in ("02-30", "04-31", "13-01", "00-01", "32", "00", "", "1-1", "2026-01-01", "٠١", "01-01\n")],
        (PointsPolicy(Expiry(1, dates=("05", "05"))), "expiry.dates"),
        (PointsPolicy(Expiry(1, dates=tuple(f"{day:02d}" for day in range(1, 26)))), "expiry.dates"),
        (PointsPolicy(activation_days=367), "activation_days"),
        (PointsPolicy(activation_days=-1), "activation_days"),
        (PointsPolicy(activation_days=1, activation_event="RECEIVED"), "activation_days"),
        (PointsPolicy(activation_days=1, activation_dates=MONTH_ENDS), "activation_days"),
        (PointsPolicy(activation_event="RECEIVED", activation_dates=MONTH_ENDS), "activation_days"),
        (waiting(0, 0), "activation_latest_days"),
        (waiting(0, 367), "activation_latest_days"),
        (waiting(8, 7), "activation_latest_days"),
        (waiting(-1, 7), "activation_event_days"),
        (PointsPolicy(activation_dates=("06-31",)), "activation_dates.0"),
        (PointsPolicy(notice_days=(30, 7, 7)), "notice_days"),
        (PointsPolicy(notice_days=(0,)), "notice_days"),
        (PointsPolicy(notice_days=(91,)), "notice_days"),
        (PointsPolicy(notice_days=(6, 5, 4, 3, 2, 1)), "notice_days"),
    ],
)  # fmt: skip
def test_a_policy_that_contradicts_itself_is_not_published(policy: PointsPolicy, path: str) -> None:
    """The refusal names the node that is wrong."""
    with pytest.raises(PolicyInvalid) as refusal:
        parse_policy(PointsPolicy, adapter(PointsPolicy).dump_python(policy))
    assert refusal.value.path == path


@pytest.mark.parametrize(
    "policy",
    [
        PointsPolicy(),
        PointsPolicy(Expiry(3660, "year"), 366),
        PointsPolicy(Expiry(0, "day", dates=("31", "02-29", "12-31"))),
        PointsPolicy(Expiry(None, dates=("12-31",))),
        PointsPolicy(Expiry(12, "month", "year", sliding=True), activation_dates=MONTH_ENDS, notice_days=()),
        waiting(366, 366),
    ],
)
def test_a_policy_within_its_bounds_comes_back_as_it_was_written(policy: PointsPolicy) -> None:
    """Every mode survives the way through JSON."""
    body = adapter(PointsPolicy).dump_json(policy)
    parse_policy(PointsPolicy, adapter(PointsPolicy).dump_python(policy))
    assert adapter(PointsPolicy).validate_json(body) == policy


def test_a_body_from_before_the_modes_means_what_it_meant() -> None:
    """A version published with three fields has no dates, slides never, and waits for days only."""
    body = b'{"activation_days": 7, "claw_back": "TO_ZERO", "expiry": {"count": 12, "round_to_end_of": "quarter", "unit": "month"}}'  # noqa: E501
    assert adapter(PointsPolicy).validate_json(body) == PointsPolicy(Expiry(12, "month", "quarter"), 7, "TO_ZERO")


RESTS = st.builds(
    Expiry,
    st.integers(0, 400),
    st.sampled_from(["day", "month", "year"]),
    st.just("day"),
    LISTS,
)
MODES = st.one_of(
    st.builds(PointsPolicy, RESTS, st.integers(0, 366)),
    st.builds(PointsPolicy, RESTS, activation_dates=LISTS),
    st.builds(PointsPolicy, RESTS, activation_event=st.just("RECEIVED"), activation_latest_days=st.integers(1, 99)),
)


@given(
    policy=MODES,
    second=st.integers(0, 20 * 366 * 86400),
    of_order=st.booleans(),
    zone=st.sampled_from(["Asia/Shanghai", "America/New_York", "Africa/Cairo"]),
)
def test_every_life_is_longer_than_nothing(policy: PointsPolicy, second: int, of_order: bool, zone: str) -> None:
    """Activation is never before booking, the end is the first instant of a business day and after the activation."""
    calendar = Calendar(zone)
    booked_at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    activates_at, expires_at = lifetime(policy, booked_at, calendar, of_order=of_order)
    assert activates_at >= booked_at and expires_at is not None and expires_at > activates_at
    assert expires_at == calendar.starts_at(calendar.business_date(expires_at))


@given(policy=MODES, one=DATES, days=st.integers(0, 400))
def test_who_begins_later_ends_no_earlier(policy: PointsPolicy, one: date, days: int) -> None:
    """So an event that comes sooner never lengthens a life, and activity later than activation never cuts one."""
    first, later = last_valid_day(policy.expiry, one), last_valid_day(policy.expiry, one + timedelta(days=days))
    assert first is not None and later is not None and first <= later
