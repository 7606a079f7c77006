"""The odds of an instant draw: a version's table, its price and limits, and what it pays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import strawberry

from gamification.instant_draws import figures, queries, rules
from schema.context import Info
from schema.draw_facts import PrizeKind
from schema.paging import Key, Keyset
from schema.scalars import Fen, Points

VERSIONS = Keyset("oddsVersions", Key("version", int))


@strawberry.type(description="A line of an odds table: a prize or a miss.")
class OddsLine:
    place: int = strawberry.field(description="Its place in the declared order, from 1.")
    kind: PrizeKind = strawberry.field(description="What it is; NONE is a miss.")
    name: str = strawberry.field(description="In the caller's language.")
    points: Points = strawberry.field(description="The points that it brings.")
    value_fen: Fen = strawberry.field(description="What one of them is worth.")
    odds_ppm: int = strawberry.field(description="Its odds, in parts per million of plays.")
    pity_ppm: int | None = strawberry.field(description="Its odds after so many misses in a row; null without pity.")
    stock: int | None = strawberry.field(description="How many there are in all; null for any number.")
    per_member: int | None = strawberry.field(description="How many one member may be given; null for any number.")
    daily_release: int | None = strawberry.field(
        description="How many of the stock may be given more with each business day; null for all at once."
    )
    fallback: int | None = strawberry.field(description="The place of what is given instead; null for a miss.")

    @classmethod
    def of(cls, row: queries.LineRow, info: Info) -> "OddsLine":
        return cls(
            place=row.place,
            kind=PrizeKind(row.kind),
            name=row.name_en if info.context.locale == "en" else row.name_zh,
            points=Points(row.points),
            value_fen=Fen(row.line.value_fen),
            odds_ppm=row.odds_ppm,
            pity_ppm=row.pity_ppm,
            stock=row.stock,
            per_member=row.per_member,
            daily_release=row.daily_release,
            fallback=row.fallback,
        )


@strawberry.type(description="A version of a draw's odds. It never changes; what follows it may only be better.")
class InstantOdds:
    version: int = strawberry.field(description="From 1.")
    play_points: Points = strawberry.field(description="What a play costs.")
    free_plays_per_day: int = strawberry.field(description="Plays of a member that cost nothing, each business day.")
    plays_per_member: int | None = strawberry.field(description="Plays of a member in all; null for any number.")
    plays_per_member_day: int | None = strawberry.field(description="Plays of a member a day; null for any number.")
    budget_points: Points | None = strawberry.field(description="Points given in all at most; null for any number.")
    pity_after: int | None = strawberry.field(description="Misses in a row that bring the pity odds; null for none.")
    expected_points: str = strawberry.field(
        description="Points that plays bring on average, pity included: a decimal, rounded up."
    )
    payout_percent: str = strawberry.field(description="The same in per cent of the price: a decimal, rounded up.")
    lines: list[OddsLine] = strawberry.field(description="The table, in the declared order; odds add up to a million.")
    published_at: datetime | None = strawberry.field(description="From when it is in force; null for a draft.")
    terms: str | None = strawberry.field(
        description="The published terms with what has to be disclosed, the exact text that was hashed; null for a "
        "draft."
    )
    terms_hash: str | None = strawberry.field(description="SHA-256 of the terms, in hexadecimal; null for a draft.")

    @classmethod
    def of(cls, row: queries.VersionRow, info: Info) -> "InstantOdds":
        odds = row.odds
        return cls(
            version=row.version,
            play_points=Points(row.play_points),
            free_plays_per_day=row.free_plays_per_day,
            plays_per_member=row.plays_per_member,
            plays_per_member_day=row.plays_per_member_day,
            budget_points=None if row.budget_points is None else Points(row.budget_points),
            pity_after=row.pity_after,
            expected_points=figures.decimal_points(rules.payout_micropoints(odds)),
            payout_percent=figures.payout_percent(odds),
            lines=[OddsLine.of(line, info) for line in row.lines],
            published_at=row.published_at,
            terms=row.terms,
            terms_hash=row.terms_hash.hex() if row.terms_hash else None,
        )


@strawberry.type(description="What is left of a line at this moment.")
class PrizeLeft:
    place: int = strawberry.field(description="Its place in the declared order, from 1.")
    stock_left: int | None = strawberry.field(description="How many are left in all; null for any number.")
    released_left: int | None = strawberry.field(description="How many may still be given today; null for any number.")
    is_exhausted: bool = strawberry.field(description="Whether its fallback is given to everybody as things stand.")
    effective_ppm: int = strawberry.field(
        description="Its odds as they are now: those of exhausted prizes have gone to their fallbacks. Pity and limits "
        "per member are left out."
    )

    @classmethod
    def of(cls, left: figures.Left) -> "PrizeLeft":
        return cls(**left._asdict())


async def odds_of_draws(ids: list[UUID]) -> Sequence[queries.VersionRow]:
    """The odds in force of many draws, for the loader."""
    found = await queries.newest_versions(ids)
    return [found[each] for each in ids]


async def stocks_of_draws(ids: list[UUID]) -> Sequence[list[queries.StockRow]]:
    """What was given of the stocks of many draws, for the loader."""
    found = await queries.stocks_by_draw_ids(ids)
    return [found[each] for each in ids]


@dataclass(frozen=True)
class VersionPages:
    """One page of the versions of many draws, for the loader."""

    before: int | None
    limit: int

    async def __call__(self, ids: list[UUID]) -> Sequence[list[queries.VersionRow]]:
        found = await queries.version_pages(ids, self.before, self.limit)
        return [found[each] for each in ids]
