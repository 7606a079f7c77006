"""What falls due of benefits: birthday gifts by the day, entry gifts when a tier is reached."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from gamification.benefits import service
from gamification.core.jobs import Cron, Job, JobContext, On


async def give_birthday_gifts(ctx: JobContext) -> None:
    """Give the gifts of today and of the days that were missed. Safe to run twice: each is given once a year.

    A member whose gift fails does not hold up the others; the job ends with the first such fault.
    """
    await ctx.work.policies.refresh()
    if faults := await service.give_birthday_gifts(ctx.work, heartbeat=ctx.heartbeat):
        raise faults[0]


async def give_entry_gift(ctx: JobContext, member_id: str, from_code: str | None, to_code: str) -> None:
    """Give what entering a tier gives. Safe to run twice: once per member and tier."""
    await ctx.work.policies.refresh()
    await service.give_entry_gift(ctx.work, member_id=UUID(member_id), tier_code=to_code)


JOBS = [
    Job("benefits.give_birthday_gifts", give_birthday_gifts, seconds_max=3600),
    Job("benefits.give_entry_gift", give_entry_gift),
]
ON = [On("tier.raised", "benefits.give_entry_gift")]
CRON = [Cron("benefits.give_birthday_gifts", every=timedelta(hours=1))]
