"""What anyone needs to recompute a draw: its published facts, its list of tickets, inclusion proofs. Read-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.database import fetch, fetch_row
from gamification.core.merkle import inclusion_proof, leaf_hash
from gamification.draws.rules import leaf

LEAVES_PER_SUBTREE = 1024
"""A power of two: the tree over the roots of such runs is the tree over all leaves (see `core.merkle`)."""
_HASH_BYTES = 32


class NumberedTicket(NamedTuple):
    """A line of the published list: `leaf(draw_id, *line)` is its leaf."""

    number: int
    ticket_id: UUID
    buyer: str


class Proof(NamedTuple):
    """What is published of a draw's chance; `seed` is None until the winners are drawn."""

    id: UUID
    algorithm: str
    proof_level: str
    terms: str
    terms_hash: bytes
    commitment: bytes
    seed: bytes | None
    merkle_root: bytes | None
    tickets: int | None
    closed_at: datetime | None
    drawn_at: datetime | None
    wins: int | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That a ticket stands in the list: its line, its index from 0, the tree's size, the siblings on the way up."""

    line: NumberedTicket
    index: int
    size: int
    siblings: list[bytes]
    root: bytes


_PROOF = ", ".join(Proof._fields)


async def proofs_by_draw_ids(ids: Sequence[UUID]) -> Mapping[UUID, Proof]:
    """The published proof of each draw; those that are not published are absent."""
    rows = await fetch(f"SELECT {_PROOF} FROM draw WHERE id = ANY($1) AND opened_at IS NOT NULL", list(ids))
    return {row["id"]: Proof(*row) for row in rows}


async def line_pages(ids: Sequence[UUID], after_number: int | None, limit: int) -> Mapping[UUID, list[NumberedTicket]]:
    """A page of the published list of each draw, behind a number; one statement."""
    rows = await fetch(
        """SELECT n.* FROM unnest($1::uuid[]) AS d(id) CROSS JOIN LATERAL (
               SELECT draw_id, number, ticket_id, buyer FROM ticket_number
               WHERE draw_id = d.id AND number > $2 ORDER BY number LIMIT $3) n ORDER BY n.draw_id, n.number""",
        list(ids), after_number or 0, limit,
    )  # fmt: skip
    found: dict[UUID, list[NumberedTicket]] = {each: [] for each in ids}
    for draw_id, *line in rows:
        found[draw_id].append(NumberedTicket(*line))
    return found


async def lines_between(draw_id: UUID, first: int, last: int) -> list[NumberedTicket]:
    """The lines of the published list from one number to another, both included."""
    rows = await fetch(
        """SELECT number, ticket_id, buyer FROM ticket_number WHERE draw_id = $1 AND number BETWEEN $2 AND $3
           ORDER BY number""",
        draw_id, first, last,
    )  # fmt: skip
    return [NumberedTicket(*row) for row in rows]


def hash_of(draw_id: UUID, line: NumberedTicket) -> bytes:
    """The hash of a line's leaf."""
    return leaf_hash(leaf(draw_id, *line))


async def inclusion_of(draw_id: UUID, number: int) -> Inclusion | None:
    """The proof that a number stands in a closed draw's list; reads one run of leaves, however long the list is."""
    row = await fetch_row("SELECT tickets, merkle_root, subtree_roots FROM draw WHERE id = $1", draw_id)
    if row is None or row["tickets"] is None or not 1 <= number <= row["tickets"]:
        return None
    run, index = divmod(number - 1, LEAVES_PER_SUBTREE)
    lines = await lines_between(draw_id, run * LEAVES_PER_SUBTREE + 1, (run + 1) * LEAVES_PER_SUBTREE)
    below = inclusion_proof([hash_of(draw_id, line) for line in lines], index)
    roots = row["subtree_roots"]
    above = inclusion_proof([roots[at : at + _HASH_BYTES] for at in range(0, len(roots), _HASH_BYTES)], run)
    return Inclusion(lines[index], number - 1, row["tickets"], below + above, row["merkle_root"])
