"""What falls due in adjustments: proposals that nobody decided about in time."""

from __future__ import annotations

from datetime import timedelta

from gamification.adjustments import service
from gamification.core.jobs import Cron, Job, JobContext, On

LAPSE_CHUNK = 100
"""Proposals per transaction of the sweep."""


async def lapse_due_proposals(ctx: JobContext) -> None:
    """Book what the clock has lapsed, in chunks. Safe to run twice: what has lapsed is no longer due."""
    while await service.lapse_due(now=ctx.clock.now(), limit=LAPSE_CHUNK) == LAPSE_CHUNK:
        await ctx.heartbeat()


JOBS = [Job("adjustments.lapse_due_proposals", lapse_due_proposals)]
ON: list[On] = []
CRON = [Cron("adjustments.lapse_due_proposals", every=timedelta(minutes=5))]
