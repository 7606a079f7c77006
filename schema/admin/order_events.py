"""What shops tell of orders after they were paid: goods received, the refund window closed."""

from datetime import datetime
from typing import Annotated, Any, cast

import strawberry

from gamification.orders import event_queries, service
from gamification.points.rules import ActivationEvent
from schema.admin.order_intake import WRITERS, check_store_of_order
from schema.admin.orders import READERS
from schema.context import Info
from schema.order_events import OrderEventType
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.previews import SHOWN, PreviewedEntry, previewed_entries
from schema.scalars import Points
from schema.usual_refusals import InvalidInput, NotFound

WAITING = Keyset("waitingOrderEvents", Key("received_at", datetime), Key("order_external_id", str), Key("type", str))


@strawberry.type(description="An event of an order was recorded, now or before.")
class OrderEventRecorded:
    order_external_id: str = strawberry.field(description="The sender's id of the order.")
    type: OrderEventType = strawberry.field(description="What happened.")
    already_recorded: bool = strawberry.field(
        description="Whether such an event of the order had been recorded before: the first one counts."
    )
    waits: bool = strawberry.field(description="Whether it waits for its order, and takes effect with it.")
    points: Points = strawberry.field(description="Pending points that it brought forward, to now or to a later day.")
    available: Points | None = strawberry.field(description="Points usable after it; null while it waits.")


@strawberry.type(description="What an event of an order would do; nothing was changed.")
class OrderEventPreview:
    already_recorded: bool = strawberry.field(description="Whether it is recorded already and would change nothing.")
    points: Points = strawberry.field(description="Pending points that it would bring forward.")
    available: Points = strawberry.field(description="Points usable afterwards.")
    entries: list[PreviewedEntry] = strawberry.field(description=SHOWN)


@strawberry.type(description="An event that waits for its order.")
class WaitingOrderEvent:
    order_external_id: str = strawberry.field(description="The order it names.")
    type: OrderEventType = strawberry.field(description="What happened.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    received_at: datetime = strawberry.field(description="When it was told.")

    @classmethod
    def of(cls, row: event_queries.WaitingEventRow) -> "WaitingOrderEvent":
        return cls(
            order_external_id=row.order_external_id,
            type=OrderEventType(row.type),
            occurred_at=row.occurred_at,
            received_at=row.received_at,
        )


@strawberry.input(description="Something that happened to an order. Each type happens to an order once.")
class RecordOrderEventInput:
    order_external_id: str = strawberry.field(description="The sender's id of the order; it may arrive later.")
    type: OrderEventType = strawberry.field(description="What happened.")
    occurred_at: datetime = strawberry.field(description="When it happened; not in the future.")


RecordOrderEventResult = Annotated[
    OrderEventRecorded | InvalidInput,
    strawberry.union("RecordOrderEventResult", description="Recorded, or why not."),
]


PreviewOrderEventResult = Annotated[
    OrderEventPreview | NotFound | InvalidInput,
    strawberry.union("PreviewOrderEventResult", description="What it would do, or why not."),
]


@strawberry.type
class OrderEventsQuery:
    @strawberry.field(
        description="What recordOrderEvent would do now, without doing it; its order has to be here.",
        extensions=[WRITERS],
    )
    async def preview_order_event(
        self, info: Info, input: Annotated[RecordOrderEventInput, strawberry.argument(description="The event.")]
    ) -> PreviewOrderEventResult:
        await check_store_of_order(info, input.order_external_id)
        preview = await service.preview_event(
            info.context.work,
            order_external_id=input.order_external_id,
            type=cast(ActivationEvent, input.type.value),
            occurred_at=input.occurred_at,
            actor=info.context.actor,
        )
        seen = preview.outcome()
        assert seen.available is not None, "an event that waits is not previewed"
        return OrderEventPreview(
            already_recorded=seen.already_recorded,
            points=Points(seen.points),
            available=Points(seen.available),
            entries=previewed_entries(preview, info.context.locale),
        )

    @strawberry.field(description="Events that wait for their order, the longest first.", extensions=[READERS])
    async def waiting_order_events(
        self, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[WaitingOrderEvent]:
        page = WAITING.page(first, after)
        behind: Any = page.after
        return page.connection(await event_queries.waiting_events(behind, page.limit), WaitingOrderEvent.of)


@strawberry.type
class OrderEventsMutation:
    @strawberry.mutation(
        description="Record what happened to an order: points that wait for it become usable. Safe to send again, and"
        " before the order.",
        extensions=[WRITERS],
    )
    async def record_order_event(
        self, info: Info, input: Annotated[RecordOrderEventInput, strawberry.argument(description="The event.")]
    ) -> RecordOrderEventResult:
        await check_store_of_order(info, input.order_external_id)
        recorded = await service.record_event(
            info.context.work,
            order_external_id=input.order_external_id,
            type=cast(ActivationEvent, input.type.value),
            occurred_at=input.occurred_at,
            actor=info.context.actor,
        )
        return OrderEventRecorded(
            order_external_id=recorded.order_external_id,
            type=OrderEventType(recorded.type),
            already_recorded=recorded.already_recorded,
            waits=recorded.waits,
            points=Points(recorded.points),
            available=None if recorded.available is None else Points(recorded.available),
        )
