"""How the settlement of a draw goes: for the staff who answer for it, asked for and followed live."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from gamification.draws import rules, settlement_queries
from schema.context import Info
from schema.draw_facts import DrawId, DrawState
from schema.live import Live, News
from schema.nodes import key_of
from schema.permissions import Allow, Staff

READERS = Allow(Staff())


@strawberry.type(description="How far the grants of a draw are.")
class DrawSettlement:
    state: DrawState = strawberry.field(description="How far the draw is.")
    total: int = strawberry.field(description="Prizes won that stand.")
    settled: int = strawberry.field(description="How many of them are granted.")
    failed: int = strawberry.field(description="How many of them failed and are still owed; see failures.")
    lapsed: int = strawberry.field(description="Prizes that nobody claimed in time.")
    promoted: int = strawberry.field(description="How many of those went to a ticket in line.")
    grants_per_second: int | None = strawberry.field(
        description="From the beginning to the last grant, rounded down; null within the first second."
    )
    last_error: str | None = strawberry.field(description="How the grant failed that failed last and is still owed.")
    started_at: datetime | None = strawberry.field(description="When granting began.")
    last_granted_at: datetime | None = strawberry.field(description="When the last prize so far was granted.")
    finished_at: datetime | None = strawberry.field(description="When the draw was settled.")
    settlement_seconds: int | None = strawberry.field(
        description="From the closing to the last grant, in seconds begun; null until the draw is settled."
    )

    @classmethod
    def of(cls, row: settlement_queries.Settlement) -> "DrawSettlement":
        return cls(
            state=DrawState(row.state),
            total=row.total,
            settled=row.settled,
            failed=row.failed,
            lapsed=row.lapsed,
            promoted=row.promoted,
            grants_per_second=row.per_second,
            last_error=row.last_error,
            started_at=row.started_at,
            last_granted_at=row.last_granted_at,
            finished_at=row.finished_at,
            settlement_seconds=row.seconds,
        )


async def settlements_of_draws(ids: list[UUID]) -> Sequence[settlement_queries.Settlement | None]:
    """Settlements of many draws, for the loader."""
    found = await settlement_queries.settlements_by_draw_ids(ids)
    return [found.get(each) for each in ids]


Cursor = tuple[int, int, int, int]
"""How far a settlement is: the place of the state, what is granted, what has lapsed, what failed."""
BEFORE_EVERYTHING: Cursor = (-1, -1, -1, -1)


async def further_settlements(
    cursors: Mapping[UUID, Cursor],
) -> list[News[UUID, Cursor, settlement_queries.Settlement]]:
    """Where the settlements that are followed stand: the poll of the subscription."""
    found = await settlement_queries.settlements_by_draw_ids(list(cursors))
    return [
        News(row.id, (rules.STATES.index(row.state), row.settled, row.lapsed, row.failed), row)
        for row in found.values()
    ]


FURTHER: Live[UUID, Cursor, settlement_queries.Settlement] = Live(further_settlements)


@strawberry.type
class AdminDrawsSubscription:
    @strawberry.subscription(
        description="How the settlement of a published draw goes: now, at each change, until it is settled or voided.",
        extensions=[READERS],
    )
    async def draw_settlement(self, info: Info, draw_id: DrawId) -> AsyncGenerator[DrawSettlement, None]:
        key: Any = key_of(draw_id, "Draw", argument="drawId")
        if await info.context.load(settlements_of_draws, key) is None:
            return
        async for row in FURTHER.follow(key, BEFORE_EVERYTHING):
            yield DrawSettlement.of(row)
            if row.state in ("SETTLED", "VOIDED"):
                return
