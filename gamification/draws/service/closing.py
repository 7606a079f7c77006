"""A draw closes by time: its tickets are numbered and hashed; then the seed says who wins.

Lock order: the draw. Each step schedules the next one in its own transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from gamification.beacons.rules import could_have_been_known, mixed_seed
from gamification.core import outbox
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.merkle import leaf_hash, tree_root
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.draws.beacons import beacon_row
from gamification.draws.events import DrawClosed
from gamification.draws.proofs import LEAVES_PER_SUBTREE
from gamification.draws.rules import Chosen, PrizeUnits, choose_winners, leaf
from gamification.draws.service.beacons import schedule_look
from gamification.draws.service.lapsing import schedule_lapse
from gamification.draws.service.steps import after, hold, tell, tell_winners
from gamification.draws.service.voiding import void_for_want_of_beacon, void_for_want_of_tickets

ROWS_PER_STATEMENT = 16 * LEAVES_PER_SUBTREE
"""So that a statement over a large draw stays within the time that every statement has; whole runs of leaves."""
BUYER_BYTES = 16
"""A pseudonym, as `_NUMBER_TICKETS` cuts it."""


class Buyers(Sequence[bytes]):
    """The pseudonym of each ticket's buyer, by number from 1; packed, since a draw may have a million."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // BUYER_BYTES

    def __getitem__(self, index: Any) -> Any:
        start = range(len(self))[index] * BUYER_BYTES
        return self._packed[start : start + BUYER_BYTES]


_NUMBER_TICKETS = """
WITH page AS (SELECT id, member_id FROM ticket WHERE draw_id = $1 AND id > $2 ORDER BY id LIMIT $4),
numbered AS (
    INSERT INTO ticket_number (draw_id, number, ticket_id, member_id, buyer)
    SELECT $1, $3 + row_number() OVER (ORDER BY p.id), p.id, p.member_id,
           encode(substring(sha256(s.salt || uuid_send(p.member_id)) FOR 16), 'hex')
    FROM page p JOIN draw_secret s ON s.draw_id = $1
    RETURNING number, ticket_id, buyer)
SELECT number, ticket_id, buyer FROM numbered ORDER BY number
"""

_BUYERS = """
SELECT string_agg(decode(buyer, 'hex'), ''::bytea ORDER BY number) FROM ticket_number
WHERE draw_id = $1 AND number BETWEEN $2 AND $3
"""

_WRITE_WINS = """
INSERT INTO draw_win (draw_id, rank, number, prize_place, ticket_id, member_id, points, won_at, claim_until)
SELECT $1, w.rank, w.number, w.prize, n.ticket_id, n.member_id, p.points, $5, $6
FROM unnest($2::int[], $3::int[], $4::int[]) AS w(rank, number, prize)
JOIN ticket_number n ON n.draw_id = $1 AND n.number = w.number
JOIN draw_prize p ON p.draw_id = $1 AND p.place = w.prize
"""

_WRITE_RESERVES = """
INSERT INTO draw_reserve (draw_id, place, number, ticket_id, member_id)
SELECT $1, r.place, r.number, n.ticket_id, n.member_id FROM unnest($2::int[]) WITH ORDINALITY AS r(number, place)
JOIN ticket_number n ON n.draw_id = $1 AND n.number = r.number
"""


async def close_draw(work: Work, *, draw_id: UUID) -> bool:
    """Close a draw whose time has come: number its tickets, freeze their root; void it when there are too few.

    With a beacon, its round and due instant are fixed here, and the drawing is due then; a figure that was due before
    the list was frozen voids the draw.

    Returns whether it closed now; a draw that is not due or not open stays as it is. Refuses: NotFound. Locks: the
    draw, after every sale in flight.
    """

    async def run() -> bool:
        async with transaction():
            draw = await hold(draw_id, against_sales=True)
            if draw.state != "OPEN" or draw.closes_at > work.clock.now():
                return False
            tickets, roots = await _number_tickets(draw_id)
            now = work.clock.now()  # the list is frozen at its end, which counts when a beacon's round is chosen
            due_at = await _close(draw_id, tickets, roots, now)
            await tell(work, DrawClosed(draw_id, tickets), now)
            if tickets < draw.tickets_min:
                await void_for_want_of_tickets(work, draw_id, now)
            elif could_have_been_known(due_at, now):
                await void_for_want_of_beacon(work, draw_id, now)
            elif due_at is not None:
                await schedule_look(draw_id, due_at)
            else:
                await outbox.schedule("draws.draw", {"draw_id": draw_id}, run_at=now, key=f"draws.draw:{draw_id}")
            return True

    return await retrying(run)


async def _close(draw_id: UUID, tickets: int, roots: list[bytes], now: datetime) -> datetime | None:
    """Freeze the list, and which value of the beacon is awaited; returns when that is due."""
    row = await beacon_row(draw_id)
    assert row is not None, "the draw is held"
    awaited = row.beacon.appointment(now)
    await execute(
        """UPDATE draw SET state = $2, closed_at = $3, tickets = $4, merkle_root = $5, subtree_roots = $6,
                  beacon_round = $7, beacon_due_at = $8 WHERE id = $1""",
        draw_id, after("OPEN", "close"), now, tickets, tree_root(roots), b"".join(roots), *awaited,
    )  # fmt: skip
    return awaited.due_at


async def _number_tickets(draw_id: UUID) -> tuple[int, list[bytes]]:
    """Number the tickets from 1 in the order of their ids; no sale can come in between.

    Returns how many they are, and the roots of their runs of leaves: those of a page are hashed while the database
    numbers the next one.
    """
    numbered, last = 0, UUID(int=0)
    roots: list[bytes] = []
    hashing: asyncio.Future[list[bytes]] | None = None
    while lines := await fetch(_NUMBER_TICKETS, draw_id, last, numbered, ROWS_PER_STATEMENT):
        roots += await hashing if hashing else []
        numbered, last = lines[-1]["number"], lines[-1]["ticket_id"]
        hashing = asyncio.ensure_future(asyncio.to_thread(_roots, draw_id, lines))
    return numbered, roots + (await hashing if hashing else [])


def _roots(draw_id: UUID, lines: list[Record]) -> list[bytes]:
    """The root of each run of leaves; a page is whole runs, but for the last."""
    runs = (lines[first : first + LEAVES_PER_SUBTREE] for first in range(0, len(lines), LEAVES_PER_SUBTREE))
    return [tree_root(leaf_hash(leaf(draw_id, *line)) for line in run) for run in runs]


class ClosedDraw(NamedTuple):
    """What choosing the winners of a closed draw rests on, all of it frozen."""

    seed: bytes
    tickets: int
    beacon: str | None
    reserves: int
    claim_seconds: int | None


async def draw_winners(work: Work, *, draw_id: UUID) -> bool:
    """Reveal the seed and fix the winners and the reserves, once; returns whether this call did. Locks: the draw.

    A draw that waits for the value of its beacon stays as it is.

    The choice is made before the lock is taken: everything it rests on is frozen since the closing.
    """
    closed = await _closed(draw_id)
    if closed is None:
        return False
    rows = await fetch("SELECT place, quantity, per_member FROM draw_prize WHERE draw_id = $1 ORDER BY place", draw_id)
    prizes = [PrizeUnits(*row) for row in rows]
    are_told_apart = any(prize.per_member is not None for prize in prizes)
    buyers = await _buyers(draw_id, closed.tickets) if are_told_apart else range(closed.tickets)
    mixed = mixed_seed(closed.seed, draw_id, closed.beacon)
    chosen = await asyncio.to_thread(choose_winners, mixed, draw_id, buyers, prizes, closed.reserves)
    unawarded = sum(prize.quantity for prize in prizes) - len(chosen.wins)

    async def run() -> bool:
        now = work.clock.now()
        async with transaction():
            if (await hold(draw_id)).state != "CLOSED":
                return False
            await _fix(draw_id, closed, chosen, unawarded, now)
            await outbox.schedule("draws.settle", {"draw_id": draw_id}, run_at=now, key=f"draws.settle:{draw_id}")
            if closed.claim_seconds is not None and chosen.wins:
                await schedule_lapse(draw_id, now + timedelta(seconds=closed.claim_seconds))
            await tell_winners(work, draw_id, now)
            return True

    return await retrying(run)


async def _closed(draw_id: UUID) -> ClosedDraw | None:
    """A draw that is closed and can be drawn: not yet drawn, and with the beacon's value if it has one."""
    row = await fetch_row(
        """SELECT s.seed, d.tickets, b.value, d.reserves, d.claim_seconds
           FROM draw d JOIN draw_secret s ON s.draw_id = d.id LEFT JOIN draw_beacon b ON b.draw_id = d.id
           WHERE d.id = $1 AND d.state = 'CLOSED' AND (d.beacon_kind = 'NONE' OR b.value IS NOT NULL)""",
        draw_id,
    )
    return ClosedDraw(*row) if row else None


async def _buyers(draw_id: UUID, tickets: int) -> Buyers:
    firsts = range(1, tickets + 1, ROWS_PER_STATEMENT)
    pages = [await fetch_value(_BUYERS, draw_id, first, first + ROWS_PER_STATEMENT - 1) for first in firsts]
    return Buyers(b"".join(pages))


async def _fix(draw_id: UUID, closed: ClosedDraw, chosen: Chosen, unawarded: int, now: datetime) -> None:
    wins, seconds = chosen.wins, closed.claim_seconds
    claim_until = now + timedelta(seconds=seconds) if seconds is not None else None
    for start in range(0, len(wins), ROWS_PER_STATEMENT):
        chunk = wins[start : start + ROWS_PER_STATEMENT]
        columns = [list(column) for column in zip(*chunk, strict=True)]
        written = await execute(_WRITE_WINS, draw_id, *columns, now, claim_until)
        assert written == len(chunk), "every winning number belongs to a ticket of the draw"
    if chosen.reserves:
        await execute(_WRITE_RESERVES, draw_id, chosen.reserves)
    await execute(
        "UPDATE draw SET state = $2, seed = $3, drawn_at = $4, wins = $5, unawarded = $6 WHERE id = $1",
        draw_id, after("CLOSED", "draw"), closed.seed, now, len(wins), unawarded,
    )  # fmt: skip
