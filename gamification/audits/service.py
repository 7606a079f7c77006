"""The nightly audit: begin the day's run, ask one invariant after the other, finish. Locks: nothing but the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from gamification.core.calendar import Calendar
from gamification.core.clock import Clock
from gamification.core.database import execute, fetch, fetch_row
from gamification.core.ids import new_id
from gamification.core.long_reads import long_read
from gamification.core.transactions import is_retryable
from gamification.invariants import INVARIANTS, ROWS_MAX

INVARIANT_SECONDS_MAX = 1800
"""How long one invariant may be worked out: those that sum up the whole ledger grow with it."""
ERROR_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run found: invariants that were asked, those that do not hold, those that gave no answer."""

    run_id: UUID
    business_date: date
    checked: int
    broken: tuple[str, ...]
    unchecked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an invariant said: rows that break it, the first of them as JSON text, or why there is no answer."""

    offending: int
    sample: str
    error: str | None

    @property
    def holds(self) -> bool | None:
        """Whether it holds; None where the database gave no answer."""
        return None if self.error is not None else self.offending == 0


async def audit_books(
    clock: Clock,
    calendar: Calendar,
    heartbeat: Callable[[], Awaitable[None]],
    *,
    invariants: Mapping[str, str] = INVARIANTS,
    seconds_max: int = INVARIANT_SECONDS_MAX,
) -> Findings | None:
    """Ask every invariant that the business day's run has not asked yet; what was found, or None for a finished run.

    The caller tells of the findings before it calls `finish_run`: an alert may come twice, and is never left out.
    """
    run_id, on, finished = await _begin(clock.now(), calendar)
    if finished:
        return None
    asked = {row["name"] for row in await fetch("SELECT name FROM invariant_check WHERE run_id = $1", run_id)}
    for name, sql in invariants.items():
        if name not in asked:
            started_at = clock.now()
            answer = await _ask(sql, seconds_max)
            await _write_down(run_id, name, answer, started_at, clock.now())
            await heartbeat()
    return await _findings(run_id, on)


async def finish_run(run_id: UUID, now: datetime) -> None:
    """Close a run with its counts. Safe to run twice: a run ends once."""
    await execute(
        """UPDATE invariant_run SET finished_at = $2, checked = c.checked, broken = c.broken, unchecked = c.unchecked
           FROM (SELECT count(*)::int AS checked, count(*) FILTER (WHERE NOT holds)::int AS broken,
                        count(*) FILTER (WHERE holds IS NULL)::int AS unchecked
                 FROM invariant_check WHERE run_id = $1) c
           WHERE id = $1 AND finished_at IS NULL""",
        run_id,
        now,
    )


async def _begin(now: datetime, calendar: Calendar) -> tuple[UUID, date, bool]:
    """The run of the business day, begun where there is none; and whether it has finished."""
    on = calendar.business_date(now)
    await execute(
        """INSERT INTO invariant_run (id, business_date, started_at) VALUES ($1, $2, $3)
           ON CONFLICT (business_date) DO NOTHING""",
        new_id(), on, now,
    )  # fmt: skip
    run = await fetch_row("SELECT id, finished_at FROM invariant_run WHERE business_date = $1", on)
    assert run is not None, "begun above"
    return run["id"], on, run["finished_at"] is not None


async def _ask(sql: str, seconds_max: int) -> Answer:
    """One invariant, in a statement and snapshot of its own. A lost connection is raised: the job runs again."""
    try:
        async with long_read(seconds_max) as read:
            (row,) = await read.fetch(
                f"""WITH broken AS MATERIALIZED (SELECT to_jsonb(found) AS line FROM ({sql}) AS found)
                    SELECT (SELECT count(*) FROM broken) AS offending,
                           (SELECT coalesce(jsonb_agg(line), '[]') FROM (
                                SELECT line FROM broken LIMIT {ROWS_MAX}) AS first) AS sample"""
            )
    except asyncpg.PostgresError as fault:
        if is_retryable(fault):
            raise
        return Answer(0, "[]", f"{type(fault).__name__}: {fault}".partition("\n")[0][:ERROR_LENGTH_MAX])
    return Answer(row["offending"], row["sample"], None)


async def _write_down(run_id: UUID, name: str, answer: Answer, started_at: datetime, finished_at: datetime) -> None:
    await execute(
        """INSERT INTO invariant_check (run_id, name, started_at, finished_at, holds, offending, sample, error)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (run_id, name) DO NOTHING""",
        run_id, name, started_at, finished_at, answer.holds, answer.offending, answer.sample, answer.error,
    )  # fmt: skip


async def _findings(run_id: UUID, on: date) -> Findings:
    rows = await fetch("SELECT name, holds FROM invariant_check WHERE run_id = $1 ORDER BY name", run_id)
    broken = tuple(row["name"] for row in rows if row["holds"] is False)
    unchecked = tuple(row["name"] for row in rows if row["holds"] is None)
    return Findings(run_id, on, len(rows), broken, unchecked)
