"""Business days, weeks and months."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.core.calendar import Calendar, add_months, days_in_month, month_of, week_of

DATES = st.dates(date(1990, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    ("at", "day_start", "expected"),
    [
        ("2026-03-01T15:59:59.999999Z", 0, date(2026, 3, 1)),
        ("2026-03-01T16:00:00Z", 0, date(2026, 3, 2)),
        ("2026-03-01T16:00:00Z", 4, date(2026, 3, 1)),
        ("2026-03-01T19:59:59Z", 4, date(2026, 3, 1)),
        ("2026-03-01T20:00:00Z", 4, date(2026, 3, 2)),
        ("2026-12-31T23:30:00-05:00", 0, date(2027, 1, 1)),
    ],
)
def test_an_instant_belongs_to_the_business_day_of_the_programme(at: str, day_start: int, expected: date) -> None:
    """Shanghai's day, shifted by the start of day; the instant's own offset does not matter."""
    assert Calendar(day_start=timedelta(hours=day_start)).business_date(datetime.fromisoformat(at)) == expected


@given(on=DATES, zone=st.sampled_from(["Asia/Shanghai", "UTC", "America/New_York", "Europe/Berlin"]),
       start=st.sampled_from([0, 4, 6]))  # fmt: skip
def test_a_business_day_runs_from_its_first_instant_to_the_next_days(on: date, zone: str, start: int) -> None:
    """The first instant belongs to the day, the last microsecond before it to the day before, summer time or not."""
    calendar = Calendar(zone, timedelta(hours=start))
    first = calendar.starts_at(on)
    assert calendar.business_date(first) == on
    assert calendar.business_date(first - timedelta(microseconds=1)) == on - timedelta(days=1)
    assert calendar.ends_at(on) == calendar.starts_at(on + timedelta(days=1))
    assert first.tzinfo is UTC


@pytest.mark.parametrize(
    ("on", "months", "expected"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2026, 1, 10), 0, date(2026, 1, 10)),
    ],
)
def test_months_later_is_the_same_day_or_the_last(on: date, months: int, expected: date) -> None:
    """A day that does not exist becomes the last day of its month."""
    assert add_months(on, months) == expected


@given(on=DATES, months=st.integers(-240, 240))
def test_adding_months_keeps_the_day_where_it_exists(on: date, months: int) -> None:
    """The month is exactly so many later, the day the same or the month's last."""
    after = add_months(on, months)
    assert (after.year * 12 + after.month) - (on.year * 12 + on.month) == months
    assert after.day == min(on.day, days_in_month(after))


@given(on=DATES)
def test_weeks_start_on_monday_and_months_on_the_first(on: date) -> None:
    """`week_of` and `month_of` are the first days, at most six days and a month back."""
    monday = week_of(on)
    assert monday.weekday() == 0 and timedelta(0) <= on - monday <= timedelta(6)
    assert month_of(on) == date(on.year, on.month, 1)
    assert month_of(on) + timedelta(days=days_in_month(on)) == add_months(month_of(on), 1)
