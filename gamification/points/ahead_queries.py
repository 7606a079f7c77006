"""Reads of what lies ahead of a member's points: when they become usable, when they end, and what was told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from gamification.core.calendar import Calendar
from gamification.core.database import fetch
from gamification.core.policy import Policies
from gamification.core.work import LOTS_ALL
from gamification.points.book import Book
from gamification.points.models import POINTS
from gamification.points.queries import open_books
from gamification.points.rules import Lot

What = Literal["EXPIRING", "ACTIVATING"]
_COLUMNS = {"EXPIRING": "expires_at", "ACTIVATING": "activates_at"}
_WHERE = {"EXPIRING": "expires_at IS NOT NULL", "ACTIVATING": "pending"}


class PointsAt(NamedTuple):
    """Points of a member that expire, or activate, at one instant."""

    member_id: UUID
    at: datetime
    points: int


class NoticeLine(NamedTuple):
    """A member was told that points end: their last business day, how many days before it, and how many they were."""

    member_id: UUID
    expires_on: date
    days: int
    points: int
    told_at: datetime


async def points_ahead(
    member_ids: Sequence[UUID],
    now: datetime,
    policies: Policies,
    calendar: Calendar,
    *,
    what: What,
    after: datetime | None,
    limit: int,
) -> Mapping[UUID, list[PointsAt]]:
    """For each member the points that expire or activate behind an instant, by instant, the soonest first.

    As they are now, whether or not what is due has been booked: members for whom something is are read with their
    books. One statement, and one more where there are such members.
    """
    rows = await fetch(_BOOKED.format(at=_COLUMNS[what], where=_WHERE[what]), list(member_ids), now, after, limit)
    found: dict[UUID, list[PointsAt]] = {}
    for row in rows:
        if row["at"] is not None:
            found.setdefault(row["member_id"], []).append(PointsAt(*row))
    due = [row["member_id"] for row in rows if row["at"] is None]
    for book in await open_books(due, now, policies, calendar, LOTS_ALL) if due else ():
        found[book.member_id] = _ahead(book, what, after)[:limit]
    return found


_BOOKED = f"""
SELECT a.member_id, ahead.at, ahead.points FROM account a CROSS JOIN LATERAL (
    SELECT {{at}} AS at, sum(remaining)::bigint AS points FROM lot
    WHERE member_id = a.member_id AND currency = a.currency AND open AND {{where}}
      AND ($3::timestamptz IS NULL OR {{at}} > $3) GROUP BY 1 ORDER BY 1 LIMIT $4) ahead
WHERE a.member_id = ANY($1::uuid[]) AND a.currency = '{POINTS}' AND (a.next_due_at IS NULL OR a.next_due_at > $2)
UNION ALL
SELECT member_id, NULL, NULL FROM account
WHERE member_id = ANY($1::uuid[]) AND currency = '{POINTS}' AND next_due_at <= $2
ORDER BY 1, 2"""


def _ahead(book: Book, what: What, after: datetime | None) -> list[PointsAt]:
    sums: dict[datetime, int] = {}
    for lot in book.lots():
        at = _instant(lot, what)
        if at is not None and (after is None or at > after):
            sums[at] = sums.get(at, 0) + lot.remaining
    return [PointsAt(book.member_id, at, points) for at, points in sorted(sums.items())]


def _instant(lot: Lot, what: What) -> datetime | None:
    if what == "EXPIRING":
        return lot.expires_at
    return lot.activates_at if lot.pending else None


async def notice_pages(
    member_ids: Sequence[UUID], before: tuple[date, int] | None, limit: int
) -> Mapping[UUID, list[NoticeLine]]:
    """For each member the notices behind (last day, days before it); the last day that is latest comes first, and of
    its notices the last one."""
    rows = await fetch(
        """SELECT n.* FROM unnest($1::uuid[]) AS m(id) CROSS JOIN LATERAL (
               SELECT member_id, expires_on, days, points, told_at FROM expiry_notice WHERE member_id = m.id
               AND ($2::date IS NULL OR expires_on < $2 OR (expires_on = $2 AND days > $3))
               ORDER BY expires_on DESC, days LIMIT $4) n""",
        list(member_ids), *(before or (None, None)), limit,
    )  # fmt: skip
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row["member_id"], []).append(NoticeLine(*row))
    return found


async def told_until() -> date | None:
    """The last business day whose notices have all been written; None before the first."""
    rows = await fetch("SELECT max(day) FROM expiry_notice_day")
    found: date | None = rows[0][0]
    return found


async def members_with_ends(now: datetime, until: datetime, after: UUID | None, limit: int) -> list[tuple[UUID, bool]]:
    """Members of whom something ends or begins until an instant, and whether of it something is due, in their order.

    `next_due_at` lies before every end of a member's points, so nobody is missed.
    """
    rows = await fetch(
        f"""SELECT a.member_id, a.next_due_at <= $1 FROM account a
            JOIN member m ON m.id = a.member_id AND m.status NOT IN ('MERGED', 'ERASED')
            WHERE a.currency = '{POINTS}' AND a.next_due_at <= $2 AND ($3::uuid IS NULL OR a.member_id > $3)
            ORDER BY a.member_id LIMIT $4""",
        now, until, after, limit,
    )  # fmt: skip
    return [(row[0], row[1]) for row in rows]
