"""Verbs of the log: append what the ledger has booked, sign the head, erase an account's secret.

Each takes the log's advisory lock for its transaction; none locks a row of the ledger.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from gamification.core.database import execute, fetch
from gamification.core.transactions import transaction
from gamification.transparency import builder, queries
from gamification.transparency.builder import ENTRIES_PER_CHUNK, LOG_LOCK
from gamification.transparency.checkpoints import BadCheckpoint, claimed_head
from gamification.transparency.errors import LogForked
from gamification.transparency.keeper import Copies, Keeper, Kept
from gamification.transparency.rules import STEP_FIRST, Head

RUN_SECONDS_MAX = 40.0
COPIES_PER_APPEND = 500
SIGNED_BEHIND_MAX = timedelta(minutes=5)
"""How long an entry may have waited for its leaf when a head is signed: a checkpoint leaves out nothing older."""


@dataclass(frozen=True, slots=True)
class Extended:
    """What a run appended, and whether it reached the horizon that it began with."""

    entries: int
    caught_up: bool


async def extend(
    heartbeat: Callable[[], Awaitable[None]],
    *,
    entries_max: int = ENTRIES_PER_CHUNK,
    seconds_max: float = RUN_SECONDS_MAX,
) -> Extended:
    """Append every entry that is committed now, in chunks of one transaction each; go on after a crash where it ended.

    Ends early, not caught up, when the time is over or while another builder works.
    """
    horizon, step, entries = await builder.horizon(), STEP_FIRST, 0
    ends = time.monotonic() + seconds_max
    while time.monotonic() < ends:
        chunk = await builder.append_chunk(horizon, step, entries_max)
        if chunk is None:
            break
        entries, step = entries + chunk.entries, chunk.step
        if chunk.caught_up:
            return Extended(entries, True)
        await heartbeat()
    return Extended(entries, False)


async def sign_head(keeper: Keeper, now: datetime) -> Head | None:
    """Sign the tree as it stands, unless it is signed already or an old entry waits, and complete the copies outside.

    An entry waits while a transaction that began before it is under way. Raises LogForked when the tree does not
    extend the last checkpoint of the database, or of the copies.
    """
    origin, copies = keeper.signer.origin, keeper.copies
    kept = await asyncio.to_thread(copies.last, origin) if copies is not None else None
    async with transaction():
        await execute("SELECT pg_advisory_xact_lock($1)", LOG_LOCK)
        head = await _head_to_sign(origin, kept)
        waiting = (await queries.log_state()).unlogged_since
        if waiting is not None and waiting < now - SIGNED_BEHIND_MAX:
            head = None
        if head is not None:
            await execute(
                "INSERT INTO log_checkpoint (origin, size, root, text, key, at) VALUES ($1, $2, $3, $4, $5, $6)",
                origin, head.size, head.root, keeper.signer.sign(head), keeper.signer.verifier.key, now,
            )  # fmt: skip
    if copies is not None:
        await _complete(copies, origin)
    return head


async def _head_to_sign(origin: str, kept: Kept | None) -> Head | None:
    """The head as it is stored; None for an empty tree and for one that is signed already. Raises LogForked."""
    last, head = await queries.latest_checkpoint(origin), await queries.head()
    known = [("the database", Head(last.size, last.root))] if last else []
    if kept is not None:
        known.append(("the copy outside", _claimed(kept.checkpoint)))
    for place, signed in known:
        if signed.size > head.size:
            raise LogForked(f"{place} has a checkpoint of {signed.size} entries, the log has {head.size}")
        if await queries.root_of(signed.size) != signed.root:
            raise LogForked(f"the log does not extend the checkpoint of {signed.size} entries in {place}")
    return None if head.size == 0 or (last is not None and last.size == head.size) else head


def _claimed(checkpoint: str) -> Head:
    try:
        return claimed_head(checkpoint)[1]
    except BadCheckpoint as bad:
        raise LogForked(f"the last copy outside cannot be read: {bad}") from bad


async def _complete(copies: Copies, origin: str) -> None:
    """Append to the copies what the database has and they lack; a crash after a signature leaves something to do."""
    kept = await asyncio.to_thread(copies.last, origin)
    size = kept.size if kept is not None else 0
    while missing := await queries.checkpoints_after(origin, size, COPIES_PER_APPEND):
        await asyncio.to_thread(copies.append, [(each.at, each.text) for each in missing])
        size = missing[-1].size


async def erase_secrets(member_id: UUID) -> None:
    """Make the digests of a member's traces uncheckable for ever, those to come too. Leaves and proofs stay valid."""
    async with transaction():
        await execute("SELECT pg_advisory_xact_lock($1)", LOG_LOCK)
        await execute("UPDATE log_account SET secret = NULL WHERE member_id = $1 AND secret IS NOT NULL", member_id)
        unknown = await fetch(
            """SELECT currency FROM account a WHERE member_id = $1 AND NOT EXISTS (
               SELECT FROM log_account l WHERE l.member_id = a.member_id AND l.currency = a.currency)""",
            member_id,
        )
        await builder.insert_accounts([(member_id, row["currency"], builder.new_pseudonym(), None) for row in unknown])
