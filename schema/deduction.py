"""Points as money on an order, as the mini-program asks before it is paid."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from gamification.orders import errors, service
from gamification.orders.quotes import Quote
from gamification.orders.service.deducting import DeductionQuote as Offer
from schema.context import Info, own_id
from schema.permissions import Allow, Member
from schema.refusals import Refusal
from schema.scalars import Fen, Points
from schema.usual_refusals import InvalidInput, NotFound

MEMBERS = Allow(Member())


class QuoteInvalid(Refusal, of=errors.QuoteInvalid):
    pass


class QuoteExpired(Refusal, of=errors.QuoteExpired, describe={"valid_until": "Until when it stood."}):
    pass


@strawberry.input(description="A line of an order that points may pay for.")
class QuoteLineInput:
    net_fen: Fen = strawberry.field(description="What it costs after discounts.")
    eligible: bool = strawberry.field(default=True, description="Whether it earns points.")


@strawberry.type(description="How many points may pay for an order; nothing is reserved by it.")
class DeductionQuote:
    points: Points = strawberry.field(description="Points that may be used, in whole steps; 0 where none may.")
    fen: Fen = strawberry.field(description="What they pay: 1 point is 1 fen.")
    line_points: list[Points] = strawberry.field(description="Their part of each line, in the order asked.")
    payable_fen: Fen = strawberry.field(description="What the lines cost.")
    available: Points = strawberry.field(description="Points usable now.")
    step_points: Points = strawberry.field(description="They are used in steps of so many.")
    earned_if_used: Points = strawberry.field(description="Points that the order would earn with the deduction.")
    earned_if_not_used: Points = strawberry.field(description="Points that it would earn paid in cash alone.")
    valid_until: datetime = strawberry.field(description="Until when the quote can be held.")
    quote: str = strawberry.field(description="The signed quote, for holdPoints.")


QuoteDeductionResult = Annotated[
    DeductionQuote | NotFound | InvalidInput,
    strawberry.union("QuoteDeductionResult", description="The quote, or why there is none."),
]
Lines = Annotated[list[QuoteLineInput], strawberry.argument(description="The order's lines, 1 to 500.")]
RequestedPoints = Annotated[
    Points | None, strawberry.argument(description="How many are wanted; as many as possible when left out.")
]


async def quote_for(
    member_id: UUID, lines: list[QuoteLineInput], requested_points: Points | None, info: Info
) -> DeductionQuote:
    """A signed quote for a member's order. Refuses: NotFound, InvalidInput."""
    context = info.context
    offer = await service.quote_deduction(
        context.work,
        member_id=member_id,
        lines=tuple(service.QuotedLine(int(line.net_fen), line.eligible) for line in lines),
        requested=None if requested_points is None else int(requested_points),
        actor=context.actor,
    )
    return _shown(offer, context.quotes.sign(Quote(offer.member_id, offer.points, offer.valid_until)))


def _shown(offer: Offer, quote: str) -> DeductionQuote:
    return DeductionQuote(
        points=Points(offer.points),
        fen=Fen(offer.points),
        line_points=[Points(each) for each in offer.line_points],
        payable_fen=Fen(offer.payable_fen),
        available=Points(offer.available),
        step_points=Points(offer.step_points),
        earned_if_used=Points(offer.earned_if_used),
        earned_if_not_used=Points(offer.earned_if_not_used),
        valid_until=offer.valid_until,
        quote=quote,
    )


@strawberry.type
class DeductionQuery:
    @strawberry.field(
        description="How many of the caller's points may pay for an order: clamped, never refused for want of points.",
        extensions=[MEMBERS],
    )
    async def quote_deduction(
        self, info: Info, lines: Lines, requested_points: RequestedPoints = None
    ) -> QuoteDeductionResult:
        return await quote_for(own_id(info), lines, requested_points, info)
