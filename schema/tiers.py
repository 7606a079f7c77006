"""Tiers: where a member stands, until when, what keeps the tier, and what leads to the next one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from gamification.core.work import Work
from gamification.tiers import queries, rules
from schema.context import Info
from schema.execution.batches import Answers, batched
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.scalars import Points

HISTORY = Keyset("tierHistory", Key("number", int))


@strawberry.enum(description="What tiers are measured by.")
class TierMetric(Enum):
    GROWTH = strawberry.enum_value("GROWTH", description="Growth.")
    NET_SPEND = strawberry.enum_value("NET_SPEND", description="Cash paid less refunds, in fen.")
    ORDERS = strawberry.enum_value("ORDERS", description="Orders that were not sent back whole.")


@strawberry.enum(description="Over which time the metric is counted.")
class TierWindow(Enum):
    LIFETIME = strawberry.enum_value("LIFETIME", description="Since ever.")
    CALENDAR_YEAR = strawberry.enum_value("CALENDAR_YEAR", description="Since 1 January.")
    ROLLING_MONTHS = strawberry.enum_value("ROLLING_MONTHS", description="The last months, to the day.")
    SINCE_TIER_START = strawberry.enum_value("SINCE_TIER_START", description="Since the tier, or its renewal, began.")


@strawberry.enum(description="To the end of which period a tier holds.")
class TierRounding(Enum):
    DAY = strawberry.enum_value("DAY", description="The very day.")
    MONTH = strawberry.enum_value("MONTH", description="The end of that month.")
    YEAR = strawberry.enum_value("YEAR", description="The end of that year.")


@strawberry.enum(description="Where who falls short goes when a tier ends.")
class TierDowngrade(Enum):
    NONE = strawberry.enum_value("NONE", description="Nowhere: it is renewed.")
    ONE_LEVEL = strawberry.enum_value("ONE_LEVEL", description="One tier down.")
    TO_QUALIFIED = strawberry.enum_value("TO_QUALIFIED", description="To the tier that the metric reaches.")


@strawberry.enum(description="What may take a tier away.")
class TierRisk(Enum):
    ENDS_WITHOUT_MORE = strawberry.enum_value("ENDS_WITHOUT_MORE", description="Something is missing to keep it.")
    IN_GRACE = strawberry.enum_value("IN_GRACE", description="It has ended, and there are days to make it up.")
    PURCHASE_ENDS = strawberry.enum_value("PURCHASE_ENDS", description="It was bought, and that ends.")
    PIN_ENDS = strawberry.enum_value("PIN_ENDS", description="Staff set it for a time.")


@strawberry.enum(description="Why a tier changed, or how long it holds.")
class TierCause(Enum):
    UPGRADE = strawberry.enum_value("UPGRADE", description="The metric reached it.")
    RETENTION = strawberry.enum_value("RETENTION", description="It was kept and begins anew.")
    GRACE = strawberry.enum_value("GRACE", description="It had ended; days of grace began.")
    DOWNGRADE = strawberry.enum_value("DOWNGRADE", description="It ended, and the metric did not keep it.")
    REFUND = strawberry.enum_value("REFUND", description="What had led to it went back.")
    PURCHASE = strawberry.enum_value("PURCHASE", description="It was bought, or what was bought went back.")
    PIN = strawberry.enum_value("PIN", description="Staff set it.")
    UNPIN = strawberry.enum_value("UNPIN", description="What staff had set was taken away.")
    END = strawberry.enum_value("END", description="What was bought or set came to its end.")


@strawberry.type(description="A tier of the programme.")
class Tier:
    code: str = strawberry.field(description="Stable, for programs.")
    name: str = strawberry.field(description="In the caller's language.")
    threshold: Points = strawberry.field(description="The value of the metric from which it is reached.")


def tier_of(tier: rules.Tier, locale: str) -> Tier:
    """A tier of the policy as the caller reads it."""
    name = tier.name_en if locale == "en" else tier.name_zh
    return Tier(code=tier.code, name=name, threshold=Points(tier.threshold))


@strawberry.type(description="What keeps a tier.")
class TierRetention:
    needed: Points = strawberry.field(description="The value of the metric that keeps it.")
    missing: Points = strawberry.field(description="What is missing to it now.")
    by: date = strawberry.field(description="The last day on which it counts.")


@strawberry.type(description="A way to a higher tier.")
class TierOpportunity:
    tier: Tier = strawberry.field(description="The tier.")
    missing: Points = strawberry.field(description="What is missing of the metric.")
    purchase_sku: str | None = strawberry.field(description="The SKU that buys it at once; null where none does.")


@strawberry.type(description="Where a member stands among the tiers.")
class TierProgress:
    current: Tier = strawberry.field(description="The tier now.")
    since: datetime | None = strawberry.field(description="Since when; null for the lowest, held from the start.")
    growth: Points = strawberry.field(description="The growth value now.")
    metric: TierMetric = strawberry.field(description="What tiers are measured by.")
    value: Points = strawberry.field(description="The metric over its window; fen for NET_SPEND.")
    next: Tier | None = strawberry.field(description="The next higher tier; null at the top.")
    missing: Points | None = strawberry.field(description="What is missing of the metric to it.")
    valid_until: date | None = strawberry.field(description="The last day of the tier as it is held; null for no end.")
    retention: TierRetention | None = strawberry.field(
        description="What keeps the tier that was earned; null where nothing can be lost."
    )
    projected: Tier = strawberry.field(description="The tier after that day if nothing more occurs.")
    risks: list[TierRisk] = strawberry.field(description="What may take the tier away.")
    opportunities: list[TierOpportunity] = strawberry.field(description="Every higher tier, the nearest first.")


@strawberry.type(description="A change of a tier, or of how long it holds.")
class TierChange:
    number: int = strawberry.field(description="Its place in the member's history: 1, 2, 3 … without gaps.")
    cause: TierCause = strawberry.field(description="Why.")
    from_code: str | None = strawberry.field(description="The tier before; null for the lowest, held from the start.")
    to_code: str = strawberry.field(description="The tier after; the same where it was kept.")
    value: Points = strawberry.field(description="The metric that it rests on.")
    policy_version: int = strawberry.field(description="The version of the tier set.")
    changed_at: datetime = strawberry.field(description="When it took effect.")

    @classmethod
    def of(cls, row: queries.ChangeRow) -> "TierChange":
        return cls(
            number=row.number,
            cause=TierCause(row.cause),
            from_code=row.from_code,
            to_code=row.to_code,
            value=Points(row.value),
            policy_version=row.policy_version,
            changed_at=row.changed_at,
        )


@dataclass(frozen=True)
class TierProgresses:
    """Tier progress of many members, for the loader."""

    work: Work
    now: datetime

    async def __call__(self, member_ids: list[UUID]) -> Sequence[queries.Progress]:
        found = await queries.progress_by_member_ids(member_ids, self.now, self.work.policies, self.work.calendar)
        return [found[each] for each in member_ids]


@dataclass(frozen=True)
class TierHistories:
    """One page of the history of each of many members, for the loader."""

    before: int | None
    limit: int

    async def __call__(self, member_ids: list[UUID]) -> Sequence[list[queries.ChangeRow]]:
        found = await queries.history_pages(member_ids, self.before, self.limit)
        return [found.get(each, []) for each in member_ids]


@strawberry.type
class TiersOfMember:
    """What a member type of either schema gains from this slice."""

    @batched(description="The member's tier, until when, and the way to the next.")
    @staticmethod
    async def tier_progress(members: Sequence[Any], info: Info) -> Answers[TierProgress]:
        context = info.context
        reading = TierProgresses(context.work, context.now)
        found = await context.load_many(reading, [member.id for member in members])
        return [progress_of(row, context.locale) for row in found]

    @strawberry.field(description="How the member's tier came about, the latest change first.")
    async def tier_history(
        self: Any, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[TierChange]:
        page = HISTORY.page(first, after)
        before: Any = page.after[0] if page.after else None
        rows = await info.context.load(TierHistories(before, page.limit), self.id)
        return page.connection(rows, TierChange.of)


def progress_of(row: queries.Progress, locale: str) -> TierProgress:
    """A member's progress as the caller reads it."""
    kept = row.retention
    higher = row.policy.tiers[row.policy.rank(row.tier.code) + 1 :]
    return TierProgress(
        current=tier_of(row.tier, locale),
        since=row.since,
        growth=Points(row.growth),
        metric=TierMetric(row.policy.metric),
        value=Points(row.value),
        next=tier_of(row.next_tier, locale) if row.next_tier else None,
        missing=None if row.missing is None else Points(row.missing),
        valid_until=row.valid_until,
        retention=TierRetention(needed=Points(kept.needed), missing=Points(kept.missing), by=kept.by) if kept else None,
        projected=tier_of(row.projected, locale),
        risks=[TierRisk(risk) for risk in row.risks],
        opportunities=[
            TierOpportunity(
                tier=tier_of(tier, locale),
                missing=Points(max(tier.threshold - row.value, 0)),
                purchase_sku=tier.purchase_sku,
            )
            for tier in higher
        ],
    )
