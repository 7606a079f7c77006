"""The monthly ladder as a member sees it: spent, rate reached, what the next step takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import strawberry

from gamification.core.work import Work
from gamification.earning import queries, rules
from schema.context import Info
from schema.execution.batches import Answers, batched
from schema.scalars import Fen, Points


@strawberry.type(description="The next step of the ladder.")
class LadderStepAhead:
    missing_fen: Fen = strawberry.field(description="What is still to be spent this month to reach it.")
    rate_bp: int = strawberry.field(description="Its rate, in basis points of the whole month's spend.")
    gain: Points = strawberry.field(description="The points that reaching it adds.")


@strawberry.type(description="A member's current month on the ladder.")
class LadderMonth:
    month: date = strawberry.field(description="The first day of the month.")
    net_fen: Fen = strawberry.field(description="Paid on eligible lines this month, less refunds.")
    rate_bp: int = strawberry.field(description="The rate reached, in basis points; 0 below the first step.")
    points: Points = strawberry.field(description="What the ladder has posted for the month so far.")
    next_step: LadderStepAhead | None = strawberry.field(description="The next step; null on the highest.")


@dataclass(frozen=True)
class LadderMonths:
    """The current month of many members, for the loader."""

    work: Work
    now: datetime

    async def __call__(self, member_ids: list[UUID]) -> Sequence[queries.LadderView]:
        found = await queries.ladder_by_member_ids(member_ids, self.now, self.work.policies, self.work.calendar)
        return [found[each] for each in member_ids]


@strawberry.type
class EarningOfMember:
    """What a member type of either schema gains from this slice."""

    @batched(description="The current month on the spend ladder.")
    @staticmethod
    async def ladder(members: Sequence[Any], info: Info) -> Answers[LadderMonth]:
        reading = LadderMonths(info.context.work, info.context.now)
        found = await info.context.load_many(reading, [member.id for member in members])
        return [month_of(row) for row in found]


def month_of(row: queries.LadderView) -> LadderMonth:
    """A month on the ladder as it is shown."""
    return LadderMonth(
        month=row.month,
        net_fen=Fen(row.net_fen),
        rate_bp=row.rate_bp,
        points=Points(row.points),
        next_step=step_of(row.next) if row.next else None,
    )


def step_of(ahead: rules.NextStep) -> LadderStepAhead:
    """The next step as it is shown."""
    return LadderStepAhead(missing_fen=Fen(ahead.missing_fen), rate_bp=ahead.rate_bp, gain=Points(ahead.gain))
