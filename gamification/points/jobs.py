"""What falls due in the ledger: what nobody's request has booked yet, notices of points that end, the liability."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.points import ahead_queries, liability, service
from gamification.points.rules import NoticeDue, PointsPolicy, notices_due

NOTICE_MEMBERS_MAX = 2000
"""Members per transaction of the notices."""
LIABILITY_SECONDS_MAX = 3600
SWEEP_SECONDS_MAX = 3600
"""The night on which a year's points end takes longer than other jobs may; a sweep that is cut is gone on with."""
AFTER_MIDNIGHT = timedelta(hours=16, minutes=5)
"""In UTC; 00:05 in Shanghai: the report of a month's first day is what the books close with."""


async def sweep_due(ctx: JobContext) -> None:
    """Book what is due, a batch of members at a time. Safe to run twice: what is booked is no longer due.

    A member whose booking fails does not hold up the others; the sweep ends with the first such fault.
    """
    if faults := await service.sweep_due(ctx.work, heartbeat=ctx.heartbeat):
        raise faults[0]


async def report_liability(ctx: JobContext, since: str | None = None) -> None:
    """Compute what the programme owes and keep it. Safe to run twice: one report since that instant is enough.

    Without an instant, which is the nightly tick: one report since the business day began.
    """
    now, calendar = ctx.clock.now(), ctx.work.calendar
    wanted = datetime.fromisoformat(since) if since else calendar.starts_at(calendar.business_date(now))
    if not await liability.is_computed_since(wanted):
        await liability.keep(await liability.compute(now, calendar))


async def tell_of_expiry(ctx: JobContext) -> None:
    """Write the notices that fell due since the last finished day, a batch of members at a time.

    Safe to run twice: a notice is written once, and a day that is finished is not looked at again. A member whose
    booking fails does not hold up the others; the day is then not finished, and the job ends with the first fault.
    """
    now = ctx.clock.now()
    await ctx.work.policies.refresh()
    if ctx.work.policies.latest(PointsPolicy) is None:
        return
    today = ctx.work.calendar.business_date(now)
    policy = ctx.work.policies.at(PointsPolicy, now).body
    due = notices_due(policy.notice_days, await ahead_queries.told_until() or today - timedelta(days=1), today)
    faults = await _tell(ctx, due, now) if due else []
    if faults:
        raise faults[0]
    await service.finish_day(today, now)


async def _tell(ctx: JobContext, due: Sequence[NoticeDue], now: datetime) -> list[Exception]:
    """Write the notices that are due, to everybody; returns the faults of members who could not be booked."""
    faults: list[Exception] = []
    last: UUID | None = None
    until = ctx.work.calendar.ends_at(due[-1].expires_on)
    while found := await ahead_queries.members_with_ends(now, until, last, NOTICE_MEMBERS_MAX):
        faults += await service.book_due(ctx.work, [member_id for member_id, is_due in found if is_due])
        await service.tell_of_expiry(ctx.work, [member_id for member_id, _ in found], due, now)
        last = found[-1][0]
        await ctx.heartbeat()
    return faults


JOBS = [
    Job("points.sweep_due", sweep_due, seconds_max=SWEEP_SECONDS_MAX),
    Job("points.tell_of_expiry", tell_of_expiry),
    Job("points.report_liability", report_liability, seconds_max=LIABILITY_SECONDS_MAX),
]
ON: list[On] = []
CRON = [
    Cron("points.sweep_due", every=timedelta(minutes=1)),
    Cron("points.tell_of_expiry", every=timedelta(hours=1)),
    Cron("points.report_liability", every=timedelta(days=1), offset=AFTER_MIDNIGHT),
]
