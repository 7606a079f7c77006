"""Holds: points reserved for an order, captured when it is paid, released when it is not.

Lock order: the member's POINTS account, nothing after it. An order has one hold that stands, whoever's it is: one that
is active, or that paid with points which have not come back. The write itself refuses a second active one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.database import fetch
from gamification.core.draft import Argument, Command, Load, Verb
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.work import Preview, Work
from gamification.points.book import Book
from gamification.points.errors import CaptureExceedsHold, HoldCaptured, OrderAlreadyHeld
from gamification.points.rows import HoldRow, holds_load
from gamification.points.rules import HOLD_MINUTES_MAX, DeductionPolicy
from gamification.points.service.booking import book_due

LOTS_MAX = 16
STANDING_HOLDS = "points.standing_holds"
ORDER_ID_LENGTH_MAX = 100
STORE_LENGTH_MAX = 40
POINTS_MAX = 2**53 - 1


@dataclass(frozen=True, kw_only=True)
class HoldPoints(Command):
    """Points to be reserved for an order; `minutes` None is the policy's time."""

    order_external_id: str
    points: int
    minutes: int | None = None
    store: str | None = None


@dataclass(frozen=True, kw_only=True)
class EndHold(Command):
    """The hold that is to end: captured up to `points` (None: all of it), or released."""

    seq: int
    points: int | None = None


@dataclass(frozen=True, slots=True)
class HoldAnswer:
    """The receipt of a hold: what it is now, whether this call changed it, and the balance after it."""

    member_id: UUID
    seq: int
    order_external_id: str
    state: str
    points: int
    captured: int
    released: int
    restored: int
    expires_at: datetime
    changed: bool
    available: int
    held: int
    entry_seq: int


class StandingHold(NamedTuple):
    """The hold that stands for an order, whoever's it is."""

    order_external_id: str
    member_id: UUID
    seq: int
    points: int
    captured: int
    restored: int
    expires_at: datetime


def _standing(wanted: str, arguments: Mapping[str, Argument], over_ended: bool) -> Load:
    ended = " AND expires_at > {now}" if over_ended else ""
    return Load(
        name=STANDING_HOLDS,
        row=StandingHold,
        sql=f"""SELECT DISTINCT ON (order_external_id) order_external_id, member_id, seq, points, captured, restored,
                       expires_at
                FROM points_hold
                WHERE order_external_id {wanted} AND (state = 'ACTIVE'{ended} OR captured > restored)
                ORDER BY order_external_id, captured, held_at""",
        arguments=arguments,
        shared=True,
    )


def standing_holds_load(orders: Callable[[Sequence[Any]], list[str]], *, over_ended: bool = False) -> Load:
    """The holds that stand for a batch's orders, whoever's they are; active ones first.

    A hold that has timed out stands until that is booked (`free_ended`), since the write refuses a second one till
    then. A preview, which writes nothing, sees `over_ended` ones.
    """
    arguments: Mapping[str, Argument] = {"held_orders": ("text[]", lambda commands, now: orders(commands))}
    return _standing("= ANY({held_orders})", arguments, over_ended)


_ENDED: Mapping[str, Argument] = {
    "enders": ("uuid[]", lambda commands, now: [each.member_id for each in commands]),
    "hold_seqs": ("bigint[]", lambda commands, now: [each.seq for each in commands]),
}
_THEIR_ORDERS = """IN (SELECT g.order_external_id FROM unnest({enders}, {hold_seqs}) AS given(member_id, seq)
                       JOIN points_hold g ON g.member_id = given.member_id AND g.seq = given.seq)"""
OF_THE_ORDERS = holds_load(f"h.member_id = ANY({{enders}}) AND h.order_external_id {_THEIR_ORDERS}", _ENDED)
"""The holds that are to end, and whatever other holds their orders have or had."""


def hold_for_order(
    book: Book, order_external_id: str, points: int, *, store: str | None, minutes: int | None = None
) -> HoldRow:
    """Reserve points of the book for an order. Needs `standing_holds_load`.

    Refuses: OrderAlreadyHeld, HoldCaptured (points paid for it and have not come back), InsufficientPoints.
    """
    _refuse_second_hold(book, order_external_id, points)
    policy = book.policy(DeductionPolicy)
    expires_at = book.now + timedelta(minutes=minutes or policy.body.hold_minutes)
    trace = {"rule": "hold", "policy": ["deduction", policy.version], "order": order_external_id, "result": points}
    return book.hold(points, order_external_id=order_external_id, store=store, expires_at=expires_at, trace=trace)


def capture_for_order(book: Book, hold: HoldRow, points: int) -> HoldRow:
    """Redeem so many points of a hold, once. One that has ended is held anew, if the points are still there.

    The same capture again changes nothing. Refuses: CaptureExceedsHold, HoldCaptured (with another amount, or given
    back meanwhile), OrderAlreadyHeld, InsufficientPoints.
    """
    if points > hold.points:
        raise CaptureExceedsHold(requested=points, held=hold.points)
    if hold.succeeded_by is not None:
        hold = book.holds_by_seq[hold.succeeded_by]
    if hold.state == "CAPTURED":
        if hold.captured != points or hold.restored:
            raise HoldCaptured(requested=points, captured=hold.captured, restored=hold.restored)
        return hold
    trace = {"rule": "deduction", "hold": hold.seq, "order": hold.order_external_id, "held": hold.points}
    if hold.active:
        return book.capture(hold, points, trace={**trace, "result": points})
    anew = hold_for_order(book, hold.order_external_id, points, store=hold.store)
    book.put_hold(hold._replace(succeeded_by=anew.seq))
    return book.capture(anew, points, trace={**trace, "hold": anew.seq, "after": hold.seq, "result": points})


def _refuse_second_hold(book: Book, order_external_id: str, points: int) -> None:
    """A hold that the book knows is as the book says: it may have ended in this decision."""
    for hold in book.holds_by_seq.values():
        if hold.order_external_id == order_external_id and (hold.active or hold.captured > hold.restored):
            _refuse(hold, points)
    other: StandingHold | None = book.shared(STANDING_HOLDS, order_external_id)
    if other is not None and not (other.member_id == book.member_id and other.seq in book.holds_by_seq):
        _refuse(other, points)


def _refuse(standing: HoldRow | StandingHold, points: int) -> NoReturn:
    if standing.captured:
        raise HoldCaptured(requested=points, captured=standing.captured, restored=standing.restored)
    raise OrderAlreadyHeld(
        order_external_id=standing.order_external_id, points=standing.points, expires_at=standing.expires_at
    )


def _decide_hold(book: Book, command: HoldPoints) -> HoldAnswer:
    hold = hold_for_order(book, command.order_external_id, command.points, store=command.store, minutes=command.minutes)
    return _answer(book, hold, changed=True)


def _decide_capture(book: Book, command: EndHold) -> HoldAnswer:
    hold = _known(book, command)
    before = len(book.entries)
    captured = capture_for_order(book, hold, hold.points if command.points is None else command.points)
    return _answer(book, captured, changed=len(book.entries) > before)


def _decide_release(book: Book, command: EndHold) -> HoldAnswer:
    hold = _known(book, command)
    if hold.succeeded_by is not None:
        hold = book.holds_by_seq[hold.succeeded_by]
    if hold.state == "CAPTURED":
        raise HoldCaptured(requested=0, captured=hold.captured, restored=hold.restored)
    if not hold.active:
        return _answer(book, hold, changed=False)
    return _answer(book, book.release_hold(hold, state="RELEASED"), changed=True)


def _known(book: Book, command: EndHold) -> HoldRow:
    hold = book.holds_by_seq.get(command.seq)
    if hold is None:
        raise NotFound(kind="hold", id=f"{command.member_id}.{command.seq}")
    return hold


def _answer(book: Book, hold: HoldRow, *, changed: bool) -> HoldAnswer:
    account = book.points
    return HoldAnswer(
        hold.member_id, hold.seq, hold.order_external_id, hold.state, hold.points, hold.captured, hold.released,
        hold.restored, hold.expires_at, changed, account.available, account.held, account.seq,
    )  # fmt: skip


def _held_orders(commands: Sequence[HoldPoints]) -> list[str]:
    return [each.order_external_id for each in commands]


_STANDING, _SEEN = standing_holds_load(_held_orders), standing_holds_load(_held_orders, over_ended=True)
HOLD = Verb("points.hold", _decide_hold, HoldAnswer, loads=(_STANDING,), lots_max=LOTS_MAX)
HOLD_PREVIEW = replace(HOLD, loads=(_SEEN,))
_STANDING_CAPTURED, _SEEN_CAPTURED = _standing(_THEIR_ORDERS, _ENDED, False), _standing(_THEIR_ORDERS, _ENDED, True)
CAPTURE = Verb(
    "points.capture", _decide_capture, HoldAnswer, loads=(OF_THE_ORDERS, _STANDING_CAPTURED), lots_max=LOTS_MAX
)
CAPTURE_PREVIEW = replace(CAPTURE, loads=(OF_THE_ORDERS, _SEEN_CAPTURED))
RELEASE = Verb("points.release", _decide_release, HoldAnswer, loads=(OF_THE_ORDERS,))


async def hold_points(work: Work, command: HoldPoints) -> HoldAnswer:
    """Reserve points for an order; the same idempotency key again answers the same hold.

    Refuses: InvalidInput, NotFound, OrderAlreadyHeld, HoldCaptured (points paid for the order and have not come back),
    InsufficientPoints, IdempotencyConflict. Locks: account; before it, alone, that of another member whose hold of the
    same order has timed out and is not booked yet.
    """
    _check(command)
    await free_ended(work, [command.order_external_id])
    return await work.perform(HOLD, command)


async def preview_hold(work: Work, command: HoldPoints) -> Preview[HoldAnswer]:
    """What `hold_points` would do now, not written; its outcome refuses as that does."""
    _check(command)
    return await work.preview(HOLD_PREVIEW, command)


async def capture_hold(work: Work, *, member_id: UUID, seq: int, points: int | None, actor: Actor) -> HoldAnswer:
    """Redeem what a hold reserved, or a part of it; the rest is released. The same again changes nothing.

    A hold that was released or timed out is held anew, if the points are still there. Refuses: InvalidInput, NotFound,
    CaptureExceedsHold, HoldCaptured, OrderAlreadyHeld, InsufficientPoints. Locks: as `hold_points`.
    """
    command = _capture(member_id, seq, points, actor)
    await _free_order_of(work, member_id, seq)
    return await work.perform(CAPTURE, command)


async def preview_capture(
    work: Work, *, member_id: UUID, seq: int, points: int | None, actor: Actor
) -> Preview[HoldAnswer]:
    """What `capture_hold` would do now, not written; its outcome refuses as that does."""
    return await work.preview(CAPTURE_PREVIEW, _capture(member_id, seq, points, actor))


async def release_hold(work: Work, *, member_id: UUID, seq: int, actor: Actor) -> HoldAnswer:
    """Give back what a hold reserved. One that has ended already stays as it is.

    Refuses: NotFound, HoldCaptured. Locks: account.
    """
    return await work.perform(RELEASE, EndHold(member_id=member_id, actor=actor, seq=seq))


async def preview_release(work: Work, *, member_id: UUID, seq: int, actor: Actor) -> Preview[HoldAnswer]:
    """What `release_hold` would do now, not written; its outcome refuses as that does."""
    return await work.preview(RELEASE, EndHold(member_id=member_id, actor=actor, seq=seq))


def _capture(member_id: UUID, seq: int, points: int | None, actor: Actor) -> EndHold:
    if points is not None:
        _check_points(points)
    return EndHold(member_id=member_id, actor=actor, seq=seq, points=points)


def _check(command: HoldPoints) -> None:
    _check_points(command.points)
    name = command.order_external_id
    if not 1 <= len(name) <= ORDER_ID_LENGTH_MAX or not name.isprintable():
        raise InvalidInput(field="orderExternalId", reason=f"1 to {ORDER_ID_LENGTH_MAX} printable characters")
    store = command.store
    if store is not None and (not 1 <= len(store) <= STORE_LENGTH_MAX or not store.isprintable()):
        raise InvalidInput(field="store", reason=f"1 to {STORE_LENGTH_MAX} printable characters")
    if command.minutes is not None and not 1 <= command.minutes <= HOLD_MINUTES_MAX:
        raise InvalidInput(field="minutes", reason=f"1 to {HOLD_MINUTES_MAX}")


def _check_points(points: int) -> None:
    if not 1 <= points <= POINTS_MAX:
        raise InvalidInput(field="points", reason=f"1 to {POINTS_MAX}")


async def free_ended(work: Work, order_external_ids: Sequence[str]) -> None:
    """Book the time-outs of what was held for these orders, whoever's it was: it stands in nobody's way any more.

    Locks: accounts, alone.
    """
    if not order_external_ids:
        return
    rows = await fetch(
        """SELECT DISTINCT member_id FROM points_hold
           WHERE state = 'ACTIVE' AND order_external_id = ANY($1) AND expires_at <= $2""",
        list(order_external_ids), work.clock.now(),
    )  # fmt: skip
    await _book_time_outs(work, [row["member_id"] for row in rows])


async def _free_order_of(work: Work, member_id: UUID, seq: int) -> None:
    """The same for the order of a hold, which another member may have taken up."""
    rows = await fetch(
        """SELECT other.member_id FROM points_hold own
           JOIN points_hold other ON other.order_external_id = own.order_external_id
           WHERE own.member_id = $1 AND own.seq = $2
             AND other.member_id <> $1 AND other.state = 'ACTIVE' AND other.expires_at <= $3""",
        member_id, seq, work.clock.now(),
    )  # fmt: skip
    await _book_time_outs(work, [row["member_id"] for row in rows])


async def _book_time_outs(work: Work, member_ids: Sequence[UUID]) -> None:
    if member_ids:
        for fault in await book_due(work, member_ids):
            raise fault
