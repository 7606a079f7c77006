"""Reads of prizes that are claimed, and of the reserves that stand in line for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.database import fetch


class OpenClaim(NamedTuple):
    """A member's win that waits to be claimed; `replaces_rank` is the win that lapsed before it was promoted."""

    draw_id: UUID
    rank: int
    number: int
    prize_place: int
    points: int
    won_at: datetime
    claim_until: datetime
    replaces_rank: int | None
    prize_zh: str
    prize_en: str


class ReserveRow(NamedTuple):
    """A ticket in line: its place, its number, whose it is, and the rank of the win that it was promoted to."""

    draw_id: UUID
    place: int
    number: int
    member_id: UUID
    rank: int | None


async def open_claims_page(
    member_id: UUID, now: datetime, after: tuple[datetime, UUID, int] | None, limit: int
) -> list[OpenClaim]:
    """What a member can claim at an instant, what ends soonest first, behind a (claim_until, draw_id, rank)."""
    rows = await fetch(
        """SELECT w.draw_id, w.rank, w.number, w.prize_place, w.points, w.won_at, w.claim_until, w.replaces_rank,
                  p.name_zh, p.name_en
           FROM draw_win w JOIN draw_prize p ON p.draw_id = w.draw_id AND p.place = w.prize_place
           WHERE w.member_id = $1 AND w.claim_until > $2
             AND ($3::timestamptz IS NULL OR (w.claim_until, w.draw_id, w.rank) > ($3, $4, $5))
             AND NOT EXISTS (SELECT FROM draw_grant g WHERE g.draw_id = w.draw_id AND g.rank = w.rank)
           ORDER BY w.claim_until, w.draw_id, w.rank LIMIT $6""",
        member_id, now, *(after or (None, None, None)), limit,
    )  # fmt: skip
    return [OpenClaim(*row) for row in rows]


async def reserve_pages(ids: Sequence[UUID], after_place: int | None, limit: int) -> Mapping[UUID, list[ReserveRow]]:
    """A page of the reserves of each draw by place, behind a place; one statement."""
    rows = await fetch(
        """SELECT r.draw_id, r.place, r.number, r.member_id, w.rank
           FROM unnest($1::uuid[]) AS d(id) CROSS JOIN LATERAL (
               SELECT * FROM draw_reserve WHERE draw_id = d.id AND place > $2 ORDER BY place LIMIT $3) r
           LEFT JOIN draw_win w ON w.draw_id = r.draw_id AND w.number = r.number ORDER BY r.draw_id, r.place""",
        list(ids), after_place or 0, limit,
    )  # fmt: skip
    found: dict[UUID, list[ReserveRow]] = {each: [] for each in ids}
    for row in rows:
        found[row["draw_id"]].append(ReserveRow(*row))
    return found
