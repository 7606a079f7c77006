"""A winner claims a prize: it is granted in the same statement, once, and never after it has lapsed.

Lock order: the member's POINTS account, then the draw FOR KEY SHARE, which claims share and `lapsing` waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.draft import Command, Guard, Load, Verb
from gamification.core.errors import NotFound
from gamification.core.work import Work
from gamification.draws.errors import ClaimLapsed, DrawStateRefused
from gamification.draws.service.settlement import grant
from gamification.points.book import Book


@dataclass(frozen=True, kw_only=True)
class ClaimPrize(Command):
    """The win of a member at a rank."""

    draw_id: UUID
    rank: int


@dataclass(frozen=True, slots=True)
class PrizeClaimed:
    """A win that was claimed: the entry that paid it, and the points usable after it."""

    draw_id: UUID
    rank: int
    prize_place: int
    points: int
    entry_seq: int
    available: int
    claimed_at: datetime


class WinToClaim(NamedTuple):
    """A member's win: until when it can be claimed, and its grant where it has been."""

    member_id: UUID
    draw_id: UUID
    rank: int
    prize_place: int
    points: int
    ticket_id: UUID
    claim_until: datetime | None
    state: str
    claims_closed_to: datetime | None
    entry_seq: int | None
    available: int | None
    claimed_at: datetime | None


WIN = Load(
    name="draws.win_to_claim",
    row=WinToClaim,
    sql="""SELECT w.member_id, w.draw_id, w.rank, w.prize_place, w.points, w.ticket_id, w.claim_until, d.state,
                  d.claims_closed_to, g.entry_seq, e.available, g.granted_at
           FROM unnest({winners}, {draws}, {ranks}) AS wanted(member_id, draw_id, rank)
           JOIN draw_win w ON w.draw_id = wanted.draw_id AND w.member_id = wanted.member_id AND w.rank = wanted.rank
           JOIN draw d ON d.id = w.draw_id
           LEFT JOIN draw_grant g ON g.draw_id = w.draw_id AND g.rank = w.rank
           LEFT JOIN entry e ON e.member_id = g.member_id AND e.currency = 'POINTS' AND e.seq = g.entry_seq""",
    arguments={
        "winners": ("uuid[]", lambda commands, now: [command.member_id for command in commands]),
        "draws": ("uuid[]", lambda commands, now: [command.draw_id for command in commands]),
        "ranks": ("int[]", lambda commands, now: [command.rank for command in commands]),
    },
)
CLAIM_OPEN = Guard(
    name="claim_open",
    sql="""SELECT w.ticket_id FROM {claims} c JOIN ticket_number n ON n.ticket_id = c.key
           JOIN draw_win w ON w.draw_id = n.draw_id AND w.number = n.number JOIN draw d ON d.id = w.draw_id
           WHERE d.state IN ('DRAWN', 'SETTLING')
             AND (d.claims_closed_to IS NULL OR d.claims_closed_to < w.claim_until)
           ORDER BY d.id FOR KEY SHARE OF d{skip}""",
)


def _decide(book: Book, command: ClaimPrize) -> PrizeClaimed:
    rows: list[WinToClaim] = book.loaded(WIN.name)
    win = next((row for row in rows if (row.draw_id, row.rank) == (command.draw_id, command.rank)), None)
    if win is None:
        raise NotFound(kind="draw_win", id=f"{command.draw_id}:{command.rank}")
    if win.entry_seq is not None and win.available is not None and win.claimed_at is not None:
        return PrizeClaimed(
            win.draw_id, win.rank, win.prize_place, win.points, win.entry_seq, win.available, win.claimed_at
        )
    if win.claim_until is None:
        raise DrawStateRefused(state=win.state, verb="claim")
    if win.claim_until <= max(book.now, win.claims_closed_to or book.now):
        raise ClaimLapsed(rank=win.rank, claim_until=win.claim_until)
    posted = grant(book, win)
    book.claim(CLAIM_OPEN, win.ticket_id)
    rows[rows.index(win)] = win._replace(entry_seq=posted.seq, available=posted.available, claimed_at=book.now)
    return PrizeClaimed(win.draw_id, win.rank, win.prize_place, win.points, posted.seq, posted.available, book.now)


CLAIM_PRIZE = Verb("draws.claim_prize", _decide, PrizeClaimed, loads=(WIN,), points_only=True)


async def claim_prize(work: Work, *, draw_id: UUID, rank: int, member_id: UUID, actor: Actor) -> PrizeClaimed:
    """Claim what one has won, once: the same claim again answers as the first did.

    Refuses: NotFound (there is no such win of this member), ClaimLapsed, DrawStateRefused (the draw grants by itself).
    Locks: account, then the draw (shared).
    """
    return await work.perform(CLAIM_PRIZE, ClaimPrize(member_id=member_id, actor=actor, draw_id=draw_id, rank=rank))
