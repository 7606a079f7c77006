"""Prizes that nobody claimed in time lapse, and go to the reserves: in order of rank, in chunks, each lapse once.

First the claims are closed up to an instant, after every claim in flight: whatever had to be claimed until then is
either granted or never will be. What follows rests on rows that no longer change, and a crash between any two chunks
leaves the rest to the next run.

Lock order: the draw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from gamification.core import outbox
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.draws.promotions import Lapsed, Promotion, Reserve, promote
from gamification.draws.service.settlement import begin, finish_settlement
from gamification.draws.service.steps import hold, tell_winners

LAPSES_PER_CHUNK = 500

_IS_CLAIMED = "SELECT claim_seconds IS NOT NULL FROM draw WHERE id = $1"
_DUE = "SELECT rank, prize_place, member_id FROM unclaimed_wins($1, $2, $3, $4)"
_RESERVES = """SELECT r.number, r.member_id FROM draw_reserve r WHERE r.draw_id = $1
    AND NOT EXISTS (SELECT FROM draw_win w WHERE w.draw_id = $1 AND w.number = r.number) ORDER BY r.place"""
_STANDING = """SELECT w.member_id, w.prize_place, count(*) FROM draw_win w WHERE w.draw_id = $1
    AND w.member_id = ANY($2) AND NOT EXISTS (SELECT FROM draw_lapse l WHERE l.draw_id = $1 AND l.rank = w.rank)
    GROUP BY w.member_id, w.prize_place"""
_PRIZES = "SELECT place, per_member FROM draw_prize WHERE draw_id = $1"
_BOOK = """INSERT INTO draw_lapse (draw_id, rank, promoted_rank, booked_at)
    SELECT $1, l.rank, p.rank, $5 FROM unnest($2::int[]) AS l(rank)
    LEFT JOIN unnest($3::int[], $4::int[]) AS p(rank, replaces) ON p.replaces = l.rank"""
_PROMOTE = """INSERT INTO draw_win (draw_id, rank, number, prize_place, ticket_id, member_id, points, replaces_rank,
        won_at, claim_until)
    SELECT $1, w.rank, w.number, w.prize, r.ticket_id, r.member_id, p.points, w.replaces, $6, $7
    FROM unnest($2::int[], $3::int[], $4::int[], $5::int[]) AS w(rank, replaces, number, prize)
    JOIN draw_reserve r ON r.draw_id = $1 AND r.number = w.number
    JOIN draw_prize p ON p.draw_id = $1 AND p.place = w.prize"""


async def schedule_lapse(draw_id: UUID, at: datetime) -> None:
    """Let what is not claimed before an instant lapse then, in the running transaction."""
    await outbox.schedule("draws.lapse", {"draw_id": draw_id}, run_at=at, key=f"draws.lapse:{draw_id}:{at.isoformat()}")


async def lapse_prizes(work: Work, *, draw_id: UUID, heartbeat: Callable[[], Awaitable[None]]) -> int:
    """Let every unclaimed win of a draw whose time is over lapse, and settle the draw when nothing is open any more.

    Returns how many lapsed. Safe to run twice and at once; nothing to do where prizes are not claimed. Locks: the draw.
    """
    if not await fetch_value(_IS_CLAIMED, draw_id) or await begin(draw_id, work.clock.now()) is None:
        return 0
    lapsed = last_rank = 0
    if closed_to := await _close_claims(work, draw_id):
        while chunk := await _lapse_chunk(work, draw_id, closed_to, last_rank):
            lapsed, last_rank = lapsed + len(chunk), chunk[-1].rank
            await heartbeat()
    await finish_settlement(work, draw_id=draw_id)
    return lapsed


async def _close_claims(work: Work, draw_id: UUID) -> datetime | None:
    """No claim comes any more of what had to be claimed until now; returns this instant, None where nothing is due."""
    if not await fetch(_DUE, draw_id, work.clock.now(), 0, 1):
        return None

    async def run() -> datetime:
        async with transaction():
            await hold(draw_id, against_sales=True)
            closed_to: datetime = await fetch_value(
                "UPDATE draw SET claims_closed_to = greatest(claims_closed_to, $2) WHERE id = $1"
                " RETURNING claims_closed_to",
                draw_id, work.clock.now(),
            )  # fmt: skip
            return closed_to

    return await retrying(run)


async def _lapse_chunk(work: Work, draw_id: UUID, closed_to: datetime, after_rank: int) -> list[Lapsed]:
    """The next lapses behind a rank, which are booked then, and their prizes given to reserves."""

    async def run() -> list[Lapsed]:
        now = work.clock.now()
        async with transaction():
            if (await hold(draw_id)).state != "SETTLING":
                return []
            rows = await fetch(_DUE, draw_id, closed_to, after_rank, LAPSES_PER_CHUNK)
            lapses = [Lapsed(*row) for row in rows]
            if lapses:
                await _book(work, draw_id, lapses, await _promotions(draw_id, lapses), now)
            return lapses

    return await retrying(run)


async def _promotions(draw_id: UUID, lapses: Sequence[Lapsed]) -> list[Promotion]:
    """Who gets what lapses; the draw is locked, so that nobody else decides it."""
    reserves = [Reserve(*row) for row in await fetch(_RESERVES, draw_id)]
    buyers = {each.buyer for each in reserves} | {each.buyer for each in lapses}
    rows = await fetch(_STANDING, draw_id, list(buyers)) if reserves else []
    standing = Counter({(row["member_id"], row["prize_place"]): row["count"] for row in rows})
    per_member = {row["place"]: row["per_member"] for row in await fetch(_PRIZES, draw_id)}
    last_rank = await fetch_value("SELECT max(rank) FROM draw_win WHERE draw_id = $1", draw_id)
    return promote(lapses, reserves, standing, per_member, last_rank)


async def _book(
    work: Work, draw_id: UUID, lapses: Sequence[Lapsed], promotions: Sequence[Promotion], now: datetime
) -> None:
    ranks = [lapse.rank for lapse in lapses]
    columns = [[each[at] for each in promotions] for at in range(len(Promotion._fields))]
    await execute(_BOOK, draw_id, ranks, *columns[:2], now)
    row = await fetch_row(
        """UPDATE draw SET lapsed = lapsed + $2, promoted = promoted + $3 WHERE id = $1
           RETURNING claim_seconds, wins + promoted - $3 AS last_rank""",
        draw_id, len(lapses), len(promotions),
    )  # fmt: skip
    assert row is not None, "the draw is locked"
    if promotions:
        until = now + timedelta(seconds=row["claim_seconds"])
        written = await execute(_PROMOTE, draw_id, *columns, now, until)
        assert written == len(promotions), "every promoted number is a reserve's"
        await schedule_lapse(draw_id, until)
        await tell_winners(work, draw_id, now, after_rank=row["last_rank"])
