"""The nightly audits as owners and auditors read them, and whether the books agreed when they were last asked."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from gamification.audits import queries
from gamification.invariants import ROWS_MAX
from schema.context import Info
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow
from schema.permissions import Staff as IsStaff
from schema.scalars import Points
from schema.sessions import admits

RUNS = Keyset("invariant_runs", Key("business_date", date))
READERS = Allow(IsStaff("owner", "auditor"))
KEEPERS = Allow(IsStaff("owner", "operator", "auditor"))


@strawberry.type(description="What one invariant said in a run.")
class InvariantCheck:
    name: str = strawberry.field(description="The slice and the statement, such as points: I3 ….")
    holds: bool | None = strawberry.field(description="Whether it holds; null where the database gave no answer.")
    offending: Points = strawberry.field(description="How many rows break it.")
    sample: JSON = strawberry.field(description=f"The first of those rows, at most {ROWS_MAX}, as JSON objects.")
    error: str | None = strawberry.field(description="Why there is no answer, such as a time-out.")
    started_at: datetime = strawberry.field(description="When it was asked.")
    finished_at: datetime = strawberry.field(description="When it had answered.")

    @classmethod
    def of(cls, row: queries.CheckRow) -> "InvariantCheck":
        return cls(
            name=row.name,
            holds=row.holds,
            offending=Points(row.offending),
            sample=orjson.loads(row.sample),
            error=row.error,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )


@strawberry.type(description="One night's run over all invariants. Nothing is ever repaired by it.")
class InvariantRun(relay.Node):
    id: relay.NodeID[UUID]
    business_date: date = strawberry.field(description="The business day.")
    started_at: datetime = strawberry.field(description="When it began.")
    finished_at: datetime | None = strawberry.field(description="When it ended; null while it is under way.")
    checked: int = strawberry.field(description="Invariants that were asked; 0 until it has finished.")
    broken: int = strawberry.field(description="Those that do not hold; 0 until it has finished.")
    unchecked: int = strawberry.field(description="Those that gave no answer; 0 until it has finished.")

    @classmethod
    def of(cls, row: queries.RunRow) -> "InvariantRun":
        return cls(**row._asdict())

    @strawberry.field(description=f"What the invariants said, by name; at most {queries.CHECKS_MAX}.")
    async def checks(
        self,
        info: Info,
        everything: Annotated[
            bool, strawberry.argument(description="Also those that hold; else only what needs a look.")
        ] = False,
    ) -> list[InvariantCheck]:
        rows: list[queries.CheckRow] = await info.context.load(queries.ChecksOfRuns(everything), self.id)
        return [InvariantCheck.of(row) for row in rows]

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        ids = [UUID(each) for each in node_ids]
        if not admits(READERS, info):
            return [None for _ in ids]
        found = [await info.context.load(queries.runs_by_ids, each) for each in ids]
        return [cls.of(row) if row is not None else None for row in found]


@strawberry.type(description="How the books stood when the last audit had finished.")
class BooksState:
    agree: bool | None = strawberry.field(description="Whether every invariant was asked and holds; null before any.")
    checked_at: datetime | None = strawberry.field(description="When the audit had finished; null before the first.")
    broken: int = strawberry.field(description="Invariants that did not hold.")
    unchecked: int = strawberry.field(description="Invariants that gave no answer.")


@strawberry.type
class AuditsQuery:
    @strawberry.field(description="The nightly runs over all invariants, the latest first.", extensions=[READERS])
    async def invariant_runs(
        self, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[InvariantRun]:
        page = RUNS.page(first, after)
        before: Any = page.after[0] if page.after else None
        return page.connection(await queries.runs_page(before, page.limit), InvariantRun.of)

    @strawberry.field(description="Whether the books agreed when they were last audited.", extensions=[KEEPERS])
    async def books(self, info: Info) -> BooksState:
        run = await queries.last_finished_run()
        if run is None:
            return BooksState(agree=None, checked_at=None, broken=0, unchecked=0)
        agree = run.broken == run.unchecked == 0
        return BooksState(agree=agree, checked_at=run.finished_at, broken=run.broken, unchecked=run.unchecked)
