"""What falls due in orders: refunds that crossed with their order."""

from __future__ import annotations

from datetime import timedelta

from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.orders.service import apply_crossed, place_waiting


async def place_waiting_refunds(ctx: JobContext) -> None:
    """Place refunds whose order arrived without seeing them. Safe to run twice: what is placed waits no more."""
    while await place_waiting(ctx.work):
        await ctx.heartbeat()


async def apply_waiting_events(ctx: JobContext) -> None:
    """Apply events whose order arrived without seeing them. Safe to run twice: what is applied waits no more."""
    while await apply_crossed(ctx.work):
        await ctx.heartbeat()


JOBS = [
    Job("orders.place_waiting_refunds", place_waiting_refunds),
    Job("orders.apply_waiting_events", apply_waiting_events),
]
ON: list[On] = []
CRON = [
    Cron("orders.place_waiting_refunds", every=timedelta(minutes=1)),
    Cron("orders.apply_waiting_events", every=timedelta(minutes=1)),
]
