"""How a standing moves with time and facts: raised at once, kept or lowered at the end of its validity; pure.

Every boundary is judged on what had occurred up to it, so that catching up after days of absence gives what daily
evaluation would have given. A refund counts on the day of its order, as if what went back had never been paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from gamification.core.calendar import add_months, month_of
from gamification.tiers.rules import NOTICE_DAYS, Tier, TierPolicy

DAY = timedelta(days=1)


class Fact(NamedTuple):
    """What occurred on a business day: growth, net spend in fen, orders; negative for what a refund takes away."""

    on: date
    growth: int
    net_fen: int
    orders: int


class Standing(NamedTuple):
    """What a member has earned: the tier, valid until which day (None: for ever), or in grace until.

    `since_on` is the first day of the qualification period: of the tier, then of each renewal. `before_code`,
    `before_since_on` and `before_valid_until` are what the last upgrade, of `raised_on`, replaced; `warned_days` is the
    last notice (30 or 7) that was told.
    """

    code: str
    since_on: date | None = None
    valid_until: date | None = None
    grace_until: date | None = None
    warned_days: int | None = None
    before_code: str | None = None
    before_since_on: date | None = None
    before_valid_until: date | None = None
    raised_on: date | None = None


class Step(NamedTuple):
    """One thing that happened to a standing: why, on which day, from and to which tier, and the value it rests on."""

    cause: str
    on: date
    from_code: str
    to_code: str
    value: int


class Notice(NamedTuple):
    """A member is to be told: the tier ends after `valid_until`, and `missing` is wanting to keep it."""

    code: str
    valid_until: date
    missing: int
    days: int


class Purchase(NamedTuple):
    """A tier that was bought: for the days from `starts_on` to `ends_on`."""

    tier_code: str
    starts_on: date
    ends_on: date


def value_of(policy: TierPolicy, facts: Iterable[Fact], since_on: date | None, on: date) -> int:
    """The metric over the window that ends with a day; never below 0."""
    start = window_start(policy, since_on, on)
    counted = [fact for fact in facts if start <= fact.on <= on]
    if policy.metric == "GROWTH":
        return max(sum(fact.growth for fact in counted), 0)
    return max(sum(fact.net_fen if policy.metric == "NET_SPEND" else fact.orders for fact in counted), 0)


def window_start(policy: TierPolicy, since_on: date | None, on: date) -> date:
    """The first day that counts in the window that ends with a day."""
    if policy.window == "CALENDAR_YEAR":
        return date(on.year, 1, 1)
    if policy.window == "ROLLING_MONTHS":
        return add_months(on + DAY, -policy.window_months)
    if policy.window == "SINCE_TIER_START" and since_on is not None:
        return since_on
    return date.min


def validity_end(policy: TierPolicy, since_on: date) -> date | None:
    """The last day of a tier that begins on a day; None where tiers do not end."""
    if policy.validity_months is None:
        return None
    end = add_months(since_on, policy.validity_months) - DAY
    if policy.validity_rounds_to == "YEAR":
        return date(end.year, 12, 31)
    return add_months(month_of(end), 1) - DAY if policy.validity_rounds_to == "MONTH" else end


def rank_of(policy: TierPolicy, code: str) -> int:
    """A tier's place from the bottom; that of the lowest for a code that the set no longer has."""
    return max(policy.rank(code), 0)


def settled(policy: TierPolicy, standing: Standing, facts: Sequence[Fact], today: date) -> tuple[Standing, list[Step]]:
    """The standing once every boundary before today has been judged, one after the other."""
    steps: list[Step] = []
    while True:
        end = standing.grace_until or standing.valid_until
        if end is None or end >= today or rank_of(policy, standing.code) == 0:
            return standing, steps
        standing, step = _judged(policy, standing, facts, end)
        steps.append(step)


def _judged(policy: TierPolicy, standing: Standing, facts: Sequence[Fact], end: date) -> tuple[Standing, Step]:
    """Keep, spare or lower a standing whose validity or grace ended with a day."""
    value = value_of(policy, facts, standing.since_on, end)
    rank = rank_of(policy, standing.code)
    starts_on = end + DAY
    if value >= policy.tiers[rank].keeps_from or policy.downgrade == "NONE":
        kept = standing._replace(
            since_on=starts_on, valid_until=validity_end(policy, starts_on), grace_until=None, warned_days=None
        )
        return kept, Step("RETENTION", starts_on, standing.code, standing.code, value)
    if policy.grace_days and standing.grace_until is None:
        spared = standing._replace(grace_until=end + timedelta(days=policy.grace_days))
        return spared, Step("GRACE", starts_on, standing.code, standing.code, value)
    lower = rank - 1 if policy.downgrade == "ONE_LEVEL" else min(policy.rank(policy.reached(value).code), rank - 1)
    tier = policy.tiers[lower]
    after = Standing(tier.code, starts_on, validity_end(policy, starts_on) if lower else None)
    return after, Step("DOWNGRADE", starts_on, standing.code, tier.code, value)


def raised(policy: TierPolicy, standing: Standing, value: int, on: date) -> tuple[Standing, Step | None]:
    """The standing once a value has lifted it; tiers may be skipped."""
    reached = policy.reached(value)
    if policy.rank(reached.code) <= rank_of(policy, standing.code):
        return standing, None
    after = Standing(
        reached.code, on, validity_end(policy, on), None, None,
        standing.code, standing.since_on, standing.valid_until, on,
    )  # fmt: skip
    return after, Step("UPGRADE", on, standing.code, reached.code, value)


def after_refund(policy: TierPolicy, standing: Standing, value: int, today: date) -> tuple[Standing, Step | None]:
    """The standing once a refund soon after an upgrade is judged as if what was refunded had never been paid.

    What the upgrade replaced comes back with its validity, or the tier that is still reached where that is higher.
    """
    if standing.raised_on is None or today > standing.raised_on + timedelta(days=policy.refund_days):
        return standing, None
    reached = policy.reached(value)
    if policy.rank(reached.code) >= rank_of(policy, standing.code):
        return standing, None
    before = standing.before_code or policy.tiers[0].code
    if policy.rank(reached.code) > rank_of(policy, before):
        after = standing._replace(code=reached.code)
    else:
        after = Standing(before, standing.before_since_on, standing.before_valid_until)
    return after, Step("REFUND", today, standing.code, after.code, value)


def noticed(
    policy: TierPolicy, standing: Standing, facts: Sequence[Fact], today: date
) -> tuple[Standing, Notice | None]:
    """The standing once its notices up to today are told; a notice only where something is missing."""
    if standing.valid_until is None or standing.grace_until is not None or rank_of(policy, standing.code) == 0:
        return standing, None
    left = (standing.valid_until - today).days
    due = [days for days in NOTICE_DAYS if left <= days and (standing.warned_days or days + 1) > days]
    if not due or policy.downgrade == "NONE":
        return standing, None
    after = standing._replace(warned_days=min(due))
    tier = policy.tiers[rank_of(policy, standing.code)]
    missing = tier.keeps_from - value_of(policy, facts, standing.since_on, today)
    return after, Notice(standing.code, standing.valid_until, missing, left) if missing > 0 else None


def effective(
    policy: TierPolicy, standing: Standing, purchases: Iterable[Purchase], pin: tuple[str, date | None] | None, on: date
) -> Tier:
    """The tier that a member has on a day: a pin overrides; else the highest of what is earned and what was bought."""
    if pin is not None and (pin[1] is None or on <= pin[1]):
        return policy.tiers[rank_of(policy, pin[0])]
    bought = [each.tier_code for each in purchases if each.starts_on <= on <= each.ends_on]
    return policy.tiers[max(rank_of(policy, code) for code in [standing.code, *bought])]


def next_due(
    policy: TierPolicy, standing: Standing, purchases: Iterable[Purchase], pin: tuple[str, date | None] | None, on: date
) -> date | None:
    """The first day after a day on which time alone moves something; None for never."""
    days = [each + DAY for each in (standing.grace_until or standing.valid_until,) if each is not None]
    if standing.valid_until is not None and policy.downgrade != "NONE" and standing.grace_until is None:
        told = standing.warned_days or max(NOTICE_DAYS) + 1
        days += [standing.valid_until - timedelta(days=each) for each in NOTICE_DAYS if told > each]
    days += [each.ends_on + DAY for each in purchases] + [each.starts_on for each in purchases]
    if pin is not None and pin[1] is not None:
        days.append(pin[1] + DAY)
    return min((each for each in days if each > on), default=None)
