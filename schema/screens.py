"""Screens of the mini-program: what a trusted document reads is known ahead, and read at once.

A screen names the batch reads that its document leads to for the member who asks. They go to the database as one
statement, which members who ask at the same time share; the fields of the document then find everything at hand. The
list of reads is no second version of the document: what it lacks the fields read themselves, as in any other document,
and what is too much is read in vain. A test counts the statements of every screen.

The member is the caller's, from the session; a variable cannot name another.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from gamification.core.shared_reads import SharedReads, read_all
from gamification.core.work import Work
from gamification.members import queries as members
from gamification.points.models import POINTS
from gamification.points.statements import EVERYTHING
from schema.checkins import States
from schema.context import Context, ReadAhead
from schema.earning import LadderMonths
from schema.points import Balances, EntryPages
from schema.points_ahead import EXPIRING_MAX, PointsAheadOfMembers
from schema.tiers import TierProgresses

BatchRead = Callable[[list[UUID]], Awaitable[Sequence[Any]]]
HOME_ENTRIES = 5


def home(work: Work, now: datetime) -> Sequence[BatchRead]:
    """`Home`: who I am, what I have, what I can do today."""
    return (
        members.members_by_ids,
        States(work, now),
        Balances(work, now),
        PointsAheadOfMembers(work, now, "EXPIRING", None, EXPIRING_MAX),
        TierProgresses(work, now),
        LadderMonths(work, now),
        EntryPages(POINTS, None, HOME_ENTRIES + 1, EVERYTHING),
    )


SCREENS: Mapping[str, Callable[[Work, datetime], Sequence[BatchRead]]] = {"Home": home}
"""By the name of the trusted document's operation."""


@dataclass
class Screen:
    """The reads of one screen in one process."""

    work: Work
    reads: Callable[[Work, datetime], Sequence[BatchRead]]
    _shared: SharedReads[UUID, ReadAhead] = field(init=False)

    def __post_init__(self) -> None:
        self._shared = SharedReads(self._read)

    async def prepare(self, context: Context) -> None:
        """Put what the member who asks will see at hand; for callers who are no members there is nothing to read."""
        member_id = context.actor.member_id
        if member_id is not None:
            context.ahead = cast(ReadAhead, await self._shared.get(member_id))
            context.now = context.ahead.now

    async def _read(self, member_ids: Sequence[UUID]) -> Mapping[UUID, ReadAhead]:
        now, ids = self.work.clock.now(), list(member_ids)
        reads = self.reads(self.work, now)
        ahead = ReadAhead(now, dict(zip(reads, await read_all(reads, ids), strict=True)))
        return dict.fromkeys(ids, ahead)


def screens_of(work: Work) -> dict[str, Screen]:
    """The screens of one process."""
    return {name: Screen(work, reads) for name, reads in SCREENS.items()}
