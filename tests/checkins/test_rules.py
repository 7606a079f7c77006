"""Streaks, cycles and rewards, without a database."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.checkins.rules import (
    DAY,
    CheckInPolicy,
    Reward,
    Run,
    continued,
    next_rewards,
    run_first_day,
    streak,
    streak_of,
    today_of,
)

TODAY = date(2028, 3, 1)
dates = st.sets(st.integers(0, 40).map(lambda ago: TODAY - ago * DAY))


def newest_run(days: set[date]) -> Run | None:
    """The run of the newest date, as the newest row caches it."""
    return Run(run_first_day(days, max(days)), max(days)) if days else None


@given(dates)
def test_a_streak_is_the_longest_run_that_ends_today_or_yesterday(days: set[date]) -> None:
    """A streak of n has all of its n days, misses the day before them, and is 0 only without today and yesterday."""
    length = streak(days, TODAY)
    last = TODAY if TODAY in days else TODAY - DAY
    assert all(last - ago * DAY in days for ago in range(length))
    assert last - length * DAY not in days


@given(dates)
def test_the_newest_row_gives_the_streak_of_all_dates(days: set[date]) -> None:
    """The cached start of the newest run answers exactly as all the dates do."""
    assert streak_of(newest_run(days), TODAY) == streak(days, TODAY)


@given(dates)
def test_checking_in_keeps_the_cache_true(days: set[date]) -> None:
    """The run that a check-in joins is the one that the dates with it give."""
    before = {day for day in days if day < TODAY}
    run = continued(newest_run(before), TODAY)
    assert run == newest_run(before | {TODAY})
    assert streak_of(run, TODAY) == streak(before, TODAY) + 1


@given(dates)
def test_order_and_repetition_of_dates_do_not_matter(days: set[date]) -> None:
    """A streak is a function of the set of dates."""
    assert streak([*sorted(days), *sorted(days, reverse=True)], TODAY) == streak(days, TODAY)


def test_a_streak_crosses_a_leap_day_and_the_turn_of_a_year() -> None:
    """Consecutive means the next date of the calendar, 29 February and 1 January included."""
    assert streak([date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1)], TODAY) == 3
    assert streak([date(2028, 2, 28), date(2028, 3, 1)], TODAY) == 1
    assert streak([date(2027, 2, 28), date(2027, 3, 1)], date(2027, 3, 1)) == 2
    assert streak([date(2026, 12, 31), date(2027, 1, 1)], date(2027, 1, 2)) == 2


def test_a_streak_of_years_has_its_whole_length() -> None:
    """Thousands of days are counted, from the dates as from the cache."""
    days = {TODAY - ago * DAY for ago in range(3_000)}
    assert streak(days, TODAY) == streak_of(newest_run(days), TODAY) == 3_000


@pytest.mark.parametrize(("number", "day", "points"), [(1, 1, 5), (3, 3, 10), (7, 7, 20), (8, 1, 5), (3_000, 4, 5)])
def test_a_cycle_begins_again_after_its_last_day(number: int, day: int, points: int) -> None:
    """The n-th day of a streak is day ((n − 1) mod 7) + 1 of a week's cycle, and pays what that day pays."""
    policy = CheckInPolicy()
    assert (policy.cycle_days, policy.cycle_day(number), policy.points(number)) == (7, day, points)


def test_without_a_streak_there_is_no_day_of_the_cycle() -> None:
    """The day of the cycle counts from 1; 0 says that no streak lives."""
    assert CheckInPolicy().cycle_day(0) == 0


@pytest.mark.parametrize(
    ("policy", "paths"),
    [
        (CheckInPolicy(), []),
        (CheckInPolicy((0, 0, 50)), []),
        (CheckInPolicy(()), ["daily_points"]),
        (CheckInPolicy((1,) * 32), ["daily_points"]),
        (CheckInPolicy((1, -1, 100_001)), ["daily_points.1", "daily_points.2"]),
    ],
)
def test_a_policy_says_what_is_wrong_with_it(policy: CheckInPolicy, paths: list[str]) -> None:
    """A cycle has 1 to 31 days of 0 to 100,000 points; each offending day is named."""
    assert [problem.path for problem in policy.problems()] == paths


def test_next_rewards_begin_today_until_it_is_done() -> None:
    """Before today's check-in the first reward is today's, after it tomorrow's, along the same streak."""
    policy = CheckInPolicy((1, 2, 3))
    yesterday, today, tomorrow = TODAY - DAY, TODAY, TODAY + DAY
    before = next_rewards(policy, Run(yesterday, yesterday), today, 2)
    assert before == [Reward(today, 2, 2, 2), Reward(tomorrow, 3, 3, 3)]
    after = next_rewards(policy, Run(yesterday, today), today, 2)
    assert after == [Reward(tomorrow, 3, 3, 3), Reward(today + timedelta(days=2), 4, 1, 1)]
    lost = next_rewards(policy, Run(date(2028, 1, 1), date(2028, 2, 20)), today, 1)
    assert lost == [Reward(today, 1, 1, 1)]


def test_a_members_day_never_runs_backwards() -> None:
    """The newest check-in counts as today's when the calendar stands before it."""
    assert today_of(Run(TODAY, TODAY), TODAY - DAY) == TODAY
    assert today_of(Run(TODAY, TODAY), TODAY + DAY) == TODAY + DAY
    assert today_of(None, TODAY) == TODAY
