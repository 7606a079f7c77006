"""What instant draws do by themselves: seeds are committed days ahead, and what is past its time ends."""

from __future__ import annotations

from datetime import timedelta

from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.instant_draws import queries, service

DUE_MAX = 100


async def make_seeds(ctx: JobContext) -> None:
    """Commit the seeds of the coming business days; safe to run twice, each day's seed is made once."""
    await service.make_seeds(ctx.work)


async def end_due_draws(ctx: JobContext) -> None:
    """Note that draws are over whose time is; nobody could play them since."""
    for draw_id in await queries.draws_due_to_end(ctx.clock.now(), DUE_MAX):
        await service.end_due_draw(ctx.work, draw_id=draw_id)
        await ctx.heartbeat()


JOBS = [Job("instant_draws.make_seeds", make_seeds), Job("instant_draws.end_due", end_due_draws)]
ON: list[On] = []
CRON = [
    Cron("instant_draws.make_seeds", every=timedelta(hours=6)),
    Cron("instant_draws.end_due", every=timedelta(minutes=1)),
]
