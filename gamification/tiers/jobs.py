"""What falls due of tiers: the end of their validity, of grace, of purchases and pins, and the notices before it."""

from __future__ import annotations

from datetime import timedelta

from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.tiers import service


async def evaluate_due(ctx: JobContext) -> None:
    """Judge what is due, a batch of members at a time. Safe to run twice: what is judged is no longer due.

    A member whose evaluation fails does not hold up the others; the job ends with the first such fault.
    """
    await ctx.work.policies.refresh()
    if faults := await service.evaluate_due(ctx.work, heartbeat=ctx.heartbeat):
        raise faults[0]


JOBS = [Job("tiers.evaluate_due", evaluate_due, seconds_max=3600)]
ON: list[On] = []
CRON = [Cron("tiers.evaluate_due", every=timedelta(minutes=10))]
