"""Reads of holds, as they are at an instant whether or not their time-out has been booked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.database import fetch


class HoldLine(NamedTuple):
    """A hold; `state` is ACTIVE, CAPTURED, RELEASED or TIMED_OUT."""

    member_id: UUID
    seq: int
    order_external_id: str
    store: str | None
    state: str
    points: int
    captured: int
    released: int
    restored: int
    held_at: datetime
    expires_at: datetime
    ended_at: datetime | None


_LINE = """member_id, seq, order_external_id, store,
    CASE WHEN state = 'ACTIVE' AND expires_at <= {now} THEN 'TIMED_OUT' ELSE state END, points, captured,
    CASE WHEN state = 'ACTIVE' AND expires_at <= {now} THEN points ELSE released END, restored, held_at, expires_at,
    CASE WHEN state = 'ACTIVE' AND expires_at <= {now} THEN expires_at ELSE ended_at END"""


async def holds_by_keys(keys: Sequence[tuple[UUID, int]], now: datetime) -> list[HoldLine | None]:
    """The holds under (member, seq), in the order asked; None for what is not there."""
    rows = await fetch(
        f"""SELECT {_LINE.format(now="$3::timestamptz")} FROM points_hold
            JOIN unnest($1::uuid[], $2::bigint[]) AS wanted(member_id, seq) USING (member_id, seq)""",
        [member_id for member_id, _ in keys], [seq for _, seq in keys], now,
    )  # fmt: skip
    found = {(row["member_id"], row["seq"]): HoldLine(*row) for row in rows}
    return [found.get(key) for key in keys]


async def hold_pages(
    member_ids: Sequence[UUID], now: datetime, *, active: bool, before_seq: int | None, limit: int
) -> Mapping[UUID, list[HoldLine]]:
    """For each member the newest holds below a seq, only those that still hold when `active`; one statement."""
    rows = await fetch(
        f"""SELECT q.* FROM unnest($1::uuid[]) AS m(id) CROSS JOIN LATERAL (
                SELECT {_LINE.format(now="$2::timestamptz")} FROM points_hold WHERE member_id = m.id
                AND (NOT $3 OR (state = 'ACTIVE' AND expires_at > $2)) AND ($4::bigint IS NULL OR seq < $4)
                ORDER BY seq DESC LIMIT $5) q""",
        list(member_ids), now, active, before_seq, limit,
    )  # fmt: skip
    grouped: dict[UUID, list[HoldLine]] = {}
    for row in rows:
        grouped.setdefault(row["member_id"], []).append(HoldLine(*row))
    return grouped


async def stores_of_order(order_external_id: str) -> list[str | None]:
    """The stores in which points were held for an order."""
    rows = await fetch("SELECT DISTINCT store FROM points_hold WHERE order_external_id = $1", order_external_id)
    return [row["store"] for row in rows]
