"""Wins are granted in chunks, each win once: a crash anywhere resumes, and two settlements at once are as good as one.

Where prizes are claimed it grants nothing: the winners do (`claims.py`), and what they leave lapses (`lapsing.py`).

A grant is a command of the write path: the entry, its lot and the `draw_grant` row are one statement on the member's
version. What fails is noted, the rest goes on, and the draw stays SETTLING until nothing is owed.

Lock order: accounts ascending; at the end, in a transaction of its own, the draw.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from gamification.core.actors import SYSTEM
from gamification.core.database import execute, fetch, fetch_row, fetch_value
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
from gamification.points.rows import Posted

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
    sql="SELECT member_id, draw_id, rank, prize_place, points, entry_seq FROM wins_by_key({draws}, {ranks})",
    arguments={
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
    seq = grant(book, win).seq
    rows[rows.index(win)] = win._replace(entry_seq=seq)
    return Granted(seq)


class WinToGrant(Protocol):
    """What a grant needs to know of a win."""

    @property
    def draw_id(self) -> UUID:
        """The draw."""

    @property
    def rank(self) -> int:
        """Its place among the wins."""

    @property
    def prize_place(self) -> int:
        """The place of its prize."""

    @property
    def points(self) -> int:
        """The points that it brings."""


def grant(book: Book, win: WinToGrant) -> Posted:
    """Pay a win under its natural key: the entry, its lot and the `draw_grant` row."""
    trace = {"rule": "draw_prize", "draw": str(win.draw_id), "rank": win.rank, "prize": win.prize_place}
    source = ("draw_win", f"{win.draw_id}:{win.rank}")
    posted = book.accrue(win.points, source=source, trace={**trace, "result": win.points})
    book.insert(
        DrawGrant, draw_id=win.draw_id, rank=win.rank, points=win.points, entry_seq=posted.seq, granted_at=book.now
    )
    return posted


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

    Safe to run twice and at once: a win that has its grant is not granted again. Nothing to do in any other state, nor
    where prizes are claimed. Locks: accounts.
    """
    begun = await begin(draw_id, work.clock.now())
    if begun is None or begun.is_claimed:
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
    """Mark a draw settled when every win that stands has its grant; returns whether this call did. Locks: the draw.

    Raises StillOwed when something is still owed, but where it waits to be claimed.
    """

    async def run() -> bool:
        now = work.clock.now()
        async with transaction():
            if (await hold(draw_id)).state != "SETTLING":
                return False
            owed, is_claimed = tuple(await fetch_row(_OWED, draw_id, FIRST_WIN[0]) or ())
            if owed and is_claimed:
                return False
            if owed:
                raise StillOwed(f"{owed} wins of draw {draw_id} are not granted")
            wins = await fetch_value(
                "UPDATE draw SET state = $2, settled_at = $3 WHERE id = $1 RETURNING wins + promoted - lapsed",
                draw_id, after("SETTLING", "finish"), now,
            )  # fmt: skip
            await tell(work, DrawSettled(draw_id, wins), now)
            return True

    return await retrying(run)


_OWED = """SELECT CASE WHEN d.claim_seconds IS NULL THEN (SELECT count(*) FROM owed_wins(d.id, $2, 0, NULL))
    ELSE (SELECT count(*) FROM unclaimed_wins(d.id, 'infinity', 0, 1)) END, d.claim_seconds IS NOT NULL
    FROM draw d WHERE d.id = $1"""
"""Counted by functions that look each win up by its key: a join has no statistics of rows that are a minute old."""


class Begun(NamedTuple):
    """A draw that is SETTLING, and whether its prizes are claimed."""

    is_claimed: bool


async def begin(draw_id: UUID, now: datetime) -> Begun | None:
    """Enter SETTLING; None when the draw is not in it."""
    await execute(
        "UPDATE draw SET state = $2, settling_at = $3 WHERE id = $1 AND state = 'DRAWN'",
        draw_id, after("DRAWN", "settle"), now,
    )  # fmt: skip
    row = await fetch_row("SELECT claim_seconds IS NOT NULL FROM draw WHERE id = $1 AND state = 'SETTLING'", draw_id)
    return Begun(*row) if row else None


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
