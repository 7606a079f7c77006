"""A drawn draw as one JSON document for the stand-alone verifiers, written piece by piece: memory stays small.

What is in it is frozen: the document begins with the draw's own facts, then come its lists, a page of rows at a time.
No connection and no transaction is held between two pages. The formats are told in docs/draws-algorithm.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from gamification.core.database import fetch
from gamification.draws.beacons import beacon_row
from gamification.draws.proofs import Proof, lines_between, proofs_by_draw_ids
from gamification.draws.recorded import exported_beacon, promotions_of, reserves_of

FORMATS = {"jifen-draw-1": "jifen-draw-export-1", "jifen-draw-2": "jifen-draw-export-2"}
ROWS_PER_PAGE = 8192
"""Half a megabyte to a megabyte of text."""
ETAG_BYTES = 16

Rows = Sequence[Sequence[object]]


class Part(NamedTuple):
    """A list of the document: its name, and its rows from one place to another, both from 1 and included."""

    name: str
    rows: Callable[[UUID, int, int], Awaitable[Rows]]


async def _tickets(draw_id: UUID, first: int, last: int) -> Rows:
    return [(line.number, str(line.ticket_id), line.buyer) for line in await lines_between(draw_id, first, last)]


async def _winners(draw_id: UUID, first: int, last: int) -> Rows:
    rows = await fetch(
        """SELECT rank, number, prize_place FROM draw_win WHERE draw_id = $1 AND rank BETWEEN $2 AND $3
           ORDER BY rank""",
        draw_id, first, last,
    )  # fmt: skip
    return [tuple(row) for row in rows]


PARTS = (Part("tickets", _tickets), Part("winners", _winners))
"""The lists of a draw in the order in which the document has them."""


@dataclass(frozen=True, slots=True)
class DrawExport:
    """A document that can be written: its opening facts, how long its lists are, and whether anything may follow."""

    draw_id: UUID
    head: Mapping[str, Any]
    lengths: Mapping[str, int]
    is_final: bool

    @property
    def filename(self) -> str:
        """What the file is called when it is kept."""
        return f"draw-{self.draw_id}.json"

    @property
    def etag(self) -> str:
        """Another one for each document that differs: the root binds the tickets, seed and lengths bind the rest."""
        told = orjson.dumps([self.head, self.lengths], option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
        return hashlib.sha256(told).digest()[:ETAG_BYTES].hex()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The document as UTF-8, a page at a time."""
        yield orjson.dumps(self.head, option=orjson.OPT_UTC_Z)[:-1]
        for part in PARTS:
            yield b',\n"%s":[' % part.name.encode()
            for first in range(1, self.lengths[part.name] + 1, ROWS_PER_PAGE):
                last = min(first + ROWS_PER_PAGE - 1, self.lengths[part.name])
                rows = await part.rows(self.draw_id, first, last)
                text = b",\n".join(map(orjson.dumps, rows))
                yield text if first == 1 else b",\n" + text
            yield b"]"
        yield b"}\n"


async def export_of(draw_id: UUID) -> DrawExport | None:
    """The document of a drawn draw; None before the seed is revealed, or where nothing was drawn."""
    proof = (await proofs_by_draw_ids([draw_id])).get(draw_id)
    if proof is None or proof.drawn_at is None or proof.seed is None or proof.merkle_root is None:
        return None
    lengths = {"tickets": proof.tickets or 0, "winners": proof.wins or 0}
    head = _head(proof, proof.seed, proof.merkle_root)
    if proof.algorithm == "jifen-draw-2":
        head |= await _further(proof)
    may_lapse = orjson.loads(proof.terms).get("claim_seconds") is not None and proof.settled_at is None
    return DrawExport(draw_id, head, lengths, is_final=not may_lapse)


async def _further(proof: Proof) -> dict[str, Any]:
    """What the second algorithm decides by and decides beyond the first; short enough to be held."""
    row = await beacon_row(proof.id)
    assert row is not None, "the draw is there"
    return {
        "closed_at": proof.closed_at,
        "beacon": exported_beacon(row),
        "reserves": [[place, each.number] for place, each in enumerate(await reserves_of(proof.id), 1)],
        "promotions": [list(each) for each in await promotions_of(proof.id)],
    }


def _head(proof: Proof, seed: bytes, root: bytes) -> dict[str, Any]:
    return {
        "format": FORMATS[proof.algorithm],
        "draw": str(proof.id),
        "terms": proof.terms,
        "terms_hash": proof.terms_hash.hex(),
        "seed": seed.hex(),
        "root": root.hex(),
    }
