"""Points as money on an order, as tills do it: quote, hold, capture, release, cancel; each can be previewed."""

from typing import Annotated

import strawberry

from gamification.orders import service as orders
from gamification.points import service as points
from gamification.points.hold_queries import stores_of_order
from schema.admin.holds import (
    WRITERS,
    CancelDeductionResult,
    CapturedPoints,
    CaptureHoldResult,
    DeductionCancelled,
    HoldId,
    HoldPointsInput,
    HoldPointsResult,
    OrderExternalId,
    PreviewCaptureResult,
    PreviewHoldResult,
    PreviewReleaseResult,
    ReleaseHoldResult,
    changed,
    checked_hold,
    hold_command,
    member_id_of,
    previewed,
)
from schema.admin.order_intake import check_store
from schema.admin.orders import MemberRef
from schema.context import Info
from schema.deduction import Lines, QuoteDeductionResult, RequestedPoints, quote_for
from schema.scalars import Points


@strawberry.type
class AdminDeductionQuery:
    @strawberry.field(
        description="How many of a member's points may pay for an order: clamped, never refused for want of points.",
        extensions=[WRITERS],
    )
    async def quote_deduction(
        self,
        info: Info,
        member: Annotated[MemberRef, strawberry.argument(description="Whose points.")],
        lines: Lines,
        requested_points: RequestedPoints = None,
    ) -> QuoteDeductionResult:
        return await quote_for(await member_id_of(member), lines, requested_points, info)

    @strawberry.field(description="What holdPoints would do now, without doing it.", extensions=[WRITERS])
    async def preview_hold(
        self, info: Info, input: Annotated[HoldPointsInput, strawberry.argument(description="The hold.")]
    ) -> PreviewHoldResult:
        command = await hold_command(input, info)
        return previewed(await points.preview_hold(info.context.work, command), info)

    @strawberry.field(description="What captureHold would do now, without doing it.", extensions=[WRITERS])
    async def preview_capture(
        self, info: Info, id: HoldId, points_captured: CapturedPoints = None
    ) -> PreviewCaptureResult:
        member_id, seq = await checked_hold(id, info)
        captured = None if points_captured is None else int(points_captured)
        preview = await points.preview_capture(
            info.context.work, member_id=member_id, seq=seq, points=captured, actor=info.context.actor
        )
        return previewed(preview, info)

    @strawberry.field(description="What releaseHold would do now, without doing it.", extensions=[WRITERS])
    async def preview_release(self, info: Info, id: HoldId) -> PreviewReleaseResult:
        member_id, seq = await checked_hold(id, info)
        preview = await points.preview_release(
            info.context.work, member_id=member_id, seq=seq, actor=info.context.actor
        )
        return previewed(preview, info)

    @strawberry.field(description="What cancelDeduction would give back now, without doing it.", extensions=[WRITERS])
    async def preview_cancellation(self, info: Info, order_external_id: OrderExternalId) -> CancelDeductionResult:
        await check_store_of_holds(order_external_id, info)
        preview = await orders.preview_cancellation(
            info.context.work, order_external_id=order_external_id, actor=info.context.actor
        )
        return cancelled(preview.outcome())


@strawberry.type
class AdminDeductionMutation:
    @strawberry.mutation(
        description="Reserve a member's points for an order, until captureHold or recordOrder takes them.",
        extensions=[WRITERS],
    )
    async def hold_points(
        self, info: Info, input: Annotated[HoldPointsInput, strawberry.argument(description="The hold.")]
    ) -> HoldPointsResult:
        command = await hold_command(input, info)
        return changed(await points.hold_points(info.context.work, command))

    @strawberry.mutation(
        description="Let held points pay for their order; the rest is released. Again it changes nothing. After the"
        " hold's end the points are held anew, if they are still there.",
        extensions=[WRITERS],
    )
    async def capture_hold(self, info: Info, id: HoldId, points_captured: CapturedPoints = None) -> CaptureHoldResult:
        member_id, seq = await checked_hold(id, info)
        captured = None if points_captured is None else int(points_captured)
        return changed(
            await points.capture_hold(
                info.context.work, member_id=member_id, seq=seq, points=captured, actor=info.context.actor
            )
        )

    @strawberry.mutation(description="Give held points back. Again it changes nothing.", extensions=[WRITERS])
    async def release_hold(self, info: Info, id: HoldId) -> ReleaseHoldResult:
        member_id, seq = await checked_hold(id, info)
        return changed(
            await points.release_hold(info.context.work, member_id=member_id, seq=seq, actor=info.context.actor)
        )

    @strawberry.mutation(
        description="Give back what was held or captured for an order that does not come about. Again it changes"
        " nothing.",
        extensions=[WRITERS],
    )
    async def cancel_deduction(self, info: Info, order_external_id: OrderExternalId) -> CancelDeductionResult:
        await check_store_of_holds(order_external_id, info)
        return cancelled(
            await orders.cancel_deduction(
                info.context.work, order_external_id=order_external_id, actor=info.context.actor
            )
        )


async def check_store_of_holds(order_external_id: str, info: Info) -> None:
    """A cashier cancels what was held in the account's stores only. Raises FORBIDDEN."""
    if info.context.actor.role == "cashier":
        for store in await stores_of_order(order_external_id):
            check_store(info, store)


def cancelled(answer: orders.DeductionCancelled) -> DeductionCancelled:
    """What came back, as GraphQL shows it."""
    return DeductionCancelled(
        order_external_id=answer.order_external_id,
        points=Points(answer.points),
        available=Points(answer.available),
    )
