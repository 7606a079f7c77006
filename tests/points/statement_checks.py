"""Histories for the tests of statements, and what a filter means, told without SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.work import Work
from gamification.points.rules import Expiry, PointsPolicy
from gamification.points.statements import EntryFilter
from tests.builders import a_member, a_work, claw_back, earn, give_back, spend

SHORT_LIVED = PointsPolicy(Expiry(20, "day"))
DAYS = [
    datetime.fromisoformat(f"2026-{month:02}-{day:02}T23:30:00+08:00") for month in (1, 2, 3) for day in (1, 15, 28)
]


async def a_history(clock: FixedClock) -> tuple[Work, UUID]:
    """A member's first quarter, every kind of movement on nine days of it, half an hour before each day ends."""
    work = a_work(clock, SHORT_LIVED)
    clock.set(DAYS[0])
    mei = await a_member(clock)
    for number, at in enumerate(DAYS):
        clock.set(at)
        await earn(work, mei, 100 + number)
        taken = await spend(work, mei, 30)
        if number % 3 == 1:
            await give_back(work, mei, taken.seq)
        if number % 4 == 2:
            await claw_back(work, mei, 60)
    return work, mei


async def all_rows(member_id: UUID, currency: str = "POINTS") -> list[Any]:
    """Every entry, the newest first."""
    return await fetch(
        """SELECT *, available_delta + pending_delta + held_delta - debt_delta AS points FROM entry
           WHERE member_id = $1 AND currency = $2 ORDER BY seq DESC""",
        member_id,
        currency,
    )


def passing(rows: Sequence[Any], wanted: EntryFilter) -> list[int]:
    """The seqs of the rows that pass a filter."""
    return [row["seq"] for row in rows if _passes(row, wanted)]


def _passes(row: Any, wanted: EntryFilter) -> bool:
    return (
        (wanted.kinds is None or row["kind"] in wanted.kinds)
        and (wanted.direction != "IN" or row["points"] > 0)
        and (wanted.direction != "OUT" or row["points"] < 0)
        and (wanted.since is None or row["business_date"] >= wanted.since)
        and (wanted.until is None or row["business_date"] <= wanted.until)
        and (wanted.sources is None or (row["source_type"], row["source_id"]) in wanted.sources)
    )
