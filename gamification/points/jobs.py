"""What falls due in the ledger: activations and expiries that nobody has booked yet, and the nightly liability."""

from __future__ import annotations

from datetime import datetime, timedelta

from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.points import liability, queries, service

SWEEP_MEMBERS_MAX = 500
"""Members per transaction of the sweep."""
LIABILITY_SECONDS_MAX = 3600
AFTER_MIDNIGHT = timedelta(hours=16, minutes=5)
"""In UTC; 00:05 in Shanghai: the report of a month's first day is what the books close with."""


async def sweep_due(ctx: JobContext) -> None:
    """Book what is due, a batch of members at a time. Safe to run twice: what is booked is no longer due.

    A member whose booking fails does not hold up the others; the sweep ends with the first such fault.
    """
    now, last = ctx.clock.now(), None
    faults: list[Exception] = []
    while due := await queries.members_due(now, last, SWEEP_MEMBERS_MAX):
        faults += await service.book_due(ctx.work, [member_id for _, member_id in due])
        last = due[-1]
        await ctx.heartbeat()
    if faults:
        raise faults[0]


async def report_liability(ctx: JobContext, since: str | None = None) -> None:
    """Compute what the programme owes and keep it. Safe to run twice: one report since that instant is enough.

    Without an instant, which is the nightly tick: one report since the business day began.
    """
    now, calendar = ctx.clock.now(), ctx.work.calendar
    wanted = datetime.fromisoformat(since) if since else calendar.starts_at(calendar.business_date(now))
    if not await liability.is_computed_since(wanted):
        await liability.keep(await liability.compute(now, calendar))


JOBS = [
    Job("points.sweep_due", sweep_due),
    Job("points.report_liability", report_liability, seconds_max=LIABILITY_SECONDS_MAX),
]
ON: list[On] = []
CRON = [
    Cron("points.sweep_due", every=timedelta(minutes=1)),
    Cron("points.report_liability", every=timedelta(days=1), offset=AFTER_MIDNIGHT),
]
