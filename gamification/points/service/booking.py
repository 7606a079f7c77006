"""Booking what is due, and whether a member has a history.

Lock order: the member's POINTS account, nothing after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gamification.core.actors import SYSTEM
from gamification.core.chunks import work_through
from gamification.core.database import execute, fetch_value
from gamification.core.draft import Command, Verb
from gamification.core.work import Work
from gamification.points.book import Book
from gamification.points.queries import members_due

SWEEP_MEMBERS = 500
"""Members per chunk of the sweep."""
FAULTS_MAX = 10
"""Faults that a sweep keeps, however many members it had to pass over."""


@dataclass(frozen=True, slots=True)
class Booked:
    """How many activations and expiries a member's sweep booked."""

    entries: int


def _decide_booking(book: Book, command: Command) -> Booked:
    """The book was opened with everything due already booked; nothing is left to decide."""
    return Booked(len(book.entries))


BOOK_DUE = Verb("points.book_due", _decide_booking, Booked)


async def book_due(work: Work, member_ids: Sequence[UUID]) -> list[Exception]:
    """Book what has fallen due for these members; returns the faults of those it could not book. Locks: accounts."""
    outcomes = await work.perform_all(BOOK_DUE, [Command(member_id=each, actor=SYSTEM) for each in member_ids])
    return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


async def sweep_due(work: Work, *, heartbeat: Callable[[], Awaitable[None]]) -> list[Exception]:
    """Book everything that is due, `SWEEP_MEMBERS` at a time; returns the first faults of members that it passed over.

    Safe to run twice and at once: what is booked is no longer due. Locks: accounts.
    """
    now = work.clock.now()
    faults: list[Exception] = []

    async def listed(last: tuple[datetime, UUID] | None) -> list[tuple[datetime, UUID]]:
        return await members_due(now, last, SWEEP_MEMBERS)

    async def book(due: list[tuple[datetime, UUID]]) -> list[Exception]:
        return await book_due(work, [member_id for _, member_id in due])

    async def finished(due: list[tuple[datetime, UUID]], found: list[Exception]) -> None:
        faults.extend(found[: FAULTS_MAX - len(faults)])
        await heartbeat()

    await work_through(listed, book, finished)
    return faults


async def has_history(member_id: UUID) -> bool:
    """Whether a member has any entry. Locks: the member's account; decisions in flight are made again afterwards."""
    await execute("SELECT unsettle_members($1::uuid[])", [member_id])
    return bool(await fetch_value("SELECT max(seq) > 0 FROM account WHERE member_id = $1", member_id))
