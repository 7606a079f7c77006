"""A draw closes by time: its tickets are numbered and hashed; then the seed says who wins.

Lock order: the draw. Each step schedules the next one in its own transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from gamification.core import outbox
from gamification.core.database import execute, fetch, fetch_row
from gamification.core.merkle import tree_root
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.draws.events import DrawClosed
from gamification.draws.proofs import hash_of, runs_of_lines
from gamification.draws.rules import PrizeUnits, Win, choose_winners
from gamification.draws.service.steps import after, hold, tell
from gamification.draws.service.voiding import void_for_want_of_tickets

ROWS_PER_STATEMENT = 20_000
"""So that a statement over a large draw stays within the time that every statement has."""

_NUMBER_TICKETS = """
WITH page AS (SELECT id, member_id FROM ticket WHERE draw_id = $1 AND id > $2 ORDER BY id LIMIT $4),
numbered AS (
    INSERT INTO ticket_number (draw_id, number, ticket_id, member_id, buyer)
    SELECT $1, $3 + row_number() OVER (ORDER BY p.id), p.id, p.member_id,
           encode(substring(sha256(s.salt || uuid_send(p.member_id)) FOR 16), 'hex')
    FROM page p JOIN draw_secret s ON s.draw_id = $1
    RETURNING number, ticket_id)
SELECT count(*), (array_agg(ticket_id ORDER BY number DESC))[1] FROM numbered
"""

_WRITE_WINS = """
INSERT INTO draw_win (draw_id, rank, number, prize_place, ticket_id, member_id, points)
SELECT $1, w.rank, w.number, w.prize, n.ticket_id, n.member_id, p.points
FROM unnest($2::int[], $3::int[], $4::int[]) AS w(rank, number, prize)
JOIN ticket_number n ON n.draw_id = $1 AND n.number = w.number
JOIN draw_prize p ON p.draw_id = $1 AND p.place = w.prize
"""


async def close_draw(work: Work, *, draw_id: UUID) -> bool:
    """Close a draw whose time has come: number its tickets, freeze their root; void it when there are too few.

    Returns whether it closed now; a draw that is not due or not open stays as it is. Refuses: NotFound. Locks: the
    draw, after every sale in flight.
    """

    async def run() -> bool:
        now = work.clock.now()
        async with transaction():
            draw = await hold(draw_id, against_sales=True)
            if draw.state != "OPEN" or draw.closes_at > now:
                return False
            tickets = await _close(draw_id, now)
            await tell(work, DrawClosed(draw_id, tickets), now)
            if tickets < draw.tickets_min:
                await void_for_want_of_tickets(work, draw_id, now)
            else:
                await outbox.schedule("draws.draw", {"draw_id": draw_id}, run_at=now, key=f"draws.draw:{draw_id}")
            return True

    return await retrying(run)


async def _close(draw_id: UUID, now: datetime) -> int:
    tickets = await _number_tickets(draw_id)
    runs = runs_of_lines(draw_id, tickets)
    roots = [tree_root(hash_of(draw_id, line) for line in run) async for run in runs]
    await execute(
        """UPDATE draw SET state = $2, closed_at = $3, tickets = $4, merkle_root = $5, subtree_roots = $6
           WHERE id = $1""",
        draw_id, after("OPEN", "close"), now, tickets, tree_root(roots), b"".join(roots),
    )  # fmt: skip
    return tickets


async def _number_tickets(draw_id: UUID) -> int:
    """Number the tickets from 1 in the order of their ids; no sale can come in between."""
    numbered, last = 0, UUID(int=0)
    while True:
        row = await fetch_row(_NUMBER_TICKETS, draw_id, last, numbered, ROWS_PER_STATEMENT)
        assert row is not None, "an aggregate has a row"
        if not row[0]:
            return numbered
        numbered, last = numbered + row[0], row[1]


async def draw_winners(work: Work, *, draw_id: UUID) -> bool:
    """Reveal the seed and fix the winners, once; returns whether this call did. Locks: the draw.

    The choice is made before the lock is taken: everything it rests on is frozen since the closing.
    """
    seed = await _seed_of_closed(draw_id)
    if seed is None:
        return False
    rows = await fetch("SELECT buyer FROM ticket_number WHERE draw_id = $1 ORDER BY number", draw_id)
    buyers = [row["buyer"] for row in rows]
    rows = await fetch("SELECT place, quantity, per_member FROM draw_prize WHERE draw_id = $1 ORDER BY place", draw_id)
    prizes = [PrizeUnits(*row) for row in rows]
    wins = await asyncio.to_thread(choose_winners, seed, draw_id, buyers, prizes)
    unawarded = sum(prize.quantity for prize in prizes) - len(wins)

    async def run() -> bool:
        now = work.clock.now()
        async with transaction():
            if (await hold(draw_id)).state != "CLOSED":
                return False
            await _fix(draw_id, seed, wins, unawarded, now)
            await outbox.schedule("draws.settle", {"draw_id": draw_id}, run_at=now, key=f"draws.settle:{draw_id}")
            return True

    return await retrying(run)


async def _seed_of_closed(draw_id: UUID) -> bytes | None:
    row = await fetch_row(
        "SELECT s.seed FROM draw d JOIN draw_secret s ON s.draw_id = d.id WHERE d.id = $1 AND d.state = 'CLOSED'",
        draw_id,
    )
    return row["seed"] if row else None


async def _fix(draw_id: UUID, seed: bytes, wins: Sequence[Win], unawarded: int, now: datetime) -> None:
    for start in range(0, len(wins), ROWS_PER_STATEMENT):
        chunk = wins[start : start + ROWS_PER_STATEMENT]
        written = await execute(_WRITE_WINS, draw_id, *(list(column) for column in zip(*chunk, strict=True)))
        assert written == len(chunk), "every winning number belongs to a ticket of the draw"
    await execute(
        "UPDATE draw SET state = $2, seed = $3, drawn_at = $4, wins = $5, unawarded = $6 WHERE id = $1",
        draw_id, after("CLOSED", "draw"), seed, now, len(wins), unawarded,
    )  # fmt: skip
