"""What shops tell of orders: goods received, the refund window closed; points that wait for it become usable.

Lock order: the member's POINTS account, then the event's row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from gamification.core.actors import SYSTEM, Actor
from gamification.core.database import fetch
from gamification.core.draft import Command, Load, Verb
from gamification.core.errors import InvalidInput, NotFound, Refusal
from gamification.core.work import Preview, Work
from gamification.orders.models import OrderEvent
from gamification.orders.service.requests import check_external_id, check_instant
from gamification.points.book import Book
from gamification.points.rules import ActivationEvent

APPLY_MAX = 500
LOTS_MAX = 16
EVENTS = "orders.events"


@dataclass(frozen=True, slots=True)
class NewOrderEvent:
    """Something that happened to an order: each type happens to an order once."""

    order_external_id: str
    type: ActivationEvent
    occurred_at: datetime

    def check(self, now: datetime) -> None:
        """Refuses: InvalidInput."""
        check_external_id("orderExternalId", self.order_external_id)
        check_instant("occurredAt", self.occurred_at)
        if self.occurred_at > now:
            raise InvalidInput(field="occurredAt", reason="not in the future")

    @property
    def key(self) -> tuple[str, ActivationEvent]:
        """What names the event."""
        return self.order_external_id, self.type


@dataclass(frozen=True, kw_only=True)
class RecordEvent(Command):
    """An event of an order of this member."""

    order_id: UUID
    event: NewOrderEvent
    received_at: datetime


@dataclass(frozen=True, slots=True)
class EventRecorded:
    """What an event did: points that it brought forward, and the balance after it; or it waits for its order."""

    order_external_id: str
    type: str
    already_recorded: bool
    waits: bool
    points: int
    available: int | None


class EventRow(NamedTuple):
    """An event that is here, as the member of a command meets it."""

    member_id: UUID
    order_external_id: str
    type: ActivationEvent
    occurred_at: datetime
    received_at: datetime
    applied_at: datetime | None


def events_load(orders: Callable[[Sequence[Any]], list[tuple[UUID, str]]]) -> Load:
    """The events of a batch's orders (member, external id)."""
    return Load(
        name=EVENTS,
        row=EventRow,
        sql="""SELECT wanted.member_id, e.order_external_id, e.type, e.occurred_at, e.received_at, e.applied_at
               FROM (SELECT DISTINCT * FROM unnest({event_members}, {event_orders}) AS w(member_id, order_external_id))
                 AS wanted JOIN order_event e USING (order_external_id) ORDER BY e.type""",
        arguments={
            "event_members": ("uuid[]", lambda commands, now: [member_id for member_id, _ in orders(commands)]),
            "event_orders": ("text[]", lambda commands, now: [external_id for _, external_id in orders(commands)]),
        },
    )


def apply_waiting(book: Book, order_external_id: str, order_id: UUID) -> None:
    """Let the events that came before their order have their effect now. Needs `events_load`."""
    rows: list[EventRow] = book.loaded(EVENTS)
    for row in [each for each in rows if each.order_external_id == order_external_id and each.applied_at is None]:
        _apply(book, row, order_id)


def _apply(book: Book, row: EventRow, order_id: UUID) -> int:
    """Let an event have its effect, and note that it had; returns the points that it brought forward."""
    after = row._replace(applied_at=book.now)
    rows: list[EventRow] = book.loaded(EVENTS)
    rows[:] = [each for each in rows if each[:3] != row[:3]] + [after]
    book.put(OrderEvent, ("order_external_id", "type"), **dict(zip(after._fields[1:], after[1:], strict=True)))
    return book.bring_forward(order_id, row.type, row.occurred_at)


def _decide(book: Book, command: RecordEvent) -> EventRecorded:
    """Apply an event, or the first of its type where that still waits. Again it changes nothing."""
    event = command.event
    rows: list[EventRow] = book.loaded(EVENTS)
    known = next((each for each in rows if (each.order_external_id, each.type) == event.key), None)
    points = 0
    if known is None or known.applied_at is None:
        new = EventRow(book.member_id, *event.key, event.occurred_at, command.received_at, None)
        points = _apply(book, known or new, command.order_id)
    return EventRecorded(*event.key, known is not None, False, points, book.points.available)


RECORD_EVENT = Verb(
    "orders.record_event",
    _decide,
    EventRecorded,
    loads=(events_load(lambda commands: [(each.member_id, each.event.order_external_id) for each in commands]),),
    lots_max=LOTS_MAX,
)


async def record_events(
    work: Work, events: Sequence[NewOrderEvent], *, actor: Actor
) -> list[EventRecorded | Exception]:
    """Record what happened to orders, several in one batch; every outcome stands alone.

    The first event of a type counts, again changes nothing. An event before its order waits. Refuses: InvalidInput
    (the order's id, an instant that lies ahead). Locks: accounts, then the events.
    """
    now = work.clock.now()
    outcomes: list[EventRecorded | Exception | None] = [_shape_refusal(event, now) for event in events]
    fit = [place for place, refused in enumerate(outcomes) if refused is None]
    orders = await _orders_of([events[place].order_external_id for place in fit])
    waiting = [place for place in fit if events[place].order_external_id not in orders]
    here = [place for place in fit if events[place].order_external_id in orders]
    for place, recorded in zip(waiting, await _set_aside([events[each] for each in waiting], now), strict=True):
        outcomes[place] = recorded
    commands = [
        RecordEvent(
            member_id=orders[event.order_external_id][0], order_id=orders[event.order_external_id][1],
            event=event, received_at=now, actor=actor,
        )
        for event in (events[place] for place in here)
    ]  # fmt: skip
    for place, outcome in zip(here, await _perform(work, commands), strict=True):
        outcomes[place] = outcome
    return cast(list[EventRecorded | Exception], outcomes)


async def _perform(work: Work, commands: Sequence[RecordEvent]) -> Sequence[EventRecorded | Exception]:
    if not commands:
        return []
    return [*await work.perform_all(RECORD_EVENT, commands)]


async def record_event(
    work: Work, *, order_external_id: str, type: ActivationEvent, occurred_at: datetime, actor: Actor
) -> EventRecorded:
    """Record that something happened to an order. Refuses and locks as `record_events`."""
    (outcome,) = await record_events(work, [NewOrderEvent(order_external_id, type, occurred_at)], actor=actor)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def preview_event(
    work: Work, *, order_external_id: str, type: ActivationEvent, occurred_at: datetime, actor: Actor
) -> Preview[EventRecorded]:
    """What an event would do now, not written; its outcome refuses as `record_event` does, and NotFound (the order)."""
    event, now = NewOrderEvent(order_external_id, type, occurred_at), work.clock.now()
    event.check(now)
    found = (await _orders_of([order_external_id])).get(order_external_id)
    if found is None:
        raise NotFound(kind="order", id=order_external_id)
    command = RecordEvent(member_id=found[0], order_id=found[1], event=event, received_at=now, actor=actor)
    return await work.preview(RECORD_EVENT, command)


def _shape_refusal(event: NewOrderEvent, now: datetime) -> Refusal | None:
    try:
        event.check(now)
    except Refusal as refusal:
        return refusal
    return None


async def _orders_of(external_ids: Sequence[str]) -> dict[str, tuple[UUID, UUID]]:
    """Member and order under each external id that is known."""
    rows = await fetch(
        "SELECT external_id, member_id, order_id FROM order_directory WHERE external_id = ANY($1)", external_ids
    )
    return {row["external_id"]: (row["member_id"], row["order_id"]) for row in rows}


_SET_ASIDE = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY
        AS g(order_external_id, type, occurred_at, place)
), kept AS (
    INSERT INTO order_event (order_external_id, type, occurred_at, received_at)
    SELECT DISTINCT ON (order_external_id, type) order_external_id, type, occurred_at, $4 FROM given
    ORDER BY order_external_id, type, place ON CONFLICT DO NOTHING RETURNING order_external_id, type
)
SELECT k.type IS NULL OR row_number() OVER (PARTITION BY g.order_external_id, g.type ORDER BY g.place) > 1
FROM given g LEFT JOIN kept k USING (order_external_id, type) ORDER BY g.place
"""


async def _set_aside(events: Sequence[NewOrderEvent], now: datetime) -> list[EventRecorded]:
    """Keep events for their orders, and say of each whether it was here already."""
    if not events:
        return []
    orders, types = zip(*(event.key for event in events), strict=True)
    rows = await fetch(_SET_ASIDE, list(orders), list(types), [event.occurred_at for event in events], now)
    return [EventRecorded(*event.key, known, True, 0, None) for event, (known,) in zip(events, rows, strict=True)]


async def apply_crossed(work: Work) -> int:
    """Apply the events whose order arrived without seeing them; returns how many. Safe to run twice."""
    rows = await fetch(
        """SELECT e.order_external_id, e.type, e.occurred_at, e.received_at, d.member_id, d.order_id
           FROM order_event e JOIN order_directory d ON d.external_id = e.order_external_id
           WHERE e.applied_at IS NULL ORDER BY e.received_at LIMIT $1""",
        APPLY_MAX,
    )
    commands = [
        RecordEvent(
            member_id=row["member_id"], order_id=row["order_id"], received_at=row["received_at"], actor=SYSTEM,
            event=NewOrderEvent(row["order_external_id"], row["type"], row["occurred_at"]),
        )
        for row in rows
    ]  # fmt: skip
    for outcome in await _perform(work, commands):
        if isinstance(outcome, Exception):
            raise outcome
    return len(commands)
