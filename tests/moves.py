"""Verbs of tests: they move points by themselves, so that the ledger can be driven without the slices above it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gamification.core.actors import SYSTEM, Actor
from gamification.core.draft import Command, Draft, Verb
from gamification.core.work import Work
from gamification.points.book import Book
from gamification.points.rows import taken_load


@dataclass(frozen=True, kw_only=True)
class Move(Command):
    """A movement of points that a test asks for; `source` makes it unique per member and kind."""

    actor: Actor = SYSTEM
    source: str


@dataclass(frozen=True, kw_only=True)
class Earn(Move):
    """Points in, as one lot or one per portion (order line, points)."""

    points: int
    order_id: UUID | None = None
    portions: tuple[tuple[int | None, int], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Spend(Move):
    """Points out, soonest expiry first."""

    points: int


@dataclass(frozen=True, kw_only=True)
class ClawBack(Move):
    """Points that a refunded order line accrued, taken back."""

    points: int
    order_id: UUID | None = None
    order_line: int | None = None


@dataclass(frozen=True, kw_only=True)
class GiveBack(Move):
    """What the entry `seq` took, given back."""

    seq: int
    by_member: bool = False


@dataclass(frozen=True, kw_only=True)
class Grow(Move):
    """Growth in, or out where it is negative."""

    growth: int


@dataclass(frozen=True, kw_only=True)
class Break(Move):
    """A programmer's error: changes the draft, then fails."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a movement did: the account's last entry, the points moved, and the balance after it."""

    seq: int
    points: int
    available: int
    pending: int
    debt: int


def decide_move(book: Book, command: Any) -> Moved:
    source, trace = ("test", command.source), {"rule": "test"}
    points = 0
    match command:
        case Earn():
            points = book.accrue(
                command.points, source=source, trace=trace, order_id=command.order_id, portions=command.portions
            ).points
        case Spend():
            points = book.take(command.points, source=source, trace=trace).points
        case ClawBack():
            points = book.claw_back(
                command.points, source=source, trace=trace, order_id=command.order_id, order_line=command.order_line
            ).revoked
        case GiveBack():
            posted = book.give_back(command.seq, source=source, trace=trace, by_member=command.by_member)
            points = posted.points if posted else 0
        case Grow():
            kind = "ACCRUAL" if command.growth > 0 else "CLAW_BACK"
            points = book.grow(command.growth, source=source, kind=kind, trace=trace).points
        case Break():
            book.accrue(1, source=source, trace=trace)
            raise RuntimeError("a programmer's error")
    after = book.points
    return Moved(after.seq, points, after.available, after.pending, after.debt)


def _taken(commands: Sequence[Any]) -> list[tuple[UUID, int]]:
    return [(each.member_id, each.seq) for each in commands if isinstance(each, GiveBack)]


def move_verb(lots_max: int) -> Verb[Any, Moved]:
    """The test verb with a prefix of so many lots."""
    return Verb("test.move", decide_move, Moved, loads=(taken_load(_taken),), lots_max=lots_max)


MOVE = move_verb(64)


class Overtaken(Work):
    """Work that others overtake: between load and write of the first `times` tries, `meanwhile` happens."""

    def __init__(self, work: Work, meanwhile: Callable[[], Awaitable[object]], times: int = 1) -> None:
        super().__init__(clock=work.clock, ledger=work.ledger, policies=work.policies, listeners=work.listeners)
        self.meanwhile = meanwhile
        self.times = times
        self.written: list[int] = []

    async def _write(self, drafts: list[Draft], *, wait: bool) -> list[UUID]:
        if self.times:
            self.times -= 1
            await self.meanwhile()
        accepted = await super()._write(drafts, wait=wait)
        self.written.append(len(accepted))
        return accepted
