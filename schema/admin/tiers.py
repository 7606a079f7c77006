"""Tiers that staff set for one member, for a time, with a reason."""

from datetime import date
from typing import Annotated

import strawberry

from gamification.tiers import service
from schema.admin.members import MemberId, Reason
from schema.admin.programme import OPERATORS, IsPreview
from schema.context import Info
from schema.nodes import key_of
from schema.usual_refusals import InvalidInput, NotFound


@strawberry.type(description="The tier that a member has after staff set one or took it away.")
class TierPinned:
    tier_code: str = strawberry.field(description="The tier that the member has.")
    earned_code: str = strawberry.field(description="The tier that was earned.")
    pin_code: str | None = strawberry.field(description="The tier that staff set; null where none is.")
    pin_until: date | None = strawberry.field(description="Its last day; null for no end.")
    is_preview: bool = strawberry.field(description="Whether this only says what would become of it.")

    @classmethod
    def of(cls, pinned: service.TierPinned, *, is_preview: bool) -> "TierPinned":
        return cls(
            tier_code=pinned.tier_code,
            earned_code=pinned.earned_code,
            pin_code=pinned.pin_code,
            pin_until=pinned.pin_until,
            is_preview=is_preview,
        )


PinTierResult = Annotated[
    TierPinned | InvalidInput | NotFound, strawberry.union("PinTierResult", description="Done, or why not.")
]


@strawberry.type
class AdminTiersMutation:
    @strawberry.mutation(
        description="Set a member's tier, whatever was earned, until a day or until it is taken away.",
        extensions=[OPERATORS],
    )
    async def pin_tier(
        self,
        info: Info,
        member: MemberId,
        tier: Annotated[str, strawberry.argument(description="The tier's code.")],
        reason: Reason,
        until: Annotated[
            date | None, strawberry.argument(description="The last day, not before today; no end when left out.")
        ] = None,
        preview: IsPreview = False,
    ) -> PinTierResult:
        context, member_id = info.context, key_of(member, "Member")
        if preview:
            seen = await service.preview_pin(
                context.work, member_id=member_id, code=tier, until=until, actor=context.actor
            )
            return TierPinned.of(seen.outcome(), is_preview=True)
        done = await service.pin_tier(
            context.work, member_id=member_id, code=tier, until=until, reason=reason, actor=context.actor
        )
        return TierPinned.of(done, is_preview=False)

    @strawberry.mutation(
        description="Take a tier away that staff had set: what was earned or bought counts again.",
        extensions=[OPERATORS],
    )
    async def unpin_tier(
        self, info: Info, member: MemberId, reason: Reason, preview: IsPreview = False
    ) -> PinTierResult:
        context, member_id = info.context, key_of(member, "Member")
        if preview:
            seen = await service.preview_unpin(context.work, member_id=member_id, actor=context.actor)
            return TierPinned.of(seen.outcome(), is_preview=True)
        done = await service.unpin_tier(context.work, member_id=member_id, reason=reason, actor=context.actor)
        return TierPinned.of(done, is_preview=False)
