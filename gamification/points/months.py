"""A member's month: balances at its start and end, what each kind of entry moved, what expires in the month after.

A month is the programme's, by the business day on which entries were booked. Opening and closing are sums of deltas:
the balances after the last entry that surely lies before the month, and whatever else was booked before it. So opening
plus everything in the month is closing, to the point, and the closing of a month is the opening of the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.calendar import Calendar, add_months
from gamification.core.database import fetch
from gamification.points.models import KINDS, POINTS

MONTHS_MAX = 120
"""How many months before a member's newest are looked at for activity: ten years."""


class Buckets(NamedTuple):
    """The four buckets of an account at the start or end of a month."""

    available: int
    pending: int
    held: int
    debt: int

    @property
    def total(self) -> int:
        """All buckets together, debt counted against them."""
        return self.available + self.pending + self.held - self.debt

    def moved(self, by: Buckets) -> Buckets:
        """The buckets after these changes."""
        return Buckets(*(each + change for each, change in zip(self, by, strict=True)))


class KindSum(NamedTuple):
    """What the entries of one kind moved in a month: how many, points in and points out, both not negative."""

    kind: str
    entries: int
    points_in: int
    points_out: int


@dataclass(frozen=True, slots=True)
class Month:
    """A member's month in one currency. Kinds come in the order of `KINDS`; only those that were posted are there."""

    member_id: UUID
    currency: str
    first: date
    opening: Buckets
    closing: Buckets
    kinds: tuple[KindSum, ...]

    @property
    def points_in(self) -> int:
        """Everything that came in."""
        return sum(each.points_in for each in self.kinds)

    @property
    def points_out(self) -> int:
        """Everything that went out, as a positive figure."""
        return sum(each.points_out for each in self.kinds)

    @property
    def entries(self) -> int:
        """How many entries were booked."""
        return sum(each.entries for each in self.kinds)


_MONTHS = """
SELECT m.id, opened.available, opened.pending, opened.held, opened.debt, own.*
FROM unnest($1::uuid[]) AS m(id)
CROSS JOIN LATERAL (SELECT first_seq_booked_from(m.id, $2, $3::date - 1) AS low,
                           first_seq_booked_from(m.id, $2, $4::date + 1) AS high OFFSET 0) AS span
LEFT JOIN entry AS opened ON opened.member_id = m.id AND opened.currency = $2 AND opened.seq = span.low - 1
LEFT JOIN LATERAL (
    SELECT CASE WHEN business_date >= $3 THEN kind END AS kind, count(*) AS entries,
           sum(greatest(points, 0))::bigint AS points_in, sum(greatest(-points, 0))::bigint AS points_out,
           sum(available_delta)::bigint AS available_moved, sum(pending_delta)::bigint AS pending_moved,
           sum(held_delta)::bigint AS held_moved, sum(debt_delta)::bigint AS debt_moved
    FROM (SELECT *, available_delta + pending_delta + held_delta - debt_delta AS points FROM entry
          WHERE member_id = m.id AND currency = $2 AND seq >= span.low AND seq < span.high
            AND business_date < $4) AS booked
    GROUP BY 1) AS own ON true"""


class _Row(NamedTuple):
    """Balances at the start of the span, and what one kind moved; its name is None for what was booked before."""

    available: int | None
    pending: int | None
    held: int | None
    debt: int | None
    kind: str | None
    entries: int | None
    points_in: int
    points_out: int
    available_moved: int
    pending_moved: int
    held_moved: int
    debt_moved: int


async def months_by_member_ids(member_ids: Sequence[UUID], currency: str, first: date) -> Mapping[UUID, Month]:
    """The month that begins on a day, of each member in one currency; one statement."""
    rows = await fetch(_MONTHS, list(member_ids), currency, first, add_months(first, 1))
    grouped: dict[UUID, list[_Row]] = {}
    for member_id, *row in rows:
        grouped.setdefault(member_id, []).append(_Row(*row))
    return {member_id: _month(member_id, currency, first, found) for member_id, found in grouped.items()}


def _month(member_id: UUID, currency: str, first: date, rows: Sequence[_Row]) -> Month:
    start = Buckets(*(each or 0 for each in rows[0][:4]))
    moved = [row for row in rows if row.entries is not None]
    opening = _after(start, [row for row in moved if row.kind is None])
    within = [row for row in moved if row.kind is not None]
    sums = {row.kind: KindSum(str(row.kind), row.entries or 0, row.points_in, row.points_out) for row in within}
    kinds = tuple(sums[name] for name in KINDS if name in sums)
    return Month(member_id, currency, first, opening, _after(opening, within), kinds)


def _after(start: Buckets, rows: Sequence[_Row]) -> Buckets:
    for row in rows:
        start = start.moved(Buckets(*row[8:]))
    return start


async def active_months(member_ids: Sequence[UUID], currency: str) -> Mapping[UUID, list[date]]:
    """The months in which each member has entries, by their first days, the newest first; one statement.

    Months more than `MONTHS_MAX` before the newest are left out.
    """
    rows = await fetch(
        f"""SELECT m.id, month.first::date FROM unnest($1::uuid[]) AS m(id)
            CROSS JOIN LATERAL (
                SELECT (SELECT business_date FROM entry WHERE member_id = m.id AND currency = $2
                        ORDER BY seq LIMIT 1) - 1 AS first_on,
                       (SELECT business_date FROM entry WHERE member_id = m.id AND currency = $2
                        ORDER BY seq DESC LIMIT 1) + 1 AS last_on OFFSET 0) AS life
            CROSS JOIN LATERAL generate_series(
                date_trunc('month', life.last_on::timestamp),
                greatest(date_trunc('month', life.first_on::timestamp),
                         date_trunc('month', life.last_on::timestamp) - interval '{MONTHS_MAX - 1} months'),
                interval '-1 month') AS month(first)
            WHERE EXISTS (
                SELECT FROM entry WHERE member_id = m.id AND currency = $2
                AND seq >= first_seq_booked_from(m.id, $2, month.first::date - 1)
                AND seq < first_seq_booked_from(m.id, $2, (month.first + interval '1 month 1 day')::date)
                AND business_date >= month.first::date
                AND business_date < (month.first + interval '1 month')::date)
            ORDER BY month.first DESC""",
        list(member_ids),
        currency,
    )
    grouped: dict[UUID, list[date]] = {}
    for member_id, first in rows:
        grouped.setdefault(member_id, []).append(first)
    return grouped


async def expiring_in_month(
    member_ids: Sequence[UUID], first: date, now: datetime, calendar: Calendar
) -> Mapping[UUID, int]:
    """Points of each member, as they are now, whose last valid day lies in the month that begins on a day."""
    rows = await fetch(
        """SELECT member_id, sum(remaining)::bigint AS points FROM lot
           WHERE member_id = ANY($1::uuid[]) AND currency = $2 AND open
             AND expires_at > greatest($3::timestamptz, $5::timestamptz) AND expires_at <= $4
           GROUP BY member_id""",
        list(member_ids), POINTS, calendar.starts_at(first), calendar.starts_at(add_months(first, 1)), now,
    )  # fmt: skip
    return {row["member_id"]: row["points"] for row in rows}
