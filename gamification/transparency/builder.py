"""One chunk of the log: which entries come next, their leaves, the nodes that they complete; one transaction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.merkle import Growth, complete_subtrees, leaf_hash
from gamification.core.transactions import transaction
from gamification.transparency.queries import ENTRY_COLUMNS, details_of, subtree_roots, tree_size
from gamification.transparency.rules import (
    LEVELS_PER_NODE,
    PSEUDONYM_BYTES,
    SECRET_BYTES,
    LoggedEntry,
    columns,
    leaf_text,
    next_step,
    salt_of,
    trace_digest,
)

LOG_LOCK = 0x6A6966656E6C6F67  # "jifenlog"
ENTRIES_PER_CHUNK = 4_000
MEMBERS_PER_CHUNK = 2_000
NOBODY = UUID(int=0)
"""Comes before every member: where a walk through the accounts begins."""

HORIZON = "(pg_snapshot_xmin(pg_current_snapshot())::text)::bigint"
"""Every transaction below it is committed, and visible to any later statement, or gone."""

# Of each touched account everything without a leaf up to `upto`, not only what the window holds: an earlier seq may
# stand in a later transaction. An account's seqs commit in order, so below a visible one all are visible.
# The inner orders and limits keep the planner to one index look-up per account, however wrong its estimates.
_UNLOGGED = f"""
    SELECT t.member_id, a.pseudonym, a.secret, e.* FROM touched t
    CROSS JOIN LATERAL (SELECT coalesce(max(seq), 0) AS seq FROM log_leaf
                        WHERE member_id = t.member_id AND currency = t.currency) logged
    CROSS JOIN LATERAL (SELECT {ENTRY_COLUMNS} FROM entry e
                        WHERE e.member_id = t.member_id AND e.currency = t.currency
                        AND e.seq > logged.seq AND e.seq <= t.upto ORDER BY e.seq LIMIT $1) e
    LEFT JOIN LATERAL (SELECT pseudonym, secret FROM log_account
                       WHERE member_id = t.member_id AND currency = t.currency LIMIT 1) a ON true
    ORDER BY t.member_id, t.currency, e.seq LIMIT $1"""

IN_WINDOW = f"""WITH touched AS MATERIALIZED (
    SELECT member_id, currency, max(seq) AS upto FROM entry
    WHERE (xid::text)::bigint >= $2 AND (xid::text)::bigint < $3 GROUP BY member_id, currency) {_UNLOGGED}"""

OF_MEMBERS = f"""WITH touched AS MATERIALIZED (
    SELECT member_id, currency, seq AS upto FROM account WHERE member_id = ANY($2::uuid[])) {_UNLOGGED}"""

MEMBERS_AFTER = """SELECT member_id FROM account WHERE currency = 'POINTS' AND member_id > $1
    ORDER BY member_id LIMIT $2"""


class Cursor(NamedTuple):
    """Where the builder looks next; while `rebasing_after` is set, through the accounts behind that member."""

    system_identifier: int
    next_xid: int
    rebasing_after: UUID | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a chunk appended, how many transactions to read next, and whether the run's horizon is reached."""

    entries: int
    step: int
    caught_up: bool


@dataclass(frozen=True, slots=True)
class Leaves:
    """The rows that a chunk adds."""

    leaves: list[tuple[Any, ...]]
    nodes: list[tuple[Any, ...]]
    accounts: list[tuple[Any, ...]]


async def horizon() -> int:
    """The number of the first transaction that may still be under way."""
    found: int = await fetch_value(f"SELECT {HORIZON}")
    return found


async def append_chunk(until: int, step: int, entries_max: int) -> Chunk | None:
    """Append the next entries below `until`; None while another builder is at work."""
    async with transaction():
        if not await fetch_value("SELECT pg_try_advisory_xact_lock($1)", LOG_LOCK):
            return None
        cursor = await _cursor()
        if cursor.rebasing_after is not None:
            return await _walk_accounts(cursor, cursor.rebasing_after, step, entries_max)
        return await _read_window(cursor, until, step, entries_max)


async def _cursor() -> Cursor:
    """The cursor of this cluster; a new one, which begins with all accounts, where there is none that fits."""
    row = await fetch_row(
        f"""SELECT s.system_identifier, {HORIZON} AS horizon, c.next_xid, c.rebasing_after
            FROM pg_control_system() s LEFT JOIN log_cursor c ON c.system_identifier = s.system_identifier"""
    )
    assert row is not None
    if row["next_xid"] is None or row["next_xid"] > row["horizon"]:
        return Cursor(row["system_identifier"], row["horizon"], NOBODY)
    return Cursor(row["system_identifier"], row["next_xid"], row["rebasing_after"])


async def _keep(cursor: Cursor) -> None:
    await execute(
        """INSERT INTO log_cursor (id, system_identifier, next_xid, rebasing_after) VALUES (1, $1, $2, $3)
           ON CONFLICT (id) DO UPDATE SET system_identifier = $1, next_xid = $2, rebasing_after = $3""",
        *cursor,
    )


async def _read_window(cursor: Cursor, until: int, step: int, entries_max: int) -> Chunk:
    """Append what a window of transactions touched; a window that was too full is read again, smaller."""
    beyond = min(until, cursor.next_xid + step)
    if beyond <= cursor.next_xid:
        return Chunk(0, step, caught_up=True)
    rows = await fetch(IN_WINDOW, entries_max, cursor.next_xid, beyond)
    await _append(rows)
    is_full = len(rows) >= entries_max
    await _keep(cursor if is_full else cursor._replace(next_xid=beyond))
    return Chunk(len(rows), next_step(step, len(rows), entries_max), caught_up=not is_full and beyond == until)


async def _walk_accounts(cursor: Cursor, after: UUID, step: int, entries_max: int) -> Chunk:
    """Append what the next members' accounts have unlogged, whatever transactions wrote it."""
    members = [row["member_id"] for row in await fetch(MEMBERS_AFTER, after, MEMBERS_PER_CHUNK)]
    rows = await fetch(OF_MEMBERS, entries_max, members) if members else []
    await _append(rows)
    if len(rows) < entries_max:
        after_these = members[-1] if len(members) == MEMBERS_PER_CHUNK else None
        cursor = cursor._replace(rebasing_after=after_these)
    await _keep(cursor)
    return Chunk(len(rows), step, caught_up=False)


async def _append(rows: Sequence[Record]) -> None:
    """Add the leaves of some entries, in their order, and what they complete."""
    if not rows:
        return
    size = await tree_size()
    tree = Growth(size, await subtree_roots(complete_subtrees(0, size)), step=LEVELS_PER_NODE)
    added = _leaves(rows, tree)
    await insert_accounts(added.accounts)
    await execute(
        """INSERT INTO log_leaf (index, member_id, currency, seq, hash, trace_digest)
           SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[])""",
        *columns(added.leaves, 6),
    )
    await execute(
        "INSERT INTO log_node (level, index, hash) SELECT * FROM unnest($1::int[], $2::bigint[], $3::bytea[])",
        *columns(added.nodes, 3),
    )


async def insert_accounts(rows: Sequence[tuple[Any, ...]]) -> None:
    """Give accounts (member, currency) their pseudonyms and secrets."""
    await execute(
        """INSERT INTO log_account (member_id, currency, pseudonym, secret)
           SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[])""",
        *columns(rows, 4),
    )


def _leaves(rows: Sequence[Record], tree: Growth) -> Leaves:
    """The leaves of some entries at the end of a tree, which grows by them."""
    added = Leaves([], [], [])
    met: dict[tuple[UUID, str], tuple[bytes, bytes | None]] = {}
    for member_id, pseudonym, secret, *fields in rows:
        entry = LoggedEntry(*fields)
        account = (member_id, entry.currency)
        if account not in met:
            met[account] = (pseudonym, secret) if pseudonym else (new_pseudonym(), os.urandom(SECRET_BYTES))
            if not pseudonym:
                added.accounts.append((*account, *met[account]))
        name, own_secret = met[account]
        digest = trace_digest(salt_of(own_secret or os.urandom(SECRET_BYTES), entry.seq), details_of(entry))
        hashed = leaf_hash(leaf_text(name, entry, digest))
        added.leaves.append((tree.size, *account, entry.seq, hashed, digest))
        tree.add(hashed)
    added.nodes.extend(tree.filled)
    return added


def new_pseudonym() -> bytes:
    """A name for an account that says nothing about it."""
    return os.urandom(PSEUDONYM_BYTES)
