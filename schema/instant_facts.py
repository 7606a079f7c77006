"""What an instant draw shows in both schemas: its time, gate, odds, and what is left."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry

from gamification.instant_draws import figures, queries
from schema.context import Info
from schema.draw_proofs import DrawProofLevel
from schema.instant_odds import VERSIONS, InstantOdds, PrizeLeft, VersionPages, odds_of_draws, stocks_of_draws
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.scalars import Points

INSTANT_DRAWS = Keyset("instantDraws", Key("closes_at", datetime), Key("id", UUID))
InstantDrawId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the instant draw.")]


@strawberry.enum(description="How far an instant draw is.")
class InstantDrawState(Enum):
    DRAFT = strawberry.enum_value("DRAFT", description="Being planned; only staff see it.")
    OPEN = strawberry.enum_value("OPEN", description="Published; it is played in its time.")
    PAUSED = strawberry.enum_value("PAUSED", description="Nobody plays until it is resumed.")
    ENDED = strawberry.enum_value("ENDED", description="Over for good.")


@strawberry.type
class InstantDrawFacts:
    """The fields of an instant draw that both schemas show."""

    state: InstantDrawState = strawberry.field(description="How far it is.")
    title: str = strawberry.field(description="In the caller's language.")
    opens_at: datetime = strawberry.field(description="From when it is played.")
    closes_at: datetime = strawberry.field(description="The instant at which it is not played any more.")
    is_open: bool = strawberry.field(description="Whether it is played at this moment, early access left out.")
    tier_min: str | None = strawberry.field(description="The lowest tier that may play; null for all.")
    early_tier_min: str | None = strawberry.field(description="The lowest tier that may play earlier; null for none.")
    early_seconds: int = strawberry.field(description="By how many seconds earlier those may.")
    proof_level: DrawProofLevel = strawberry.field(description="How much of its chance can be proved.")

    @strawberry.field(description="The odds in force; of a draft the planned ones.")
    async def odds(self: Any, info: Info) -> InstantOdds:
        return InstantOdds.of(await info.context.load(odds_of_draws, self.id), info)

    @strawberry.field(description="All published versions of its odds, the newest first.")
    async def odds_versions(
        self: Any, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[InstantOdds]:
        page = VERSIONS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        rows = await info.context.load(VersionPages(behind, page.limit), self.id)
        return page.connection(rows, lambda row: InstantOdds.of(row, info))

    @strawberry.field(description="What is left of each line, and its odds as they are now.")
    async def prizes_left(self: Any, info: Info) -> list[PrizeLeft]:
        return [PrizeLeft.of(each) for each in (await availability_of(self.id, info)).lines]

    @strawberry.field(description="Points that may still be given; null without a budget.")
    async def budget_left(self: Any, info: Info) -> Points | None:
        left = (await availability_of(self.id, info)).budget_left
        return None if left is None else Points(left)


async def availability_of(draw_id: UUID, info: Info) -> figures.Availability:
    """What is left of a draw today, read together with others."""
    version = await info.context.load(odds_of_draws, draw_id)
    stocks = await info.context.load(stocks_of_draws, draw_id)
    today = info.context.work.calendar.business_date(info.context.now)
    return figures.availability(version.odds, stocks, today)


def facts_of(row: queries.DrawRow, info: Info) -> dict[str, Any]:
    """The values of `InstantDrawFacts` for a row."""
    return {
        "id": row.id,
        "state": InstantDrawState(row.state),
        "title": row.title_en if info.context.locale == "en" else row.title_zh,
        "opens_at": row.opens_at,
        "closes_at": row.closes_at,
        "is_open": row.state == "OPEN" and row.opens_at <= info.context.now < row.closes_at,
        "tier_min": row.tier_min,
        "early_tier_min": row.early_tier_min,
        "early_seconds": row.early_seconds,
        "proof_level": DrawProofLevel.OPERATOR,
    }
