"""Everything recomputed from the database: entries ↔ leaves ↔ tree ↔ checkpoints, there and outside.

Bounded memory, a statement per chunk of leaves, nothing locked; what is appended meanwhile is left to the next audit.
What a finding cannot show: a rewrite by somebody who has the signing key *and* every copy of every checkpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from asyncpg import Record

from gamification.core.database import fetch, fetch_value
from gamification.core.merkle import Growth, leaf_hash
from gamification.points.invariants import INVARIANTS as POINTS
from gamification.transparency.checkpoints import BadCheckpoint, Verifier, read_checkpoint
from gamification.transparency.heads import HeadsByLeaf, Outside, SignedHead
from gamification.transparency.invariants import INVARIANTS as LOG
from gamification.transparency.keeper import Copies
from gamification.transparency.queries import ENTRY_COLUMNS, details_of, tree_size
from gamification.transparency.rules import (
    LEVELS_PER_NODE,
    Head,
    LoggedEntry,
    columns,
    leaf_text,
    salt_of,
    trace_digest,
)

LEAVES_PER_CHUNK = 5_000
FINDINGS_PER_KIND_MAX = 10
"""How many of one kind are told; the others are counted."""

TOLERANCE = timedelta(minutes=10)
"""How long an entry may take from its booking into a checkpoint, with clocks that disagree a little."""

BOOKS: Mapping[str, str] = {**LOG, **{name: sql for name, sql in POINTS.items() if name.startswith(("I4", "I5"))}}
"""What SQL can tell by itself: the log's invariants, and that balances are the sum of their entries."""

LEAVES = f"""SELECT w.index AS place, l.index, l.member_id, l.currency, l.seq, l.hash, l.trace_digest,
        a.pseudonym, a.secret, {ENTRY_COLUMNS}
    FROM generate_series($1::bigint, $2::bigint - 1) AS w(index)
    LEFT JOIN log_leaf l ON l.index = w.index
    LEFT JOIN log_account a ON a.member_id = l.member_id AND a.currency = l.currency
    LEFT JOIN entry e ON e.member_id = l.member_id AND e.currency = l.currency AND e.seq = l.seq
    ORDER BY w.index"""
FIELDS_BEFORE_ENTRY = 9

NODES = """SELECT n.hash FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS w(level, index, place)
    LEFT JOIN log_node n ON n.level = w.level AND n.index = w.index ORDER BY w.place"""

UNLOGGED = """SELECT e.member_id, e.currency, e.seq, e.booked_at FROM entry e WHERE e.booked_at < $1
    AND NOT EXISTS (SELECT FROM log_leaf l
                    WHERE l.member_id = e.member_id AND l.currency = e.currency AND l.seq = e.seq)
    ORDER BY e.booked_at"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold: what kind of thing, and where."""

    kind: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}"


@dataclass
class Report:
    """What an audit recomputed and what it found."""

    entries: int = 0
    checkpoints: int = 0
    copies: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.counts

    def find(self, kind: str, where: object) -> None:
        """Note something that does not hold."""
        self.counts[kind] += 1
        if self.counts[kind] <= FINDINGS_PER_KIND_MAX:
            self.findings.append(Finding(kind, str(where)))

    def lines(self) -> list[str]:
        """Every finding, and how many more there are of each kind."""
        more = [
            f"{kind}: {count - FINDINGS_PER_KIND_MAX} more"
            for kind, count in self.counts.items()
            if count > FINDINGS_PER_KIND_MAX
        ]
        return [*map(str, self.findings), *more]


class Audit:
    """One run over the log. The first verifier is that of the key in use."""

    def __init__(self, verifiers: Iterable[Verifier], copies: Copies | None, now: datetime) -> None:
        self.verifiers = list(verifiers)
        self.origins = [each.name for each in self.verifiers]
        self.copies = copies
        self.now = now
        self.report = Report()
        self.tree = Growth(0, [], step=LEVELS_PER_NODE)
        self.signed_at: datetime | None = None

    async def run(self, size: int, advanced: Callable[[int], None]) -> Report:
        """Recompute the log of so many leaves; `advanced` is told how many more are done."""
        heads = HeadsByLeaf(self._outside())
        for first in range(0, size, LEAVES_PER_CHUNK):
            beyond = min(size, first + LEAVES_PER_CHUNK)
            await self._leaves(await fetch(LEAVES, first, beyond), await heads.up_to(beyond))
            advanced(beyond - first)
        self.report.entries = size
        await self._tail(await heads.rest())
        await self._books()
        return self.report

    async def _tail(self, heads: Sequence[SignedHead]) -> None:
        """Heads of more leaves than were looked at: right if they were signed meanwhile, else the log was cut."""
        size = await tree_size()
        for head in heads:
            if self._signed(head) is not None and head.size > size:
                self.report.find("the log's tail is cut", f"{head}, the log has {size} entries")

    def _outside(self) -> Outside:
        lines = self.copies.read() if self.copies is not None else ()
        return Outside(lines, set(self.origins), self.report.find)

    async def _leaves(self, rows: Sequence[Record], heads: Mapping[int, list[SignedHead]]) -> None:
        """Recompute a chunk: each leaf from its entry, the nodes that it completes, the roots that were signed."""
        self.tree.filled.clear()
        for row in rows:
            self._leaf(row)
            self.tree.add(row["hash"] if row["index"] is not None else bytes(32))
            if self.tree.size in heads:
                self._heads(heads[self.tree.size])
        await self._nodes()

    def _leaf(self, row: Record) -> None:
        where = f"leaf {row['place']}"
        if row["index"] is None:
            return self.report.find("a leaf is missing", where)
        entry = LoggedEntry(*row[FIELDS_BEFORE_ENTRY:])
        where += f", entry {row['member_id']}.{row['currency']}.{row['seq']}"
        if entry.seq is None or row["pseudonym"] is None:
            return self.report.find("a logged entry is gone", where)
        if not _is_leaf_of(entry, row):
            self.report.find("an entry is not the one that was logged", where)
        if self.signed_at is not None and entry.booked_at < self.signed_at - TOLERANCE:
            when = f"booked at {entry.booked_at.isoformat()}, not in the checkpoint of {self.signed_at.isoformat()}"
            self.report.find("an entry was dated back", f"{where}, {when}")
        return None

    def _heads(self, heads: Sequence[SignedHead]) -> None:
        """Compare signed heads of the size that is reached: text and signature, root, and with each other."""
        root = self.tree.root()
        for head in heads:
            self._count(head)
            if (signed := self._signed(head)) is None:
                continue
            if signed.root != root or (head.root is not None and head.root != root):
                self.report.find("the log is not the one that was signed", head)
            self.signed_at = max(head.at, self.signed_at or head.at)
        self._compare_places(heads)

    def _signed(self, head: SignedHead) -> Head | None:
        """What a known key has signed; None, and found, where none has."""
        try:
            _, signed = read_checkpoint(head.text, self.verifiers)
        except BadCheckpoint as bad:
            self.report.find("a checkpoint is not ours", f"{head}: {bad}")
            return None
        if signed.size != head.size:
            self.report.find("a checkpoint is not ours", f"{head}: it is of {signed.size} entries")
            return None
        return signed

    def _count(self, head: SignedHead) -> None:
        if head.is_outside:
            self.report.copies += 1
        else:
            self.report.checkpoints += 1

    def _compare_places(self, heads: Sequence[SignedHead]) -> None:
        """Each checkpoint is in the database and, where copies are kept, outside; the newest may be on its way."""
        for origin in {head.origin for head in heads}:
            within = [head for head in heads if head.origin == origin and not head.is_outside]
            outside = [head for head in heads if head.origin == origin and head.is_outside]
            if not within:
                self.report.find("a checkpoint was removed from the database", outside[0])
            elif not outside and self._must_be_outside(within[0]):
                self.report.find("a checkpoint has no copy outside", within[0])
            elif any(head.text != within[0].text for head in outside):
                self.report.find("a checkpoint was replaced in the database", within[0])

    def _must_be_outside(self, head: SignedHead) -> bool:
        return self.copies is not None and head.origin == self.origins[0] and head.at < self.now - TOLERANCE

    async def _nodes(self) -> None:
        """Compare the nodes that the chunk completes with those that are stored."""
        computed = self.tree.filled
        stored = await fetch(NODES, *columns([(level, index) for level, index, _ in computed], 2))
        for (level, index, root), row in zip(computed, stored, strict=True):
            if row["hash"] != root:
                self.report.find("a node of the tree is wrong or missing", f"level {level}, index {index}")

    async def _books(self) -> None:
        """What SQL can tell: entries without a leaf that should have one, accounts against entries, invariants."""
        if self.signed_at is not None:
            await self._ask("an entry was never logged", UNLOGGED, self.signed_at - TOLERANCE)
        for name, sql in BOOKS.items():
            await self._ask(name, sql)

    async def _ask(self, kind: str, sql: str, *arguments: object) -> None:
        found = await fetch(f"SELECT * FROM ({sql}) AS broken LIMIT {FINDINGS_PER_KIND_MAX + 1}", *arguments)
        for row in found[:FINDINGS_PER_KIND_MAX]:
            self.report.find(kind, ", ".join(f"{name} {value}" for name, value in row.items()))
        if len(found) > FINDINGS_PER_KIND_MAX:
            self.report.counts[kind] = await fetch_value(f"SELECT count(*) FROM ({sql}) AS broken", *arguments)


def _is_leaf_of(entry: LoggedEntry, row: Record) -> bool:
    """Whether a leaf's hash and digest are those of its entry; without the secret the digest cannot be told."""
    if row["secret"] and trace_digest(salt_of(row["secret"], entry.seq), details_of(entry)) != row["trace_digest"]:
        return False
    try:
        hashed = leaf_hash(leaf_text(row["pseudonym"], entry, row["trace_digest"]))
    except ValueError:
        return False
    return bool(hashed == row["hash"])
