"""The books of the file import: runs, what each batch of them came to, and the lines to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.encoding import encode
from gamification.core.ids import new_id
from gamification.core.transactions import transaction

FINDINGS_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """An import as it stands. `first_line` starts the last stretch that was begun, `lanes` are those done of it."""

    id: UUID
    batch_rows: int
    started_at: datetime
    finished_at: datetime | None
    first_line: int = 0
    lanes: frozenset[int] = frozenset()


class Finding(NamedTuple):
    """A line to look at: rejected, or a refund that found no place."""

    line: int
    rejected: bool
    external_id: str | None
    code: str
    reason: str


async def open_run(
    digest: bytes, layout: Mapping[str, Any], *, name: str, batch_rows: int, again: bool, now: datetime
) -> Run:
    """The latest run of this file read this way, or a new one when there is none or `again` is wanted.

    An unfinished run is taken up where it stopped. Locks: an advisory lock per file, so that two starts make one run.
    """
    async with transaction():
        await execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"import:{digest.hex()}")
        known = await fetch_row(
            """SELECT id, batch_rows, started_at, finished_at FROM import_run
               WHERE file_hash = $1 AND layout = $2::jsonb ORDER BY id DESC LIMIT 1""",
            digest, encode(layout),
        )  # fmt: skip
        if known is not None and not again:
            return await _as_it_stands(Run(*known))
        run = Run(new_id(), batch_rows, now, None)
        await execute(
            """INSERT INTO import_run (id, file_hash, file_name, layout, batch_rows, started_at)
               VALUES ($1, $2, $3, $4::jsonb, $5, $6)""",
            run.id, digest, name, encode(layout), batch_rows, now,
        )  # fmt: skip
    return run


async def _as_it_stands(run: Run) -> Run:
    rows = await fetch(
        """SELECT first_line, lane FROM import_batch
           WHERE run_id = $1 AND first_line = (SELECT max(first_line) FROM import_batch WHERE run_id = $1)""",
        run.id,
    )
    first_line = max((row["first_line"] for row in rows), default=0)
    lanes = frozenset(row["lane"] for row in rows)
    return Run(run.id, run.batch_rows, run.started_at, run.finished_at, first_line, lanes)


async def note_batch(
    run: Run, first_line: int, lane: int, counts: Mapping[str, int], findings: Sequence[Finding]
) -> None:
    """Write down what a batch came to, in the batch's own transaction. A batch is noted once: its key sees to it."""
    await execute(
        "INSERT INTO import_batch (run_id, first_line, lane, counts) VALUES ($1, $2, $3, $4::jsonb)",
        run.id, first_line, lane, encode(dict(counts)),
    )  # fmt: skip
    if findings:
        columns = [list(column) for column in zip(*findings, strict=True)]
        await execute(
            """INSERT INTO import_finding (run_id, line_number, rejected, external_id, code, reason)
               SELECT $1, f.* FROM unnest($2::bigint[], $3::boolean[], $4::text[], $5::text[], $6::text[]) f""",
            run.id, *columns,
        )  # fmt: skip


async def finish_run(run: Run, now: datetime) -> None:
    """Mark a run finished; the same file changes nothing from now on."""
    await execute("UPDATE import_run SET finished_at = $2 WHERE id = $1 AND finished_at IS NULL", run.id, now)


async def counts_of(run: Run) -> Counter[str]:
    """What all batches of a run came to; refunds that waited and have met their order count no longer as waiting."""
    rows = await fetch(
        """SELECT c.key, sum(c.value::bigint)::bigint AS total
           FROM import_batch b CROSS JOIN jsonb_each_text(b.counts) c WHERE b.run_id = $1 GROUP BY c.key""",
        run.id,
    )
    counts = Counter({row["key"]: row["total"] for row in rows})
    if counts["refunds_waiting"]:
        counts["refunds_waiting"] = await fetch_value(
            f"SELECT count(*) FROM import_finding f WHERE f.run_id = $1 AND f.code = 'WAITING' AND {_STILL_WAITS}",
            run.id,
        )
    return counts


_STILL_WAITS = """EXISTS (SELECT FROM waiting_refund w
    WHERE w.order_external_id = f.reason AND w.external_id = f.external_id AND w.placed_at IS NULL)"""
"""The reason of a refund that waits is the order it names."""


async def findings_of(run_id: UUID) -> AsyncIterator[Finding]:
    """The lines of a run to look at, in their order, a page at a time; what waited and was placed since is left out."""
    after = -1
    while True:
        rows = await fetch(
            f"""SELECT line_number, rejected, external_id, code, reason FROM import_finding f
                WHERE run_id = $1 AND line_number > $2 AND (code <> 'WAITING' OR {_STILL_WAITS})
                ORDER BY line_number LIMIT {FINDINGS_PAGE}""",
            run_id, after,
        )  # fmt: skip
        for row in rows:
            yield Finding(*row)
        if len(rows) < FINDINGS_PAGE:
            return
        after = rows[-1]["line_number"]
