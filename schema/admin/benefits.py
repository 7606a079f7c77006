"""Benefits at the till: used under an external id, previewed, given back."""

from datetime import date
from enum import Enum
from typing import Annotated, cast

import strawberry

from gamification.benefits import errors, service
from gamification.benefits.rules import Usable
from schema.admin.order_intake import WRITERS
from schema.admin.orders import MemberRef, name_of
from schema.context import Info
from schema.refusals import Refusal
from schema.scalars import Fen
from schema.usual_refusals import InvalidInput, NotFound


@strawberry.enum(description="A benefit that is used at the till.")
class UsableBenefit(Enum):
    DISCOUNT = strawberry.enum_value("DISCOUNT", description="Something taken off the amount.")
    FREE_DELIVERY = strawberry.enum_value("FREE_DELIVERY", description="Delivery for nothing.")


class BenefitNotGiven(
    Refusal,
    of=errors.BenefitNotGiven,
    enums={"benefit": UsableBenefit},
    describe={"benefit": "The benefit.", "tier": "The member's tier, which does not give it."},
):
    pass


class BenefitUsedUp(
    Refusal,
    of=errors.BenefitUsedUp,
    enums={"benefit": UsableBenefit},
    describe={
        "benefit": "The benefit.",
        "allowed": "How often a month allows it.",
        "used": "How often it was used.",
        "until": "The month's last day.",
    },
):
    pass


class BenefitUseConflict(
    Refusal, of=errors.BenefitUseConflict, describe={"external_id": "The sender's id of the use."}
):
    pass


@strawberry.input(description="A use of a benefit. Its external id is one use, for ever.")
class UseBenefitInput:
    external_id: str = strawberry.field(description="The sender's id: 1 to 100 printable characters.")
    member: MemberRef = strawberry.field(description="Whose tier gives it.")
    benefit: UsableBenefit = strawberry.field(description="What is used.")
    amount_fen: Fen = strawberry.field(
        default=Fen(0), description="The amount that a discount is taken off; what a delivery would have cost."
    )


@strawberry.type(description="A benefit was used, now or before.")
class BenefitUsed:
    external_id: str = strawberry.field(description="The sender's id.")
    benefit: UsableBenefit = strawberry.field(description="What was used.")
    already_used: bool = strawberry.field(description="Whether it had been used under this id: nothing changed then.")
    saved_fen: Fen = strawberry.field(description="What a discount takes off.")
    used: int = strawberry.field(description="How often it was used this month.")
    left: int | None = strawberry.field(description="How often it may still be used; null for any number.")
    until: date = strawberry.field(description="The month's last day.")
    is_preview: bool = strawberry.field(description="Whether this only says what would become of it.")


@strawberry.type(description="A use was given back, now or before: it counts no more.")
class BenefitUseReversed:
    external_id: str = strawberry.field(description="The sender's id of the use.")
    benefit: UsableBenefit = strawberry.field(description="What had been used.")
    already_reversed: bool = strawberry.field(description="Whether it had been given back before.")


UseBenefitResult = Annotated[
    BenefitUsed | BenefitNotGiven | BenefitUsedUp | BenefitUseConflict | NotFound | InvalidInput,
    strawberry.union("UseBenefitResult", description="Used, or why not."),
]
ReverseBenefitUseResult = Annotated[
    BenefitUseReversed | NotFound, strawberry.union("ReverseBenefitUseResult", description="Given back, or why not.")
]


@strawberry.type
class AdminBenefitsMutation:
    @strawberry.mutation(description="Use a benefit of the member's tier; safe to send again.", extensions=[WRITERS])
    async def use_benefit(
        self,
        info: Info,
        input: Annotated[UseBenefitInput, strawberry.argument(description="The use.")],
        preview: Annotated[bool, strawberry.argument(description="Whether to decide only, and use nothing.")] = False,
    ) -> UseBenefitResult:
        context = info.context
        benefit = cast(Usable, input.benefit.value)
        if preview:
            seen = await service.preview_use(
                context.work,
                member=name_of(input.member),
                external_id=input.external_id,
                benefit=benefit,
                amount_fen=int(input.amount_fen),
                actor=context.actor,
            )
            return _used(seen.outcome(), is_preview=True)
        used = await service.use_benefit(
            context.work,
            member=name_of(input.member),
            external_id=input.external_id,
            benefit=benefit,
            amount_fen=int(input.amount_fen),
            actor=context.actor,
        )
        return _used(used, is_preview=False)

    @strawberry.mutation(description="Give a use back: it counts no more in its month.", extensions=[WRITERS])
    async def reverse_benefit_use(
        self, info: Info, external_id: Annotated[str, strawberry.argument(description="The sender's id of the use.")]
    ) -> ReverseBenefitUseResult:
        done = await service.reverse_use(info.context.work, external_id=external_id, actor=info.context.actor)
        return BenefitUseReversed(
            external_id=done.external_id, benefit=UsableBenefit(done.benefit), already_reversed=done.already_reversed
        )


def _used(used: service.BenefitUsed, *, is_preview: bool) -> BenefitUsed:
    return BenefitUsed(
        external_id=used.external_id,
        benefit=UsableBenefit(used.benefit),
        already_used=used.already_used,
        saved_fen=Fen(used.saved_fen),
        used=used.used,
        left=used.left,
        until=used.until,
        is_preview=is_preview,
    )
