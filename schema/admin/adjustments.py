"""Staff adjust points and growth and waive debt: alone within limits, beyond them with a second person."""

from datetime import datetime
from typing import Annotated, Any, cast

import strawberry

from gamification.adjustments import queries, rules, service
from schema.admin.adjustment_lines import (
    ADJUSTMENTS,
    READERS,
    Adjustment,
    AdjustmentBalances,
    AdjustmentState,
    ApprovalReason,
    adjustment_key,
    adjustment_of,
)
from schema.admin.adjustment_results import (
    AdjustmentPosted,
    AdjustmentPreview,
    AdjustmentProposed,
    AdjustPointsResult,
    ApproveAdjustmentResult,
    PreviewAdjustmentApprovalResult,
    PreviewAdjustmentResult,
    PreviewDebtWaiverResult,
    RejectAdjustmentResult,
    WaiveDebtResult,
    WithdrawAdjustmentResult,
)
from schema.admin.members import MemberId
from schema.context import Info
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First
from schema.permissions import Allow
from schema.permissions import Staff as IsStaff
from schema.points import Currency, WhichAccount, account_of
from schema.scalars import Points

OPERATORS = Allow(IsStaff("owner", "operator"))


AdjustmentId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the adjustment.")]
Signed = Annotated[Points, strawberry.argument(description="How many: in (positive) or out (negative); not 0.")]
Waived = Annotated[Points | None, strawberry.argument(description="How many, 1 or more; the whole debt when left out.")]
KEY = "1 to 64 characters: the same key again is answered as before, and moves nothing twice."


@strawberry.input(description="A change of a member's points or growth.")
class AdjustPointsInput:
    member_id: strawberry.ID = strawberry.field(description="The global id of the member.")
    points: Points = strawberry.field(description="How many: in (positive) or out (negative); not 0.")
    reason: str = strawberry.field(description="Why, 1 to 500 characters; neither the member nor the log sees it.")
    idempotency_key: str = strawberry.field(description=KEY)
    currency: Currency | None = strawberry.field(default=None, description="The account; POINTS when left out.")


@strawberry.input(description="A waiver of points that a member owes.")
class WaiveDebtInput:
    member_id: strawberry.ID = strawberry.field(description="The global id of the member.")
    reason: str = strawberry.field(description="Why, 1 to 500 characters; neither the member nor the log sees it.")
    idempotency_key: str = strawberry.field(description=KEY)
    points: Points | None = strawberry.field(
        default=None, description="How many, 1 or more; the whole debt when left out."
    )


@strawberry.input(description="Which adjustments; what is left out does not narrow.")
class AdjustmentSearch:
    member_id: strawberry.ID | None = strawberry.field(default=None, description="Of the member with this global id.")
    state: AdjustmentState | None = strawberry.field(default=None, description="In this state at this moment.")
    made_by: strawberry.ID | None = strawberry.field(
        default=None, description="Made or proposed by the member of staff with this global id."
    )
    decided_by: strawberry.ID | None = strawberry.field(
        default=None, description="Approved, rejected or withdrawn by the member of staff with this global id."
    )
    since: datetime | None = strawberry.field(default=None, description="Made at this instant or later.")
    until: datetime | None = strawberry.field(default=None, description="Made before this instant.")


def wanted_adjustments(search: AdjustmentSearch | None) -> queries.AdjustmentFilter:
    """A search as the product understands it. Raises BadInput."""
    if search is None:
        return queries.AdjustmentFilter()
    people = {"made_by": ("Staff", "madeBy"), "decided_by": ("Staff", "decidedBy"), "member_id": ("Member", "memberId")}
    ids = {
        name: key_of(value, type_name, argument=argument)
        for name, (type_name, argument) in people.items()
        if (value := getattr(search, name)) is not None
    }
    state = cast(rules.State, search.state.value) if search.state else None
    return queries.AdjustmentFilter(**ids, state=state, since=search.since, until=search.until)


def currency_of(currency: Currency | None) -> rules.Currency:
    """An account as the product calls it; POINTS when none is named."""
    return cast(rules.Currency, account_of(currency))


async def answer_of(made: service.Adjusted, info: Info) -> AdjustmentPosted | AdjustmentProposed:
    """What staff read of an adjustment that was just made, or of the same request repeated."""
    adjustment = await adjustment_of((made.member_id, made.adjustment_id), info)
    assert adjustment is not None, "what was made is there"
    if made.state == "POSTED":
        return AdjustmentPosted.of(adjustment)
    assert made.because is not None and made.lapses_at is not None, "a proposal has its reason and its end"
    return AdjustmentProposed(
        adjustment=adjustment,
        because=ApprovalReason(made.because),
        lapses_at=made.lapses_at,
        before=AdjustmentBalances.of(made.before),
        after=AdjustmentBalances.of(made.after),
    )


@strawberry.type
class AdjustmentsQuery:
    @strawberry.field(description="What staff adjusted or proposed to adjust, the latest first.", extensions=[READERS])
    async def adjustments(
        self,
        info: Info,
        search: Annotated[AdjustmentSearch | None, strawberry.argument(description="Which; all when left out.")] = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[Adjustment]:
        page, now = ADJUSTMENTS.page(first, after), info.context.now
        behind: Any = page.after[0] if page.after else None
        rows = await queries.adjustments_page(wanted_adjustments(search), now=now, after=behind, limit=page.limit)
        return page.connection(rows, lambda row: Adjustment.of(row, now))

    @strawberry.field(description="An adjustment.", extensions=[READERS])
    async def adjustment(self, info: Info, id: AdjustmentId) -> Adjustment | None:
        return await adjustment_of(adjustment_key(id), info)

    @strawberry.field(description="What `adjustPoints` would do now, without doing it.", extensions=[OPERATORS])
    async def preview_adjustment(
        self,
        info: Info,
        member_id: MemberId,
        points: Signed,
        currency: WhichAccount = None,
    ) -> PreviewAdjustmentResult:
        seen = await service.preview_adjustment(
            info.context.work,
            member_id=key_of(member_id, "Member", argument="memberId"),
            currency=currency_of(currency),
            points=points,
            actor=info.context.actor,
        )
        return AdjustmentPreview.of(seen)

    @strawberry.field(description="What `waiveDebt` would do now, without doing it.", extensions=[OPERATORS])
    async def preview_debt_waiver(
        self, info: Info, member_id: MemberId, points: Waived = None
    ) -> PreviewDebtWaiverResult:
        whose = key_of(member_id, "Member", argument="memberId")
        seen = await service.preview_waiver(info.context.work, member_id=whose, points=points, actor=info.context.actor)
        return AdjustmentPreview.of(seen)

    @strawberry.field(description="What `approveAdjustment` would do now, without doing it.", extensions=[OPERATORS])
    async def preview_adjustment_approval(self, info: Info, id: AdjustmentId) -> PreviewAdjustmentApprovalResult:
        member_id, adjustment_id = adjustment_key(id)
        seen = await service.preview_approval(
            info.context.work, member_id=member_id, adjustment_id=adjustment_id, actor=info.context.actor
        )
        return AdjustmentPreview.of(seen)


@strawberry.type
class AdjustmentsMutation:
    @strawberry.mutation(
        description="Move a member's points or growth by hand: at once within the limits, proposed beyond them.",
        extensions=[OPERATORS],
    )
    async def adjust_points(
        self, info: Info, input: Annotated[AdjustPointsInput, strawberry.argument(description="The change.")]
    ) -> AdjustPointsResult:
        made = await service.adjust(
            info.context.work,
            member_id=key_of(input.member_id, "Member", argument="memberId"),
            currency=currency_of(input.currency),
            points=input.points,
            reason=input.reason,
            actor=info.context.actor,
            key=input.idempotency_key,
        )
        return await answer_of(made, info)

    @strawberry.mutation(
        description="Waive points that a member owes: at once within the limits, proposed beyond them.",
        extensions=[OPERATORS],
    )
    async def waive_debt(
        self, info: Info, input: Annotated[WaiveDebtInput, strawberry.argument(description="The waiver.")]
    ) -> WaiveDebtResult:
        made = await service.waive_debt(
            info.context.work,
            member_id=key_of(input.member_id, "Member", argument="memberId"),
            points=input.points,
            reason=input.reason,
            actor=info.context.actor,
            key=input.idempotency_key,
        )
        return await answer_of(made, info)

    @strawberry.mutation(
        description="Post what another proposed, on the balances of this moment.", extensions=[OPERATORS]
    )
    async def approve_adjustment(self, info: Info, id: AdjustmentId) -> ApproveAdjustmentResult:
        member_id, adjustment_id = adjustment_key(id)
        line = await service.approve(
            info.context.work, member_id=member_id, adjustment_id=adjustment_id, actor=info.context.actor
        )
        return AdjustmentPosted.of(Adjustment.of(line, info.context.now))

    @strawberry.mutation(description="Say no to what another proposed.", extensions=[OPERATORS])
    async def reject_adjustment(
        self,
        info: Info,
        id: AdjustmentId,
        reason: Annotated[str, strawberry.argument(description="Why, 1 to 500 characters.")],
    ) -> RejectAdjustmentResult:
        member_id, adjustment_id = adjustment_key(id)
        line = await service.reject(
            info.context.work,
            member_id=member_id,
            adjustment_id=adjustment_id,
            reason=reason,
            actor=info.context.actor,
        )
        return Adjustment.of(line, info.context.now)

    @strawberry.mutation(description="Take an own proposal back.", extensions=[OPERATORS])
    async def withdraw_adjustment(self, info: Info, id: AdjustmentId) -> WithdrawAdjustmentResult:
        member_id, adjustment_id = adjustment_key(id)
        line = await service.withdraw(
            info.context.work, member_id=member_id, adjustment_id=adjustment_id, actor=info.context.actor
        )
        return Adjustment.of(line, info.context.now)
