"""Members buy tickets: the price leaves the account and the ticket is written in one statement.

Lock order: the member's POINTS account, then the draw FOR KEY SHARE, which sales share and a closing waits for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.draft import Command, Guard, Load, Price, Verb
from gamification.core.errors import NotFound
from gamification.core.ids import new_id
from gamification.core.work import Preview, Work
from gamification.draws.errors import DrawNotOpen, TicketLimitReached
from gamification.draws.models import Ticket
from gamification.draws.rules import Limit, is_free, is_on_sale, limit_reached
from gamification.gates.rules import Gate
from gamification.gates.service import ENTRANTS, admit, opens_at_for
from gamification.points.book import Book

LOTS_MAX = 16


@dataclass(frozen=True, kw_only=True)
class BuyTicket(Command):
    """One ticket of a draw for a member."""

    draw_id: UUID
    ticket_id: UUID = field(default_factory=new_id, metadata={"fingerprint": False})


@dataclass(frozen=True, slots=True)
class TicketBought:
    """The receipt of a ticket: its price, and the commitment and terms (SHA-256, hexadecimal) that it stands under.

    A free ticket costs nothing and has no entry. `bought_at` and `free_tickets_left` are None in receipts from before
    they were kept. A replay may come when the draw is long settled.
    """

    ticket_id: UUID
    draw_id: UUID
    points: int
    commitment: str
    terms_hash: str
    entry_seq: int | None
    available: int
    bought_at: datetime | None = None
    free_tickets_left: int | None = None
    is_replay: bool = field(default=False, compare=False)


class DrawOnSale(NamedTuple):
    """What a sale needs to know of a draw."""

    id: UUID
    state: str
    ticket_points: int
    opens_at: datetime
    closes_at: datetime
    tickets_per_member: int | None
    tickets_per_member_day: int | None
    free_tickets_per_member: int
    tier_min: str | None
    early_tier_min: str | None
    early_seconds: int
    commitment: bytes
    terms_hash: bytes

    @property
    def gate(self) -> Gate:
        """Who may buy, and from when."""
        return Gate(tier_min=self.tier_min, early_tier_min=self.early_tier_min, early_seconds=self.early_seconds)


class BoughtOn(NamedTuple):
    """How many tickets of a draw a member bought on a business day."""

    member_id: UUID
    draw_id: UUID
    business_date: date
    tickets: int


def _draws(commands: Any, now: datetime) -> list[UUID]:
    return list({command.draw_id for command in commands})


def _most_of_one_member(commands: Any, now: datetime) -> int:
    return max(Counter(command.member_id for command in commands).values(), default=1)


DRAWS = Load(
    name="draws.on_sale",
    row=DrawOnSale,
    sql="""SELECT id, state, ticket_points, opens_at, closes_at, tickets_per_member, tickets_per_member_day,
                  free_tickets_per_member, tier_min, early_tier_min, early_seconds, commitment, terms_hash FROM draw
           WHERE id = ANY({draws}) AND opened_at IS NOT NULL""",
    arguments={"draws": ("uuid[]", _draws)},
    shared=True,
)
BOUGHT = Load(
    name="draws.bought",
    row=BoughtOn,
    sql="""SELECT t.* FROM (SELECT id FROM draw WHERE id = ANY({draws})
                            AND (tickets_per_member IS NOT NULL OR tickets_per_member_day IS NOT NULL
                                 OR free_tickets_per_member > 0)) AS limited(id)
           CROSS JOIN LATERAL (SELECT member_id, draw_id, business_date, count(*) FROM ticket
                               WHERE member_id = ANY({members}) AND draw_id = limited.id
                               GROUP BY member_id, draw_id, business_date) t""",
    arguments={"draws": ("uuid[]", _draws)},
)
"""Of draws without a limit and without free tickets nobody's tickets are counted."""
PRICE = Price(
    "(SELECT max(ticket_points)::numeric * {most} FROM draw WHERE id = ANY({draws}))",
    {"draws": ("uuid[]", _draws), "most": ("bigint", _most_of_one_member)},
)
DRAW_OPEN = Guard(
    name="draw_open",
    sql="""SELECT d.id FROM draw d JOIN {claims} c ON c.key = d.id
           WHERE d.state = 'OPEN' AND d.closes_at > {now}
             AND d.opens_at - make_interval(secs => d.early_seconds) <= {now}
           ORDER BY d.id FOR KEY SHARE OF d{skip}""",
)


def _decide(book: Book, command: BuyTicket) -> TicketBought:
    draw: DrawOnSale | None = book.shared(DRAWS.name, command.draw_id)
    if draw is None:
        raise NotFound(kind="draw", id=str(command.draw_id))
    opens_at = opens_at_for(book, draw.gate, draw.opens_at)
    if not is_on_sale(draw.state, opens_at, draw.closes_at, book.now):
        raise DrawNotOpen(state=draw.state, opens_at=opens_at, closes_at=draw.closes_at)
    admit(book, draw.gate)
    bought: list[BoughtOn] = book.loaded(BOUGHT.name)
    _check_limits(book, draw, bought)
    held = sum(row.tickets for row in bought if row.draw_id == draw.id)
    points = 0 if is_free(draw.free_tickets_per_member, held) else draw.ticket_points
    entry_seq = _pay(book, draw, command.ticket_id) if points else None
    book.claim(DRAW_OPEN, draw.id)
    book.insert(
        Ticket, draw_id=draw.id, id=command.ticket_id, points=points, entry_seq=entry_seq, bought_at=book.now,
        business_date=book.on,
    )  # fmt: skip
    bought.append(BoughtOn(book.member_id, draw.id, book.on, 1))
    return TicketBought(
        command.ticket_id, draw.id, points, draw.commitment.hex(), draw.terms_hash.hex(), entry_seq,
        book.points.available, book.now, max(draw.free_tickets_per_member - held - 1, 0),
    )  # fmt: skip


def _pay(book: Book, draw: DrawOnSale, ticket_id: UUID) -> int:
    trace = {"rule": "draw_ticket", "draw": str(draw.id), "terms": draw.terms_hash.hex(), "result": draw.ticket_points}
    return book.take(draw.ticket_points, source=("ticket", str(ticket_id)), trace=trace).seq


def _check_limits(book: Book, draw: DrawOnSale, bought: list[BoughtOn]) -> None:
    by_day: dict[date, int] = {}
    for row in bought:
        if row.draw_id == draw.id:
            by_day[row.business_date] = by_day.get(row.business_date, 0) + row.tickets
    limit = limit_reached(draw.tickets_per_member, draw.tickets_per_member_day, by_day, book.on)
    if limit is not None:
        raise _refusal(book, limit)


def _refusal(book: Book, limit: Limit) -> TicketLimitReached:
    resets_at = book.calendar.ends_at(book.on) if limit.scope == "DAY" else None
    return TicketLimitReached(scope=limit.scope, limit=limit.limit, used=limit.used, resets_at=resets_at)


BUY_TICKET = Verb(
    "draws.buy_ticket",
    _decide,
    TicketBought,
    loads=(DRAWS, BOUGHT, ENTRANTS),
    lots_max=LOTS_MAX,
    price=PRICE,
    points_only=True,
)


async def buy_ticket(work: Work, *, draw_id: UUID, member_id: UUID, actor: Actor, key: str) -> TicketBought:
    """Buy one ticket; the same key again answers the same ticket.

    Refuses: NotFound, DrawNotOpen, AdultDeclarationMissing, StaffExcluded, TierTooLow, TicketLimitReached,
    InsufficientPoints, IdempotencyConflict, InvalidInput (the key).
    Locks: account, then the draw (shared).
    """
    return await work.perform(BUY_TICKET, BuyTicket(member_id=member_id, actor=actor, key=key, draw_id=draw_id))


async def preview_ticket(work: Work, *, draw_id: UUID, member_id: UUID, actor: Actor) -> Preview[TicketBought]:
    """What buying a ticket now would cost, not written; its outcome refuses as `buy_ticket` does."""
    return await work.preview(BUY_TICKET, BuyTicket(member_id=member_id, actor=actor, draw_id=draw_id))
