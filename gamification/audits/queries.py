"""Reads of the nightly audits: runs by page, what each found, and how the books stood when they were last asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.database import fetch, fetch_row

CHECKS_MAX = 500
"""Invariants of one run that are shown: more than there are."""


class RunRow(NamedTuple):
    """A run; the counts are 0 until it has finished."""

    id: UUID
    business_date: date
    started_at: datetime
    finished_at: datetime | None
    checked: int
    broken: int
    unchecked: int


class CheckRow(NamedTuple):
    """What one invariant said; `sample` is JSON text."""

    run_id: UUID
    name: str
    started_at: datetime
    finished_at: datetime
    holds: bool | None
    offending: int
    sample: str
    error: str | None


_RUN = ", ".join(RunRow._fields)
_CHECK = ", ".join(CheckRow._fields)


async def runs_page(before: date | None, limit: int) -> list[RunRow]:
    """Up to `limit` runs, the latest first, before a business day."""
    rows = await fetch(
        f"""SELECT {_RUN} FROM invariant_run WHERE business_date < coalesce($1, 'infinity'::date)
            ORDER BY business_date DESC LIMIT $2""",
        before,
        limit,
    )
    return [RunRow(*row) for row in rows]


async def runs_by_ids(ids: Sequence[UUID]) -> list[RunRow | None]:
    """The runs with these ids, in their order; None for what is not there."""
    rows = await fetch(f"SELECT {_RUN} FROM invariant_run WHERE id = ANY($1::uuid[])", list(ids))
    known = {row["id"]: RunRow(*row) for row in rows}
    return [known.get(each) for each in ids]


@dataclass(frozen=True)
class ChecksOfRuns:
    """What was found in many runs, for a loader: only what does not hold or gave no answer, or everything."""

    everything: bool

    async def __call__(self, run_ids: Sequence[UUID]) -> list[list[CheckRow]]:
        rows = await fetch(
            f"""SELECT found.* FROM unnest($1::uuid[]) AS run(id) CROSS JOIN LATERAL (
                    SELECT {_CHECK} FROM invariant_check WHERE run_id = run.id AND ($2 OR holds IS NOT TRUE)
                    ORDER BY name LIMIT {CHECKS_MAX}) AS found""",
            list(run_ids),
            self.everything,
        )
        grouped: dict[UUID, list[CheckRow]] = {}
        for row in rows:
            grouped.setdefault(row["run_id"], []).append(CheckRow(*row))
        return [grouped.get(each, []) for each in run_ids]


async def last_finished_run() -> RunRow | None:
    """The latest run that has finished."""
    row = await fetch_row(
        f"SELECT {_RUN} FROM invariant_run WHERE finished_at IS NOT NULL ORDER BY business_date DESC LIMIT 1"
    )
    return RunRow(*row) if row else None
