"""Instant draws for staff: planned, published with what they pay in sight, bettered, paused, ended."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.instant_draws import errors, queries, rules, service
from schema.admin.draws import PrizeTooValuable, uuid_of
from schema.admin.instant_inputs import ConfirmPayout, InstantOddsInput, PlanInstantDrawInput, odds_of, plan_of
from schema.admin.members import Reason
from schema.context import Info
from schema.instant_facts import INSTANT_DRAWS, InstantDrawFacts, InstantDrawId, InstantDrawState, facts_of
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First
from schema.permissions import Allow, Staff
from schema.refusals import Refusal
from schema.scalars import Points
from schema.usual_refusals import InvalidInput, NotFound

READERS = Allow(Staff())
OPERATORS = Allow(Staff("owner", "operator"))


class PayoutUnconfirmed(
    Refusal,
    of=errors.PayoutUnconfirmed,
    describe={
        "play_points": "What a play costs.",
        "expected": "Points that plays bring on average, pity included: a decimal.",
        "payout_percent": "The same in per cent of the price: a decimal.",
    },
):
    pass


class OddsWorsened(
    Refusal,
    of=errors.OddsWorsened,
    describe={
        "figure": "The figure, as its path in the input.",
        "was": "What is in force; null for no limit, and for texts.",
        "becomes": "What was asked for; null for no limit, and for texts.",
    },
    points=("was", "becomes"),
):
    pass


class InstantDrawStateRefused(
    Refusal, of=errors.InstantDrawStateRefused, describe={"state": "How far it is.", "verb": "What was asked for."}
):
    pass


@strawberry.type(description="How often a line of an instant draw was given so far.")
class PrizeGiven:
    place: int = strawberry.field(description="Its place in the declared order, from 1.")
    times: int = strawberry.field(description="How often it was given.")
    substituted: int = strawberry.field(description="How often of these as a fallback.")
    points: Points = strawberry.field(description="The points that this brought.")


@strawberry.type(description="What an instant draw brought and cost so far.")
class InstantDrawFigures:
    plays: int = strawberry.field(description="Plays so far.")
    free_plays: int = strawberry.field(description="How many of them cost nothing.")
    points_in: Points = strawberry.field(description="Points paid for plays.")
    points_out: Points = strawberry.field(description="Points given as prizes.")
    given: list[PrizeGiven] = strawberry.field(description="By the line that was given; what never was is left out.")

    @classmethod
    def of(cls, rows: Sequence[queries.GivenRow]) -> "InstantDrawFigures":
        return cls(
            plays=sum(row.times for row in rows),
            free_plays=sum(row.free_plays for row in rows),
            points_in=Points(sum(row.price_points for row in rows)),
            points_out=Points(sum(row.points for row in rows)),
            given=[
                PrizeGiven(place=row.place, times=row.times, substituted=row.substituted, points=Points(row.points))
                for row in rows
            ],
        )


async def all_instant_draws(ids: list[UUID]) -> Sequence[queries.DrawRow | None]:
    """Instant draws, drafts too, for the loader."""
    found = await queries.draws_by_ids(ids, with_drafts=True)
    return [found.get(each) for each in ids]


async def given_of_draws(ids: list[UUID]) -> Sequence[list[queries.GivenRow]]:
    """What many draws brought and cost, for the loader."""
    found = await queries.given_by_draw_ids(ids)
    return [found[each] for each in ids]


@strawberry.type(description="An instant draw, drafts included.")
class InstantDraw(InstantDrawFacts, relay.Node):
    id: relay.NodeID[UUID]
    title_zh: str = strawberry.field(description="In Chinese.")
    title_en: str = strawberry.field(description="In English.")
    created_at: datetime = strawberry.field(description="When it was planned.")
    published_at: datetime | None = strawberry.field(description="When it was published; null for a draft.")
    ended_at: datetime | None = strawberry.field(description="When it ended; null until then.")

    @classmethod
    def of(cls, row: queries.DrawRow, info: Info) -> "InstantDraw":
        return cls(
            **facts_of(row, info),
            title_zh=row.title_zh,
            title_en=row.title_en,
            created_at=row.created_at,
            published_at=row.published_at,
            ended_at=row.ended_at,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        ids = [UUID(each) for each in node_ids]
        seen = any(each.admits(info.context.actor) for each in READERS.permissions)
        return [await instant_draw_of(each, info) if seen else None for each in ids]

    @strawberry.field(description="What it brought and cost so far, counted from its plays.")
    async def figures(self, info: Info) -> InstantDrawFigures:
        return InstantDrawFigures.of(await info.context.load(given_of_draws, self.id))


async def instant_draw_of(draw_id: UUID, info: Info) -> InstantDraw | None:
    """An instant draw, read together with others."""
    row = await info.context.load(all_instant_draws, draw_id)
    return InstantDraw.of(row, info) if row else None


async def instant_draw_now(draw_id: UUID, info: Info) -> InstantDraw:
    """An instant draw as a verb has just left it."""
    (row,) = await all_instant_draws([draw_id])
    assert row is not None, "a verb leaves the draw behind"
    return InstantDraw.of(row, info)


PlanInstantDrawResult = Annotated[
    InstantDraw | PrizeTooValuable | InvalidInput,
    strawberry.union("PlanInstantDrawResult", description="The draft, or why not."),
]
PublishInstantDrawResult = Annotated[
    InstantDraw | PayoutUnconfirmed | InstantDrawStateRefused | NotFound | InvalidInput,
    strawberry.union("PublishInstantDrawResult", description="Published, or why not."),
]
PublishInstantOddsResult = Annotated[
    InstantDraw
    | OddsWorsened
    | PayoutUnconfirmed
    | PrizeTooValuable
    | InstantDrawStateRefused
    | NotFound
    | InvalidInput,
    strawberry.union("PublishInstantOddsResult", description="In force, or why not."),
]
PauseInstantDrawResult = Annotated[
    InstantDraw | InstantDrawStateRefused | NotFound | InvalidInput,
    strawberry.union("PauseInstantDrawResult", description="Paused, or why not."),
]
ResumeInstantDrawResult = Annotated[
    InstantDraw | InstantDrawStateRefused | NotFound | InvalidInput,
    strawberry.union("ResumeInstantDrawResult", description="Open again, or why not."),
]
EndInstantDrawResult = Annotated[
    InstantDraw | InstantDrawStateRefused | NotFound | InvalidInput,
    strawberry.union("EndInstantDrawResult", description="Ended, or why not."),
]


@strawberry.type
class AdminInstantDrawsQuery:
    @strawberry.field(description="Instant draws, the one that closes last first.", extensions=[READERS])
    async def instant_draws(
        self,
        info: Info,
        states: Annotated[
            list[InstantDrawState] | None, strawberry.argument(description="Only those in these states.")
        ] = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[InstantDraw]:
        page = INSTANT_DRAWS.page(first, after)
        behind: Any = page.after
        wanted = rules.STATES if states is None else [str(each.value) for each in states]
        rows = await queries.draws_page(behind, page.limit, wanted)
        return page.connection(rows, lambda row: InstantDraw.of(row, info))

    @strawberry.field(description="An instant draw.", extensions=[READERS])
    async def instant_draw(self, info: Info, id: InstantDrawId) -> InstantDraw | None:
        return await instant_draw_of(key_of(id, "InstantDraw"), info)


@strawberry.type
class AdminInstantDrawsMutation:
    @strawberry.mutation(
        description="Plan an instant draw; members do not see it until it is published.", extensions=[OPERATORS]
    )
    async def plan_instant_draw(
        self, info: Info, input: Annotated[PlanInstantDrawInput, strawberry.argument(description="Its terms.")]
    ) -> PlanInstantDrawResult:
        draw_id = await service.plan_draw(
            info.context.work, plan_of(input), actor=info.context.actor, draw_id=uuid_of(input.key)
        )
        return await instant_draw_now(draw_id, info)

    @strawberry.mutation(
        description="Publish an instant draw: its terms are frozen, and members play it in its time.",
        extensions=[OPERATORS],
    )
    async def publish_instant_draw(
        self, info: Info, id: InstantDrawId, confirm_payout: ConfirmPayout = False
    ) -> PublishInstantDrawResult:
        draw_id = key_of(id, "InstantDraw")
        await service.publish_draw(
            info.context.work, draw_id=draw_id, actor=info.context.actor, confirm_payout=confirm_payout
        )
        return await instant_draw_now(draw_id, info)

    @strawberry.mutation(
        description="Put new odds of a live draw in force as its next version; they may only be better for members.",
        extensions=[OPERATORS],
    )
    async def publish_instant_odds(
        self,
        info: Info,
        id: InstantDrawId,
        odds: Annotated[InstantOddsInput, strawberry.argument(description="The whole of the new version.")],
        confirm_payout: ConfirmPayout = False,
    ) -> PublishInstantOddsResult:
        draw_id = key_of(id, "InstantDraw")
        await service.publish_odds(
            info.context.work,
            odds_of(odds),
            draw_id=draw_id,
            actor=info.context.actor,
            confirm_payout=confirm_payout,
        )
        return await instant_draw_now(draw_id, info)

    @strawberry.mutation(description="Let nobody play a draw until it is resumed.", extensions=[OPERATORS])
    async def pause_instant_draw(self, info: Info, id: InstantDrawId, reason: Reason) -> PauseInstantDrawResult:
        draw_id = key_of(id, "InstantDraw")
        await service.pause_draw(info.context.work, draw_id=draw_id, reason=reason, actor=info.context.actor)
        return await instant_draw_now(draw_id, info)

    @strawberry.mutation(description="Let a paused draw be played again.", extensions=[OPERATORS])
    async def resume_instant_draw(self, info: Info, id: InstantDrawId, reason: Reason) -> ResumeInstantDrawResult:
        draw_id = key_of(id, "InstantDraw")
        await service.resume_draw(info.context.work, draw_id=draw_id, reason=reason, actor=info.context.actor)
        return await instant_draw_now(draw_id, info)

    @strawberry.mutation(
        description="End a draw before its time, for good; a draft is thrown away.", extensions=[OPERATORS]
    )
    async def end_instant_draw(self, info: Info, id: InstantDrawId, reason: Reason) -> EndInstantDrawResult:
        draw_id = key_of(id, "InstantDraw")
        await service.end_draw(info.context.work, draw_id=draw_id, reason=reason, actor=info.context.actor)
        return await instant_draw_now(draw_id, info)
