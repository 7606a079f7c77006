"""What a draw does by itself: it closes at its time, draws, settles, lets lapse, or gives back.

Each step is safe to run twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import timedelta
from uuid import UUID

from gamification.core import outbox
from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.core.transactions import transaction
from gamification.draws import beacons, queries, service
from gamification.draws.service import FIRST_TICKET, FIRST_WIN, GrantWin, RestoreTicket, StillOwed, WorkedOff

DUE_MAX = 100
STEP_SECONDS_MAX = 900
"""Closing and drawing are one transaction each, and a draw may have a million tickets."""


async def close_draw(ctx: JobContext, draw_id: str) -> None:
    """Runs at the closing time: number the tickets, or void the draw when there are too few."""
    await service.close_draw(ctx.work, draw_id=UUID(draw_id))


async def close_due_draws(ctx: JobContext) -> None:
    """Close what is past its time and was not closed by its own job."""
    for draw_id in await queries.draws_due_to_close(ctx.clock.now(), DUE_MAX):
        await service.close_draw(ctx.work, draw_id=draw_id)
        await ctx.heartbeat()


async def draw_winners(ctx: JobContext, draw_id: str) -> None:
    """Runs after the closing, or when the value of the beacon is due: reveal the seed, fix the winners.

    While the value is not there, the next look is scheduled in the transaction that ends this one.
    """
    again_at = await service.look_for_beacon(ctx.work, draw_id=UUID(draw_id))
    if again_at is None:
        await service.draw_winners(ctx.work, draw_id=UUID(draw_id))
        return
    async with transaction():
        await service.schedule_look(UUID(draw_id), again_at)
        await ctx.complete()


async def look_for_due_beacons(ctx: JobContext) -> None:
    """Look for values that are due and for which no job of their own looks any more; what is found is then drawn."""
    for draw_id in await beacons.draws_awaiting_a_beacon(ctx.clock.now(), DUE_MAX):
        await service.look_for_beacon(ctx.work, draw_id=draw_id)
        await ctx.heartbeat()


async def settle_draw(ctx: JobContext, draw_id: str, after_member: str | None = None, after_rank: int = 0) -> None:
    """Runs after the drawing: grant every win, then mark the draw settled. Raises StillOwed while a grant fails."""
    draw, after = UUID(draw_id), (UUID(after_member), after_rank) if after_member else FIRST_WIN
    run = await service.settle_draw(ctx.work, draw_id=draw, heartbeat=ctx.heartbeat, after=after)
    if not run.reached_end:
        assert isinstance(run.last, GrantWin), "a run that ends early has listed something"
        member_id, rank = run.last.place
        further = {"draw_id": draw_id, "after_member": str(member_id), "after_rank": rank}
        await _go_on(ctx, "draws.settle", run, further)
    elif not await _finished(service.finish_settlement(ctx.work, draw_id=draw), from_first=after_member is None):
        await _go_on(ctx, "draws.settle", run, {"draw_id": draw_id})


async def lapse_prizes(ctx: JobContext, draw_id: str) -> None:
    """Runs when claims end: what nobody claimed goes to reserves, whose claims end later."""
    await service.lapse_prizes(ctx.work, draw_id=UUID(draw_id), heartbeat=ctx.heartbeat)


async def lapse_due_prizes(ctx: JobContext) -> None:
    """Let lapse what no job of its own did, and settle the draws whose last prize was claimed."""
    for draw_id in await queries.draws_due_to_lapse(ctx.clock.now(), DUE_MAX):
        await service.lapse_prizes(ctx.work, draw_id=draw_id, heartbeat=ctx.heartbeat)
        await ctx.heartbeat()


async def restore_tickets(ctx: JobContext, draw_id: str, after_ticket: str | None = None) -> None:
    """Runs after a void: give the price of every ticket back. Raises StillOwed while one fails."""
    draw, after = UUID(draw_id), UUID(after_ticket) if after_ticket else FIRST_TICKET
    run = await service.restore_tickets(ctx.work, draw_id=draw, heartbeat=ctx.heartbeat, after_ticket=after)
    if not run.reached_end:
        assert isinstance(run.last, RestoreTicket), "a run that ends early has listed something"
        await _go_on(ctx, "draws.restore", run, {"draw_id": draw_id, "after_ticket": str(run.last.ticket_id)})
    elif not await _finished(service.finish_restoration(ctx.work, draw_id=draw), from_first=after_ticket is None):
        await _go_on(ctx, "draws.restore", run, {"draw_id": draw_id})


async def _finished(finish: Awaitable[bool], *, from_first: bool) -> bool:
    """Whether nothing is owed any more. Raises StillOwed after a run that began at the first, which has tried all."""
    try:
        await finish
    except StillOwed:
        if from_first:
            raise
        return False
    return True


async def _go_on(ctx: JobContext, job: str, run: WorkedOff, arguments: Mapping[str, object]) -> None:
    """Let a further run do the rest; one that tried and got nothing done counts as a failure instead."""
    if run.failed and not run.done:
        raise StillOwed(f"all {run.failed} attempts of {arguments} failed")
    async with transaction():
        await outbox.schedule(job, arguments, run_at=ctx.clock.now())
        await ctx.complete()


JOBS = [
    Job("draws.close", close_draw, seconds_max=STEP_SECONDS_MAX),
    Job("draws.close_due", close_due_draws, seconds_max=STEP_SECONDS_MAX),
    Job("draws.draw", draw_winners, seconds_max=STEP_SECONDS_MAX),
    Job("draws.look_for_due_beacons", look_for_due_beacons, seconds_max=STEP_SECONDS_MAX),
    Job("draws.settle", settle_draw),
    Job("draws.lapse", lapse_prizes),
    Job("draws.lapse_due", lapse_due_prizes),
    Job("draws.restore", restore_tickets),
]
ON: list[On] = []
CRON = [
    Cron("draws.close_due", every=timedelta(minutes=1)),
    Cron("draws.lapse_due", every=timedelta(minutes=1)),
    Cron("draws.look_for_due_beacons", every=timedelta(minutes=1), offset=timedelta(seconds=30)),
]
