"""The log follows the ledger: twice a minute whatever is committed gets its leaf, and the head is signed."""

from __future__ import annotations

from datetime import timedelta

from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.transparency import service
from gamification.transparency.keeper import keeper


async def extend_log(ctx: JobContext) -> None:
    """Append and sign. Safe to run twice, and beside itself: an entry gets one leaf, a size one checkpoint.

    A head is signed by a run that caught up: a checkpoint leaves out only what is newer than the run, or than some
    transaction that was still under way.
    """
    keeps = keeper()
    if (await service.extend(ctx.heartbeat)).caught_up:
        await service.sign_head(keeps, ctx.clock.now())


JOBS = [Job("transparency.extend_log", extend_log)]
ON: list[On] = []
CRON = [Cron("transparency.extend_log", every=timedelta(seconds=30))]
