"""What the core itself does by time."""

from __future__ import annotations

from datetime import timedelta

from gamification.core import outbox
from gamification.core.jobs import Cron, Job, JobContext, On

DONE_KEPT = timedelta(days=7)
PURGE_CHUNK = 2000


async def purge_outbox(ctx: JobContext) -> None:
    """Forget outbox rows done more than a week ago, in chunks. Safe to run twice: it deletes what is left."""
    while await outbox.purge_done(older_than=DONE_KEPT, limit=PURGE_CHUNK) == PURGE_CHUNK:
        await ctx.heartbeat()


JOBS = [Job("core.purge_outbox", purge_outbox)]
ON: list[On] = []
CRON = [Cron("core.purge_outbox", every=timedelta(hours=1))]
