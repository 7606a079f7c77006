"""Tiers: where a member stands and what is missing to the next one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from gamification.core.work import Work
from gamification.tiers import queries, rules
from schema.context import Info
from schema.execution.batches import Answers, batched
from schema.scalars import Points


@strawberry.type(description="A tier of the programme.")
class Tier:
    code: str = strawberry.field(description="Stable, for programs.")
    name: str = strawberry.field(description="In the caller's language.")
    threshold: Points = strawberry.field(description="The growth value from which it is reached.")


def tier_of(tier: rules.Tier, locale: str) -> Tier:
    """A tier of the policy as the caller reads it."""
    name = tier.name_en if locale == "en" else tier.name_zh
    return Tier(code=tier.code, name=name, threshold=Points(tier.threshold))


@strawberry.type(description="Where a member stands among the tiers.")
class TierProgress:
    current: Tier = strawberry.field(description="The tier now.")
    since: datetime | None = strawberry.field(description="Since when; null for the lowest, held from the start.")
    growth: Points = strawberry.field(description="The growth value now.")
    next: Tier | None = strawberry.field(description="The next higher tier; null at the top.")
    missing: Points | None = strawberry.field(description="Growth missing to it.")


@dataclass(frozen=True)
class TierProgresses:
    """Tier progress of many members, for the loader."""

    work: Work
    now: datetime

    async def __call__(self, member_ids: list[UUID]) -> Sequence[queries.Progress]:
        found = await queries.progress_by_member_ids(member_ids, self.now, self.work.policies)
        return [found[each] for each in member_ids]


@strawberry.type
class TiersOfMember:
    """What a member type of either schema gains from this slice."""

    @batched(description="The member's tier and the way to the next.")
    @staticmethod
    async def tier_progress(members: Sequence[Any], info: Info) -> Answers[TierProgress]:
        context = info.context
        reading = TierProgresses(context.work, context.now)
        found = await context.load_many(reading, [member.id for member in members])
        return [progress_of(row, context.locale) for row in found]


def progress_of(row: queries.Progress, locale: str) -> TierProgress:
    """A member's progress as the caller reads it."""
    return TierProgress(
        current=tier_of(row.tier, locale),
        since=row.since,
        growth=Points(row.growth),
        next=tier_of(row.next_tier, locale) if row.next_tier else None,
        missing=None if row.missing is None else Points(row.missing),
    )
