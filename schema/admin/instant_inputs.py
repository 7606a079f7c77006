"""Odds and plans of instant draws as staff send them."""

from datetime import datetime
from typing import Annotated

import strawberry

from gamification.gates.rules import Gate
from gamification.instant_draws import rules
from schema.draw_facts import PrizeKind
from schema.scalars import Points


@strawberry.input(description="A line of an odds table: a prize or a miss.")
class OddsLineInput:
    name_zh: str = strawberry.field(description="In Chinese, 1 to 100 characters.")
    name_en: str = strawberry.field(description="In English, 1 to 100 characters.")
    odds_ppm: int = strawberry.field(description="Its odds, in parts per million; those of all lines are a million.")
    kind: PrizeKind = strawberry.field(description="What it is; NONE is a miss.")
    points: Points = strawberry.field(default=Points(0), description="The points that one brings; at most 5,000,000.")
    pity_ppm: int | None = strawberry.field(
        default=None, description="Its odds after `pityAfter` misses in a row; given for all lines or for none."
    )
    stock: int | None = strawberry.field(default=None, description="How many there are; null for any number.")
    per_member: int | None = strawberry.field(
        default=None, description="How many one member may be given; null for any number."
    )
    daily_release: int | None = strawberry.field(
        default=None, description="How many of the stock may be given more each business day; null for all at once."
    )
    fallback: int | None = strawberry.field(
        default=None, description="The place, from 1, of what is given where this cannot be; every prize has one."
    )


@strawberry.input(description="A version of the odds of an instant draw.")
class InstantOddsInput:
    play_points: Points = strawberry.field(description="What a play costs, 1 to 1,000,000.")
    lines: list[OddsLineInput] = strawberry.field(description="1 to 50 lines; a line's place is its name for ever.")
    free_plays_per_day: int = strawberry.field(default=0, description="Plays of a member a day that cost nothing.")
    plays_per_member: int | None = strawberry.field(default=None, description="Plays of a member in all.")
    plays_per_member_day: int | None = strawberry.field(default=None, description="Plays of a member a day.")
    budget_points: Points | None = strawberry.field(default=None, description="Points given in all at most.")
    pity_after: int | None = strawberry.field(default=None, description="Misses in a row that bring the pity odds.")


@strawberry.input(description="An instant draw; frozen when it is published.")
class PlanInstantDrawInput:
    title_zh: str = strawberry.field(description="In Chinese, 1 to 100 characters.")
    title_en: str = strawberry.field(description="In English, 1 to 100 characters.")
    opens_at: datetime = strawberry.field(description="From when it is played, once published.")
    closes_at: datetime = strawberry.field(description="The instant at which it is not played any more.")
    odds: InstantOddsInput = strawberry.field(description="The first version of its odds.")
    tier_min: str | None = strawberry.field(default=None, description="The lowest tier that may play; null for all.")
    early_tier_min: str | None = strawberry.field(default=None, description="The lowest tier that may play earlier.")
    early_seconds: int = strawberry.field(default=0, description="By how many seconds earlier; 0 without such a tier.")
    key: strawberry.ID | None = strawberry.field(
        default=None, description="A UUID of the caller's choice: the same one again plans nothing twice."
    )


ConfirmPayout = Annotated[
    bool, strawberry.argument(description="That plays may bring more points than they cost; asked for above 100 %.")
]


def odds_of(input: InstantOddsInput) -> rules.Odds:
    """Odds as they came over the wire; the verb checks them."""
    lines = tuple(rules.Line(**{**vars(each), "kind": each.kind.value}) for each in input.lines)
    return rules.Odds(**{**vars(input), "lines": lines})


def plan_of(input: PlanInstantDrawInput) -> rules.Plan:
    """A plan as it came over the wire; the verb checks it."""
    gate = Gate(tier_min=input.tier_min, early_tier_min=input.early_tier_min, early_seconds=input.early_seconds)
    return rules.Plan(
        title_zh=input.title_zh,
        title_en=input.title_en,
        opens_at=input.opens_at,
        closes_at=input.closes_at,
        odds=odds_of(input.odds),
        gate=gate,
    )
