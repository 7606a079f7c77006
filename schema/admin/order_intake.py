"""Orders and refunds as tills and shops send them."""

from datetime import datetime
from typing import Annotated

import strawberry

from gamification.orders import errors, queries, rules, service
from schema.admin.orders import MemberRef, Order, RefundStatus, name_of
from schema.context import Info
from schema.earning_rules import RuleVerdict
from schema.holds import CaptureExceedsHold, HoldCaptured, OrderAlreadyHeld
from schema.permissions import Allow, Integration, Staff, access_error
from schema.points import InsufficientPoints
from schema.previews import SHOWN, PreviewedEntry, previewed_entries
from schema.refusals import Refusal
from schema.scalars import Fen, Points
from schema.usual_refusals import InvalidInput, NotFound

WRITERS = Allow(Integration("orders:write"), Staff("owner", "operator", "cashier"))


class OrderConflict(Refusal, of=errors.OrderConflict, describe={"external_id": "The external id."}):
    pass


class RefundConflict(Refusal, of=errors.RefundConflict, describe={"external_id": "The external id."}):
    pass


class AmountsDisagree(
    Refusal,
    of=errors.AmountsDisagree,
    describe={"expected_fen": "The lines and what is excluded, added up.", "paid_fen": "What was said to be paid."},
):
    pass


class RefundExceedsPaid(
    Refusal,
    of=errors.RefundExceedsPaid,
    describe={
        "external_id": "The order's external id.",
        "requested_fen": "What is to be refunded.",
        "refundable_fen": "What is left of what was paid.",
    },
):
    pass


class QuantityExceedsBought(
    Refusal,
    of=errors.QuantityExceedsBought,
    describe={"line": "The line, from 0.", "requested": "Pieces to be returned.", "returnable": "Pieces left."},
):
    pass


class LineUnknown(
    Refusal, of=errors.LineUnknown, describe={"line": "The line, from 0.", "lines": "How many the order has."}
):
    pass


class RestorationExceedsDeduction(
    Refusal,
    of=errors.RestorationExceedsDeduction,
    points=("requested", "restorable"),
    describe={
        "line": "The line, from 0.",
        "requested": "Points that are to come back.",
        "restorable": "What is left of those it was paid with.",
    },
):
    pass


class DeductionExceedsLines(
    Refusal,
    of=errors.DeductionExceedsLines,
    describe={"deduction_points": "Points that are to pay.", "payable_fen": "What the lines cost; 1 point = 1 fen."},
):
    pass


@strawberry.type(description="An order was recorded, now or before.")
class OrderRecorded:
    external_id: str = strawberry.field(description="The sender's id of the order.")
    already_recorded: bool = strawberry.field(description="Whether it had been recorded before: nothing changed then.")
    points: Points = strawberry.field(description="Points it earned, the ladder's uplift included.")
    ladder_points: Points = strawberry.field(description="Of these the ladder's uplift for the month.")
    growth: Points = strawberry.field(description="Growth it earned.")
    raised_to: str | None = strawberry.field(description="The code of the tier that it raised the member to.")
    deduction_points: Points = strawberry.field(description="Points that paid for a part of it.")
    available: Points = strawberry.field(description="Points usable after it.")
    rules: list[RuleVerdict] = strawberry.field(
        description="What each earning rule did, those that pay first; empty where it had been recorded before."
    )

    @strawberry.field(description="The order.")
    async def order(self, info: Info) -> Order | None:
        row = await info.context.load(queries.orders_by_external_ids, self.external_id)
        return Order.of(row) if row else None


@strawberry.type(description="A refund was recorded, now or before.")
class RefundRecorded:
    external_id: str = strawberry.field(description="The sender's id of the refund.")
    status: RefundStatus = strawberry.field(description="What became of it.")
    already_recorded: bool = strawberry.field(description="Whether it had been recorded before: nothing changed then.")
    matched: bool = strawberry.field(description="Whether it named no order and was matched.")
    requested_fen: Fen = strawberry.field(description="What it asked for.")
    placed_fen: Fen = strawberry.field(description="What found its order.")
    points_revoked: Points = strawberry.field(description="Points taken back.")
    debt_added: Points = strawberry.field(description="Of these the member owes.")
    growth_revoked: Points = strawberry.field(description="Growth taken back.")
    points_restored: Points = strawberry.field(description="Points that had paid for it and came back.")
    available: Points | None = strawberry.field(description="Points usable after it; null while it waits.")


@strawberry.type(description="What an order would post; nothing was changed.")
class OrderPreview:
    already_recorded: bool = strawberry.field(description="Whether it is recorded already and would change nothing.")
    points: Points = strawberry.field(description="Points it would earn, the ladder's uplift included.")
    ladder_points: Points = strawberry.field(description="Of these the ladder's uplift for the month.")
    growth: Points = strawberry.field(description="Growth it would earn.")
    raised_to: str | None = strawberry.field(description="The code of the tier that it would raise the member to.")
    deduction_points: Points = strawberry.field(description="Points that would pay for a part of it.")
    available: Points = strawberry.field(description="Points usable afterwards.")
    rules: list[RuleVerdict] = strawberry.field(description="What each earning rule would do, those that pay first.")
    entries: list[PreviewedEntry] = strawberry.field(description=SHOWN)


@strawberry.type(description="What a refund would take back and give back; nothing was changed.")
class RefundPreview:
    status: RefundStatus = strawberry.field(description="What would become of it.")
    already_recorded: bool = strawberry.field(description="Whether it is recorded already and would change nothing.")
    placed_fen: Fen = strawberry.field(description="What would find its order.")
    points_revoked: Points = strawberry.field(description="Points that would be taken back.")
    debt_added: Points = strawberry.field(description="Of these the member would owe.")
    growth_revoked: Points = strawberry.field(description="Growth that would be taken back.")
    points_restored: Points = strawberry.field(description="Points that had paid for it and would come back.")
    available: Points = strawberry.field(description="Points usable afterwards.")
    entries: list[PreviewedEntry] = strawberry.field(description=SHOWN)


@strawberry.input(description="A line of an order.")
class OrderLineInput:
    net_fen: Fen = strawberry.field(description="What it costs after discounts.")
    quantity: int = strawberry.field(default=1, description="Pieces, at least 1.")
    sku: str | None = strawberry.field(default=None, description="The stock keeping unit, up to 100 characters.")
    category: str | None = strawberry.field(default=None, description="The category, up to 100 characters.")
    eligible: bool = strawberry.field(default=True, description="Whether it earns points and growth.")


@strawberry.input(description="An order that was paid.")
class RecordOrderInput:
    external_id: str = strawberry.field(description="Your id of the order; the same id again changes nothing.")
    member: MemberRef = strawberry.field(description="Whose order it is.")
    paid_at: datetime = strawberry.field(description="When it was paid; decides month and rule version.")
    paid_fen: Fen = strawberry.field(
        description="Paid in cash in all: the lines' net, less what points pay, plus what is excluded."
    )
    lines: list[OrderLineInput] = strawberry.field(description="1 to 500 lines.")
    excluded_fen: Fen = strawberry.field(default=Fen(0), description="Shipping, gift cards: paid, but earns nothing.")
    channel: str = strawberry.field(default="store", description="Where it was placed, up to 40 characters.")
    store: str | None = strawberry.field(default=None, description="In which store, up to 40 characters.")
    currency: str = strawberry.field(default="CNY", description="ISO 4217 code that the amounts are labelled with.")
    deduction_points: Points = strawberry.field(
        default=Points(0),
        description="Points that pay, 1 point = 1 fen: captured from the order's hold, or taken now where none holds.",
    )


@strawberry.input(description="What comes back of one line.")
class RefundLineInput:
    line: int = strawberry.field(description="The line's number, from 0.")
    fen: Fen = strawberry.field(description="Cash refunded for it.")
    quantity: int = strawberry.field(default=0, description="Pieces returned.")
    points: Points | None = strawberry.field(
        default=None, description="Points that had paid for it; in proportion to the cash when left out."
    )


@strawberry.input(description="A refund: of lines, of an amount, or of all that is left of an order.")
class RecordRefundInput:
    external_id: str = strawberry.field(description="Your id of the refund, unique within its order.")
    refunded_at: datetime = strawberry.field(description="When the cash went back.")
    order_external_id: str | None = strawberry.field(default=None, description="The order; it may arrive later.")
    member: MemberRef | None = strawberry.field(default=None, description="Whose, for a refund that names no order.")
    fen: Fen | None = strawberry.field(default=None, description="An amount over the whole order.")
    lines: list[RefundLineInput] = strawberry.field(default_factory=list, description="Or what comes back of lines.")


RecordOrderResult = Annotated[
    OrderRecorded
    | OrderConflict
    | AmountsDisagree
    | DeductionExceedsLines
    | OrderAlreadyHeld
    | CaptureExceedsHold
    | HoldCaptured
    | InsufficientPoints
    | NotFound
    | InvalidInput,
    strawberry.union("RecordOrderResult", description="Recorded, or why not."),
]
RecordRefundResult = Annotated[
    RefundRecorded
    | RefundConflict
    | RefundExceedsPaid
    | QuantityExceedsBought
    | RestorationExceedsDeduction
    | LineUnknown
    | NotFound
    | InvalidInput,
    strawberry.union("RecordRefundResult", description="Recorded, or why not."),
]
PreviewOrderResult = Annotated[
    OrderPreview
    | OrderConflict
    | AmountsDisagree
    | DeductionExceedsLines
    | OrderAlreadyHeld
    | CaptureExceedsHold
    | HoldCaptured
    | InsufficientPoints
    | NotFound
    | InvalidInput,
    strawberry.union("PreviewOrderResult", description="What it would post, or why it would be refused."),
]
PreviewRefundResult = Annotated[
    RefundPreview
    | RefundConflict
    | RefundExceedsPaid
    | QuantityExceedsBought
    | RestorationExceedsDeduction
    | LineUnknown
    | NotFound
    | InvalidInput,
    strawberry.union("PreviewRefundResult", description="What it would move, or why it would be refused."),
]


def order_request(input: RecordOrderInput) -> service.NewOrder:
    """The order as the product takes it."""
    lines = tuple(
        service.NewLine(each.sku, each.category, each.quantity, int(each.net_fen), each.eligible)
        for each in input.lines
    )
    return service.NewOrder(
        external_id=input.external_id,
        member=name_of(input.member),
        paid_at=input.paid_at,
        paid_fen=int(input.paid_fen),
        lines=lines,
        excluded_fen=int(input.excluded_fen),
        channel=input.channel,
        store=input.store,
        currency=input.currency,
        deduction_points=int(input.deduction_points),
    )


def refund_request(input: RecordRefundInput) -> service.NewRefund:
    """The refund as the product takes it."""
    return service.NewRefund(
        external_id=input.external_id,
        refunded_at=input.refunded_at,
        order_external_id=input.order_external_id,
        member=name_of(input.member) if input.member else None,
        fen=None if input.fen is None else int(input.fen),
        lines=tuple(
            rules.RefundLine(each.line, each.quantity, int(each.fen), None if each.points is None else int(each.points))
            for each in input.lines
        ),
    )


def check_store(info: Info, store: str | None) -> None:
    """A cashier acts for the stores of the account only. Raises FORBIDDEN."""
    actor = info.context.actor
    if actor.role == "cashier" and store not in actor.stores:
        raise access_error(actor, info.context.locale)


async def check_store_of_order(info: Info, order_external_id: str | None) -> None:
    """A cashier refunds orders of the account's stores only, and by their id. Raises FORBIDDEN."""
    if info.context.actor.role != "cashier":
        return
    row = await info.context.load(queries.orders_by_external_ids, order_external_id) if order_external_id else None
    check_store(info, row.store if row else None)


@strawberry.type
class OrderIntakeQuery:
    @strawberry.field(description="What recordOrder would post now, without doing it.", extensions=[WRITERS])
    async def preview_order(
        self, info: Info, input: Annotated[RecordOrderInput, strawberry.argument(description="The order.")]
    ) -> PreviewOrderResult:
        check_store(info, input.store)
        preview = await service.preview(info.context.work, order_request(input))
        seen: service.OrderRecorded = preview.outcome()
        return OrderPreview(
            already_recorded=seen.already_recorded,
            points=Points(seen.points),
            ladder_points=Points(seen.ladder_points),
            growth=Points(seen.growth),
            raised_to=seen.raised_to,
            deduction_points=Points(seen.deduction_points),
            available=Points(seen.available),
            rules=[RuleVerdict.of(each) for each in seen.rules],
            entries=previewed_entries(preview, info.context.locale),
        )

    @strawberry.field(
        description="What recordRefund would move now, without doing it; its order has to be here.",
        extensions=[WRITERS],
    )
    async def preview_refund(
        self, info: Info, input: Annotated[RecordRefundInput, strawberry.argument(description="The refund.")]
    ) -> PreviewRefundResult:
        await check_store_of_order(info, input.order_external_id)
        preview = await service.preview(info.context.work, refund_request(input))
        seen: service.RefundRecorded = preview.outcome()
        assert seen.available is not None, "a refund that waits is not previewed"
        return RefundPreview(
            status=RefundStatus(seen.status),
            already_recorded=seen.already_recorded,
            placed_fen=Fen(seen.placed_fen),
            points_revoked=Points(seen.points_revoked),
            debt_added=Points(seen.debt_added),
            growth_revoked=Points(seen.growth_revoked),
            points_restored=Points(seen.points_restored),
            available=Points(seen.available),
            entries=previewed_entries(preview, info.context.locale),
        )


@strawberry.type
class OrderIntakeMutation:
    @strawberry.mutation(description="Record an order; safe to send again.", extensions=[WRITERS])
    async def record_order(
        self, info: Info, input: Annotated[RecordOrderInput, strawberry.argument(description="The order.")]
    ) -> RecordOrderResult:
        check_store(info, input.store)
        recorded = await service.record_one(info.context.work, order_request(input), actor=info.context.actor)
        assert isinstance(recorded, service.OrderRecorded), "an order is recorded as one"
        return OrderRecorded(
            external_id=recorded.external_id,
            already_recorded=recorded.already_recorded,
            points=Points(recorded.points),
            ladder_points=Points(recorded.ladder_points),
            growth=Points(recorded.growth),
            raised_to=recorded.raised_to,
            deduction_points=Points(recorded.deduction_points),
            available=Points(recorded.available),
            rules=[RuleVerdict.of(each) for each in recorded.rules],
        )

    @strawberry.mutation(description="Record a refund; safe to send again, and before its order.", extensions=[WRITERS])
    async def record_refund(
        self, info: Info, input: Annotated[RecordRefundInput, strawberry.argument(description="The refund.")]
    ) -> RecordRefundResult:
        await check_store_of_order(info, input.order_external_id)
        recorded = await service.record_one(info.context.work, refund_request(input), actor=info.context.actor)
        assert isinstance(recorded, service.RefundRecorded), "a refund is recorded as one"
        return RefundRecorded(
            external_id=recorded.external_id,
            status=RefundStatus(recorded.status),
            already_recorded=recorded.already_recorded,
            matched=recorded.matched,
            requested_fen=Fen(recorded.requested_fen),
            placed_fen=Fen(recorded.placed_fen),
            points_revoked=Points(recorded.points_revoked),
            debt_added=Points(recorded.debt_added),
            growth_revoked=Points(recorded.growth_revoked),
            points_restored=Points(recorded.points_restored),
            available=None if recorded.available is None else Points(recorded.available),
        )
