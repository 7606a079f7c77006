"""What falls due in members: sessions that ended long ago are forgotten."""

from __future__ import annotations

from datetime import timedelta

from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.members.service.sessions import PURGE_BATCH, purge_due_sessions


async def purge_sessions(ctx: JobContext) -> None:
    """Delete, in batches, sessions that ended 30 days ago. Safe to run twice: it deletes what is left."""
    while await purge_due_sessions(now=ctx.clock.now()) == PURGE_BATCH:
        await ctx.heartbeat()


JOBS = [Job("members.purge_due_sessions", purge_sessions)]
ON: list[On] = []
CRON = [Cron("members.purge_due_sessions", every=timedelta(hours=6))]
