"""Draws for staff: planned, opened, called off; what is owed and why, and let it try again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.draws import errors, queries, rules, service
from gamification.gates.rules import Gate
from gamification.prizes import errors as prize_errors
from schema.admin.draw_beacon_inputs import DrawBeaconInput, beacon_of
from schema.admin.draw_settlements import DrawSettlement, settlements_of_draws
from schema.admin.members import Member, Reason, member_of
from schema.context import Info
from schema.draw_claims import DrawStateRefused
from schema.draw_facts import (
    DRAWS,
    WINNERS,
    DrawFacts,
    DrawId,
    DrawState,
    DrawWinner,
    WinnerPages,
    facts_of,
    prizes_of_draws,
)
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Staff
from schema.refusals import BadInput, Refusal
from schema.scalars import Points
from schema.usual_refusals import InvalidInput, NotFound

FAILURES = Keyset("drawFailures", Key("what", str))
READERS = Allow(Staff())
OPERATORS = Allow(Staff("owner", "operator"))


class PrizePointsTooMany(
    Refusal,
    of=errors.PrizePointsTooMany,
    describe={"prize_points": "What all prizes come to.", "limit_points": "What the programme allows."},
):
    pass


class PrizeTooValuable(
    Refusal,
    of=prize_errors.PrizeTooValuable,
    describe={"place": "The prize's place, from 1.", "value_fen": "Its worth.", "limit_fen": "What the law allows."},
):
    pass


@strawberry.type(description="A grant, restoration or look for a beacon's value that failed and is still owed.")
class DrawFailure:
    what: str = strawberry.field(description="win:rank, ticket:id, or beacon for a value that was not there.")
    attempts: int = strawberry.field(description="How often it was tried.")
    error: str = strawberry.field(description="How the last attempt failed.")
    failed_at: datetime = strawberry.field(description="When the last attempt failed.")

    @classmethod
    def of(cls, row: queries.Failure) -> "DrawFailure":
        return cls(what=row.what, attempts=row.attempts, error=row.error, failed_at=row.failed_at)


@strawberry.type(description="A prize won, and by whom.")
class DrawWin(DrawWinner):
    promoted_rank: int | None = strawberry.field(
        description="The rank of the win that its prize became when it lapsed; null where nobody got it."
    )
    member_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: queries.Winner, now: datetime) -> "DrawWin":
        return cls(**vars(DrawWinner.of(row, now)), promoted_rank=row.promoted_rank, member_id=row.member_id)

    @strawberry.field(description="Who won.")
    async def member(self, info: Info) -> Member | None:
        return await member_of(self.member_id, info)


@dataclass(frozen=True)
class FailurePages:
    """One page of what failed of many draws, for the loader."""

    behind: str | None
    limit: int

    async def __call__(self, ids: list[UUID]) -> Sequence[list[queries.Failure]]:
        found = await queries.failure_pages(ids, self.behind, self.limit)
        return [found[each] for each in ids]


async def all_draws(ids: list[UUID]) -> Sequence[queries.DrawRow | None]:
    """Draws, drafts too, for the loader."""
    found = await queries.draws_by_ids(ids, rules.STATES)
    return [found.get(each) for each in ids]


@strawberry.type(description="A draw, drafts included.")
class Draw(DrawFacts, relay.Node):
    id: relay.NodeID[UUID]
    title_zh: str = strawberry.field(description="In Chinese.")
    title_en: str = strawberry.field(description="In English.")
    created_at: datetime = strawberry.field(description="When it was planned.")
    opened_at: datetime | None = strawberry.field(description="When it was published; null for a draft.")

    @classmethod
    def of(cls, row: queries.DrawRow, info: Info) -> "Draw":
        return cls(
            **facts_of(row, info),
            title_zh=row.title_zh,
            title_en=row.title_en,
            created_at=row.created_at,
            opened_at=row.opened_at,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        ids = [UUID(each) for each in node_ids]
        seen = any(each.admits(info.context.actor) for each in READERS.permissions)
        return [await draw_of(each, info) if seen else None for each in ids]

    @strawberry.field(description="What all prizes come to.")
    async def prize_points(self, info: Info) -> Points:
        rows = await info.context.load(prizes_of_draws, self.id)
        return Points(sum(row.points * row.quantity for row in rows))

    @strawberry.field(description="How far its grants are; null for a draft.")
    async def settlement(self, info: Info) -> DrawSettlement | None:
        row = await info.context.load(settlements_of_draws, self.id)
        return DrawSettlement.of(row) if row else None

    @strawberry.field(description="What was won and by whom, by rank.")
    async def wins_by_rank(self, info: Info, first: First = PAGE_DEFAULT, after: After = None) -> Connection[DrawWin]:
        page = WINNERS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        rows = await info.context.load(WinnerPages(behind, page.limit), self.id)
        return page.connection(rows, lambda row: DrawWin.of(row, info.context.now))

    @strawberry.field(description="What failed and is still owed.")
    async def failures(self, info: Info, first: First = PAGE_DEFAULT, after: After = None) -> Connection[DrawFailure]:
        page = FAILURES.page(first, after)
        behind: Any = page.after[0] if page.after else None
        return page.connection(await info.context.load(FailurePages(behind, page.limit), self.id), DrawFailure.of)


async def draw_of(draw_id: UUID, info: Info) -> Draw | None:
    """A draw, read together with others."""
    row = await info.context.load(all_draws, draw_id)
    return Draw.of(row, info) if row else None


async def draw_now(draw_id: UUID, info: Info) -> Draw:
    """A draw as a verb has just left it."""
    (row,) = await all_draws([draw_id])
    assert row is not None, "a verb leaves the draw behind"
    return Draw.of(row, info)


@strawberry.input(description="A prize in points.")
class DrawPrizeInput:
    name_zh: str = strawberry.field(description="In Chinese, 1 to 100 characters.")
    name_en: str = strawberry.field(description="In English, 1 to 100 characters.")
    points: Points = strawberry.field(description="The points that one of them brings; at most 5,000,000.")
    quantity: int = strawberry.field(description="How many are drawn.")
    per_member: int | None = strawberry.field(
        default=None, description="How many one member may win; null for any number."
    )


@strawberry.input(description="What a draw promises; frozen when it is opened.")
class PlanDrawInput:
    title_zh: str = strawberry.field(description="In Chinese, 1 to 100 characters.")
    title_en: str = strawberry.field(description="In English, 1 to 100 characters.")
    opens_at: datetime = strawberry.field(description="From when tickets sell, once opened.")
    closes_at: datetime = strawberry.field(description="The instant at which no ticket is sold any more.")
    prizes: list[DrawPrizeInput] = strawberry.field(
        description="1 to 100 prizes in the order in which they are filled."
    )
    ticket_points: Points | None = strawberry.field(
        default=None, description="What a ticket costs; as the programme's policy says when left out."
    )
    tickets_per_member: int | None = strawberry.field(default=None, description="Tickets a member may buy in all.")
    tickets_per_member_day: int | None = strawberry.field(default=None, description="Tickets a member may buy a day.")
    tickets_min: int = strawberry.field(default=1, description="With fewer tickets it is voided.")
    free_tickets_per_member: int = strawberry.field(
        default=0, description="A member's first tickets that cost nothing."
    )
    tier_min: str | None = strawberry.field(
        default=None, description="The code of the lowest tier that may buy; null for all."
    )
    early_tier_min: str | None = strawberry.field(
        default=None, description="The code of the lowest tier that may buy earlier; null for none."
    )
    early_seconds: int = strawberry.field(
        default=0, description="How many seconds before opensAt such a tier may buy, at most a month."
    )
    reserves: int = strawberry.field(
        default=0, description="How many tickets stand in line for prizes that nobody claims; at most 10,000."
    )
    claim_seconds: int | None = strawberry.field(
        default=None,
        description="In how many seconds a prize has to be claimed, 60 to a year; null to grant without.",
    )
    beacon: DrawBeaconInput | None = strawberry.field(
        default=None, description="A value nobody in the house controls, mixed into the seed; none when left out."
    )
    key: strawberry.ID | None = strawberry.field(
        default=None, description="A UUID of the caller's choice: the same one again plans nothing twice."
    )


def uuid_of(key: strawberry.ID | None) -> UUID | None:
    """The id that the caller chose. Raises BadInput."""
    try:
        return UUID(key) if key else None
    except ValueError:
        raise BadInput("`key` is no UUID.", argument="key") from None


GATE = ("tier_min", "early_tier_min", "early_seconds")


def plan_of(input: PlanDrawInput, ticket_points: int) -> rules.Plan:
    """A plan as it came over the wire; the verb checks it. Refuses: InvalidInput."""
    prizes = tuple(rules.Prize(**vars(each)) for each in input.prizes)
    apart = ("prizes", "ticket_points", "beacon", "key", *GATE)
    given = {name: value for name, value in vars(input).items() if name not in apart}
    gate = Gate(**{name: getattr(input, name) for name in GATE})
    beacon = beacon_of(input.beacon)
    return rules.Plan(**given, prizes=prizes, ticket_points=ticket_points, gate=gate, beacon=beacon)


PlanDrawResult = Annotated[
    Draw | PrizeTooValuable | PrizePointsTooMany | InvalidInput,
    strawberry.union("PlanDrawResult", description="The draft, or why not."),
]
OpenDrawResult = Annotated[
    Draw | DrawStateRefused | NotFound | InvalidInput,
    strawberry.union("OpenDrawResult", description="Published, or why not."),
]
VoidDrawResult = Annotated[
    Draw | DrawStateRefused | NotFound | InvalidInput,
    strawberry.union("VoidDrawResult", description="Called off, or why not."),
]
RedriveDrawResult = Annotated[
    Draw | DrawStateRefused | NotFound, strawberry.union("RedriveDrawResult", description="Under way, or why not.")
]


@strawberry.type
class AdminDrawsQuery:
    @strawberry.field(description="Draws, the one that closes last first.", extensions=[READERS])
    async def draws(
        self,
        info: Info,
        states: Annotated[
            list[DrawState] | None, strawberry.argument(description="Only those in these states.")
        ] = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[Draw]:
        page = DRAWS.page(first, after)
        behind: Any = page.after
        wanted = rules.STATES if states is None else [str(each.value) for each in states]
        return page.connection(await queries.draws_page(behind, page.limit, wanted), lambda row: Draw.of(row, info))

    @strawberry.field(description="A draw.", extensions=[READERS])
    async def draw(self, info: Info, id: DrawId) -> Draw | None:
        return await draw_of(key_of(id, "Draw"), info)


@strawberry.type
class AdminDrawsMutation:
    @strawberry.mutation(description="Plan a draw; members do not see it until it is opened.", extensions=[OPERATORS])
    async def plan_draw(
        self, info: Info, input: Annotated[PlanDrawInput, strawberry.argument(description="Its terms.")]
    ) -> PlanDrawResult:
        work = info.context.work
        points = input.ticket_points if input.ticket_points is not None else await service.default_ticket_points(work)
        draw_id = await service.plan_draw(
            work, plan_of(input, points), actor=info.context.actor, draw_id=uuid_of(input.key)
        )
        return await draw_now(draw_id, info)

    @strawberry.mutation(
        description="Publish a draw: its terms are frozen, its seed is committed, it closes by itself.",
        extensions=[OPERATORS],
    )
    async def open_draw(self, info: Info, id: DrawId) -> OpenDrawResult:
        draw_id = key_of(id, "Draw")
        await service.open_draw(info.context.work, draw_id=draw_id, actor=info.context.actor)
        return await draw_now(draw_id, info)

    @strawberry.mutation(
        description="Call off a draw before it closes; the price of every ticket goes back.", extensions=[OPERATORS]
    )
    async def void_draw(self, info: Info, id: DrawId, reason: Reason) -> VoidDrawResult:
        draw_id = key_of(id, "Draw")
        await service.void_draw(info.context.work, draw_id=draw_id, reason=reason, actor=info.context.actor)
        return await draw_now(draw_id, info)

    @strawberry.mutation(description="Let a draw that still owes something try again.", extensions=[OPERATORS])
    async def redrive_draw(self, info: Info, id: DrawId) -> RedriveDrawResult:
        draw_id = key_of(id, "Draw")
        await service.redrive_draw(info.context.work, draw_id=draw_id, actor=info.context.actor)
        return await draw_now(draw_id, info)
