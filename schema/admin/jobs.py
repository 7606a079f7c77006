"""Background work as staff see it: how much waits, what failed for good, and another round for it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from gamification.core import dead_letters, outbox
from schema.context import Info
from schema.nodes import number_key_of, number_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow
from schema.permissions import Staff as IsStaff
from schema.sessions import admits
from schema.usual_refusals import NotFound

DEAD_LETTERS = Keyset("dead_letters", Key("id", int))
READERS = Allow(IsStaff("owner", "operator", "auditor"))
OPERATORS = Allow(IsStaff("owner", "operator"))


@strawberry.type(description="Background work whose last attempt failed; it waits for staff.")
class DeadLetter(relay.Node):
    id: relay.NodeID[int]
    job: str = strawberry.field(description="The name of the job, such as draws.settle.")
    payload: JSON = strawberry.field(description="Its arguments; whatever could be personal data is masked by ….")
    attempts: int = strawberry.field(description="How often it was tried.")
    last_error: str | None = strawberry.field(
        description="How the last attempt failed: the first line, without long numbers and addresses."
    )
    run_at: datetime = strawberry.field(description="When it was due.")
    created_at: datetime = strawberry.field(description="When it was scheduled, on the database's clock.")
    failed_at: datetime = strawberry.field(description="When it failed for good, on the database's clock.")
    correlation_id: str | None = strawberry.field(description="What joins it to the logs of the request behind it.")

    @classmethod
    def of(cls, row: dead_letters.DeadLetter) -> "DeadLetter":
        return cls(
            id=row.id,
            job=row.job,
            payload=row.payload,
            attempts=row.attempts,
            last_error=row.last_error,
            run_at=row.run_at,
            created_at=row.created_at,
            failed_at=row.failed_at,
            correlation_id=row.correlation_id,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        numbers = [number_of(each) for each in node_ids]
        if not admits(READERS, info):
            return [None for _ in numbers]
        found = [await info.context.load(dead_letters.dead_letters_by_ids, each) for each in numbers]
        return [cls.of(row) if row is not None else None for row in found]


@strawberry.type(description="How much background work there is at this moment.")
class OutboxState:
    pending: int = strawberry.field(description="Due and not done: waiting, or under way.")
    scheduled: int = strawberry.field(description="Due later.")
    oldest_pending_seconds: int = strawberry.field(
        description="How long the oldest due work has waited, in whole seconds; 0 when none is due."
    )
    dead_letters: int = strawberry.field(description="Failed for good, waiting for staff.")


@strawberry.type(description="A dead letter that runs again.")
class JobRedriven:
    job: str = strawberry.field(description="The name of the job.")
    attempts: int = strawberry.field(description="How often it was tried before.")
    attempts_left: int = strawberry.field(description="How often it is tried now, at most.")


RedriveJobResult = Annotated[
    JobRedriven | NotFound,
    strawberry.union("RedriveJobResult", description="Under way again, or why not."),
]


@strawberry.type
class JobsQuery:
    @strawberry.field(description="Work that failed for good, the newest first.", extensions=[READERS])
    async def dead_letters(
        self, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[DeadLetter]:
        page = DEAD_LETTERS.page(first, after)
        before: Any = page.after[0] if page.after else None
        return page.connection(await dead_letters.dead_letter_page(before=before, limit=page.limit), DeadLetter.of)

    @strawberry.field(description="How much background work there is.", extensions=[READERS])
    async def outbox(self, info: Info) -> OutboxState:
        state = await dead_letters.outbox_state(info.context.now)
        return OutboxState(
            pending=state.pending,
            scheduled=state.scheduled,
            oldest_pending_seconds=state.oldest_pending_seconds,
            dead_letters=state.dead_letters,
        )


@strawberry.type
class JobsMutation:
    @strawberry.mutation(
        description="Let a dead letter run again at once, with a fresh round of attempts.", extensions=[OPERATORS]
    )
    async def redrive_job(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The dead letter's global id.")]
    ) -> RedriveJobResult:
        context = info.context
        letter = await dead_letters.redrive_job(
            number_key_of(id, "DeadLetter"), actor=context.actor, now=context.clock.now()
        )
        return JobRedriven(job=letter.job, attempts=letter.attempts, attempts_left=outbox.REDRIVE_ATTEMPTS)
