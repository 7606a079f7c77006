"""Reads of tiers: where members stand and what is missing to the next tier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gamification.core.database import fetch
from gamification.core.policy import Policies
from gamification.tiers.rules import Tier, TierPolicy


@dataclass(frozen=True, slots=True)
class Progress:
    """A member's tier, since when (None: from the start), the growth value, and the next tier with what is missing."""

    member_id: UUID
    tier: Tier
    since: datetime | None
    growth: int
    next_tier: Tier | None
    missing: int | None


async def progress_by_member_ids(
    member_ids: Sequence[UUID], now: datetime, policies: Policies
) -> Mapping[UUID, Progress]:
    """Tier progress of each member; one statement."""
    policy = policies.at(TierPolicy, now).body
    rows = await fetch(
        """SELECT a.member_id, a.available AS growth, s.tier_code, s.since FROM account a
           LEFT JOIN tier_standing s ON s.member_id = a.member_id
           WHERE a.member_id = ANY($1) AND a.currency = 'GROWTH'""",
        list(member_ids),
    )
    return {row["member_id"]: _progress(policy, *row) for row in rows}


def _progress(policy: TierPolicy, member_id: UUID, growth: int, code: str | None, since: datetime | None) -> Progress:
    tier = policy.tiers[max(policy.rank(code), 0)] if code else policy.tiers[0]
    following = policy.after(tier.code)
    missing = max(following.threshold - growth, 0) if following else None
    return Progress(member_id, tier, since, growth, following, missing)
