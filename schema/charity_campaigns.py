"""Charity campaigns and their progress, open to everybody once published."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.charity import models, queries, rules
from schema.context import Info
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.scalars import Fen, Points

CAMPAIGNS = Keyset("charityCampaigns", Key("id", UUID))
CampaignId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the campaign.")]


@strawberry.enum(description="What a campaign is at this moment.")
class CharityCampaignPhase(Enum):
    DRAFT = strawberry.enum_value("DRAFT", description="Not published; only staff see it.")
    UPCOMING = strawberry.enum_value("UPCOMING", description="Published, and still to open.")
    OPEN = strawberry.enum_value("OPEN", description="Takes donations.")
    CLOSED = strawberry.enum_value("CLOSED", description="Over, for ever.")


async def donors_of_campaigns(ids: list[UUID]) -> Sequence[int]:
    """Donors of many campaigns, for the loader."""
    found = await queries.donors_by_campaign_ids(ids)
    return [found[each] for each in ids]


async def published_campaigns(ids: list[UUID]) -> Sequence[models.CharityCampaign | None]:
    """Campaigns that members may see, for the loader."""
    found = await queries.campaigns_by_ids(ids)
    return [found.get(each) for each in ids]


def phase_of(row: models.CharityCampaign, now: datetime) -> CharityCampaignPhase:
    """What a campaign is at an instant."""
    return CharityCampaignPhase(rules.phase(cast(rules.CampaignState, row.state), row.opens_at, row.closes_at, now))


@strawberry.type(description="Points given by members become money that the brand pledges to a named charity.")
class CharityCampaign(relay.Node):
    id: relay.NodeID[UUID]
    title: str = strawberry.field(description="In the caller's language.")
    description: str = strawberry.field(description="In the caller's language.")
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
    units_left: int = strawberry.field(description="Units that it still takes.")

    @classmethod
    def of(cls, row: models.CharityCampaign, info: Info) -> "CharityCampaign":
        chinese = info.context.locale != "en"
        return cls(
            id=row.id,
            title=row.title_zh if chinese else row.title_en,
            description=row.description_zh if chinese else row.description_en,
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
            units_left=rules.units_left(row.goal_units, row.goal_may_be_passed, row.pledged_units),
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        ids = [UUID(each) for each in node_ids]
        return [await campaign_of(each, info) for each in ids]

    @strawberry.field(description="How many members have given, once or often.")
    async def donors(self, info: Info) -> int:
        return await info.context.load(donors_of_campaigns, self.id)


async def campaign_of(campaign_id: UUID, info: Info) -> CharityCampaign | None:
    """A published campaign, read together with others."""
    row = await info.context.load(published_campaigns, campaign_id)
    return CharityCampaign.of(row, info) if row else None


@strawberry.type
class CampaignsQuery:
    @strawberry.field(description="Campaigns, the latest first.")
    async def charity_campaigns(
        self,
        info: Info,
        only_open: Annotated[bool, strawberry.argument(description="Leave out what takes no donations now.")] = False,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[CharityCampaign]:
        page = CAMPAIGNS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        open_at = info.context.now if only_open else None
        rows = await queries.campaigns_page(after=behind, limit=page.limit, open_at=open_at)
        return page.connection(rows, lambda row: CharityCampaign.of(row, info))

    @strawberry.field(description="A campaign and its progress.")
    async def charity_campaign(self, info: Info, id: CampaignId) -> CharityCampaign | None:
        return await campaign_of(key_of(id, "CharityCampaign"), info)
