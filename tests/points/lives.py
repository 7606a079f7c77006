"""Programmes whose points policy changes over time, for tests of what lots live under."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gamification.core.calendar import Calendar
from gamification.core.clock import Clock
from gamification.core.database import fetch
from gamification.core.encoding import encode
from gamification.core.policy import Policies, Policy
from gamification.core.work import Work
from gamification.points.ledger import PointsLedger
from gamification.points.rules import PointsPolicy
from tests.builders import EARNING, TIERS

SHANGHAI = Calendar()


def shanghai(wall: str) -> datetime:
    """An instant of 2026 in Shanghai: `03-02` is its first, `03-02T10:00` a later one."""
    return datetime.fromisoformat(f"2026-{wall}{'' if 'T' in wall else 'T00:00'}+08:00")


def versions_of(*policies: tuple[str | None, PointsPolicy], others: Sequence[Policy] = (EARNING, TIERS)) -> Policies:
    """Points policies, each in force from an instant on (None: since ever), and others that hold since ever."""
    rows: list[Any] = [
        (number, "points", number, None if since is None else shanghai(since), encode(body))
        for number, (since, body) in enumerate(policies, start=1)
    ]
    rows += [(len(rows) + number, type(body).kind, 1, None, encode(body)) for number, body in enumerate(others, 1)]
    found = Policies()
    found._add(rows)
    return found


def a_work_under(clock: Clock, *policies: PointsPolicy | tuple[str | None, PointsPolicy]) -> Work:
    """A unit of work's surroundings under one points policy, or under several, each from an instant on."""
    dated = [each if isinstance(each, tuple) else (None, each) for each in policies]
    return Work(clock=clock, ledger=PointsLedger(), policies=versions_of(*dated))


async def ends_of(member_id: UUID) -> list[tuple[int, str | None]]:
    """What remains of each lot, used up or not, in the order in which they came, and the day from which it is gone."""
    rows = await fetch("SELECT remaining, expires_at FROM lot WHERE member_id = $1 ORDER BY seq, line", member_id)
    return [(row["remaining"], day_of(row["expires_at"])) for row in rows]


async def waits_of(member_id: UUID) -> list[tuple[int, str | None, str | None]]:
    """Of each pending lot what remains, the day on which it activates, and the one from which it is gone."""
    rows = await fetch(
        "SELECT remaining, activates_at, expires_at FROM lot WHERE member_id = $1 AND pending ORDER BY seq, line",
        member_id,
    )
    return [(row["remaining"], day_of(row["activates_at"]), day_of(row["expires_at"])) for row in rows]


def day_of(at: datetime | None) -> str | None:
    """The business day that begins at an instant, as MM-DD; with the time where it is another."""
    if at is None:
        return None
    wall = SHANGHAI.local(at)
    return f"{wall:%m-%d}" if wall.time() == datetime.min.time() else f"{wall:%m-%dT%H:%M}"
