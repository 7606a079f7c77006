"""Holds as tills and shops make them: what they send, what they are answered, what a call would do."""

from typing import Annotated
from uuid import UUID

import strawberry

from gamification.core.errors import InvalidInput as MalformedInput
from gamification.core.errors import NotFound as NothingFound
from gamification.core.work import Preview
from gamification.members.service import known_members
from gamification.orders import errors as order_errors
from gamification.points import service as points
from gamification.points.hold_queries import holds_by_keys
from schema.admin.order_intake import check_store
from schema.admin.orders import MemberRef, name_of
from schema.context import Info
from schema.deduction import (
    QuoteExpired,
    QuoteInvalid,
)
from schema.holds import (
    CaptureExceedsHold,
    HoldCaptured,
    HoldKey,
    HoldState,
    OrderAlreadyHeld,
    PointsHold,
    hold_key_of,
    hold_of,
)
from schema.permissions import Allow, Integration, Staff
from schema.points import InsufficientPoints
from schema.previews import SHOWN, PreviewedEntry, previewed_entries
from schema.refusals import Refusal
from schema.scalars import Points
from schema.usual_refusals import IdempotencyConflict, InvalidInput, NotFound

WRITERS = Allow(Integration("orders:write"), Staff("owner", "operator", "cashier"))


class OrderRecordedAlready(
    Refusal, of=order_errors.OrderRecordedAlready, describe={"external_id": "The order's external id."}
):
    pass


@strawberry.input(description="Points to be reserved for an order: so many, or what a quote offered.")
class HoldPointsInput:
    member: MemberRef = strawberry.field(description="Whose points.")
    order_external_id: str = strawberry.field(description="Your id of the order, 1 to 100 characters.")
    points: Points | None = strawberry.field(default=None, description="How many; or give a quote.")
    quote: str | None = strawberry.field(default=None, description="What quoteDeduction offered; or give points.")
    minutes: int | None = strawberry.field(
        default=None, description="When it ends by itself, 1 to 10080; the policy's time when left out."
    )
    store: str | None = strawberry.field(default=None, description="In which store, up to 40 characters.")
    idempotency_key: str = strawberry.field(description="1 to 64 characters; the same key again holds nothing twice.")


@strawberry.type(description="A hold as a call left it.")
class HoldChanged:
    state: HoldState = strawberry.field(description="Where the hold stands.")
    changed: bool = strawberry.field(description="Whether this call changed it; false where it was so already.")
    available: Points = strawberry.field(description="Points usable after it.")
    held: Points = strawberry.field(description="Points held after it, over all orders.")
    entry_seq: int = strawberry.field(description="The last entry of the member's account after it.")
    key: strawberry.Private[HoldKey]

    @strawberry.field(description="The hold. One that is captured after its end is a new one.")
    async def hold(self, info: Info) -> PointsHold | None:
        return await hold_of(self.key, info)


@strawberry.type(description="What would become of a hold; nothing was changed.")
class HoldPreview:
    state: HoldState = strawberry.field(description="Where the hold would stand.")
    points: Points = strawberry.field(description="How many it reserves.")
    captured: Points = strawberry.field(description="How many would pay for the order.")
    released: Points = strawberry.field(description="How many would come back.")
    changed: bool = strawberry.field(description="Whether anything would change.")
    available: Points = strawberry.field(description="Points usable afterwards.")
    held: Points = strawberry.field(description="Points held afterwards, over all orders.")
    entries: list[PreviewedEntry] = strawberry.field(description=SHOWN)


@strawberry.type(description="What was held or captured for an order is back.")
class DeductionCancelled:
    order_external_id: str = strawberry.field(description="The order.")
    points: Points = strawberry.field(description="Points that came back; 0 where they were back already.")
    available: Points = strawberry.field(description="Points usable after it.")


HoldPointsResult = Annotated[
    HoldChanged
    | OrderAlreadyHeld
    | HoldCaptured
    | InsufficientPoints
    | QuoteInvalid
    | QuoteExpired
    | NotFound
    | InvalidInput
    | IdempotencyConflict,
    strawberry.union("HoldPointsResult", description="Held, or why not."),
]
CaptureHoldResult = Annotated[
    HoldChanged | CaptureExceedsHold | HoldCaptured | OrderAlreadyHeld | InsufficientPoints | NotFound | InvalidInput,
    strawberry.union("CaptureHoldResult", description="Captured, or why not."),
]
ReleaseHoldResult = Annotated[
    HoldChanged | HoldCaptured | NotFound, strawberry.union("ReleaseHoldResult", description="Released, or why not.")
]
CancelDeductionResult = Annotated[
    DeductionCancelled | OrderRecordedAlready | NotFound,
    strawberry.union("CancelDeductionResult", description="Back, or why not."),
]
PreviewHoldResult = Annotated[
    HoldPreview
    | OrderAlreadyHeld
    | HoldCaptured
    | InsufficientPoints
    | QuoteInvalid
    | QuoteExpired
    | NotFound
    | InvalidInput,
    strawberry.union("PreviewHoldResult", description="What would be held, or why not."),
]
PreviewCaptureResult = Annotated[
    HoldPreview | CaptureExceedsHold | HoldCaptured | OrderAlreadyHeld | InsufficientPoints | NotFound | InvalidInput,
    strawberry.union("PreviewCaptureResult", description="What would be captured, or why not."),
]
PreviewReleaseResult = Annotated[
    HoldPreview | HoldCaptured | NotFound,
    strawberry.union("PreviewReleaseResult", description="What would come back, or why not."),
]

HoldId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the hold.")]
CapturedPoints = Annotated[
    Points | None, strawberry.argument(description="How many pay for the order; all that is held when left out.")
]
OrderExternalId = Annotated[str, strawberry.argument(description="The sender's id of the order.")]


async def member_id_of(member: MemberRef) -> UUID:
    """Whose points. Refuses: NotFound."""
    name = name_of(member)
    found = await known_members([name])
    if name not in found:
        raise NothingFound(kind="member", id=":".join(name))
    return found[name]


async def hold_command(input: HoldPointsInput, info: Info) -> points.HoldPoints:
    """The hold as the product takes it. Refuses: NotFound, InvalidInput, QuoteInvalid, QuoteExpired; a cashier holds
    for the account's stores only."""
    check_store(info, input.store)
    member_id = await member_id_of(input.member)
    return points.HoldPoints(
        member_id=member_id,
        actor=info.context.actor,
        key=input.idempotency_key,
        order_external_id=input.order_external_id,
        points=_points_of(input, member_id, info),
        minutes=input.minutes,
        store=input.store,
    )


def _points_of(input: HoldPointsInput, member_id: UUID, info: Info) -> int:
    if (input.points is None) == (input.quote is None):
        raise MalformedInput(field="points", reason="either points or a quote")
    if input.points is not None:
        return int(input.points)
    assert input.quote is not None, "one of them is given"
    return info.context.quotes.read(input.quote, member_id=member_id, now=info.context.now).points


async def checked_hold(id: str, info: Info) -> HoldKey:
    """The key of a hold that the caller may end: a cashier those of the account's stores. Refuses: NotFound."""
    key = hold_key_of(id)
    if info.context.actor.role == "cashier":
        (row,) = await holds_by_keys([key], info.context.now)  # not by the loader, which would remember it as it was
        check_store(info, row.store if row else None)
    return key


def changed(answer: points.HoldAnswer) -> HoldChanged:
    """What a call did, as GraphQL shows it."""
    return HoldChanged(
        state=HoldState(answer.state),
        changed=answer.changed,
        available=Points(answer.available),
        held=Points(answer.held),
        entry_seq=answer.entry_seq,
        key=(answer.member_id, answer.seq),
    )


def previewed(preview: Preview[points.HoldAnswer], info: Info) -> HoldPreview:
    """What a call would do. Raises the refusal that it would meet."""
    answer = preview.outcome()
    return HoldPreview(
        state=HoldState(answer.state),
        points=Points(answer.points),
        captured=Points(answer.captured),
        released=Points(answer.released),
        changed=answer.changed,
        available=Points(answer.available),
        held=Points(answer.held),
        entries=previewed_entries(preview, info.context.locale),
    )
