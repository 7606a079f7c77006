"""How standings move with time: windows, validity, retention, downgrade and grace; catching up equals day by day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.tiers.evaluation import (
    Fact,
    Purchase,
    Standing,
    Step,
    after_refund,
    effective,
    next_due,
    noticed,
    raised,
    settled,
    validity_end,
    value_of,
)
from gamification.tiers.rules import Tier, TierPolicy
from tests.builders import TIERS
from tests.tiers.terms import YEARLY, a_set, day, days, grown

GOLD = Standing("GOLD", day("2026-03-02"), day("2027-03-01"))


@pytest.mark.parametrize(
    ("terms", "on", "value"),
    [
        ({"window": "LIFETIME"}, "2026-12-31", 111),
        ({"window": "CALENDAR_YEAR"}, "2026-12-31", 110),
        ({"window": "CALENDAR_YEAR"}, "2027-01-01", 0),
        ({"window": "ROLLING_MONTHS", "window_months": 1}, "2026-02-28", 100),
        ({"window": "ROLLING_MONTHS", "window_months": 2}, "2026-03-13", 110),
        ({"window": "ROLLING_MONTHS", "window_months": 2}, "2026-03-14", 100),
        ({"window": "SINCE_TIER_START"}, "2026-12-31", 100),
        ({"window": "LIFETIME", "metric": "NET_SPEND"}, "2026-12-31", 11_100),
        ({"window": "LIFETIME", "metric": "ORDERS"}, "2026-12-31", 3),
    ],
)
def test_each_window_counts_its_days(terms: dict[str, Any], on: str, value: int) -> None:
    """1 of the year before, 10 of 14 January, 100 of 10 February; the tier began on 1 February."""
    facts = grown(("2025-12-31", 1), ("2026-01-14", 10), ("2026-02-10", 100))
    assert value_of(a_set(**terms), facts, day("2026-02-01"), day(on)) == value


@pytest.mark.parametrize(
    ("terms", "end"),
    [
        ({}, "2027-02-27"),
        ({"validity_months": 1}, "2026-03-27"),
        ({"validity_rounds_to": "MONTH"}, "2027-02-28"),
        ({"validity_rounds_to": "YEAR"}, "2027-12-31"),
    ],
)
def test_a_tier_ends_when_its_months_do(terms: dict[str, Any], end: str) -> None:
    """From 28 February on."""
    assert validity_end(a_set(**terms), day("2026-02-28")) == day(end)
    assert validity_end(TIERS, day("2026-02-28")) is None


def test_a_tier_is_kept_by_its_retention() -> None:
    """4,000 of the twelve months up to the last day keep gold, which begins anew; what comes after does not count."""
    facts = grown(("2026-03-02", 5_000), ("2026-09-01", 4_000), ("2027-03-02", 9_999))
    after, steps = settled(YEARLY, GOLD, facts, day("2027-03-02"))
    assert steps == [Step("RETENTION", day("2027-03-02"), "GOLD", "GOLD", 9_000)]
    assert (after.code, after.valid_until) == ("GOLD", day("2028-03-01"))
    later, steps = settled(YEARLY, after, facts[:2], day("2028-03-02"))
    assert steps == [Step("DOWNGRADE", day("2028-03-02"), "GOLD", "SILVER", 0)] and later.code == "SILVER"


@pytest.mark.parametrize(
    ("downgrade", "value", "code"),
    [("ONE_LEVEL", 0, "GOLD"), ("TO_QUALIFIED", 0, "BASIC"), ("TO_QUALIFIED", 1_200, "SILVER"), ("NONE", 0, "BLACK")],
)
def test_who_falls_short_goes_where_the_set_says(downgrade: str, value: int, code: str) -> None:
    """From black, with so much growth in the year."""
    black = Standing("BLACK", day("2026-03-02"), day("2027-03-01"))
    after, steps = settled(
        a_set(downgrade=downgrade), black, grown(("2026-06-01", value)) if value else [], day("2027-03-02")
    )
    assert after.code == code and steps[0].cause == ("RETENTION" if downgrade == "NONE" else "DOWNGRADE")
    assert (after.valid_until is None) is (code == "BASIC")


def test_grace_spares_for_its_days() -> None:
    """Thirty days to make it up; what comes in them keeps the tier, else it falls after the last of them."""
    policy = a_set(grace_days=30)
    spared, steps = settled(policy, GOLD, [], day("2027-03-02"))
    assert (steps[0].cause, spared.code, spared.grace_until) == ("GRACE", "GOLD", day("2027-03-31"))
    kept, steps = settled(policy, spared, grown(("2027-03-20", 4_000)), day("2027-04-01"))
    assert (steps[0].cause, kept.grace_until, kept.valid_until) == ("RETENTION", None, day("2028-03-31"))
    fallen, steps = settled(policy, spared, [], day("2027-04-01"))
    assert (steps[0].cause, fallen.code, steps[0].on) == ("DOWNGRADE", "SILVER", day("2027-04-01"))


def test_a_refund_soon_after_an_upgrade_brings_back_what_it_replaced() -> None:
    """With its validity; after thirty days it does not; what is still reached stays."""
    silver = Standing("SILVER", day("2026-01-05"), day("2027-01-04"))
    gold, step = raised(YEARLY, silver, 5_000, day("2026-03-02"))
    assert step == Step("UPGRADE", day("2026-03-02"), "SILVER", "GOLD", 5_000)
    after, step = after_refund(YEARLY, gold, 900, day("2026-04-01"))
    assert (after.code, after.since_on, after.valid_until) == silver[:3] and step is not None
    assert after_refund(YEARLY, gold, 900, day("2026-04-02")) == (gold, None)
    assert after_refund(YEARLY, gold, 5_000, day("2026-03-03")) == (gold, None)
    black, _ = raised(YEARLY, silver, 20_000, day("2026-03-02"))
    lowered, _ = after_refund(YEARLY, black, 6_000, day("2026-03-03"))
    assert (lowered.code, lowered.valid_until) == ("GOLD", day("2027-03-01"))


def test_notices_are_told_30_and_7_days_before() -> None:
    """Once each, with what is missing; none where nothing is; after an absence only the nearer one."""
    told = []
    standing = GOLD
    for on in days(day("2027-01-20"), day("2027-03-01")):
        standing, notice = noticed(YEARLY, standing, grown(("2026-06-01", 3_500)), on)
        if notice is not None:
            told.append((on, notice.missing, notice.days))
    assert told == [(day("2027-01-30"), 500, 30), (day("2027-02-22"), 500, 7)]
    late, notice = noticed(YEARLY, GOLD, [], day("2027-02-27"))
    assert notice is not None and notice.days == 2 and noticed(YEARLY, late, [], day("2027-02-28"))[1] is None
    assert noticed(YEARLY, GOLD, grown(("2026-06-01", 4_000)), day("2027-02-01"))[1] is None


def test_the_highest_live_source_wins_and_a_pin_overrides() -> None:
    """What was bought covers what was earned for its days; staff may set less as well as more."""
    silver = Standing("SILVER", day("2026-01-05"), day("2027-01-04"))
    bought = [Purchase("GOLD", day("2026-03-01"), day("2026-05-31"))]
    codes = [effective(YEARLY, silver, bought, None, day(on)).code for on in ("2026-02-28", "2026-03-01", "2026-06-01")]
    assert codes == ["SILVER", "GOLD", "SILVER"]
    pin = ("BASIC", day("2026-03-31"))
    assert [effective(YEARLY, silver, bought, pin, day(on)).code for on in ("2026-03-31", "2026-04-01")] == [
        "BASIC", "GOLD",
    ]  # fmt: skip
    assert next_due(YEARLY, silver, bought, pin, day("2026-03-05")) == day("2026-04-01")


histories = st.lists(
    st.tuples(st.integers(0, 1_000), st.sampled_from([100, 700, 1_000, 4_000, 6_000])), max_size=12
).map(lambda drawn: [Fact(day("2026-01-01") + timedelta(days=on), growth, growth * 100, 1) for on, growth in drawn])
sets = st.builds(
    a_set,
    window=st.sampled_from(["LIFETIME", "CALENDAR_YEAR", "ROLLING_MONTHS", "SINCE_TIER_START"]),
    window_months=st.integers(1, 12),
    validity_months=st.integers(1, 12),
    validity_rounds_to=st.sampled_from(["DAY", "MONTH", "YEAR"]),
    downgrade=st.sampled_from(["NONE", "ONE_LEVEL", "TO_QUALIFIED"]),
    grace_days=st.sampled_from([0, 7, 45]),
)


@given(sets, histories, st.integers(0, 1_100))
def test_catching_up_equals_day_by_day(policy: TierPolicy, facts: list[Fact], absence: int) -> None:
    """Judged every day, or once after any absence without activity: the same steps and the same standing."""
    start = day("2026-01-01")
    standing = Standing("GOLD", start, validity_end(policy, start))
    last = start + timedelta(days=absence)
    steps: list[Step] = []
    daily = standing
    for on in days(start, last):
        daily, more = settled(policy, daily, facts, on)
        steps += more
    assert settled(policy, standing, facts, last) == (daily, steps)


@given(sets, histories)
def test_no_step_falls_below_what_the_set_allows(policy: TierPolicy, facts: list[Fact]) -> None:
    """Whoever keeps enough is kept; one level is one level; the lowest tier never ends."""
    start = day("2026-01-01")
    after, steps = settled(policy, Standing("BLACK", start, validity_end(policy, start)), facts, day("2030-01-01"))
    for step in steps:
        tier = policy.tiers[policy.rank(step.from_code)]
        if step.value >= tier.keeps_from or policy.downgrade == "NONE":
            assert step.cause == "RETENTION" and step.to_code == step.from_code
        if step.cause == "DOWNGRADE" and policy.downgrade == "ONE_LEVEL":
            assert policy.rank(step.from_code) - policy.rank(step.to_code) == 1
    assert (after.code == "BASIC") == (after.valid_until is None)


@pytest.mark.parametrize(
    ("given_terms", "path"),
    [
        ({"window_months": 0}, "window_months"),
        ({"validity_months": 0}, "validity_months"),
        ({"validity_months": None}, "downgrade"),
        ({"grace_days": 367}, "grace_days"),
        ({"refund_days": -1}, "refund_days"),
        ({"tiers": (Tier("BASIC", "普通", "Basic", 0, purchase_sku="x"),)}, "tiers.0.purchase_sku"),
        ({"tiers": (Tier("BASIC", "普通", "Basic", 0), Tier("GOLD", "金", "Gold", 5, 6))}, "tiers.1.retention"),
    ],
)
def test_what_is_wrong_with_a_set_is_named(given_terms: dict[str, Any], path: str) -> None:
    """By its node."""
    assert [problem.path for problem in a_set(**given_terms).problems()] == [path]
    assert YEARLY.problems() == []
