"""Charity: giving points; campaigns and certificates stand in modules of their own."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.charity import errors, queries, rules, service
from schema.certificates import Certificate, CertificatesQuery, certificate_of
from schema.charity_campaigns import CampaignId, CampaignsQuery, CharityCampaign, campaign_of
from schema.context import Info, own_id
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Member
from schema.points import InsufficientPoints
from schema.previews import SHOWN, PreviewedEntry, previewed_entries
from schema.refusals import Refusal
from schema.scalars import Fen, Points
from schema.usual_refusals import IdempotencyConflict, InvalidInput, NotFound

DONATIONS = Keyset("donations", Key("id", UUID))
MEMBERS = Allow(Member())


class CampaignNotOpen(
    Refusal,
    of=errors.CampaignNotOpen,
    describe={
        "phase": "UPCOMING or CLOSED.",
        "opens_at": "From when it takes donations.",
        "closes_at": "Until when; null without an end.",
    },
):
    pass


class GoalReached(Refusal, of=errors.GoalReached, describe={"remaining_units": "Units that it still takes."}):
    pass


class MonthlyCapReached(Refusal, of=errors.MonthlyCapReached):
    pass


@strawberry.type(description="Units that a member gave to a campaign, for good.")
class Donation(relay.Node):
    id: relay.NodeID[UUID]
    units: int = strawberry.field(description="Units given.")
    points: Points = strawberry.field(description="Points given.")
    fen: Fen = strawberry.field(description="What the brand pledged for them.")
    entry_seq: int = strawberry.field(description="The ledger entry that took the points.")
    business_date: date = strawberry.field(description="The programme's day of the donation.")
    donated_at: datetime = strawberry.field(description="When.")
    member_id: strawberry.Private[UUID]
    campaign_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: queries.DonationLine) -> "Donation":
        return cls(
            id=row.id,
            units=row.units,
            points=Points(row.points),
            fen=Fen(row.fen),
            entry_seq=row.entry_seq,
            business_date=row.business_date,
            donated_at=row.donated_at,
            member_id=row.member_id,
            campaign_id=row.campaign_id,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        """A member sees nobody else's."""
        ids, own = [UUID(each) for each in node_ids], info.context.actor.member_id
        found = await queries.donations_by_ids(own, ids) if own else {}
        return [cls.of(found[each]) if each in found else None for each in ids]

    @strawberry.field(description="What it was given to.")
    async def campaign(self, info: Info) -> CharityCampaign:
        campaign = await campaign_of(self.campaign_id, info)
        assert campaign is not None, "what was given to has been published"
        return campaign

    @strawberry.field(description="Its proof.")
    async def certificate(self, info: Info) -> Certificate:
        return await certificate_of(self.member_id, self.id, info)


@strawberry.type(description="A donation was made, by this request or by the same one before.")
class DonationMade:
    donation: Donation = strawberry.field(description="The donation, with its certificate.")
    available: Points = strawberry.field(description="Points usable after it.")


@strawberry.type(description="What a donation would do; nothing was changed.")
class DonationPreview:
    units: int = strawberry.field(description="Units to be given.")
    points: Points = strawberry.field(description="What they cost.")
    fen: Fen = strawberry.field(description="What the brand would pledge for them.")
    available: Points = strawberry.field(description="Points usable after it.")
    units_left: int = strawberry.field(description="Units that the campaign would still take.")
    monthly_units_left: int | None = strawberry.field(
        description="Units that the member might still give to it this month; null without a limit."
    )
    entries: list[PreviewedEntry] = strawberry.field(description=SHOWN)


DonatePointsResult = Annotated[
    DonationMade
    | CampaignNotOpen
    | GoalReached
    | MonthlyCapReached
    | InsufficientPoints
    | NotFound
    | InvalidInput
    | IdempotencyConflict,
    strawberry.union("DonatePointsResult", description="Given, or why not."),
]
PreviewDonationResult = Annotated[
    DonationPreview | CampaignNotOpen | GoalReached | MonthlyCapReached | InsufficientPoints | NotFound | InvalidInput,
    strawberry.union("PreviewDonationResult", description="What it would do, or why not."),
]
Units = Annotated[int, strawberry.argument(description=f"Units to give, 1 to {rules.UNITS_MAX}.")]


@strawberry.input(description="A donation.")
class DonatePointsInput:
    campaign_id: strawberry.ID = strawberry.field(description="The global id of the campaign.")
    units: int = strawberry.field(description=f"Units to give, 1 to {rules.UNITS_MAX}.")
    idempotency_key: str = strawberry.field(
        description="1 to 64 characters: the same key again is answered as before, and gives nothing twice."
    )
    display_name: str | None = strawberry.field(
        default=None, description="The name on the certificate, 1 to 32 characters; none for an anonymous one."
    )


@strawberry.type
class CharityQuery(CampaignsQuery, CertificatesQuery):
    @strawberry.field(description="What a donation would cost and pledge, without giving.", extensions=[MEMBERS])
    async def preview_donation(self, info: Info, campaign_id: CampaignId, units: Units) -> PreviewDonationResult:
        preview = await service.preview_donation(
            info.context.work,
            campaign_id=key_of(campaign_id, "CharityCampaign", argument="campaignId"),
            member_id=own_id(info),
            units=units,
        )
        seen = preview.outcome()
        return DonationPreview(
            units=seen.units,
            points=Points(seen.points),
            fen=Fen(seen.fen),
            available=Points(seen.available),
            units_left=seen.units_left,
            monthly_units_left=seen.monthly_units_left,
            entries=previewed_entries(preview, info.context.locale),
        )

    @strawberry.field(description="The donations of the member who asks, the latest first.", extensions=[MEMBERS])
    async def donations(self, info: Info, first: First = PAGE_DEFAULT, after: After = None) -> Connection[Donation]:
        page, own = DONATIONS.page(first, after), own_id(info)
        behind: Any = page.after[0] if page.after else None
        rows = await queries.donation_pages([own], behind, page.limit)
        return page.connection(rows.get(own, []), Donation.of)


@strawberry.type
class CharityMutation:
    @strawberry.mutation(description="Give points to a campaign, for good.", extensions=[MEMBERS])
    async def donate_points(
        self, info: Info, input: Annotated[DonatePointsInput, strawberry.argument(description="The donation.")]
    ) -> DonatePointsResult:
        own = own_id(info)
        done = await service.donate(
            info.context.work,
            campaign_id=key_of(input.campaign_id, "CharityCampaign", argument="campaignId"),
            member_id=own,
            units=input.units,
            display_name=input.display_name,
            key=input.idempotency_key,
        )
        return DonationMade(donation=await _donation_made(own, done), available=Points(done.available))


async def _donation_made(member_id: UUID, done: service.Donated) -> Donation:
    """The donation, which never changes; only a receipt from before all of it was kept has it read."""
    if done.business_date is None or done.donated_at is None:
        return Donation.of((await queries.donations_by_ids(member_id, [done.donation_id]))[done.donation_id])
    return Donation.of(
        queries.DonationLine(
            member_id, done.donation_id, done.campaign_id, done.units, done.points, done.fen, done.entry_seq,
            done.business_date, done.donated_at,
        )
    )  # fmt: skip
