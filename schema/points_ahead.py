"""What lies ahead of a member's points: when they become usable, when they end, and what the member was told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import strawberry

from gamification.core.work import Work
from gamification.points import ahead_queries
from schema.context import Info
from schema.execution.batches import Answers, batched
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.scalars import Points

EXPIRIES = Keyset("expiries", Key("at", datetime))
UPCOMING = Keyset("upcoming", Key("at", datetime))
NOTICES = Keyset("expiryNotices", Key("expires_on", date), Key("days", int))
EXPIRING_MAX = 400
"""Instants that the list without pages shows."""


@strawberry.type(description="Points that expire at one instant.")
class ExpiringPoints:
    expires_at: datetime = strawberry.field(description="The first instant at which they can no longer be used.")
    points: Points = strawberry.field(description="How many.")

    @classmethod
    def of(cls, row: ahead_queries.PointsAt) -> "ExpiringPoints":
        return cls(expires_at=row.at, points=Points(row.points))


@strawberry.type(description="Pending points that become usable at one instant.")
class UpcomingPoints:
    activates_at: datetime = strawberry.field(
        description="When they become usable; those that wait for an event of their order, at the latest."
    )
    points: Points = strawberry.field(description="How many. What is owed is repaid out of them first.")

    @classmethod
    def of(cls, row: ahead_queries.PointsAt) -> "UpcomingPoints":
        return cls(activates_at=row.at, points=Points(row.points))


@strawberry.type(description="A member was told that points end.")
class ExpiryNotice:
    expires_on: date = strawberry.field(description="The last business day on which they can be used.")
    days: int = strawberry.field(description="How many days before it the notice was due; after an outage it is late.")
    points: Points = strawberry.field(description="How many points there were when it was told.")
    told_at: datetime = strawberry.field(description="When it was told.")

    @classmethod
    def of(cls, row: ahead_queries.NoticeLine) -> "ExpiryNotice":
        return cls(expires_on=row.expires_on, days=row.days, points=Points(row.points), told_at=row.told_at)


@dataclass(frozen=True)
class PointsAheadOfMembers:
    """One page of what expires or activates of many members, for the loader."""

    work: Work
    now: datetime
    what: ahead_queries.What
    after: datetime | None
    limit: int

    async def __call__(self, member_ids: list[UUID]) -> Sequence[list[ahead_queries.PointsAt]]:
        found = await ahead_queries.points_ahead(
            member_ids, self.now, self.work.policies, self.work.calendar,
            what=self.what, after=self.after, limit=self.limit,
        )  # fmt: skip
        return [found.get(each, []) for each in member_ids]


@dataclass(frozen=True)
class NoticesOfMembers:
    """One page of the notices of many members, for the loader."""

    before: tuple[date, int] | None
    limit: int

    async def __call__(self, member_ids: list[UUID]) -> Sequence[list[ahead_queries.NoticeLine]]:
        found = await ahead_queries.notice_pages(member_ids, self.before, self.limit)
        return [found.get(each, []) for each in member_ids]


async def _ahead(
    info: Info, balances: Sequence[Any], what: ahead_queries.What, after: Any, limit: int
) -> list[list[ahead_queries.PointsAt]]:
    pages = PointsAheadOfMembers(info.context.work, info.context.now, what, after, limit)
    return await info.context.load_many(pages, [balance.member_id for balance in balances])


@strawberry.type
class PointsAhead:
    """What a balance gains from this module."""

    member_id: strawberry.Private[UUID]

    @batched(
        description=f"Points that will expire, by instant, the soonest first; at most {EXPIRING_MAX} instants.",
        deprecation_reason="`expiries` pages through all of them.",
    )
    @staticmethod
    async def expiring(balances: Sequence[Any], info: Info) -> Answers[list[ExpiringPoints]]:
        found = await _ahead(info, balances, "EXPIRING", None, EXPIRING_MAX)
        return [[ExpiringPoints.of(row) for row in rows] for rows in found]

    @batched(description="All points that will expire unless they are used, by instant, the soonest first.")
    @staticmethod
    async def expiries(
        balances: Sequence[Any], info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Answers[Connection[ExpiringPoints]]:
        page = EXPIRIES.page(first, after)
        found = await _ahead(info, balances, "EXPIRING", page.after and page.after[0], page.limit)
        return [page.connection(rows, ExpiringPoints.of) for rows in found]

    @batched(description="All pending points, by the instant at which they become usable, the soonest first.")
    @staticmethod
    async def upcoming(
        balances: Sequence[Any], info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Answers[Connection[UpcomingPoints]]:
        page = UPCOMING.page(first, after)
        found = await _ahead(info, balances, "ACTIVATING", page.after and page.after[0], page.limit)
        return [page.connection(rows, UpcomingPoints.of) for rows in found]

    @batched(description="What the member was told of points that end, the latest to end first.")
    @staticmethod
    async def expiry_notices(
        balances: Sequence[Any], info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Answers[Connection[ExpiryNotice]]:
        page = NOTICES.page(first, after)
        before: Any = page.after
        reading = NoticesOfMembers(before, page.limit)
        found = await info.context.load_many(reading, [balance.member_id for balance in balances])
        return [page.connection(rows, ExpiryNotice.of) for rows in found]
