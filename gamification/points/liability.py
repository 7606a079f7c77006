"""What the programme owes: points outstanding by the month in which they expire, told three ways, gross and net.

One point is worth one fen. Outstanding is what is available, pending and held at an instant, as time has decided it:
a lot whose end has come counts no more, one whose waiting is over counts as available and repays debt first, whether
or not that is booked. What is not booked yet is told beside, so that the lots, the accounts and the entries still meet
to the point.

Breakage is what is expected to expire unused. Its rate is measured as Σ expired / Σ original over the lots whose last
day lay in the last twelve full months (points that were given back count at their first lot and at the second, which
errs to the low side, so to the higher liability). It is taken of points that have an end and are not held; the others
do not expire. Whole points are split over the months by largest remainder, so that the parts sum to the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from gamification.core import outbox
from gamification.core.calendar import Calendar, add_months, month_of
from gamification.core.database import execute, fetch_row, fetch_value
from gamification.core.encoding import encode
from gamification.core.ids import new_id
from gamification.core.jobs import EPOCH
from gamification.core.long_reads import LongRead, long_read
from gamification.points.errors import LiabilityJustComputed
from gamification.points.rules import split_by_largest_remainder

BASIS = 10_000
MONTHS_MEASURED = 12
LOTS_MEASURED_MIN = 100
"""With fewer lots that ended there is no rate: a handful says nothing about the rest."""
MONTHS_AHEAD_MAX = 600
"""Months that have a bucket of their own; what expires later is counted in the last of them."""
STATEMENT_SECONDS_MAX = 600
PAUSE = timedelta(minutes=10)
"""How old the newest report has to be before staff may have it computed again."""


class Bucket(NamedTuple):
    """Points that expire in one month, by its first day; None for points that never do."""

    month: date | None
    available: int
    pending: int

    @property
    def points(self) -> int:
        """Both together."""
        return self.available + self.pending


@dataclass(frozen=True, slots=True)
class Report:
    """The liability at an instant; the fields are those of `LiabilityReport`."""

    computed_at: datetime
    business_date: date
    available: int
    pending: int
    held: int
    debt: int
    not_booked: int
    lots_sum: int
    accounts_sum: int
    entries_sum: int
    ended_since: date
    ended_until: date
    ended_lots: int
    ended_original: int
    ended_expired: int
    buckets: tuple[Bucket, ...]

    @property
    def outstanding(self) -> int:
        """All that is owed, in points and in fen."""
        return self.available + self.pending + self.held

    @property
    def ties(self) -> bool:
        """Whether the report, the lots, the accounts and the entries tell the same total."""
        told = {self.outstanding + self.not_booked, self.lots_sum, self.accounts_sum, self.entries_sum}
        by_bucket = sum(bucket.points for bucket in self.buckets)
        return len(told) == 1 and by_bucket == self.available + self.pending

    @property
    def measured_bp(self) -> int | None:
        """The rate of breakage in basis points, rounded down; None where too few lots have ended."""
        if self.ended_lots < LOTS_MEASURED_MIN:
            return None
        return self.ended_expired * BASIS // self.ended_original

    def breakage(self, rate_bp: int) -> list[int]:
        """Points of each bucket that are expected to expire unused at a rate of 0 to 10,000 basis points."""
        assert 0 <= rate_bp <= BASIS, "a rate lies between nothing and everything"
        weights = [bucket.points if bucket.month is not None else 0 for bucket in self.buckets]
        expected = sum(weights) * rate_bp // BASIS
        return split_by_largest_remainder(expected, weights)


_COLUMNS = ", ".join(Report.__slots__)
_REPAID = """
    SELECT member_id, seq, line, least(remaining, greatest(0, debt - (upto - remaining))) AS points FROM (
        SELECT l.member_id, l.seq, l.line, l.remaining, a.debt, sum(l.remaining) OVER (
                   PARTITION BY l.member_id ORDER BY l.activates_at, l.seq, l.line) AS upto
        FROM account a JOIN lot l ON l.member_id = a.member_id AND l.currency = a.currency
        WHERE a.currency = 'POINTS' AND a.debt > 0 AND a.next_due_at <= $1
          AND l.open AND l.pending AND l.activates_at <= $1) due"""
"""What lots whose waiting is over repay of debt, in the order in which they activate, where that is not booked."""

_BUCKETS = f"""
WITH repaid AS MATERIALIZED ({_REPAID})
SELECT CASE WHEN NOT ended AND last_on IS NOT NULL THEN least(date_trunc('month', last_on)::date, $4) END AS month,
       ended,
       coalesce(sum(remaining - repaid) FILTER (WHERE usable), 0)::bigint AS available,
       coalesce(sum(remaining - repaid) FILTER (WHERE NOT usable), 0)::bigint AS pending,
       sum(repaid)::bigint AS repaid, sum(remaining)::bigint AS booked
FROM (
    SELECT l.remaining, coalesce(r.points, 0) AS repaid, NOT l.pending OR l.activates_at <= $1 AS usable,
           coalesce(l.expires_at <= $1, false) AS ended,
           (l.expires_at - interval '1 microsecond') AT TIME ZONE $2 - $3::interval AS last_on
    FROM lot l LEFT JOIN repaid r ON r.member_id = l.member_id AND r.seq = l.seq AND r.line = l.line
    WHERE l.currency = 'POINTS' AND l.open AND l.remaining > 0) lots
GROUP BY 1, 2 ORDER BY 1 NULLS LAST"""
_ACCOUNTS = """
SELECT coalesce(sum(available + pending + held), 0)::bigint AS outstanding, coalesce(sum(held), 0)::bigint AS held,
       coalesce(sum(debt), 0)::bigint AS debt FROM account WHERE currency = 'POINTS'"""
_ENTRIES = """
SELECT coalesce(sum(available_delta + pending_delta + held_delta), 0)::bigint FROM entry WHERE currency = 'POINTS'"""
_ENDED = f"""
WITH repaid AS MATERIALIZED ({_REPAID})
SELECT count(*) AS lots, coalesce(sum(l.original), 0)::bigint AS original,
       coalesce(sum(l.expired + CASE WHEN l.expires_at <= $1 THEN l.remaining - coalesce(r.points, 0) ELSE 0 END),
                0)::bigint AS expired
FROM lot l LEFT JOIN repaid r ON r.member_id = l.member_id AND r.seq = l.seq AND r.line = l.line
WHERE l.currency = 'POINTS' AND l.expires_at > $2 AND l.expires_at <= $3"""


async def compute(now: datetime, calendar: Calendar) -> Report:
    """Work out the liability at this instant from one snapshot, without keeping it."""
    today = calendar.business_date(now)
    until = month_of(today)
    since = add_months(until, -MONTHS_MEASURED)
    async with long_read(STATEMENT_SECONDS_MAX) as read:
        lots = await _lots(read, now, calendar, add_months(until, MONTHS_AHEAD_MAX - 1))
        (accounts,) = await read.fetch(_ACCOUNTS)
        ((entries,),) = await read.fetch(_ENTRIES)
        (ended,) = await read.fetch(_ENDED, now, calendar.starts_at(since), calendar.starts_at(until))
    return Report(
        computed_at=now,
        business_date=today,
        available=sum(bucket.available for bucket in lots.buckets),
        pending=sum(bucket.pending for bucket in lots.buckets),
        held=accounts["held"],
        debt=accounts["debt"] - lots.repaid,
        not_booked=lots.ended + lots.repaid,
        lots_sum=lots.booked + accounts["held"],
        accounts_sum=accounts["outstanding"],
        entries_sum=entries,
        ended_since=since,
        ended_until=until,
        ended_lots=ended["lots"],
        ended_original=ended["original"],
        ended_expired=ended["expired"],
        buckets=lots.buckets,
    )


class _Lots(NamedTuple):
    """What the open lots say: the buckets, what ended or repaid debt without being booked, what is booked in all."""

    buckets: tuple[Bucket, ...]
    ended: int
    repaid: int
    booked: int


async def _lots(read: LongRead, now: datetime, calendar: Calendar, last_month: date) -> _Lots:
    rows = await read.fetch(_BUCKETS, now, calendar.zone, calendar.day_start, last_month)
    alive = [row for row in rows if not row["ended"]]
    buckets = tuple(Bucket(row["month"], row["available"], row["pending"]) for row in alive)
    return _Lots(
        tuple(bucket for bucket in buckets if bucket.points),
        sum(row["available"] for row in rows if row["ended"]),
        sum(row["repaid"] for row in rows),
        sum(row["booked"] for row in rows),
    )


async def keep(report: Report) -> None:
    """Write a report down, for ever."""
    values = [getattr(report, name) for name in Report.__slots__]
    values[-1] = encode([list(bucket) for bucket in report.buckets])
    places = ", ".join(f"${number}" for number in range(2, len(values) + 2))
    await execute(f"INSERT INTO liability_report (id, {_COLUMNS}) VALUES ($1, {places})", new_id(), *values)


async def newest(on: date | None = None) -> Report | None:
    """The newest report, of a business day or of all; None where there is none."""
    row = await fetch_row(
        f"""SELECT {_COLUMNS} FROM liability_report WHERE ($1::date IS NULL OR business_date = $1)
            ORDER BY business_date DESC, computed_at DESC LIMIT 1""",
        on,
    )
    return Report(**{**dict(row), "buckets": _buckets(orjson.loads(row["buckets"]))}) if row else None


def _buckets(rows: Sequence[Any]) -> tuple[Bucket, ...]:
    return tuple(
        Bucket(date.fromisoformat(month) if month else None, available, pending) for month, available, pending in rows
    )


async def is_computed_since(instant: datetime) -> bool:
    """Whether there is a report of that instant or later."""
    found: bool = await fetch_value("SELECT EXISTS (SELECT FROM liability_report WHERE computed_at >= $1)", instant)
    return found


async def request_report(now: datetime) -> None:
    """Have the liability computed by a job; asked for several times within a pause, it is computed once.

    Refuses: LiabilityJustComputed.
    """
    computed_at = await fetch_value("SELECT max(computed_at) FROM liability_report")
    if computed_at is not None and computed_at > now - PAUSE:
        wait = computed_at + PAUSE - now
        raise LiabilityJustComputed(computed_at=computed_at, retry_after_seconds=-(-wait // timedelta(seconds=1)))
    key = f"liability:{(now - EPOCH) // PAUSE}"
    await outbox.schedule("points.report_liability", {"since": now.isoformat()}, run_at=now, key=key)
