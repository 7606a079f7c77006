"""Tickets of draws: what a member bought, and what buying one answers."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.draws import errors, queries, rules
from gamification.draws.service import TicketBought
from schema.context import Info
from schema.draw_facts import DrawWinState
from schema.draw_published import Draw, draw_of
from schema.gates import AdultDeclarationMissing, StaffExcluded, TierTooLow
from schema.points import InsufficientPoints
from schema.previews import SHOWN, PreviewedEntry
from schema.refusals import Refusal
from schema.scalars import Points
from schema.usual_refusals import IdempotencyConflict, InvalidInput, NotFound


class DrawNotOpen(
    Refusal,
    of=errors.DrawNotOpen,
    describe={"state": "How far it is.", "opens_at": "From when tickets sell.", "closes_at": "Until when they sell."},
):
    pass


class TicketLimitReached(
    Refusal,
    of=errors.TicketLimitReached,
    describe={"scope": "TOTAL or DAY.", "resets_at": "When the limit starts anew; null for that of the whole draw."},
):
    pass


@strawberry.type(description="What a ticket won.")
class DrawTicketWin:
    rank: int = strawberry.field(description="Its place among the wins, from 1.")
    prize_place: int = strawberry.field(description="The prize's place in the declared order.")
    points: Points = strawberry.field(description="The points that it brings.")
    entry_seq: int | None = strawberry.field(description="The ledger entry that paid it; null until it is granted.")
    state: DrawWinState = strawberry.field(description="How far it is.")
    claim_until: datetime | None = strawberry.field(
        description="Claim it before this instant; null where prizes are granted without."
    )


@strawberry.type(description="A ticket that a member bought.")
class DrawTicket(relay.Node):
    id: relay.NodeID[UUID]
    key: str = strawberry.field(description="The ticket's id as it stands in the published list.")
    points: Points = strawberry.field(description="What it cost.")
    entry_seq: int | None = strawberry.field(description="The ledger entry of its price; null for a free ticket.")
    bought_at: datetime = strawberry.field(description="When it was bought.")
    number: int | None = strawberry.field(description="Its number; null until closing.")
    win: DrawTicketWin | None = strawberry.field(description="What it won.")
    restored_entry_seq: int | None = strawberry.field(
        description="The ledger entry that gave its price back, when the draw was voided."
    )
    draw_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: queries.TicketRow, now: datetime) -> "DrawTicket":
        return cls(
            id=row.id,
            key=str(row.id),
            points=Points(row.points),
            entry_seq=row.entry_seq,
            bought_at=row.bought_at,
            number=row.number,
            win=win_of(row, now),
            restored_entry_seq=row.restored_seq,
            draw_id=row.draw_id,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        """A member sees nobody else's."""
        ids, own = [UUID(each) for each in node_ids], info.context.actor.member_id
        found = await queries.tickets_by_ids(own, ids) if own else {}
        return [cls.of(found[each], info.context.now) if each in found else None for each in ids]

    @strawberry.field(description="The draw it is for.")
    async def draw(self, info: Info) -> Draw:
        draw = await draw_of(self.draw_id, info)
        assert draw is not None, "a draw with tickets has been published"
        return draw


async def ticket_bought(member_id: UUID, done: TicketBought, now: datetime) -> DrawTicket:
    """The ticket as it is: one that was bought just now has neither number nor win; any other is read."""
    if done.is_replay or done.bought_at is None:
        return DrawTicket.of((await queries.tickets_by_ids(member_id, [done.ticket_id]))[done.ticket_id], now)
    return DrawTicket(
        id=done.ticket_id,
        key=str(done.ticket_id),
        points=Points(done.points),
        entry_seq=done.entry_seq,
        bought_at=done.bought_at,
        number=None,
        win=None,
        restored_entry_seq=None,
        draw_id=done.draw_id,
    )


def win_of(row: queries.TicketRow, now: datetime) -> DrawTicketWin | None:
    """What a ticket won, if it did, and how far that is at an instant."""
    if row.rank is None or row.prize_place is None or row.prize_points is None:
        return None
    is_granted = row.granted_seq is not None
    state = rules.win_state(row.claim_until, now, is_granted=is_granted, is_lapsed=row.is_lapsed)
    return DrawTicketWin(
        rank=row.rank,
        prize_place=row.prize_place,
        points=Points(row.prize_points),
        entry_seq=row.granted_seq,
        state=DrawWinState(state),
        claim_until=row.claim_until,
    )


@strawberry.type(description="A ticket was bought, by this request or by the same one before.")
class DrawTicketBought:
    ticket: DrawTicket = strawberry.field(description="The ticket.")
    points: Points = strawberry.field(description="What it cost.")
    available: Points = strawberry.field(description="Points usable after it.")
    commitment: str = strawberry.field(description="The commitment that it stands under, in hexadecimal: keep it.")
    terms_hash: str = strawberry.field(description="The hash of the terms that it stands under: keep it.")
    free_tickets_left: int | None = strawberry.field(
        description="How many more the member then got for nothing; null in old receipts."
    )


@strawberry.type(description="What buying a ticket would do; nothing was changed.")
class DrawTicketPreview:
    points: Points = strawberry.field(description="What it costs.")
    available: Points = strawberry.field(description="Points usable after it.")
    commitment: str = strawberry.field(description="The commitment that it would stand under, in hexadecimal.")
    terms_hash: str = strawberry.field(description="The hash of the terms that it would stand under.")
    free_tickets_left: int | None = strawberry.field(description="How many more the member would get for nothing.")
    entries: list[PreviewedEntry] = strawberry.field(description=SHOWN)


BuyDrawTicketResult = Annotated[
    DrawTicketBought
    | DrawNotOpen
    | AdultDeclarationMissing
    | StaffExcluded
    | TierTooLow
    | TicketLimitReached
    | InsufficientPoints
    | NotFound
    | InvalidInput
    | IdempotencyConflict,
    strawberry.union("BuyDrawTicketResult", description="Bought, or why not."),
]
PreviewDrawTicketResult = Annotated[
    DrawTicketPreview
    | DrawNotOpen
    | AdultDeclarationMissing
    | StaffExcluded
    | TierTooLow
    | TicketLimitReached
    | InsufficientPoints
    | NotFound,
    strawberry.union("PreviewDrawTicketResult", description="What it would do, or why not."),
]
