"""A draw recomputed from what is stored of it: whether its terms, seed, list and winners are what was promised.

It is what the stand-alone verifiers do, done for whoever asks a question instead of downloading a list. It rests on the
published terms, never on the rows that they were made from. A short list is hashed whole. Of a long one the root is
recomputed from the stored roots of its runs, and some runs, chosen anew each time, are hashed ticket by ticket: the
verdict says how many tickets. The signature of a beacon's round is checked. Winners, reserves and promotions are always
recomputed from all numbers.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import SystemRandom
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

import orjson

from gamification.beacons.rules import Beacon, DrandBeacon, beacon_of, mixed_seed
from gamification.beacons.signatures import is_signed
from gamification.core.chance import commitment
from gamification.core.database import fetch, fetch_value
from gamification.core.errors import Overloaded
from gamification.core.merkle import tree_root
from gamification.core.together import collecting
from gamification.draws.beacons import BeaconRow, beacon_row
from gamification.draws.promotions import promote
from gamification.draws.proofs import (
    LEAVES_PER_SUBTREE,
    NumberedTicket,
    Proof,
    hash_of,
    lines_between,
    proofs_by_draw_ids,
)
from gamification.draws.recorded import promotions_of, replaced_wins, reserves_of, standing_wins, wins_of
from gamification.draws.rules import PrizeUnits, choose_winners
from gamification.draws.service.closing import Buyers

Discrepancy = Literal[
    "TERMS_HASH", "TERMS", "COMMITMENT", "NUMBERS", "ROOT", "BEACON", "WINNERS", "RESERVES", "PROMOTIONS"
]
"""What does not hold: the terms' hash; what they say; the seed; the numbers; the root over the tickets; and so on."""
DISCREPANCIES: tuple[Discrepancy, ...] = get_args(Discrepancy)
WHOLE_RUNS_MAX = 64
"""Runs of 1024 tickets that are all hashed; of a longer list as many, chosen by the operating system's chance."""
ROWS_PER_PAGE = 16 * LEAVES_PER_SUBTREE
KEPT_MAX = 1000
KEPT_FOR = timedelta(minutes=10)
WAITING_MAX = 16
"""Draws that are recomputed or wait for it in one process."""
ROOT_BYTES = 32

_BUYERS = """SELECT string_agg(decode(buyer, 'hex'), ''::bytea ORDER BY number) FROM ticket_number
WHERE draw_id = $1 AND number BETWEEN $2 AND $3"""
_LAST = """SELECT (SELECT max(number) FROM ticket_number WHERE draw_id = d.id), subtree_roots
FROM draw d WHERE d.id = $1"""


class Verdict(NamedTuple):
    """What came of recomputing a draw: it holds where nothing is discrepant."""

    proof: Proof
    beacon: str | None
    tickets_hashed: int
    discrepancies: tuple[Discrepancy, ...]
    checked_at: datetime

    @property
    def holds(self) -> bool:
        """Whether everything is as it was promised."""
        return not self.discrepancies


class Said(NamedTuple):
    """What the terms say of how a draw is decided."""

    prizes: list[PrizeUnits]
    beacon: Beacon
    reserves: int


async def recomputed(draw_id: UUID, now: datetime) -> Verdict | None:
    """Recompute a drawn draw, page by page; None before its seed is revealed, or where nothing was drawn."""
    proof = (await proofs_by_draw_ids([draw_id])).get(draw_id)
    if proof is None or proof.drawn_at is None:
        return None
    row = await beacon_row(draw_id)
    assert row is not None, "the draw is there"
    found, said = _of_terms(proof)
    hashed, of_list = await _of_list(proof)
    found |= of_list
    if said is None:
        found.add("WINNERS")
    else:
        if not await asyncio.to_thread(_is_beacon, proof, said.beacon, row):
            found.add("BEACON")
        found |= await _of_outcome(proof, said, row.value)
    return Verdict(proof, row.value, hashed, tuple(each for each in DISCREPANCIES if each in found), now)


def _of_terms(proof: Proof) -> tuple[set[Discrepancy], Said | None]:
    """What does not hold of terms and seed, and what the terms say."""
    found: set[Discrepancy] = set()
    if hashlib.sha256(proof.terms.encode()).digest() != proof.terms_hash:
        found.add("TERMS_HASH")
    if proof.seed is None or commitment(proof.seed) != proof.commitment:
        found.add("COMMITMENT")
    try:
        terms: dict[str, Any] = orjson.loads(proof.terms)
        prizes = [PrizeUnits(each["place"], each["quantity"], each["per_member"]) for each in terms["prizes"]]
        names = (terms["draw"], terms["algorithm"], terms["commitment"])
        said = Said(prizes, beacon_of(terms), terms.get("reserves", 0))
    except (ValueError, KeyError, TypeError):
        return found | {"TERMS"}, None
    if names != (str(proof.id), proof.algorithm, proof.commitment.hex()):
        found.add("TERMS")
    return found, said


def _is_beacon(proof: Proof, beacon: Beacon, row: BeaconRow) -> bool:
    """Whether the value on record is the one that the terms name: a round is the one after closing, and is signed."""
    assert proof.closed_at is not None, "a drawn draw was closed"
    if (beacon.kind, beacon.proof_level) != (row.kind, proof.proof_level):
        return False
    if not isinstance(beacon, DrandBeacon):
        return (row.value is None) == (beacon.kind == "NONE")
    number = beacon.appointment(proof.closed_at).number
    if number is None or row.signature is None or row.beacon_round != number:
        return False
    signed = is_signed(beacon.chain, number, row.signature)
    return signed and row.value == hashlib.sha256(row.signature).hexdigest()


async def _of_list(proof: Proof) -> tuple[int, set[Discrepancy]]:
    """How many tickets were hashed, and what does not hold of the list."""
    tickets, found = proof.tickets or 0, set[Discrepancy]()
    ((last, packed),) = await fetch(_LAST, proof.id)
    roots = [packed[at : at + ROOT_BYTES] for at in range(0, len(packed), ROOT_BYTES)]
    if (last or 0) != tickets:
        found.add("NUMBERS")
    if len(roots) != -(-tickets // LEAVES_PER_SUBTREE) or tree_root(roots) != proof.merkle_root:
        return 0, found | {"ROOT"}
    hashed, before = 0, ""
    for run in _chosen(len(roots)):
        first = run * LEAVES_PER_SUBTREE + 1
        lines = await lines_between(proof.id, first, min(first + LEAVES_PER_SUBTREE - 1, tickets))
        if [line.number for line in lines] != list(range(first, first + len(lines))):
            found.add("NUMBERS")
        ids = [before, *(str(line.ticket_id) for line in lines)]
        if ids != sorted(set(ids)):
            found.add("NUMBERS")
        if await asyncio.to_thread(_root, proof.id, lines) != roots[run]:
            found.add("ROOT")
        hashed, before = hashed + len(lines), ids[-1]
    return hashed, found


def _chosen(runs: int) -> Sequence[int]:
    """The runs to be hashed: all of a short list, and of a long one some that nobody can foresee."""
    return range(runs) if runs <= WHOLE_RUNS_MAX else sorted(SystemRandom().sample(range(runs), WHOLE_RUNS_MAX))


def _root(draw_id: UUID, lines: Sequence[NumberedTicket]) -> bytes:
    return tree_root(hash_of(draw_id, line) for line in lines)


async def _of_outcome(proof: Proof, said: Said, value: str | None) -> set[Discrepancy]:
    """What of winners, reserves and promotions on record is not what seed, beacon and terms give."""
    tickets = proof.tickets or 0
    assert proof.seed is not None, "a drawn draw has revealed its seed"
    limited = any(prize.per_member is not None for prize in said.prizes)
    buyers: Sequence[Any] = await _buyers(proof.id, tickets) if limited else range(tickets)
    if len(buyers) != tickets:
        return {"WINNERS"}
    mixed = mixed_seed(proof.seed, proof.id, value)
    chosen = await asyncio.to_thread(choose_winners, mixed, proof.id, buyers, said.prizes, said.reserves)
    found: set[Discrepancy] = set()
    if len(chosen.wins) != proof.wins or chosen.wins != await wins_of(proof.id):
        found.add("WINNERS")
    reserves = await reserves_of(proof.id)
    if chosen.reserves != [each.number for each in reserves]:
        found.add("RESERVES")
    promotions = await promotions_of(proof.id)
    if promotions:
        limits = {prize.place: prize.per_member for prize in said.prizes}
        lapses, standing = await replaced_wins(proof.id), await standing_wins(proof.id)
        if promote(lapses, reserves, standing, limits, len(chosen.wins)) != promotions:
            found.add("PROMOTIONS")
    return found


async def _buyers(draw_id: UUID, tickets: int) -> Buyers:
    pages = [(first, min(first + ROWS_PER_PAGE - 1, tickets)) for first in range(1, tickets + 1, ROWS_PER_PAGE)]
    return Buyers(b"".join([await fetch_value(_BUYERS, draw_id, *page) or b"" for page in pages]))


@dataclass
class Verifications:
    """Draws recomputed one at a time, however many ask; what held is kept for a while, what did not is not.

    Whoever asks for a draw that is being recomputed waits for that; who gives up waiting does not stop it.
    """

    kept: dict[UUID, Verdict] = field(default_factory=dict)
    running: dict[UUID, asyncio.Task[Verdict | None]] = field(default_factory=dict)
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def verify_draw(self, draw_id: UUID, now: datetime) -> Verdict | None:
        """What came of recomputing a draw, at most ten minutes ago; None while there is nothing to recompute.

        Refuses: Overloaded when too many other draws wait.
        """
        known = self.kept.get(draw_id)
        if known is not None and timedelta(0) <= now - known.checked_at < KEPT_FOR:
            return known
        task = self.running.get(draw_id)
        if task is None:
            if len(self.running) >= WAITING_MAX:
                raise Overloaded(limit=WAITING_MAX)
            task = self.running[draw_id] = self._start(draw_id, now)
        return await asyncio.shield(task)

    def _start(self, draw_id: UUID, now: datetime) -> asyncio.Task[Verdict | None]:
        """Recompute apart from the operation that asks: it may end before, and its reads go together with others."""
        context = copy_context()
        context.run(collecting.set, None)
        task = asyncio.get_running_loop().create_task(self._run(draw_id, now), context=context)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _run(self, draw_id: UUID, now: datetime) -> Verdict | None:
        try:
            async with self.turn:
                verdict = await recomputed(draw_id, now)
        finally:
            del self.running[draw_id]
        if verdict is not None and verdict.holds:
            self.kept.pop(draw_id, None)
            self.kept[draw_id] = verdict
            if len(self.kept) > KEPT_MAX:
                del self.kept[next(iter(self.kept))]
        return verdict
