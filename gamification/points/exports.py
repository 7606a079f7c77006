"""Entries by the thousand, for a file: batch after batch, each a short statement, nothing held in between.

What is handed out is what was committed when the export began: `End` keeps that snapshot, and a row counts when the
snapshot saw its transaction. Rows booked long before count in any case, since numbers of transactions start anew in a
restored cluster.

One member's entries are walked by seq. Those of all members are walked block by block through the table, which is
append-only: rows never move and lie in the order in which they were written, so that no index, no sort and no open
transaction is needed, and a window of blocks bounds every statement whatever the filter lets through.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.database import fetch, fetch_row, fetch_value
from gamification.points.models import GROWTH, POINTS

DAYS_MAX = 366
BATCH_ROWS_MAX = 2_000
WINDOW_BLOCKS_MIN = 64
WINDOW_BLOCKS_MAX = 8_192
"""Blocks of 8 kB that one statement looks at: the fewest hold about a batch, the most are read in a fraction of a
second."""
SURELY_COMMITTED = timedelta(hours=1)
"""No transaction is open for so long."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: booked on business days from `since` to `until`, both included; what is None does not narrow."""

    since: date
    until: date
    member_id: UUID | None = None
    currency: str | None = None
    kinds: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Where an export ends: what was committed then, and how far the table reached."""

    snapshot: str
    surely_before: datetime
    blocks: int
    files: str


class ExportRow(NamedTuple):
    """An entry as a file tells it; `trace` is JSON text."""

    business_date: date
    booked_at: datetime
    occurred_at: datetime
    member_number: str
    currency: str
    seq: int
    kind: str
    points: int
    available_delta: int
    pending_delta: int
    held_delta: int
    debt_delta: int
    available: int
    pending: int
    held: int
    debt: int
    source_type: str
    source_id: str
    trace: str


class TableRewritten(Exception):
    """The table was rewritten in the middle of an export, so that rows may have moved: what was handed out is void."""


_COLUMNS = """e.business_date, e.booked_at, e.occurred_at, m.number, e.currency, e.seq, e.kind,
    e.available_delta + e.pending_delta + e.held_delta - e.debt_delta, e.available_delta, e.pending_delta, e.held_delta,
    e.debt_delta, e.available, e.pending, e.held, e.debt, e.source_type, e.source_id, e.trace"""
_PASSES = """business_date BETWEEN $1 AND $2 AND ($3::text IS NULL OR currency = $3)
    AND ($4::text[] IS NULL OR kind = ANY($4))
    AND (booked_at < $5 OR pg_visible_in_snapshot(xid, $6::text::pg_snapshot))"""
_PARTS = "(SELECT 'entry'::regclass AS part UNION SELECT relid FROM pg_partition_tree('entry')) AS parts"
_FILES = f"SELECT string_agg(pg_relation_filenode(part)::text, ',' ORDER BY part) FROM {_PARTS}"


async def begin(wanted: Wanted, *, actor: Actor, now: datetime) -> End:
    """Write who exports what into the audit trail, and fix where the export ends."""
    subject, key = ("export", "entries") if wanted.member_id is None else ("member", str(wanted.member_id))
    await audit(
        actor, "entries.exported", subject, key, now=now,
        after={
            "since": wanted.since.isoformat(), "until": wanted.until.isoformat(), "currency": wanted.currency,
            "kinds": list(wanted.kinds) if wanted.kinds else None,
        },
    )  # fmt: skip
    row = await fetch_row(
        f"""SELECT pg_current_snapshot()::text AS snapshot, ({_FILES}) AS files,
                   (SELECT max(pg_relation_size(part)) FROM {_PARTS})
                   / current_setting('block_size')::bigint AS blocks"""
    )
    assert row is not None, "one row comes of no table"
    return End(row["snapshot"], now - SURELY_COMMITTED, row["blocks"], row["files"])


async def batches(wanted: Wanted, end: End) -> AsyncGenerator[list[ExportRow], None]:
    """The entries, batch after batch: of one member by currency and seq, of all in the order of writing.

    Raises TableRewritten.
    """
    source = _of_everybody(wanted, end) if wanted.member_id is None else _of_member(wanted, wanted.member_id, end)
    async with aclosing(source):
        async for batch in source:
            yield batch
    if await fetch_value(_FILES) != end.files:
        raise TableRewritten


def _passing(wanted: Wanted, end: End) -> list[Any]:
    kinds = list(wanted.kinds) if wanted.kinds else None
    return [wanted.since, wanted.until, wanted.currency, kinds, end.surely_before, end.snapshot]


async def _of_member(wanted: Wanted, member_id: UUID, end: End) -> AsyncGenerator[list[ExportRow], None]:
    for currency in [wanted.currency] if wanted.currency else [POINTS, GROWTH]:
        behind = 0
        while True:
            rows = await fetch(
                f"""SELECT {_COLUMNS} FROM (
                        SELECT * FROM entry WHERE member_id = $7 AND currency = $8 AND seq > $9
                        AND seq >= (SELECT first_seq_booked_from($7, $8, $1::date - 1))
                        AND seq < (SELECT first_seq_booked_from($7, $8, $2::date + 2))
                        AND {_PASSES} ORDER BY seq LIMIT {BATCH_ROWS_MAX}) e
                    JOIN member m ON m.id = e.member_id ORDER BY e.seq""",
                *_passing(wanted, end), member_id, currency, behind,
            )  # fmt: skip
            if rows:
                yield _rows(rows)
                behind = rows[-1]["seq"]
            if len(rows) < BATCH_ROWS_MAX:
                break


async def _of_everybody(wanted: Wanted, end: End) -> AsyncGenerator[list[ExportRow], None]:
    behind, window = (0, 0), WINDOW_BLOCKS_MIN
    while behind[0] < end.blocks:
        ahead = (min(behind[0] + window, end.blocks), 0)
        rows = await fetch(
            f"""SELECT {_COLUMNS}, e.ctid FROM (
                    SELECT ctid, * FROM entry WHERE ctid > $7 AND ctid < $8 AND {_PASSES}
                    ORDER BY ctid LIMIT {BATCH_ROWS_MAX}) e
                JOIN member m ON m.id = e.member_id ORDER BY e.ctid""",
            *_passing(wanted, end), behind, ahead,
        )  # fmt: skip
        if rows:
            yield _rows([row[:-1] for row in map(tuple, rows)])
        if len(rows) == BATCH_ROWS_MAX:
            behind, window = rows[-1]["ctid"], max(WINDOW_BLOCKS_MIN, window // 2)
        else:
            behind, window = ahead, min(WINDOW_BLOCKS_MAX, window * 2)


def _rows(rows: Sequence[Any]) -> list[ExportRow]:
    return [ExportRow(*row) for row in rows]
