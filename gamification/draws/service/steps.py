"""What every step of a draw does: hold the draw, ask the transition table, tell what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core import outbox
from gamification.core.database import fetch, fetch_row
from gamification.core.draft import Event
from gamification.core.errors import NotFound
from gamification.core.work import Work
from gamification.draws.errors import DrawStateRefused
from gamification.draws.events import DrawClosed, DrawOpened, DrawPromoted, DrawSettled, DrawVoided, DrawWon
from gamification.draws.rules import TRANSITIONS, State

WINS_PER_STATEMENT = 10_000
_WINS = """SELECT member_id, rank, claim_until, replaces_rank FROM draw_win
    WHERE draw_id = $1 AND rank > $2 ORDER BY rank LIMIT $3"""


class HeldDraw(NamedTuple):
    """A draw under lock: what the steps decide on."""

    id: UUID
    state: State
    opens_at: datetime
    closes_at: datetime
    tickets_min: int
    commitment: bytes | None


async def hold(draw_id: UUID, *, against_sales: bool = False) -> HeldDraw:
    """Lock a draw in the running transaction; `against_sales` waits for sales in flight and lets no other begin.

    Refuses: NotFound.
    """
    lock = "FOR UPDATE" if against_sales else "FOR NO KEY UPDATE"
    row = await fetch_row(
        f"SELECT id, state, opens_at, closes_at, tickets_min, commitment FROM draw WHERE id = $1 {lock}", draw_id
    )
    if row is None:
        raise NotFound(kind="draw", id=str(draw_id))
    return HeldDraw(*row)


def after(state: State, verb: str) -> State:
    """Where a verb leads. Refuses: DrawStateRefused."""
    following = TRANSITIONS.get((state, verb))
    if following is None:
        raise DrawStateRefused(state=state, verb=verb)
    return following


async def tell(work: Work, event: DrawOpened | DrawClosed | DrawSettled | DrawVoided, now: datetime) -> None:
    """One outbox row for each listener of an event, in the running transaction."""
    for job in _listeners(work, event):
        await outbox.schedule(job, asdict(event), run_at=now)


async def tell_winners(work: Work, draw_id: UUID, now: datetime, *, after_rank: int = 0) -> None:
    """Tell the listeners of each win of a draw behind a rank, in the running transaction: won, or promoted to it."""
    if not (_listeners(work, DrawWon) or _listeners(work, DrawPromoted)):
        return
    while rows := await fetch(_WINS, draw_id, after_rank, WINS_PER_STATEMENT):
        after_rank = rows[-1]["rank"]
        won = [DrawWon(draw_id, *row[:3]) for row in rows if row["replaces_rank"] is None]
        promoted = [DrawPromoted(draw_id, *row[:3]) for row in rows if row["replaces_rank"] is not None]
        for events in (won, promoted):
            for job in _listeners(work, events[0]) if events else ():
                await outbox.schedule_all(job, [asdict(event) for event in events], run_at=now)


def _listeners(work: Work, event: Event | type[Event]) -> Sequence[str]:
    return work.listeners.get(event.name, ())
