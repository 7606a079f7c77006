"""Every night at half past three the books are audited."""

from __future__ import annotations

from datetime import timedelta

import structlog

from gamification.audits import service
from gamification.core.jobs import Cron, Job, JobContext, On

log = structlog.get_logger(__name__)

AUDIT_SECONDS_MAX = 6 * 60 * 60
HALF_PAST_THREE = timedelta(hours=19, minutes=30)
"""In UTC; 03:30 in Shanghai, when nobody shops and the night's expiries are long booked."""


async def audit_books(ctx: JobContext) -> None:
    """Ask every invariant and tell what was found; nothing is repaired.

    Safe to run twice: a run that was cut off is continued, one that has finished is left alone.
    """
    found = await service.audit_books(ctx.clock, ctx.work.calendar, ctx.heartbeat)
    if found is None:
        return
    facts = {"run_id": str(found.run_id), "business_date": found.business_date.isoformat(), "checked": found.checked}
    if found.broken:
        log.error("invariants.broken", names=list(found.broken), **facts)
    if found.unchecked:
        log.error("invariants.unchecked", names=list(found.unchecked), **facts)
    if not found.broken and not found.unchecked:
        log.info("invariants.hold", **facts)
    await service.finish_run(found.run_id, ctx.clock.now())


JOBS = [Job("audits.audit_books", audit_books, seconds_max=AUDIT_SECONDS_MAX)]
ON: list[On] = []
CRON = [Cron("audits.audit_books", every=timedelta(days=1), offset=HALF_PAST_THREE)]
