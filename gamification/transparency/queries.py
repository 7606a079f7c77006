"""Reads of the log: heads, checkpoints, and proofs of any size in a bounded number of rows and two statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

import orjson

from gamification.core.database import fetch, fetch_row, fetch_value
from gamification.core.encoding import encode_sorted
from gamification.core.merkle import (
    Range,
    Subtree,
    complete_subtrees,
    consistency_ranges,
    inclusion_ranges,
    joined,
    leaf_hash,
    tree_root,
)
from gamification.transparency.checkpoints import Verifier
from gamification.transparency.errors import LogDamaged
from gamification.transparency.rules import LEVELS_PER_NODE, Head, LoggedEntry, leaf_text, salt_of

ENTRY_COLUMNS = ", ".join(f"e.{name}" for name in LoggedEntry._fields)
UNLOGGED_COUNTED_MAX = 10_000


class Checkpoint(NamedTuple):
    """A signed head: `text` is what was signed, with its signature, and `key` the public key that verifies it."""

    id: int
    origin: str
    size: int
    root: bytes
    text: str
    key: bytes
    at: datetime

    @property
    def verifier(self) -> Verifier:
        """The public key under the log's name."""
        return Verifier(self.origin, self.key)


@dataclass(frozen=True, slots=True)
class EntryProof:
    """That an entry stands in the log: its leaf, where, and the siblings on the way to the checkpoint's root.

    `details` under `salt` make the digest in the leaf; the salt is None once the account's secret was erased.
    """

    leaf: bytes
    index: int
    path: list[bytes]
    checkpoint: Checkpoint
    details: bytes
    salt: bytes | None


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the log is: its size, and the entries that have no leaf yet (counted up to a maximum)."""

    size: int
    unlogged: int
    unlogged_since: datetime | None


def details_of(entry: LoggedEntry) -> bytes:
    """What stands under the salted digest: source, business day and trace, as JSON with sorted keys and no spaces."""
    return encode_sorted(
        {
            "business_date": entry.business_date.isoformat(),
            "source_id": entry.source_id,
            "source_type": entry.source_type,
            "trace": orjson.loads(entry.trace),
        }
    )


async def tree_size() -> int:
    """How many leaves there are."""
    found: int = await fetch_value("SELECT coalesce(max(index) + 1, 0) FROM log_leaf")
    return found


async def subtree_roots(subtrees: Sequence[Subtree]) -> list[bytes]:
    """The roots of complete subtrees in their order, each folded from at most eight stored hashes; one statement.

    Raises LogDamaged for what is not stored.
    """
    levels = [level - level % LEVELS_PER_NODE for level, _ in subtrees]
    first = [place << (level - stored) for (level, place), stored in zip(subtrees, levels, strict=True)]
    counts = [1 << (level - stored) for (level, _), stored in zip(subtrees, levels, strict=True)]
    rows = await fetch(
        """SELECT h.hash FROM unnest($1::int[], $2::bigint[], $3::bigint[])
               WITH ORDINALITY AS w(level, first, beyond, place)
           CROSS JOIN LATERAL (
               SELECT index, hash FROM log_leaf WHERE w.level = 0 AND index >= w.first AND index < w.beyond
               UNION ALL
               SELECT index, hash FROM log_node
               WHERE w.level > 0 AND level = w.level AND index >= w.first AND index < w.beyond) h
           ORDER BY w.place, h.index""",
        levels, first, [start + count for start, count in zip(first, counts, strict=True)],
    )  # fmt: skip
    if len(rows) != sum(counts):
        raise LogDamaged(f"{len(rows)} of {sum(counts)} stored hashes are there")
    hashes = iter(row["hash"] for row in rows)
    return [tree_root(islice(hashes, count)) for count in counts]


async def range_roots(ranges: Sequence[Range]) -> list[bytes]:
    """The roots over ranges of leaves, as proofs name them; one statement."""
    subtrees = [complete_subtrees(low, high) for low, high in ranges]
    roots = iter(await subtree_roots([each for part in subtrees for each in part]))
    return [joined(list(islice(roots, len(part)))) for part in subtrees]


async def root_of(size: int) -> bytes:
    """The root of the log when it had so many leaves."""
    return (await range_roots([(0, size)]))[0]


async def consistency_path(first: int, second: int) -> list[bytes]:
    """The hashes that prove that the log of `second` leaves extends that of `first`."""
    return await range_roots(consistency_ranges(first, second))


_CHECKPOINT = f"SELECT {', '.join(Checkpoint._fields)} FROM log_checkpoint"


async def latest_checkpoint(origin: str | None = None) -> Checkpoint | None:
    """The checkpoint that was signed last, of all or of one origin."""
    row = await fetch_row(f"{_CHECKPOINT} WHERE $1::text IS NULL OR origin = $1 ORDER BY id DESC LIMIT 1", origin)
    return Checkpoint(*row) if row else None


async def checkpoint_of(origin: str, size: int) -> Checkpoint | None:
    """The checkpoint of an origin that was signed at a size."""
    row = await fetch_row(f"{_CHECKPOINT} WHERE origin = $1 AND size = $2", origin, size)
    return Checkpoint(*row) if row else None


async def consistency_proof(first: int, second: int) -> tuple[Checkpoint, Checkpoint, list[bytes]] | None:
    """Two checkpoints of the log that is signed now, and the proof that the second extends the first.

    None where no checkpoint has one of these sizes, or the second is the smaller.
    """
    newest = await latest_checkpoint()
    if newest is None or first > second:
        return None
    earlier, later = await checkpoint_of(newest.origin, first), await checkpoint_of(newest.origin, second)
    if earlier is None or later is None:
        return None
    return earlier, later, await consistency_path(first, second)


async def checkpoints_after(origin: str, size: int, limit: int) -> list[Checkpoint]:
    """Checkpoints of an origin above a size, the smallest first."""
    rows = await fetch(f"{_CHECKPOINT} WHERE origin = $1 AND size > $2 ORDER BY size LIMIT $3", origin, size, limit)
    return [Checkpoint(*row) for row in rows]


async def entry_proof(member_id: UUID, currency: str, seq: int) -> EntryProof | None:
    """The proof of one entry under the latest checkpoint; None before that covers it. Raises LogDamaged."""
    checkpoint = await latest_checkpoint()
    row = await fetch_row(
        f"""SELECT {ENTRY_COLUMNS}, l.index, l.hash, l.trace_digest, a.pseudonym, a.secret FROM log_leaf l
            JOIN entry e ON e.member_id = l.member_id AND e.currency = l.currency AND e.seq = l.seq
            JOIN log_account a ON a.member_id = l.member_id AND a.currency = l.currency
            WHERE l.member_id = $1 AND l.currency = $2 AND l.seq = $3""",
        member_id, currency, seq,
    )  # fmt: skip
    if checkpoint is None or row is None or row["index"] >= checkpoint.size:
        return None
    entry = LoggedEntry(*row[: len(LoggedEntry._fields)])
    leaf = leaf_text(row["pseudonym"], entry, row["trace_digest"])
    if leaf_hash(leaf) != row["hash"]:
        raise LogDamaged(f"the entry at {row['index']} is no longer the one that was logged")
    path = await range_roots(inclusion_ranges(row["index"], checkpoint.size))
    salt = salt_of(row["secret"], seq) if row["secret"] else None
    return EntryProof(leaf, row["index"], path, checkpoint, details_of(entry), salt)


async def head() -> Head:
    """The head of the tree as it is stored now."""
    size = await tree_size()
    return Head(size, await root_of(size))


async def log_state() -> LogState:
    """How far the log is behind the ledger, by the builder's cursor; entries above it are looked at one by one."""
    row = await fetch_row(
        f"""SELECT count(*) AS entries, min(booked_at) AS since FROM (
                SELECT e.booked_at FROM entry e
                WHERE (e.xid::text)::bigint >= coalesce((SELECT next_xid FROM log_cursor), 0)
                AND NOT EXISTS (SELECT FROM log_leaf l WHERE l.member_id = e.member_id AND l.currency = e.currency
                                AND l.seq = e.seq)
                LIMIT {UNLOGGED_COUNTED_MAX}) unlogged"""
    )
    assert row is not None
    return LogState(await tree_size(), row["entries"], row["since"])
