"""What a draw does by itself: it closes at its time, draws, settles, or gives back. Each step is safe to run twice."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from gamification.core import outbox
from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.core.transactions import transaction
from gamification.draws import queries, service
from gamification.draws.service import StillOwed, WorkedOff

DUE_MAX = 100


async def close_draw(ctx: JobContext, draw_id: str) -> None:
    """Runs at the closing time: number the tickets, or void the draw when there are too few."""
    await service.close_draw(ctx.work, draw_id=UUID(draw_id))


async def close_due_draws(ctx: JobContext) -> None:
    """Close what is past its time and was not closed by its own job."""
    for draw_id in await queries.draws_due_to_close(ctx.clock.now(), DUE_MAX):
        await service.close_draw(ctx.work, draw_id=draw_id)
        await ctx.heartbeat()


async def draw_winners(ctx: JobContext, draw_id: str) -> None:
    """Runs after the closing: reveal the seed, fix the winners."""
    await service.draw_winners(ctx.work, draw_id=UUID(draw_id))


async def settle_draw(ctx: JobContext, draw_id: str) -> None:
    """Runs after the drawing: grant every win, then mark the draw settled. Raises StillOwed while a grant fails."""
    run = await service.settle_draw(ctx.work, draw_id=UUID(draw_id), heartbeat=ctx.heartbeat)
    if run.reached_end:
        await service.finish_settlement(ctx.work, draw_id=UUID(draw_id))
    else:
        await _go_on(ctx, "draws.settle", draw_id, run)


async def restore_tickets(ctx: JobContext, draw_id: str) -> None:
    """Runs after a void: give the price of every ticket back. Raises StillOwed while one fails."""
    run = await service.restore_tickets(ctx.work, draw_id=UUID(draw_id), heartbeat=ctx.heartbeat)
    if run.reached_end:
        await service.finish_restoration(ctx.work, draw_id=UUID(draw_id))
    else:
        await _go_on(ctx, "draws.restore", draw_id, run)


async def _go_on(ctx: JobContext, job: str, draw_id: str, run: WorkedOff) -> None:
    """Let a further run do the rest; a run that got nothing done counts as a failure instead."""
    if not run.done:
        raise StillOwed(f"all {run.failed} attempts of draw {draw_id} failed")
    async with transaction():
        await outbox.schedule(job, {"draw_id": draw_id}, run_at=ctx.clock.now())
        await ctx.complete()


JOBS = [
    Job("draws.close", close_draw),
    Job("draws.close_due", close_due_draws),
    Job("draws.draw", draw_winners),
    Job("draws.settle", settle_draw),
    Job("draws.restore", restore_tickets),
]
ON: list[On] = []
CRON = [Cron("draws.close_due", every=timedelta(minutes=1))]
