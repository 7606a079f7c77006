"""Reads of benefits: what a member's tier gives, what is used of it, what is left and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from gamification.benefits.rules import NOTHING, BenefitsPolicy, TierBenefits
from gamification.core.calendar import Calendar, add_months, month_of
from gamification.core.database import fetch
from gamification.core.policy import Policies, PolicyMissing
from gamification.tiers.queries import progress_by_member_ids


@dataclass(frozen=True, slots=True)
class Benefits:
    """What a member's tier gives: uses of this month by benefit, the month's last day, and the gifts of this year."""

    member_id: UUID
    tier_code: str
    given: TierBenefits
    used: Mapping[str, int]
    month_ends_on: date
    tier_until: date | None
    birthday_given: bool


async def benefits_by_member_ids(
    member_ids: Sequence[UUID], now: datetime, policies: Policies, calendar: Calendar
) -> Mapping[UUID, Benefits]:
    """What the tier of each member gives, as of now; one statement besides those of the tiers."""
    progress = await progress_by_member_ids(member_ids, now, policies, calendar)
    today = calendar.business_date(now)
    month = month_of(today)
    rows = await fetch(
        """SELECT member_id, benefit, count(*)
           FROM benefit_use LEFT JOIN benefit_reversal USING (member_id, external_id)
           WHERE member_id = ANY($1) AND month = $2 AND reversed_at IS NULL GROUP BY 1, 2
           UNION ALL SELECT member_id, 'BIRTHDAY', 1 FROM benefit_gift WHERE member_id = ANY($1) AND gift_key = $3""",
        list(member_ids), month, f"birthday:{today.year}",
    )  # fmt: skip
    used: dict[UUID, dict[str, int]] = {}
    for member_id, benefit, count in rows:
        used.setdefault(member_id, {})[benefit] = count
    policy = _policy(policies, now)
    ends_on = add_months(month, 1) - timedelta(days=1)
    found = {}
    for member_id, row in progress.items():
        own = used.get(member_id, {})
        given = policy.of(row.tier.code) if policy else NOTHING
        found[member_id] = Benefits(member_id, row.tier.code, given, own, ends_on, row.valid_until, "BIRTHDAY" in own)
    return found


def _policy(policies: Policies, now: datetime) -> BenefitsPolicy | None:
    try:
        return policies.at(BenefitsPolicy, now).body
    except PolicyMissing:
        return None
