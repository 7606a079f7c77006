"""Orders and refunds as staff and integrations see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.members.references import MemberNumber, Reference
from gamification.members.rules import Namespace
from gamification.members.service import known_members
from gamification.orders import event_queries, queries
from schema.admin.members import READERS as MEMBER_READERS
from schema.admin.members import Member, MemberReferenceInput, member_of
from schema.context import Info
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Integration, Staff
from schema.scalars import Fen, Points
from schema.sessions import admits

ORDERS = Keyset("orders", Key("id", UUID))
NOT_PLACED = Keyset("refundsNotPlaced", Key("id", UUID))
WAITING = Keyset("waitingRefunds", Key("received_at", datetime), Key("order_external_id", str), Key("external_id", str))
READERS = Allow(Integration("orders:read"), Staff())


@strawberry.enum(description="What became of a refund.")
class RefundStatus(Enum):
    PLACED = strawberry.enum_value("PLACED", description="All of it found its order.")
    PARTLY_PLACED = strawberry.enum_value("PARTLY_PLACED", description="A part found its order; the rest is kept.")
    UNPLACED = strawberry.enum_value("UNPLACED", description="It found no order; it is kept.")
    WAITING = strawberry.enum_value("WAITING", description="Its order has not arrived; it is placed when it does.")


@strawberry.type(description="A line of an order, with what it earned and what refunds took back.")
class OrderLine:
    line: int = strawberry.field(description="Its number, from 0.")
    sku: str | None = strawberry.field(description="The stock keeping unit.")
    category: str | None = strawberry.field(description="The category.")
    quantity: int = strawberry.field(description="Pieces.")
    paid_fen: Fen = strawberry.field(description="Cash paid for it.")
    eligible: bool = strawberry.field(description="Whether it earns.")
    refunded_fen: Fen = strawberry.field(description="Cash refunded so far.")
    points_earned: Points = strawberry.field(description="Points by rate; the ladder counts whole months.")
    points_revoked: Points = strawberry.field(description="Of these taken back.")
    growth_earned: Points = strawberry.field(description="Growth earned.")
    growth_revoked: Points = strawberry.field(description="Of this taken back.")
    deduction_points: Points = strawberry.field(description="Points that paid for a part of it.")
    restored_points: Points = strawberry.field(description="Of these given back by refunds.")


@strawberry.type(description="An order that was paid.")
class Order(relay.Node):
    id: relay.NodeID[str]
    external_id: str = strawberry.field(description="The sender's id of the order.")
    channel: str = strawberry.field(description="Where it was placed.")
    store: str | None = strawberry.field(description="In which store.")
    currency: str = strawberry.field(description="The currency that the amounts are labelled with.")
    paid_at: datetime = strawberry.field(description="When it was paid.")
    booked_at: datetime = strawberry.field(description="When it was recorded.")
    paid_fen: Fen = strawberry.field(description="Cash paid for the lines.")
    eligible_fen: Fen = strawberry.field(description="The part of it that earns.")
    refunded_fen: Fen = strawberry.field(description="Cash refunded so far.")
    ladder_points: Points = strawberry.field(description="What it added to its month's ladder points.")
    deduction_points: Points = strawberry.field(description="Points that paid for a part of it.")
    restored_points: Points = strawberry.field(description="Of these given back by refunds.")
    member_id: strawberry.Private[UUID]
    order_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: queries.OrderRow) -> "Order":
        return cls(
            id=row.external_id,
            external_id=row.external_id,
            channel=row.channel,
            store=row.store,
            currency=row.currency,
            paid_at=row.paid_at,
            booked_at=row.booked_at,
            paid_fen=Fen(row.paid_fen),
            eligible_fen=Fen(row.eligible_fen),
            refunded_fen=Fen(row.refunded_fen),
            ladder_points=Points(row.ladder_points),
            deduction_points=Points(row.deduction_points),
            restored_points=Points(row.restored_points),
            member_id=row.member_id,
            order_id=row.id,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Any, required: bool = False) -> Any:
        if not any(each.admits(info.context.actor) for each in READERS.permissions):
            return [None for _ in node_ids]
        rows = await queries.orders_by_external_ids(list(node_ids))
        return [Order.of(row) if row else None for row in rows]

    @strawberry.field(description="The lines, in order.")
    async def lines(self, info: Info) -> list[OrderLine]:
        rows: list[queries.LineRow] = await info.context.load(queries.lines_of_orders, (self.member_id, self.order_id))
        return [line_of(row) for row in rows]

    @strawberry.field(description="When the customer received it; null as long as nobody has told.")
    async def received_at(self, info: Info) -> datetime | None:
        return (await info.context.load(event_queries.events_by_orders, self.external_id)).get("RECEIVED")

    @strawberry.field(description="When its refund window closed; null as long as nobody has told.")
    async def refund_window_closed_at(self, info: Info) -> datetime | None:
        return (await info.context.load(event_queries.events_by_orders, self.external_id)).get("REFUND_WINDOW_CLOSED")

    @strawberry.field(description="Whose order it is; null for an integration that may not read members.")
    async def member(self, info: Info) -> Member | None:
        return await member_of(self.member_id, info) if admits(MEMBER_READERS, info) else None


def line_of(row: queries.LineRow) -> OrderLine:
    """A line as GraphQL shows it."""
    return OrderLine(
        line=row.line,
        sku=row.sku,
        category=row.category,
        quantity=row.quantity,
        paid_fen=Fen(row.paid_fen),
        eligible=row.eligible,
        refunded_fen=Fen(row.refunded_fen),
        points_earned=Points(row.points_earned),
        points_revoked=Points(row.points_revoked),
        growth_earned=Points(row.growth_earned),
        growth_revoked=Points(row.growth_revoked),
        deduction_points=Points(row.deduction_points),
        restored_points=Points(row.restored_points),
    )


@strawberry.type(description="A refund that was recorded.")
class Refund:
    external_id: str = strawberry.field(description="The sender's id of the refund.")
    order_external_id: str | None = strawberry.field(description="The order it names; null when it named none.")
    status: RefundStatus = strawberry.field(description="What became of it.")
    matched: bool = strawberry.field(description="Whether it named no order and was matched to the newest ones.")
    refunded_at: datetime = strawberry.field(description="When the cash went back.")
    requested_fen: Fen = strawberry.field(description="What it asked for.")
    placed_fen: Fen = strawberry.field(description="What found its order.")
    points_revoked: Points = strawberry.field(description="Points taken back.")
    debt_added: Points = strawberry.field(description="Of these the member owed.")
    growth_revoked: Points = strawberry.field(description="Growth taken back.")
    points_restored: Points = strawberry.field(description="Points that had paid for it and came back.")


def refund_of(row: queries.RefundRow) -> Refund:
    """A refund as GraphQL shows it."""
    return Refund(
        external_id=row.external_id,
        order_external_id=row.order_external_id,
        status=RefundStatus(row.status),
        matched=row.matched,
        refunded_at=row.refunded_at,
        requested_fen=Fen(row.requested_fen),
        placed_fen=Fen(row.placed_fen),
        points_revoked=Points(row.points_revoked),
        debt_added=Points(row.debt_added),
        growth_revoked=Points(row.growth_revoked),
        points_restored=Points(row.points_restored),
    )


@strawberry.type(description="A refund that waits for its order.")
class WaitingRefund:
    external_id: str = strawberry.field(description="The sender's id of the refund.")
    order_external_id: str = strawberry.field(description="The order it names.")
    received_at: datetime = strawberry.field(description="When it arrived.")


@strawberry.input(one_of=True, description="A member, by exactly one of these.")
class MemberRef:
    number: strawberry.Maybe[str] = strawberry.field(description="The member number.")
    reference: strawberry.Maybe[MemberReferenceInput] = strawberry.field(description="A card or a till's id.")


def name_of(member: MemberRef) -> Reference | MemberNumber:
    """The member's name as the product takes it."""
    if member.reference is not None:
        given = member.reference.value
        return Reference(cast(Namespace, given.namespace.value), given.value)
    assert member.number is not None, "exactly one is given"
    return MemberNumber(member.number.value)


@dataclass(frozen=True)
class OrderPages:
    """One page of the orders of many members, for the loader."""

    before: UUID | None
    limit: int

    async def __call__(self, member_ids: list[UUID]) -> Sequence[list[queries.OrderRow]]:
        found = await queries.orders_page(member_ids, self.before, self.limit)
        return [found.get(each, []) for each in member_ids]


@strawberry.type
class OrdersQuery:
    @strawberry.field(description="An order by the sender's id.", extensions=[READERS])
    async def order(
        self, info: Info, external_id: Annotated[str, strawberry.argument(description="The sender's id.")]
    ) -> Order | None:
        row = await info.context.load(queries.orders_by_external_ids, external_id)
        return Order.of(row) if row else None

    @strawberry.field(description="A member's orders, the latest arrived first.", extensions=[READERS])
    async def orders(
        self,
        info: Info,
        member: Annotated[MemberRef, strawberry.argument(description="Whose.")],
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[Order]:
        page = ORDERS.page(first, after)
        before: Any = page.after[0] if page.after else None
        known = list((await known_members([name_of(member)])).values())
        rows = await info.context.load(OrderPages(before, page.limit), known[0]) if known else []
        return page.connection(rows, Order.of)

    @strawberry.field(description="Refunds of which something found no order, the latest first.", extensions=[READERS])
    async def refunds_not_placed(
        self, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[Refund]:
        page = NOT_PLACED.page(first, after)
        before: Any = page.after[0] if page.after else None
        return page.connection(await queries.refunds_not_placed(before, page.limit), refund_of)

    @strawberry.field(description="Refunds that wait for their order, the longest first.", extensions=[READERS])
    async def waiting_refunds(
        self, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[WaitingRefund]:
        page = WAITING.page(first, after)
        behind: Any = page.after
        rows = await queries.waiting_refunds(behind, page.limit)
        return page.connection(rows, lambda row: WaitingRefund(**row._asdict()))
