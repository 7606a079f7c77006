"""The file import: a file's lines recorded batch by batch, each batch with its own place in the file.

A stretch of the file is dealt into lanes that share no member; the lanes run at once while the next stretch is read. A
lane's batch commits together with its line in the books, so a run that is killed goes on behind what is committed and
ends as if it had never stopped. What a line of a batch breaks makes that batch run again with every line alone.
Locks: per lane as `record`; two lanes touch different members.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, cast
from uuid import UUID

import asyncpg

from gamification.core.actors import Actor
from gamification.core.errors import Refusal
from gamification.core.policy import PolicyMissing
from gamification.core.transactions import is_retryable, retrying, transaction
from gamification.core.work import Work
from gamification.members.references import Origin
from gamification.members.service import known_members
from gamification.orders.columns import Layout
from gamification.orders.files import Format, Rejection, Row, Survey, read
from gamification.orders.lanes import LANES, Entry, deal
from gamification.orders.service.commands import OrderRecorded
from gamification.orders.service.import_runs import Finding, Run, counts_of, finish_run, note_batch, open_run
from gamification.orders.service.intake import Recorded, Request, record
from gamification.orders.service.requests import MemberName, NewRefund

BATCH_ROWS = 2000
"""Rows of a lane's batch, as measured: fewer cost round trips and commits, more only memory and waiting."""
ORIGIN = Origin("import")
BATCH_KEY = "import_batch_pkey"

Outcome = Recorded | Exception
Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class OrderFile:
    """A file to import: its bytes, what the first pass found, and how it says things."""

    file: BinaryIO
    name: str
    survey: Survey
    layout: Layout
    format: Format | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to, all its sessions together; `rows_read` are those of this call."""

    run_id: UUID
    already_imported: bool
    resumed_at_line: int | None
    rows_read: int
    counts: Mapping[str, int]


async def import_orders(
    work: Work,
    source: OrderFile,
    *,
    actor: Actor,
    again: bool = False,
    batch_rows: int = BATCH_ROWS,
    told: Told = lambda line: None,
) -> Summary:
    """Record every line of a file once; `told` hears the line before the first, then the last of each stretch done.

    A file whose run has finished is not read again unless `again`; even then nothing changes, since orders and refunds
    are known by their external ids. Raises FileUnreadable, PolicyMissing, and faults of the database; after any of
    them, and after a kill, the next call goes on. Two calls at once share the work.
    """
    await work.policies.refresh()
    read(source.file, source.layout, format=source.format)  # what cannot be read at all makes no run
    layout = {**source.layout.described(), "format": source.format}
    run = await open_run(
        source.survey.digest, layout, name=source.name, batch_rows=batch_rows, again=again, now=work.clock.now()
    )
    if run.finished_at is not None:
        return Summary(run.id, True, None, 0, await counts_of(run))
    told(max(run.first_line - 1, 0))
    rows_read = await _Import(work, run, actor, told).record_all(source)
    await finish_run(run, work.clock.now())
    return Summary(run.id, False, run.first_line or None, rows_read, await counts_of(run))


class _Import:
    """One session of a run."""

    def __init__(self, work: Work, run: Run, actor: Actor, told: Told) -> None:
        self.work = work
        self.run = run
        self.actor = actor
        self.told = told

    async def record_all(self, source: OrderFile) -> int:
        """Stretch after stretch, the next one read while this one is recorded; returns how many rows were read."""
        rows_read = 0
        entries = read(source.file, source.layout, format=source.format, after_line=max(self.run.first_line - 1, 0))
        rows_max = self.run.batch_rows * LANES

        def next_stretch() -> list[Entry]:
            return list(islice(entries, rows_max))

        upcoming = asyncio.create_task(asyncio.to_thread(next_stretch))
        try:
            while stretch := await upcoming:
                upcoming = asyncio.create_task(asyncio.to_thread(next_stretch))
                await self._record_stretch(stretch)
                rows_read += len(stretch)
                self.told(stretch[-1].line)
        finally:
            await asyncio.wait([upcoming])
        return rows_read

    async def _record_stretch(self, stretch: Sequence[Entry]) -> None:
        """All lanes at once; when one fails the others still end, and what they committed stays."""
        first_line = stretch[0].line
        done = self.run.lanes if first_line == self.run.first_line else frozenset()
        outcomes = await asyncio.gather(
            *(
                self._record_batch(batch, first_line, lane)
                for lane, batch in enumerate(deal(stretch))
                if batch and lane not in done
            ),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _record_batch(self, batch: Sequence[Entry], first_line: int, lane: int) -> None:
        """A lane's part of a stretch, all of it with its line in the books, or none."""
        try:
            await retrying(lambda: self._together(batch, first_line, lane))
        except asyncpg.UniqueViolationError as taken:
            if taken.constraint_name != BATCH_KEY:  # else another process has recorded this batch meanwhile
                await self._one_by_one(batch, first_line, lane)
        except Exception as fault:
            if _stops(fault):
                raise
            await self._one_by_one(batch, first_line, lane)

    async def _together(self, batch: Sequence[Entry], first_line: int, lane: int) -> None:
        async with transaction():
            created, outcomes = await self._record(batch)
            fault = next((each for each in outcomes if _is_fault(each)), None)
            if fault is not None:
                raise cast(Exception, fault)
            await self._note(batch, outcomes, created, first_line, lane)

    async def _one_by_one(self, batch: Sequence[Entry], first_line: int, lane: int) -> None:
        """Outside a transaction `record` halves a batch until the guilty line stands alone; that line is rejected."""
        created, outcomes = await self._record(batch)
        stopping = next((each for each in outcomes if isinstance(each, Exception) and _stops(each)), None)
        if stopping is not None:
            raise stopping
        async with transaction():
            await self._note(batch, outcomes, created, first_line, lane)

    async def _record(self, batch: Sequence[Entry]) -> tuple[int, list[Outcome]]:
        """How many members were created, and what became of each row."""
        requests = [entry.request for entry in batch if isinstance(entry, Row)]
        members = {member for request in requests if (member := _needed_member(request)) is not None}
        known = await known_members(members)
        outcomes = await record(self.work, requests, actor=self.actor, create_members=ORIGIN)
        return len(members) - len(known), list(outcomes)

    async def _note(
        self, batch: Sequence[Entry], outcomes: Sequence[Outcome], created: int, first_line: int, lane: int
    ) -> None:
        missing_policy = next((each for each in outcomes if isinstance(each, PolicyMissing)), None)
        if missing_policy is not None:
            raise missing_policy
        rows = [entry for entry in batch if isinstance(entry, Row)]
        findings = [Finding(each.line, True, *each[1:]) for each in batch if isinstance(each, Rejection)]
        findings += [found for row, each in zip(rows, outcomes, strict=True) if (found := _finding(row, each))]
        counts: Counter[str] = Counter(members_created=created)
        counts["lines_rejected"] = sum(finding.rejected for finding in findings)
        for outcome in outcomes:
            if not isinstance(outcome, Exception):
                counts.update(_counted(outcome))
        await note_batch(self.run, first_line, lane, +counts, findings)


def _needed_member(request: Request) -> MemberName | None:
    """The member whom a row would create; a refund that names its order creates nobody."""
    if isinstance(request, NewRefund) and request.order_external_id is not None:
        return None
    return request.member


def _is_fault(outcome: Outcome) -> bool:
    return isinstance(outcome, Exception) and not isinstance(outcome, Refusal)


def _stops(fault: Exception) -> bool:
    """Whether a fault is the database's or the programme's, not one line's: the run stops and can go on later."""
    return is_retryable(fault) or isinstance(fault, (OSError, PolicyMissing, *BEYOND_A_LINE))


BEYOND_A_LINE = (
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.SyntaxOrAccessError,
)
"""Database errors that no line of a file can cause."""


def _finding(row: Row, outcome: Outcome) -> Finding | None:
    """What there is to look at in an outcome, if anything."""
    external_id = row.request.external_id
    if isinstance(outcome, Refusal):
        return Finding(row.line, True, external_id, outcome.code, outcome.message("en"))
    if isinstance(outcome, Exception):
        return Finding(row.line, True, external_id, "FAULT", f"{type(outcome).__name__}: {outcome}")
    if isinstance(outcome, OrderRecorded) or outcome.status == "PLACED":
        return None
    if outcome.status == "WAITING":
        assert isinstance(row.request, NewRefund), "only a refund waits"
        return Finding(row.line, False, external_id, outcome.status, row.request.order_external_id or "")
    left = f"{outcome.placed_fen} of {outcome.requested_fen} fen found an order"
    return Finding(row.line, False, external_id, outcome.status, left)


def _counted(outcome: Recorded) -> dict[str, int]:
    """What an outcome adds to the summary; what was there already adds only itself."""
    if isinstance(outcome, OrderRecorded):
        if outcome.already_recorded:
            return {"orders_known": 1}
        return {
            "orders_recorded": 1, "points_accrued": outcome.points, "growth_accrued": outcome.growth,
            "upgrades": outcome.raised_to is not None,
        }  # fmt: skip
    if outcome.already_recorded:
        return {"refunds_known": 1}
    return {
        f"refunds_{outcome.status.lower()}": 1, "points_revoked": outcome.points_revoked,
        "growth_revoked": outcome.growth_revoked,
    }  # fmt: skip
