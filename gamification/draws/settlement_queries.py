"""How the settlement of draws goes: for staff, who answer for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from gamification.core.database import fetch
from gamification.draws.queries import STILL_OWED

SECOND = timedelta(seconds=1)


class Settlement(NamedTuple):
    """How far a draw's grants are. `last_error` is of the grant that failed last and is still owed."""

    id: UUID
    state: str
    total: int
    settled: int
    failed: int
    lapsed: int
    promoted: int
    started_at: datetime | None
    finished_at: datetime | None
    closed_at: datetime | None
    last_granted_at: datetime | None
    last_error: str | None

    @property
    def per_second(self) -> int | None:
        """Grants per second from the beginning to the last grant, rounded down; None for less than a second."""
        if self.started_at is None or self.last_granted_at is None:
            return None
        seconds = (self.last_granted_at - self.started_at) // SECOND
        return self.settled // seconds if seconds else None

    @property
    def seconds(self) -> int | None:
        """From the closing to the last grant, in seconds begun; None until the draw is settled, or nobody won."""
        if self.finished_at is None or self.closed_at is None or self.last_granted_at is None:
            return None
        return -((self.closed_at - self.last_granted_at) // SECOND)


async def settlements_by_draw_ids(ids: Sequence[UUID]) -> Mapping[UUID, Settlement]:
    """The settlement of each draw that was published, before the drawing with nothing in it; one statement."""
    rows = await fetch(
        f"""SELECT d.id, d.state, coalesce(d.wins, 0) + d.promoted - d.lapsed, g.settled, f.failed, d.lapsed,
                   d.promoted, d.settling_at, d.settled_at, d.closed_at, g.last_at, f.error
            FROM draw d CROSS JOIN LATERAL (
                SELECT count(*) AS settled, max(granted_at) AS last_at FROM draw_grant WHERE draw_id = d.id) g
            CROSS JOIN LATERAL (
                SELECT count(*) AS failed, (array_agg(f.error ORDER BY f.failed_at DESC, f.what))[1] AS error
                FROM draw_failure f WHERE f.draw_id = d.id AND {STILL_OWED}) f
            WHERE d.id = ANY($1) AND d.opened_at IS NOT NULL""",
        list(ids),
    )
    return {row["id"]: Settlement(*row) for row in rows}
