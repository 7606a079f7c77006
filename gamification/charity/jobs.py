"""What falls due in charity: campaigns whose time is over."""

from __future__ import annotations

from datetime import timedelta

from gamification.charity import service
from gamification.core.jobs import Cron, Job, JobContext, On


async def close_due_campaigns(ctx: JobContext) -> None:
    """Book what the clock has closed. Safe to run twice: what is closed is no longer due."""
    await service.close_due_campaigns(now=ctx.clock.now())


JOBS = [Job("charity.close_due_campaigns", close_due_campaigns)]
ON: list[On] = []
CRON = [Cron("charity.close_due_campaigns", every=timedelta(minutes=5))]
