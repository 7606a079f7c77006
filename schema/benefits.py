"""Benefits as a member sees them: what the tier gives, what is used, what is left and until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from gamification.benefits import queries
from gamification.core.work import Work
from schema.context import Info
from schema.execution.batches import Answers, batched
from schema.scalars import Points


@strawberry.enum(description="What a tier may give.")
class BenefitType(Enum):
    POINTS_MULTIPLIER = strawberry.enum_value("POINTS_MULTIPLIER", description="More points for orders.")
    DISCOUNT = strawberry.enum_value("DISCOUNT", description="Something taken off at the till.")
    FREE_DELIVERY = strawberry.enum_value("FREE_DELIVERY", description="Delivery for nothing.")
    BIRTHDAY_GIFT = strawberry.enum_value("BIRTHDAY_GIFT", description="Points for a birthday, once a year.")
    ENTRY_GIFT = strawberry.enum_value("ENTRY_GIFT", description="Points for entering the tier, once for ever.")
    EARLY_ACCESS = strawberry.enum_value("EARLY_ACCESS", description="Entry before others.")
    PRIORITY_SERVICE = strawberry.enum_value("PRIORITY_SERVICE", description="Service before others.")


@strawberry.type(description="Something that the member's tier gives.")
class Benefit:
    type: BenefitType = strawberry.field(description="What it is.")
    rate_bp: int | None = strawberry.field(
        description="Of a multiplier what orders earn, of a discount what is taken off, in basis points."
    )
    points: Points | None = strawberry.field(description="Of a gift its points.")
    minutes: int | None = strawberry.field(description="Of early access how long before others.")
    used: int | None = strawberry.field(
        description="How often it was used: this month, of a birthday gift this year; null where it is not counted."
    )
    left: int | None = strawberry.field(description="How often it may still be used; null for any number.")
    until: date | None = strawberry.field(
        description="The last day on which what is left may be used; null where it ends with nothing."
    )


@dataclass(frozen=True)
class BenefitsOfMembers:
    """The benefits of many members, for the loader."""

    work: Work
    now: datetime

    async def __call__(self, member_ids: list[UUID]) -> Sequence[queries.Benefits]:
        found = await queries.benefits_by_member_ids(member_ids, self.now, self.work.policies, self.work.calendar)
        return [found[each] for each in member_ids]


@strawberry.type
class MemberBenefits:
    """What a member type of either schema gains from this slice."""

    @batched(description="What the member's tier gives, what is used of it, what is left and until when.")
    @staticmethod
    async def benefits(members: Sequence[Any], info: Info) -> Answers[list[Benefit]]:
        context = info.context
        reading = BenefitsOfMembers(context.work, context.now)
        found = await context.load_many(reading, [member.id for member in members])
        return [shown(row) for row in found]


def shown(row: queries.Benefits) -> list[Benefit]:
    """What a tier gives, one line each; what it does not give is left out."""
    given, until = row.given, row.tier_until
    lines = []
    if given.multiplier_bp > 10_000:
        lines.append(_line(BenefitType.POINTS_MULTIPLIER, until, rate_bp=given.multiplier_bp))
    if given.discount_bp:
        lines.append(_counted(BenefitType.DISCOUNT, row, given.discount_uses_per_month, rate_bp=given.discount_bp))
    if given.free_deliveries_per_month != 0:
        lines.append(_counted(BenefitType.FREE_DELIVERY, row, given.free_deliveries_per_month))
    if given.birthday_points:
        used = int(row.birthday_given)
        lines.append(
            _line(BenefitType.BIRTHDAY_GIFT, until, points=Points(given.birthday_points), used=used, left=1 - used)
        )
    if given.entry_points:
        lines.append(_line(BenefitType.ENTRY_GIFT, None, points=Points(given.entry_points)))
    if given.early_access_minutes:
        lines.append(_line(BenefitType.EARLY_ACCESS, until, minutes=given.early_access_minutes))
    if given.priority_service:
        lines.append(_line(BenefitType.PRIORITY_SERVICE, until))
    return lines


def _line(type: BenefitType, until: date | None, **given: Any) -> Benefit:
    nothing = {"rate_bp": None, "points": None, "minutes": None, "used": None, "left": None}
    return Benefit(type=type, until=until, **{**nothing, **given})


def _counted(type: BenefitType, row: queries.Benefits, allowed: int | None, **given: Any) -> Benefit:
    used = row.used.get(type.name, 0)
    left = None if allowed is None else max(allowed - used, 0)
    ends = row.month_ends_on if row.tier_until is None else min(row.month_ends_on, row.tier_until)
    return _line(type, ends, used=used, left=left, **given)
