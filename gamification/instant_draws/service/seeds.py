"""The seed of each business day, committed days ahead."""

from __future__ import annotations

from datetime import date, timedelta

from gamification.core.chance import commitment, new_seed
from gamification.core.database import execute_many
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.instant_draws.queries import seeded_days

DAYS_AHEAD = 7


async def make_seeds(work: Work, *, first: date | None = None, days: int = DAYS_AHEAD) -> int:
    """Commit the seeds of today (or `first`) and some days after it that have none yet; returns how many were made.

    Two at once make each day's seed once. Locks: nothing.
    """
    now = work.clock.now()
    start = first or work.calendar.business_date(now)
    wanted = [start + timedelta(days=ahead) for ahead in range(days + 1)]
    missing = sorted(set(wanted) - await seeded_days(wanted))
    seeds = [(on, new_seed()) for on in missing]

    async def run() -> None:
        async with transaction():
            await execute_many(
                """INSERT INTO play_seed (business_date, commitment, seed, made_at) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (business_date) DO NOTHING""",
                [(on, commitment(seed), seed, now) for on, seed in seeds],
            )

    if seeds:
        await retrying(run)
    return len(seeds)
