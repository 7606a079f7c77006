"""A published draw, as members see it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.draws import queries
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


async def draw_of(draw_id: UUID, info: Info) -> Draw | None:
    """A published draw, read together with others."""
    row = await info.context.load(published_draws, draw_id)
    return Draw(**facts_of(row, info)) if row else None
