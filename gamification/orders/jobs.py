"""What falls due in orders: refunds that crossed with their order."""

from __future__ import annotations

from datetime import timedelta

from gamification.core.jobs import Cron, Job, JobContext, On
from gamification.orders.service import place_waiting


async def place_waiting_refunds(ctx: JobContext) -> None:
    """Place refunds whose order arrived without seeing them. Safe to run twice: what is placed waits no more."""
    while await place_waiting(ctx.work):
        await ctx.heartbeat()


JOBS = [Job("orders.place_waiting_refunds", place_waiting_refunds)]
ON: list[On] = []
CRON = [Cron("orders.place_waiting_refunds", every=timedelta(minutes=1))]
