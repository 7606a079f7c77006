"""Notices of points that end: who has any is told so many days before their last one, once for each.

Lock order: none; the notices' own keys keep two runs apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from uuid import UUID

from gamification.core import outbox
from gamification.core.calendar import Calendar
from gamification.core.database import execute, fetch
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.points.events import PointsExpiring
from gamification.points.rules import NoticeDue

_TELL = """
INSERT INTO expiry_notice (member_id, expires_on, days, points, told_at)
SELECT l.member_id, d.expires_on, d.days, sum(l.remaining)::bigint, $6
FROM unnest($2::date[], $3::int[], $4::timestamptz[], $5::timestamptz[]) AS d(expires_on, days, after, until)
JOIN lot l ON l.expires_at > d.after AND l.expires_at <= d.until
WHERE l.member_id = ANY($1::uuid[]) AND l.currency = 'POINTS' AND l.open
GROUP BY l.member_id, d.expires_on, d.days ORDER BY l.member_id, d.expires_on
ON CONFLICT DO NOTHING RETURNING member_id, expires_on, days, points"""


async def tell_of_expiry(work: Work, member_ids: Sequence[UUID], due: Sequence[NoticeDue], now: datetime) -> int:
    """Write the notices that are due for these members, and tell the listeners; returns how many were new.

    What is due of their points has to be booked. Safe to run twice: each notice is written and told once.
    """

    async def tell() -> int:
        async with transaction():
            rows = await fetch(_TELL, list(member_ids), *_columns(due, work.calendar), now)
            events = [PointsExpiring(*row) for row in rows]
            for job in work.listeners.get(PointsExpiring.name, ()) if events else ():
                await outbox.schedule_all(job, [asdict(event) for event in events], run_at=now)
            return len(events)

    return await retrying(tell)


def _columns(
    due: Sequence[NoticeDue], calendar: Calendar
) -> tuple[list[date], list[int], list[datetime], list[datetime]]:
    """Last days, days before them, and between which instants points end whose last day each is."""
    days = [each.expires_on for each in due]
    return days, [each.days for each in due], [*map(calendar.starts_at, days)], [*map(calendar.ends_at, days)]


async def finish_day(day: date, now: datetime) -> None:
    """Note that all notices of a business day have been written. The same day again changes nothing."""
    await execute("INSERT INTO expiry_notice_day (day, finished_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", day, now)
