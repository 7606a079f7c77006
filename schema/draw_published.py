"""A published draw, as members see it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.core.work import Work
from gamification.draws import queries
from gamification.gates.rules import Gate
from gamification.tiers.queries import Progress, progress_by_member_ids
from gamification.tiers.rules import TierPolicy
from schema.context import Info
from schema.draw_facts import DrawFacts, facts_of


async def published_draws(ids: list[UUID]) -> Sequence[queries.DrawRow | None]:
    """Draws that members may see, for the loader."""
    found = await queries.draws_by_ids(ids)
    return [found.get(each) for each in ids]


@dataclass(frozen=True)
class Held:
    """How many tickets a member holds of many draws, for the loader."""

    member_id: UUID

    async def __call__(self, ids: list[UUID]) -> Sequence[int]:
        found = await queries.held_by_draw_ids(self.member_id, ids)
        return [found[each] for each in ids]


@strawberry.type(
    description="A draw: tickets are bought in points, winners follow from a seed that was committed before."
)
class Draw(DrawFacts, relay.Node):
    id: relay.NodeID[UUID]

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        ids = [UUID(each) for each in node_ids]
        return [await draw_of(each, info) for each in ids]

    @strawberry.field(description="Tickets of it that the member who asks holds; null for anybody else.")
    async def tickets_held(self, info: Info) -> int | None:
        own = info.context.actor.member_id
        return await info.context.load(Held(own), self.id) if own else None

    @strawberry.field(description="How many more the member who asks gets for nothing; null for anybody else.")
    async def free_tickets_left(self, info: Info) -> int | None:
        own = info.context.actor.member_id
        if own is None:
            return None
        free = self.free_tickets_per_member
        return max(free - await info.context.load(Held(own), self.id), 0) if free else 0

    @strawberry.field(
        description="From when the member who asks may buy, earlier than others where the draw says so; null for"
        " anybody else."
    )
    async def opens_at_for_me(self, info: Info) -> datetime | None:
        own, gate = info.context.actor.member_id, gate_of(self)
        if own is None or gate.early_tier_min is None:
            return self.opens_at if own else None
        policies, now = info.context.work.policies, info.context.now
        standing = await info.context.load(Standings(info.context.work, now), own)
        return gate.opens_at(self.opens_at, standing.tier.code, policies.at(TierPolicy, now).body)


@dataclass(frozen=True)
class Standings:
    """In which tiers members stand, for the loader."""

    work: Work
    now: datetime

    async def __call__(self, ids: list[UUID]) -> Sequence[Progress]:
        found = await progress_by_member_ids(ids, self.now, self.work.policies, self.work.calendar)
        return [found[each] for each in ids]


def gate_of(draw: DrawFacts) -> Gate:
    """Who may buy, and from when."""
    return Gate(tier_min=draw.tier_min, early_tier_min=draw.early_tier_min, early_seconds=draw.early_seconds)


async def draw_of(draw_id: UUID, info: Info) -> Draw | None:
    """A published draw, read together with others."""
    row = await info.context.load(published_draws, draw_id)
    return Draw(**facts_of(row, info)) if row else None
