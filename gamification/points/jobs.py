"""What falls due in the ledger: activations and expiries that nobody's request has booked yet."""

from __future__ import annotations

from datetime import timedelta

from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.points import queries, service

SWEEP_MEMBERS_MAX = 500
"""Members per transaction of the sweep."""


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


JOBS = [Job("points.sweep_due", sweep_due)]
ON: list[On] = []
CRON = [Cron("points.sweep_due", every=timedelta(minutes=1))]
