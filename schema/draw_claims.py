"""Prizes that a member has to claim, and claiming one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from gamification.core.actors import Actor
from gamification.draws import errors, service
from gamification.draws.claim_queries import OpenClaim, open_claims_page
from schema.context import Info, own_id
from schema.draw_facts import DrawId
from schema.draw_published import Draw, draw_of
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Member
from schema.refusals import Refusal
from schema.scalars import Points
from schema.usual_refusals import NotFound

CLAIMS = Keyset("openClaims", Key("claim_until", datetime), Key("draw_id", UUID), Key("rank", int))
MEMBERS = Allow(Member())
Rank = Annotated[int, strawberry.argument(description="The win's place among the wins, from 1.")]


class DrawStateRefused(
    Refusal, of=errors.DrawStateRefused, describe={"state": "How far it is.", "verb": "What was asked for."}
):
    pass


class ClaimLapsed(
    Refusal,
    of=errors.ClaimLapsed,
    describe={"rank": "The win's place among the wins.", "claim_until": "Before when it had to be claimed."},
):
    pass


@strawberry.type(description="A prize that the member who asks has won and not yet claimed.")
class DrawClaim:
    rank: int = strawberry.field(description="Its place among the wins: claim it by this.")
    number: int = strawberry.field(description="The number of the ticket.")
    prize_place: int = strawberry.field(description="The prize's place in the declared order.")
    prize_name: str = strawberry.field(description="In the caller's language.")
    points: Points = strawberry.field(description="The points that it brings.")
    won_at: datetime = strawberry.field(description="When it was won, or the member was promoted to it.")
    claim_until: datetime = strawberry.field(description="Claim it before this instant.")
    is_promotion: bool = strawberry.field(description="Whether somebody else had not claimed it.")
    draw_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: OpenClaim, info: Info) -> "DrawClaim":
        return cls(
            rank=row.rank,
            number=row.number,
            prize_place=row.prize_place,
            prize_name=row.prize_en if info.context.locale == "en" else row.prize_zh,
            points=Points(row.points),
            won_at=row.won_at,
            claim_until=row.claim_until,
            is_promotion=row.replaces_rank is not None,
            draw_id=row.draw_id,
        )

    @strawberry.field(description="The draw in which it was won.")
    async def draw(self, info: Info) -> Draw:
        draw = await draw_of(self.draw_id, info)
        assert draw is not None, "a draw with winners has been published"
        return draw


@strawberry.type(description="A prize was claimed, by this request or by the same one before.")
class DrawPrizeClaimed:
    rank: int = strawberry.field(description="Its place among the wins.")
    prize_place: int = strawberry.field(description="The prize's place in the declared order.")
    points: Points = strawberry.field(description="The points that it brought.")
    entry_seq: int = strawberry.field(description="The ledger entry that paid it.")
    available: Points = strawberry.field(description="Points usable after it.")
    claimed_at: datetime = strawberry.field(description="When it was claimed.")
    draw_id: strawberry.Private[UUID]

    @strawberry.field(description="The draw in which it was won.")
    async def draw(self, info: Info) -> Draw:
        draw = await draw_of(self.draw_id, info)
        assert draw is not None, "a draw with winners has been published"
        return draw


ClaimDrawPrizeResult = Annotated[
    DrawPrizeClaimed | ClaimLapsed | DrawStateRefused | NotFound,
    strawberry.union("ClaimDrawPrizeResult", description="Claimed, or why not."),
]


@strawberry.type
class DrawClaimsQuery:
    @strawberry.field(
        description="What the member who asks has won and can still claim, what ends soonest first.",
        extensions=[MEMBERS],
    )
    async def open_claims(self, info: Info, first: First = PAGE_DEFAULT, after: After = None) -> Connection[DrawClaim]:
        page = CLAIMS.page(first, after)
        behind: Any = page.after
        rows: Sequence[OpenClaim] = await open_claims_page(own_id(info), info.context.now, behind, page.limit)
        return page.connection(rows, lambda row: DrawClaim.of(row, info))


@strawberry.type
class DrawClaimsMutation:
    @strawberry.mutation(
        description="Claim a prize that one has won; claimed again, it is answered as before.", extensions=[MEMBERS]
    )
    async def claim_draw_prize(self, info: Info, draw_id: DrawId, rank: Rank) -> ClaimDrawPrizeResult:
        own = own_id(info)
        done = await service.claim_prize(
            info.context.work,
            draw_id=key_of(draw_id, "Draw", argument="drawId"),
            rank=rank,
            member_id=own,
            actor=Actor("member", own),
        )
        return DrawPrizeClaimed(
            rank=done.rank,
            prize_place=done.prize_place,
            points=Points(done.points),
            entry_seq=done.entry_seq,
            available=Points(done.available),
            claimed_at=done.claimed_at,
            draw_id=done.draw_id,
        )
