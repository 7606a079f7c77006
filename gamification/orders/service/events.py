"""What shops tell of orders: goods received, the refund window closed; points that wait for it become usable.

Lock order: the member's POINTS account, then the event's row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.actors import SYSTEM, Actor
from gamification.core.database import fetch, fetch_row
from gamification.core.draft import Command, Load, Verb
from gamification.core.errors import InvalidInput
from gamification.core.work import Work
from gamification.orders.models import OrderEvent
from gamification.orders.service.requests import check_external_id, check_instant
from gamification.points.book import Book
from gamification.points.rules import ActivationEvent

APPLY_MAX = 500
LOTS_MAX = 16
EVENTS = "orders.events"


@dataclass(frozen=True, kw_only=True)
class RecordEvent(Command):
    """An event of an order of this member."""

    order_external_id: str
    order_id: UUID
    type: ActivationEvent
    occurred_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class EventRecorded:
    """What an event did: points that it brought forward, and the balance after it. It waits for its order."""

    order_external_id: str
    type: str
    already_recorded: bool
    waits: bool
    points: int
    available: int | None


class EventRow(NamedTuple):
    """The events of an order that are here: (type, occurred at, received at, applied at)."""

    order_external_id: str
    events: list[tuple[str, datetime, datetime, datetime | None]]


def events_load(orders: Callable[[Sequence[Any]], list[str]]) -> Load:
    """The events of a batch's orders."""
    return Load(
        name=EVENTS,
        row=EventRow,
        sql="""SELECT order_external_id, array_agg(ROW(type, occurred_at, received_at, applied_at) ORDER BY type)
               FROM order_event WHERE order_external_id = ANY({event_orders}) GROUP BY order_external_id""",
        arguments={"event_orders": ("text[]", lambda commands, now: orders(commands))},
        shared=True,
    )


def apply_event(
    book: Book, order_external_id: str, order_id: UUID, type: ActivationEvent, at: datetime, received_at: datetime
) -> int:
    """Let an event have its effect, and note that it had; returns the points that it brought forward."""
    book.put(
        OrderEvent, ("order_external_id", "type"), order_external_id=order_external_id, type=type,
        occurred_at=at, received_at=received_at, applied_at=book.now,
    )  # fmt: skip
    return book.bring_forward(order_id, type, at)


def apply_waiting(book: Book, order_external_id: str, order_id: UUID) -> None:
    """Let the events that came before their order have their effect now. Needs `events_load`."""
    row: EventRow | None = book.shared(EVENTS, order_external_id)
    for type_, occurred_at, received_at, applied_at in row.events if row else ():
        if applied_at is None:
            apply_event(book, order_external_id, order_id, type_, occurred_at, received_at)  # type: ignore[arg-type]


def _decide(book: Book, command: RecordEvent) -> EventRecorded:
    row: EventRow | None = book.shared(EVENTS, command.order_external_id)
    known = {each[0]: each[3] for each in row.events} if row else {}
    if known.get(command.type) is not None:
        return _recorded(command, already=True, points=0, available=book.points.available)
    points = apply_event(
        book, command.order_external_id, command.order_id, command.type, command.occurred_at, command.received_at
    )
    return _recorded(command, already=False, points=points, available=book.points.available)


def _recorded(command: RecordEvent, *, already: bool, points: int, available: int) -> EventRecorded:
    return EventRecorded(command.order_external_id, command.type, already, False, points, available)


RECORD_EVENT = Verb(
    "orders.record_event",
    _decide,
    EventRecorded,
    loads=(events_load(lambda commands: [each.order_external_id for each in commands]),),
    lots_max=LOTS_MAX,
)


async def record_event(
    work: Work, *, order_external_id: str, type: ActivationEvent, occurred_at: datetime, actor: Actor
) -> EventRecorded:
    """Record that something happened to an order; the first of a type counts, again changes nothing.

    Before its order it waits. Refuses: InvalidInput (the ids, an instant that lies ahead). Locks: account, the event.
    """
    check_external_id("orderExternalId", order_external_id)
    check_instant("occurredAt", occurred_at)
    now = work.clock.now()
    if occurred_at > now:
        raise InvalidInput(field="occurredAt", reason="not in the future")
    order = await fetch_row("SELECT member_id, order_id FROM order_directory WHERE external_id = $1", order_external_id)
    if order is None:
        return await _set_aside(order_external_id, type, occurred_at, now)
    command = RecordEvent(
        member_id=order["member_id"], actor=actor, order_external_id=order_external_id, order_id=order["order_id"],
        type=type, occurred_at=occurred_at, received_at=now,
    )  # fmt: skip
    return await work.perform(RECORD_EVENT, command)


async def _set_aside(order_external_id: str, type: str, occurred_at: datetime, now: datetime) -> EventRecorded:
    kept = await fetch(
        """INSERT INTO order_event (order_external_id, type, occurred_at, received_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING RETURNING type""",
        order_external_id, type, occurred_at, now,
    )  # fmt: skip
    return EventRecorded(order_external_id, type, not kept, True, 0, None)


async def apply_crossed(work: Work) -> int:
    """Apply the events whose order arrived without seeing them; returns how many. Safe to run twice."""
    rows = await fetch(
        """SELECT e.order_external_id, e.type, e.occurred_at, e.received_at, d.member_id, d.order_id
           FROM order_event e JOIN order_directory d ON d.external_id = e.order_external_id
           WHERE e.applied_at IS NULL ORDER BY e.received_at LIMIT $1""",
        APPLY_MAX,
    )
    commands = [RecordEvent(actor=SYSTEM, **dict(row)) for row in rows]
    for outcome in await work.perform_all(RECORD_EVENT, commands):
        if isinstance(outcome, Exception):
            raise outcome
    return len(commands)
