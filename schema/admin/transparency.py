"""The transparency log as staff see it: how far it is, and the proof of any entry."""

from datetime import datetime

import strawberry

from gamification.transparency import queries
from schema.context import Info
from schema.permissions import Allow, Staff
from schema.transparency import EntryId, EntryProof, LogCheckpoint, entry_key, proof_of

READERS = Allow(Staff("owner", "operator", "auditor"))


@strawberry.type(description="How far the log of all entries is.")
class LogState:
    size: str = strawberry.field(description="How many entries it holds, in decimal.")
    unlogged: int = strawberry.field(description="Entries that are booked and do not stand in it; at most 10000 count.")
    unlogged_since: datetime | None = strawberry.field(description="When the oldest of them was booked.")
    checkpoint: LogCheckpoint | None = strawberry.field(description="Its newest signed head.")


@strawberry.type
class AdminTransparencyQuery:
    @strawberry.field(description="How far the transparency log is behind the ledger.", extensions=[READERS])
    async def transparency_log(self, info: Info) -> LogState:
        state, newest = await queries.log_state(), await queries.latest_checkpoint()
        return LogState(
            size=str(state.size),
            unlogged=state.unlogged,
            unlogged_since=state.unlogged_since,
            checkpoint=LogCheckpoint.of(newest) if newest else None,
        )

    @strawberry.field(
        description="The proof that an entry stands in the log; null until a checkpoint covers it.",
        extensions=[READERS],
    )
    async def entry_proof(self, info: Info, entry_id: EntryId) -> EntryProof | None:
        return await proof_of(entry_key(entry_id))
