"""A published instant draw, as members see it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.instant_draws import queries, rules
from schema.context import Info
from schema.instant_facts import InstantDrawFacts, facts_of
from schema.instant_odds import odds_of_draws


@strawberry.type(description="Where the member who asks stands in an instant draw.")
class OwnPlays:
    plays: int = strawberry.field(description="Plays so far.")
    plays_today: int = strawberry.field(description="Plays of this business day.")
    free_plays_left: int = strawberry.field(description="Plays that would cost nothing today.")
    misses: int = strawberry.field(description="Misses in a row up to now.")
    is_pity_next: bool = strawberry.field(description="Whether the pity odds decide the next play.")
    export_url: str | None = strawberry.field(
        description="Where the member downloads these plays, with the token of this request, as one document for the "
        "stand-alone verifiers, from the same host; null before the first play."
    )


async def published_instant_draws(ids: list[UUID]) -> Sequence[queries.DrawRow | None]:
    """Instant draws that members may see, for the loader."""
    found = await queries.draws_by_ids(ids)
    return [found.get(each) for each in ids]


@dataclass(frozen=True)
class LatestPlays:
    """A member's latest play of many draws, for the loader."""

    member_id: UUID

    async def __call__(self, ids: list[UUID]) -> Sequence[queries.PlayRow | None]:
        found = await queries.latest_plays(self.member_id, ids)
        return [found.get(each) for each in ids]


@strawberry.type(description="An instant draw: a wheel that is played for points, under odds that are published.")
class InstantDraw(InstantDrawFacts, relay.Node):
    id: relay.NodeID[UUID]

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        ids = [UUID(each) for each in node_ids]
        return [await instant_draw_of(each, info) for each in ids]

    @strawberry.field(description="Where the member who asks stands in it; null for anybody else.")
    async def own_plays(self, info: Info) -> OwnPlays | None:
        own = info.context.actor.member_id
        if own is None:
            return None
        odds = await info.context.load(odds_of_draws, self.id)
        last = await info.context.load(LatestPlays(own), self.id)
        is_today = last is not None and last.business_date >= info.context.work.calendar.business_date(info.context.now)
        free = last.free_number if last and is_today else 0
        misses = last.misses if last else 0
        return OwnPlays(
            plays=last.number if last else 0,
            plays_today=last.day_number if last and is_today else 0,
            free_plays_left=max(odds.free_plays_per_day - free, 0),
            misses=misses,
            is_pity_next=rules.is_pity(odds.pity_after, misses),
            export_url=f"/plays/{self.id}/export.json" if last else None,
        )


async def instant_draw_of(draw_id: UUID, info: Info) -> InstantDraw | None:
    """A published instant draw, read together with others."""
    row = await info.context.load(published_instant_draws, draw_id)
    return InstantDraw(**facts_of(row, info)) if row else None
