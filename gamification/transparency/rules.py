"""What stands in a leaf, as bytes: the encoding is fixed for ever and pinned by golden values."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

LEAF_FORMAT = "jifen-entry-1"
PSEUDONYM_BYTES = 16
SECRET_BYTES = 32
LEVELS_PER_NODE = 4
"""On every so many levels of the tree the roots of complete subtrees are stored."""
STEP_FIRST = 64
"""How many transactions the first window of a run spans."""


class LoggedEntry(NamedTuple):
    """What of an entry is logged. The first fourteen stand in the leaf, the rest under its salted digest."""

    currency: str
    seq: int
    kind: str
    available_delta: int
    pending_delta: int
    held_delta: int
    debt_delta: int
    available: int
    pending: int
    held: int
    debt: int
    occurred_at: datetime
    booked_at: datetime
    business_date: date
    source_type: str
    source_id: str
    trace: str


def instant_text(at: datetime) -> str:
    """An instant in UTC with six decimals: `2026-03-02T02:00:00.000000Z`."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def leaf_text(pseudonym: bytes, entry: LoggedEntry, digest: bytes) -> bytes:
    """The content of a leaf: fields in their order, whole numbers in decimal, hashes in hexadecimal, `|` between.

    Raises ValueError for a kind or currency that would make two leaves look alike.
    """
    if not (entry.kind + entry.currency).replace("_", "").isalnum():
        raise ValueError(f"a kind and a currency are letters, digits and underscores: {entry.kind!r}")
    numbers = "|".join(map(str, entry[3:11]))
    return (
        f"{LEAF_FORMAT}|{pseudonym.hex()}|{entry.currency}|{entry.seq}|{entry.kind}|{numbers}"
        f"|{instant_text(entry.occurred_at)}|{instant_text(entry.booked_at)}|{digest.hex()}"
    ).encode("ascii")


def salt_of(secret: bytes, seq: int) -> bytes:
    """The salt of one entry's digest: HMAC-SHA256(secret, seq in decimal). Telling one tells nothing of another."""
    return hmac.digest(secret, str(seq).encode(), "sha256")


def trace_digest(salt: bytes, details: bytes) -> bytes:
    """SHA-256 of salt and details: what of the trace stands in the leaf."""
    return hashlib.sha256(salt + details).digest()


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a tree: how many leaves, and the root over them."""

    size: int
    root: bytes


def next_step(step: int, entries: int, entries_max: int) -> int:
    """How many transactions to read at once after a window of so many entries: fewer once it was full."""
    if entries >= entries_max:
        return max(1, step // 2)
    return step * 2 if entries < entries_max // 4 else step


def columns(rows: Sequence[Sequence[object]], count: int) -> list[list[object]]:
    """Rows as the arrays of a set-based statement, `count` of them even where there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(count)]
