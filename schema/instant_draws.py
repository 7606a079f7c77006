"""Instant draws for members: lists, playing, own plays and checking them. Types stand in modules of their own."""

from typing import Annotated, Any
from uuid import UUID

import strawberry

from gamification.core.actors import Actor
from gamification.instant_draws import proofs, queries, rules, service
from schema.context import Info, own_id
from schema.instant_facts import INSTANT_DRAWS, InstantDrawId, facts_of
from schema.instant_plays import (
    InstantPlay,
    PlayInstantDrawResult,
    PlayPreview,
    PlayVerification,
    PreviewPlayResult,
    instant_draw_played,
)
from schema.instant_published import InstantDraw, instant_draw_of
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Member
from schema.previews import previewed_entries
from schema.scalars import Points

PLAYS = Keyset("plays", Key("id", UUID))
MEMBERS = Allow(Member())


@strawberry.type
class InstantDrawsQuery:
    @strawberry.field(description="Published instant draws, the one that closes last first.")
    async def instant_draws(
        self, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[InstantDraw]:  # fmt: skip
        page = INSTANT_DRAWS.page(first, after)
        behind: Any = page.after
        rows = await queries.draws_page(behind, page.limit)
        return page.connection(rows, lambda row: InstantDraw(**facts_of(row, info)))

    @strawberry.field(description="An instant draw.")
    async def instant_draw(self, info: Info, id: InstantDrawId) -> InstantDraw | None:
        return await instant_draw_of(key_of(id, "InstantDraw"), info)

    @strawberry.field(description="The plays of the member who asks, the latest first.", extensions=[MEMBERS])
    async def plays(
        self,
        info: Info,
        draw_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of one instant draw only: its global id.")
        ] = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[InstantPlay]:
        page = PLAYS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        only = key_of(draw_id, "InstantDraw", argument="drawId") if draw_id else None
        return page.connection(await queries.plays_page(own_id(info), behind, page.limit, only), InstantPlay.of)

    @strawberry.field(
        description="What a play would cost, without playing and without asking chance.", extensions=[MEMBERS]
    )
    async def preview_play(self, info: Info, draw_id: InstantDrawId) -> PreviewPlayResult:
        key, own = key_of(draw_id, "InstantDraw", argument="drawId"), own_id(info)
        preview = await service.preview_play(info.context.work, draw_id=key, member_id=own, actor=Actor("member", own))
        seen = preview.outcome()
        return PlayPreview(
            price_points=Points(seen.price_points),
            available=Points(seen.available),
            free_plays_left=seen.free_plays_left,
            plays_left=seen.plays_left,
            plays_left_today=seen.plays_left_today,
            is_pity=seen.pity,
            commitment=seen.commitment,
            terms_hash=seen.terms_hash,
            entries=previewed_entries(preview, info.context.locale),
        )

    @strawberry.field(
        description="A play of the member who asks, recomputed; null for any other.", extensions=[MEMBERS]
    )
    async def verify_play(
        self, info: Info, play_id: Annotated[strawberry.ID, strawberry.argument(description="The play's global id.")]
    ) -> PlayVerification | None:
        hidden_from = rules.hidden_from(info.context.now, info.context.work.calendar)
        found = await proofs.proof_of(own_id(info), key_of(play_id, "InstantPlay", argument="playId"), hidden_from)
        return PlayVerification.of(found) if found else None


@strawberry.type
class InstantDrawsMutation:
    @strawberry.mutation(description="Play an instant draw once.", extensions=[MEMBERS])
    async def play_instant_draw(
        self,
        info: Info,
        draw_id: InstantDrawId,
        idempotency_key: Annotated[
            str,
            strawberry.argument(
                description="1 to 64 characters: the same key again is answered as before, and plays nothing twice."
            ),
        ],
    ) -> PlayInstantDrawResult:
        own = own_id(info)
        done = await service.play(
            info.context.work,
            draw_id=key_of(draw_id, "InstantDraw", argument="drawId"),
            member_id=own,
            actor=Actor("member", own),
            key=idempotency_key,
        )
        return instant_draw_played(done)
