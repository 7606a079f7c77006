"""Draws for members: lists, buying tickets, live progress. Their types stand in modules of their own."""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any
from uuid import UUID

import strawberry

from gamification.core.actors import Actor
from gamification.draws import proofs, queries, rules, service
from schema.context import Info, own_id
from schema.draw_facts import DRAWS, DrawId, DrawProgress, facts_of
from schema.draw_proofs import DrawInclusionProof
from schema.draw_published import Draw, draw_of, published_draws
from schema.draw_tickets import (
    BuyDrawTicketResult,
    DrawTicket,
    DrawTicketBought,
    DrawTicketPreview,
    PreviewDrawTicketResult,
    ticket_bought,
)
from schema.live import Live, News
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Member
from schema.previews import previewed_entries
from schema.scalars import Points

TICKETS = Keyset("drawTickets", Key("id", UUID))
MEMBERS = Allow(Member())


@strawberry.type
class DrawsQuery:
    @strawberry.field(description="Published draws, the one that closes last first.")
    async def draws(self, info: Info, first: First = PAGE_DEFAULT, after: After = None) -> Connection[Draw]:
        page = DRAWS.page(first, after)
        behind: Any = page.after
        rows = await queries.draws_page(behind, page.limit)
        return page.connection(rows, lambda row: Draw(**facts_of(row, info)))

    @strawberry.field(description="A draw.")
    async def draw(self, info: Info, id: DrawId) -> Draw | None:
        return await draw_of(key_of(id, "Draw"), info)

    @strawberry.field(description="The tickets of the member who asks, the latest first.", extensions=[MEMBERS])
    async def draw_tickets(
        self,
        info: Info,
        draw_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of one draw only: its global id.")
        ] = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[DrawTicket]:
        page = TICKETS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        only = key_of(draw_id, "Draw", argument="drawId") if draw_id else None
        return page.connection(
            await queries.tickets_page(own_id(info), behind, page.limit, only),
            lambda row: DrawTicket.of(row, info.context.now),
        )

    @strawberry.field(description="What a ticket would cost, without buying it.", extensions=[MEMBERS])
    async def preview_draw_ticket(self, info: Info, draw_id: DrawId) -> PreviewDrawTicketResult:
        key, own = key_of(draw_id, "Draw", argument="drawId"), own_id(info)
        preview = await service.preview_ticket(
            info.context.work, draw_id=key, member_id=own, actor=Actor("member", own)
        )
        seen = preview.outcome()
        return DrawTicketPreview(
            points=Points(seen.points),
            available=Points(seen.available),
            commitment=seen.commitment,
            terms_hash=seen.terms_hash,
            free_tickets_left=seen.free_tickets_left,
            entries=previewed_entries(preview, info.context.locale),
        )

    @strawberry.field(description="The proof that a number stands in a draw's list; null until closing.")
    async def draw_inclusion_proof(
        self, draw_id: DrawId, number: Annotated[int, strawberry.argument(description="The ticket's number.")]
    ) -> DrawInclusionProof | None:
        found = await proofs.inclusion_of(key_of(draw_id, "Draw", argument="drawId"), number)
        return DrawInclusionProof.of(found) if found else None


@strawberry.type
class DrawsMutation:
    @strawberry.mutation(description="Buy one ticket of a draw.", extensions=[MEMBERS])
    async def buy_draw_ticket(
        self,
        info: Info,
        draw_id: DrawId,
        idempotency_key: Annotated[
            str,
            strawberry.argument(
                description="1 to 64 characters: the same key again is answered as before, and buys nothing twice."
            ),
        ],
    ) -> BuyDrawTicketResult:
        own = own_id(info)
        done = await service.buy_ticket(
            info.context.work,
            draw_id=key_of(draw_id, "Draw", argument="drawId"),
            member_id=own,
            actor=Actor("member", own),
            key=idempotency_key,
        )
        return DrawTicketBought(
            ticket=await ticket_bought(own, done, info.context.now),
            points=Points(done.points),
            available=Points(done.available),
            commitment=done.commitment,
            terms_hash=done.terms_hash,
            free_tickets_left=done.free_tickets_left,
        )


Cursor = tuple[int, int, int]
"""How far a draw is: the place of its state, how much is done of what it owes, and how much has lapsed."""
BEFORE_EVERYTHING: Cursor = (-1, -1, -1)


async def further_draws(cursors: Mapping[UUID, Cursor]) -> list[News[UUID, Cursor, queries.DrawState]]:
    """Where the draws that are followed stand: the poll of the subscriptions."""
    found = await queries.draw_states(list(cursors))
    return [News(row.id, (rules.STATES.index(row.state), row.done, row.lapsed), row) for row in found.values()]


FURTHER: Live[UUID, Cursor, queries.DrawState] = Live(further_draws)


def is_over(row: queries.DrawState) -> bool:
    """Whether nothing will change any more."""
    return row.state in ("SETTLED", "VOIDED") and row.done == row.owed


async def steps_of(draw_id: DrawId, info: Info) -> AsyncGenerator[queries.DrawState, None]:
    """Where a published draw stands now and at each change, until nothing will change any more."""
    key = key_of(draw_id, "Draw", argument="drawId")
    if await info.context.load(published_draws, key) is None:
        return
    async for row in FURTHER.follow(key, BEFORE_EVERYTHING):
        yield row
        if is_over(row):
            return


@strawberry.type
class DrawsSubscription:
    @strawberry.subscription(description="The draw, once, when it is settled or was voided.")
    async def draw_settled(self, info: Info, draw_id: DrawId) -> AsyncGenerator[Draw, None]:
        async for row in steps_of(draw_id, info):
            if row.state in ("SETTLED", "VOIDED"):
                found = (await queries.draws_by_ids([row.id]))[row.id]
                yield Draw(**facts_of(found, info))
                return

    @strawberry.subscription(description="How far a draw is, now and at each change, until it is over.")
    async def draw_progress(self, info: Info, draw_id: DrawId) -> AsyncGenerator[DrawProgress, None]:
        async for row in steps_of(draw_id, info):
            yield DrawProgress.of(row)
