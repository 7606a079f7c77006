"""Charity as staff see it: campaigns are drafted, opened and closed; donations are looked through."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.charity import errors, models, queries, rules, service
from schema.admin.members import Member, Reason, member_of
from schema.certificates import certificates_of_donations
from schema.charity_campaigns import CAMPAIGNS, CampaignId, CharityCampaignPhase, donors_of_campaigns, phase_of
from schema.context import Info
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Staff
from schema.refusals import Refusal
from schema.scalars import Fen, Points
from schema.usual_refusals import InvalidInput, NotFound

DONATIONS = Keyset("donationsOfCampaign", Key("id", UUID))
READERS = Allow(Staff())
OPERATORS = Allow(Staff("owner", "operator"))


class CampaignStateConflict(Refusal, of=errors.CampaignStateConflict, describe={"state": "DRAFT, OPEN or CLOSED."}):
    pass


async def all_campaigns(ids: list[UUID]) -> Sequence[models.CharityCampaign | None]:
    """Campaigns, drafts too, for the loader."""
    found = await queries.campaigns_by_ids(ids, with_drafts=True)
    return [found.get(each) for each in ids]


@dataclass(frozen=True)
class DonationPages:
    """One page of the donations to many campaigns, for the loader."""

    after: UUID | None
    limit: int

    async def __call__(self, campaign_ids: list[UUID]) -> Sequence[list[queries.DonationLine]]:
        found = await queries.donation_pages_of_campaigns(campaign_ids, self.after, self.limit)
        return [found.get(each, []) for each in campaign_ids]


@strawberry.type(description="A charity campaign, drafts included.")
class CharityCampaign(relay.Node):
    id: relay.NodeID[UUID]
    title_zh: str = strawberry.field(description="In Chinese.")
    title_en: str = strawberry.field(description="In English.")
    description_zh: str = strawberry.field(description="In Chinese.")
    description_en: str = strawberry.field(description="In English.")
    beneficiary: str = strawberry.field(description="The charity that receives the money.")
    agreement_reference: str = strawberry.field(description="The agreement under which the brand gives.")
    points_per_unit: Points = strawberry.field(description="What a unit costs.")
    fen_per_unit: Fen = strawberry.field(description="What the brand pledges for a unit.")
    goal_units: int | None = strawberry.field(description="Units aimed at; null without a goal.")
    goal_may_be_passed: bool = strawberry.field(description="Whether donations are taken beyond the goal.")
    monthly_units_max: int | None = strawberry.field(description="Units a member may give a month; null for any.")
    opens_at: datetime = strawberry.field(description="From when it takes donations.")
    closes_at: datetime | None = strawberry.field(description="Until when; null without an end.")
    phase: CharityCampaignPhase = strawberry.field(description="What it is at this moment.")
    pledged_units: int = strawberry.field(description="Units given so far.")
    pledged_fen: Fen = strawberry.field(description="What the brand has pledged so far.")
    created_at: datetime = strawberry.field(description="When it was drafted.")
    closed_at: datetime | None = strawberry.field(description="When it closed, once that is booked.")

    @classmethod
    def of(cls, row: models.CharityCampaign, info: Info) -> "CharityCampaign":
        return cls(
            id=row.id,
            title_zh=row.title_zh,
            title_en=row.title_en,
            description_zh=row.description_zh,
            description_en=row.description_en,
            beneficiary=row.beneficiary,
            agreement_reference=row.agreement_reference,
            points_per_unit=Points(row.points_per_unit),
            fen_per_unit=Fen(row.fen_per_unit),
            goal_units=row.goal_units,
            goal_may_be_passed=row.goal_may_be_passed,
            monthly_units_max=row.monthly_units_max,
            opens_at=row.opens_at,
            closes_at=row.closes_at,
            phase=phase_of(row, info.context.now),
            pledged_units=row.pledged_units,
            pledged_fen=Fen(row.pledged_units * row.fen_per_unit),
            created_at=row.created_at,
            closed_at=row.closed_at,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        ids = [UUID(each) for each in node_ids]
        seen = any(each.admits(info.context.actor) for each in READERS.permissions)
        return [await campaign_of(each, info) if seen else None for each in ids]

    @strawberry.field(description="How many members have given, once or often.")
    async def donors(self, info: Info) -> int:
        return await info.context.load(donors_of_campaigns, self.id)

    @strawberry.field(description="Donations to it, the latest first.")
    async def donations(
        self, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection["DonationToCampaign"]:
        page = DONATIONS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        rows = await info.context.load(DonationPages(behind, page.limit), self.id)
        return page.connection(rows, DonationToCampaign.of)


@strawberry.type(description="Units that a member gave to a campaign, for good.")
class DonationToCampaign:
    units: int = strawberry.field(description="Units given.")
    points: Points = strawberry.field(description="Points given.")
    fen: Fen = strawberry.field(description="What the brand pledged for them.")
    business_date: date = strawberry.field(description="The programme's day of the donation.")
    donated_at: datetime = strawberry.field(description="When.")
    member_id: strawberry.Private[UUID]
    donation_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: queries.DonationLine) -> "DonationToCampaign":
        return cls(
            units=row.units,
            points=Points(row.points),
            fen=Fen(row.fen),
            business_date=row.business_date,
            donated_at=row.donated_at,
            member_id=row.member_id,
            donation_id=row.id,
        )

    @strawberry.field(description="Who gave.")
    async def member(self, info: Info) -> Member | None:
        return await member_of(self.member_id, info)

    @strawberry.field(description="The number of its certificate.")
    async def certificate_serial(self, info: Info) -> str:
        return (await info.context.load(certificates_of_donations, (self.member_id, self.donation_id))).serial


async def campaign_of(campaign_id: UUID, info: Info) -> CharityCampaign | None:
    """A campaign, read together with others."""
    row = await info.context.load(all_campaigns, campaign_id)
    return CharityCampaign.of(row, info) if row else None


@strawberry.input(description="What a campaign promises; fixed once it is open.")
class CreateCharityCampaignInput:
    title_zh: str = strawberry.field(description="In Chinese, 1 to 60 characters.")
    title_en: str = strawberry.field(description="In English, 1 to 60 characters.")
    description_zh: str = strawberry.field(description="In Chinese, 1 to 2,000 characters.")
    description_en: str = strawberry.field(description="In English, 1 to 2,000 characters.")
    beneficiary: str = strawberry.field(description="The charity that receives the money, 1 to 100 characters.")
    agreement_reference: str = strawberry.field(description="The agreement with it, 1 to 100 characters.")
    opens_at: datetime = strawberry.field(description="From when it takes donations, once opened.")
    closes_at: datetime | None = strawberry.field(default=None, description="Until when; null without an end.")
    points_per_unit: Points = strawberry.field(default=Points(1_000), description="What a unit costs.")
    fen_per_unit: Fen = strawberry.field(default=Fen(1_000), description="What the brand pledges for a unit.")
    goal_units: int | None = strawberry.field(default=None, description="Units aimed at; null without a goal.")
    goal_may_be_passed: bool = strawberry.field(default=False, description="Whether to take units beyond the goal.")
    monthly_units_max: int | None = strawberry.field(default=None, description="Units a member may give a month.")


CreateCharityCampaignResult = Annotated[
    CharityCampaign | InvalidInput,
    strawberry.union("CreateCharityCampaignResult", description="The draft, or why not."),
]
OpenCharityCampaignResult = Annotated[
    CharityCampaign | CampaignStateConflict | NotFound | InvalidInput,
    strawberry.union("OpenCharityCampaignResult", description="Opened, or why not."),
]
CloseCharityCampaignResult = Annotated[
    CharityCampaign | CampaignStateConflict | NotFound | InvalidInput,
    strawberry.union("CloseCharityCampaignResult", description="Closed, or why not."),
]


@strawberry.type
class AdminCharityQuery:
    @strawberry.field(description="Campaigns, drafts included, the latest first.", extensions=[READERS])
    async def charity_campaigns(
        self, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[CharityCampaign]:
        page = CAMPAIGNS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        rows = await queries.campaigns_page(after=behind, limit=page.limit, with_drafts=True)
        return page.connection(rows, lambda row: CharityCampaign.of(row, info))

    @strawberry.field(description="A campaign and what was given to it.", extensions=[READERS])
    async def charity_campaign(self, info: Info, id: CampaignId) -> CharityCampaign | None:
        return await campaign_of(key_of(id, "CharityCampaign"), info)


@strawberry.type
class AdminCharityMutation:
    @strawberry.mutation(description="Draft a campaign; members do not see it.", extensions=[OPERATORS])
    async def create_charity_campaign(
        self, info: Info, input: Annotated[CreateCharityCampaignInput, strawberry.argument(description="Its terms.")]
    ) -> CreateCharityCampaignResult:
        context, terms = info.context, rules.CampaignTerms(**vars(input))
        return CharityCampaign.of(await service.create_campaign(terms, actor=context.actor, now=context.now), info)

    @strawberry.mutation(description="Publish a draft; its terms are fixed from now on.", extensions=[OPERATORS])
    async def open_charity_campaign(self, info: Info, id: CampaignId) -> OpenCharityCampaignResult:
        opened = await service.open_campaign(
            campaign_id=key_of(id, "CharityCampaign"), actor=info.context.actor, now=info.context.now
        )
        return CharityCampaign.of(opened, info)

    @strawberry.mutation(description="End a campaign for ever.", extensions=[OPERATORS])
    async def close_charity_campaign(self, info: Info, id: CampaignId, reason: Reason) -> CloseCharityCampaignResult:
        closed = await service.close_campaign(
            campaign_id=key_of(id, "CharityCampaign"), reason=reason, actor=info.context.actor, now=info.context.now
        )
        return CharityCampaign.of(closed, info)
