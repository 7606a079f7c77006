"""Wins are granted in chunks, each win once: a crash anywhere resumes, and two settlements at once are as good as one.

A grant is a command of the write path: the entry, its lot and the `draw_grant` row are one statement on the member's
version. What fails is noted, the rest goes on, and the draw stays SETTLING until nothing is owed.

Lock order: accounts ascending; at the end, in a transaction of its own, the draw.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from gamification.core.actors import SYSTEM
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.draft import Load, Verb
from gamification.core.errors import NotFound
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.draws.events import DrawSettled
from gamification.draws.models import DrawGrant
from gamification.draws.service import chunks
from gamification.draws.service.chunks import CHUNKS_MAX, Owed, StillOwed, WorkedOff, work_off
from gamification.draws.service.steps import after, hold, tell
from gamification.points.book import Book

Place = tuple[UUID, int]
"""The winner, and the rank of the win."""
FIRST_WIN: Place = (UUID(int=0), 0)
"""Before every win."""


@dataclass(frozen=True, kw_only=True)
class GrantWin(Owed):
    """Pay one win to its winner."""

    rank: int

    @property
    def what(self) -> str:
        return f"win:{self.rank}"

    @property
    def place(self) -> Place:
        """Where it stands in the order of granting."""
        return self.member_id, self.rank


@dataclass(frozen=True, slots=True)
class Granted:
    """The entry that paid a win."""

    entry_seq: int


class WinRow(NamedTuple):
    """A win, and the entry of its grant if there is one."""

    member_id: UUID
    draw_id: UUID
    rank: int
    prize_place: int
    points: int
    entry_seq: int | None


WINS = Load(
    name="draws.wins",
    row=WinRow,
    sql="""SELECT w.member_id, w.draw_id, w.rank, w.prize_place, w.points, g.entry_seq
           FROM unnest({winners}, {draws}, {ranks}) AS wanted(member_id, draw_id, rank)
           JOIN draw_win w ON w.draw_id = wanted.draw_id AND w.member_id = wanted.member_id AND w.rank = wanted.rank
           LEFT JOIN draw_grant g ON g.draw_id = w.draw_id AND g.rank = w.rank""",
    arguments={
        "winners": ("uuid[]", lambda commands, now: [command.member_id for command in commands]),
        "draws": ("uuid[]", lambda commands, now: [command.draw_id for command in commands]),
        "ranks": ("int[]", lambda commands, now: [command.rank for command in commands]),
    },
)


def _decide(book: Book, command: GrantWin) -> Granted:
    rows: list[WinRow] = book.loaded(WINS.name)
    win = next((row for row in rows if row.draw_id == command.draw_id and row.rank == command.rank), None)
    if win is None:
        raise NotFound(kind="draw_win", id=f"{command.draw_id}:{command.rank}")
    if win.entry_seq is not None:
        return Granted(win.entry_seq)
    trace = {"rule": "draw_prize", "draw": str(win.draw_id), "rank": win.rank, "prize": win.prize_place}
    source = ("draw_win", f"{win.draw_id}:{win.rank}")
    posted = book.accrue(win.points, source=source, trace={**trace, "result": win.points})
    book.insert(
        DrawGrant, draw_id=win.draw_id, rank=win.rank, points=win.points, entry_seq=posted.seq, granted_at=book.now
    )
    rows[rows.index(win)] = win._replace(entry_seq=posted.seq)
    return Granted(posted.seq)


GRANT_WIN = Verb("draws.grant_win", _decide, Granted, loads=(WINS,))


async def settle_draw(
    work: Work,
    *,
    draw_id: UUID,
    heartbeat: Callable[[], Awaitable[None]],
    chunks_max: int = CHUNKS_MAX,
    after: Place = FIRST_WIN,
) -> WorkedOff:
    """Grant what a drawn draw still owes behind a place, at most so many chunks of it, winner by winner.

    Safe to run twice and at once: a win that has its grant is not granted again. Nothing to do in any other state.
    Locks: accounts.
    """
    if not await _begin(draw_id):
        return WorkedOff(0, 0, reached_end=True)
    return await work_off(
        work,
        GRANT_WIN,
        draw_id,
        lambda last: _owed(draw_id, last.place if last else after),
        heartbeat=heartbeat,
        chunks_max=chunks_max,
    )


async def finish_settlement(work: Work, *, draw_id: UUID) -> bool:
    """Mark a draw settled when every win has its grant; returns whether this call did. Locks: the draw.

    Raises StillOwed when something is still owed.
    """

    async def run() -> bool:
        now = work.clock.now()
        async with transaction():
            if (await hold(draw_id)).state != "SETTLING":
                return False
            owed = await fetch_value(_COUNT_OWED, draw_id)
            if owed:
                raise StillOwed(f"{owed} wins of draw {draw_id} are not granted")
            wins = await fetch_value(
                "UPDATE draw SET state = $2, settled_at = $3 WHERE id = $1 RETURNING wins",
                draw_id, after("SETTLING", "finish"), now,
            )  # fmt: skip
            await tell(work, DrawSettled(draw_id, wins), now)
            return True

    return await retrying(run)


_COUNT_OWED = """SELECT count(*) FROM draw_win w WHERE w.draw_id = $1
    AND NOT EXISTS (SELECT FROM draw_grant g WHERE g.draw_id = $1 AND g.rank = w.rank)"""


async def _begin(draw_id: UUID) -> bool:
    """Enter SETTLING; returns whether the draw is in it."""
    await execute("UPDATE draw SET state = $2 WHERE id = $1 AND state = 'DRAWN'", draw_id, after("DRAWN", "settle"))
    return bool(await fetch_value("SELECT state = 'SETTLING' FROM draw WHERE id = $1", draw_id))


async def _owed(draw_id: UUID, after: Place) -> list[GrantWin]:
    """The next wins without a grant, winner by winner; one more is read than a chunk holds.

    A chunk ends with a winner, where it has more than one, so that two chunks do not move the same account.
    """
    size = chunks.CHUNK
    rows = await fetch("SELECT member_id, rank FROM owed_wins($1, $2, $3, $4)", draw_id, *after, size + 1)
    commands = [GrantWin(member_id=member_id, actor=SYSTEM, draw_id=draw_id, rank=rank) for member_id, rank in rows]
    if len(commands) <= size:
        return commands
    whole = [command for command in commands if command.member_id != commands[size].member_id]
    return whole or commands[:size]
