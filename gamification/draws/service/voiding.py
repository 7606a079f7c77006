"""A draw is called off: the price of every ticket goes back to the lots it came from, once, in chunks.

Lock order of a void: the draw, after every sale in flight. Of a restoration: accounts ascending; at the end, alone, the
draw.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core import outbox
from gamification.core.actors import SYSTEM, Actor
from gamification.core.audit import audit, check_reason
from gamification.core.database import execute, fetch
from gamification.core.draft import Load, Verb
from gamification.core.errors import NotFound
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.draws.events import DrawVoided
from gamification.draws.models import TicketRestoration
from gamification.draws.service import chunks
from gamification.draws.service.chunks import CHUNKS_MAX, Owed, StillOwed, WorkedOff, work_off
from gamification.draws.service.steps import after, hold, tell
from gamification.points.book import Book
from gamification.points.rows import taken_load

FIRST_TICKET = UUID(int=0)
"""Before every ticket."""

_VOID = """
UPDATE draw SET state = $2, voided_at = $3, void_reason = $4,
       seed = (SELECT s.seed FROM draw_secret s WHERE s.draw_id = draw.id) WHERE id = $1
"""


@dataclass(frozen=True, kw_only=True)
class RestoreTicket(Owed):
    """Give the price of one ticket back; `entry_seq` is the entry that took it."""

    ticket_id: UUID
    entry_seq: int

    @property
    def what(self) -> str:
        return f"ticket:{self.ticket_id}"


@dataclass(frozen=True, slots=True)
class Restored:
    """The entry that gave a ticket's price back."""

    entry_seq: int


class TicketRow(NamedTuple):
    """A ticket, and the entry of its restoration if there is one."""

    member_id: UUID
    draw_id: UUID
    id: UUID
    entry_seq: int
    restored_by: int | None


TICKETS = Load(
    name="draws.tickets",
    row=TicketRow,
    sql="""SELECT t.member_id, t.draw_id, t.id, t.entry_seq, r.entry_seq
           FROM unnest({holders}, {draws}, {tickets}) AS wanted(member_id, draw_id, id)
           JOIN ticket t ON t.member_id = wanted.member_id AND t.draw_id = wanted.draw_id AND t.id = wanted.id
           LEFT JOIN ticket_restoration r ON r.draw_id = t.draw_id AND r.ticket_id = t.id""",
    arguments={
        "holders": ("uuid[]", lambda commands, now: [command.member_id for command in commands]),
        "draws": ("uuid[]", lambda commands, now: [command.draw_id for command in commands]),
        "tickets": ("uuid[]", lambda commands, now: [command.ticket_id for command in commands]),
    },
)


def _prices(commands: Sequence[Any]) -> list[tuple[UUID, int]]:
    return [(command.member_id, command.entry_seq) for command in commands]


def _decide(book: Book, command: RestoreTicket) -> Restored:
    rows: list[TicketRow] = book.loaded(TICKETS.name)
    ticket = next((row for row in rows if row.id == command.ticket_id), None)
    if ticket is None:
        raise NotFound(kind="ticket", id=str(command.ticket_id))
    if ticket.restored_by is not None:
        return Restored(ticket.restored_by)
    trace = {"rule": "draw_voided", "draw": str(ticket.draw_id), "entry": ticket.entry_seq}
    posted = book.give_back(ticket.entry_seq, source=("ticket", str(ticket.id)), trace=trace)
    assert posted is not None, "the price of a ticket is positive"
    book.insert(
        TicketRestoration, draw_id=ticket.draw_id, ticket_id=ticket.id, points=posted.points, entry_seq=posted.seq,
        restored_at=book.now,
    )  # fmt: skip
    rows[rows.index(ticket)] = ticket._replace(restored_by=posted.seq)
    return Restored(posted.seq)


RESTORE_TICKET = Verb("draws.restore_ticket", _decide, Restored, loads=(TICKETS, taken_load(_prices)))


async def void_draw(work: Work, *, draw_id: UUID, reason: str, actor: Actor) -> None:
    """Staff call a draw off before it closes; a voided draw stays as it is.

    Refuses: NotFound, DrawStateRefused, InvalidInput (the reason). Locks: the draw, after every sale in flight.
    """
    text = check_reason(reason)

    async def run() -> None:
        now = work.clock.now()
        async with transaction():
            draw = await hold(draw_id, against_sales=True)
            if draw.state == "VOIDED":
                return
            await execute(_VOID, draw_id, after(draw.state, "void"), now, "BY_STAFF")
            await audit(actor, "draw.voided", "draw", draw_id, now=now, before={"state": draw.state}, reason=text)
            await _follow_up(work, draw_id, "BY_STAFF", now)

    await retrying(run)


async def void_for_want_of_tickets(work: Work, draw_id: UUID, now: datetime) -> None:
    """Void a draw that was closed with fewer tickets than its minimum, in the closing's transaction."""
    await execute(_VOID, draw_id, after("CLOSED", "void_for_want_of_tickets"), now, "TOO_FEW_TICKETS")
    await _follow_up(work, draw_id, "TOO_FEW_TICKETS", now)


async def void_for_want_of_beacon(work: Work, draw_id: UUID, now: datetime) -> None:
    """Void a closed draw whose value did not come, or came before the closing, in the running transaction."""
    await execute(_VOID, draw_id, after("CLOSED", "void_for_want_of_beacon"), now, "BEACON_MISSING")
    await _follow_up(work, draw_id, "BEACON_MISSING", now)


async def _follow_up(work: Work, draw_id: UUID, reason: str, now: datetime) -> None:
    await outbox.schedule("draws.restore", {"draw_id": draw_id}, run_at=now, key=f"draws.restore:{draw_id}")
    await tell(work, DrawVoided(draw_id, reason), now)


async def restore_tickets(
    work: Work,
    *,
    draw_id: UUID,
    heartbeat: Callable[[], Awaitable[None]],
    chunks_max: int = CHUNKS_MAX,
    after_ticket: UUID = FIRST_TICKET,
) -> WorkedOff:
    """Give back what a voided draw still owes behind a ticket, at most so many chunks of it, oldest ticket first.

    Safe to run twice and at once.

    Locks: accounts.
    """
    return await work_off(
        work,
        RESTORE_TICKET,
        draw_id,
        lambda last: _owed(draw_id, last.ticket_id if last else after_ticket),
        heartbeat=heartbeat,
        chunks_max=chunks_max,
    )


_OWED = """SELECT t.member_id, t.id, t.entry_seq FROM draw d, owed_tickets(d.id, $2, $3) t
    WHERE d.id = $1 AND d.state = 'VOIDED'"""


async def _owed(draw_id: UUID, after_ticket: UUID) -> list[RestoreTicket]:
    rows = await fetch(_OWED, draw_id, after_ticket, chunks.CHUNK)
    return [
        RestoreTicket(member_id=member_id, actor=SYSTEM, draw_id=draw_id, ticket_id=ticket_id, entry_seq=seq)
        for member_id, ticket_id, seq in rows
    ]


async def finish_restoration(work: Work, *, draw_id: UUID) -> bool:
    """Note that a voided draw owes nothing any more; returns whether this call did.

    Raises StillOwed when something is. Locks: the draw.
    """

    async def run() -> bool:
        async with transaction():
            if (await hold(draw_id)).state != "VOIDED":
                return False
            if await fetch(_OWED, draw_id, FIRST_TICKET, 1):
                raise StillOwed(f"tickets of draw {draw_id} are not given back")
            return (
                await execute(
                    "UPDATE draw SET restored_at = $2 WHERE id = $1 AND restored_at IS NULL", draw_id, work.clock.now()
                )
                == 1
            )

    return await retrying(run)
