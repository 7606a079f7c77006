"""The outbox: work that follows a commit, remembered by PostgreSQL until it is done or dead.

A row is *pending*, then *done* or *dead* (`failed_at`). The relay claims due rows and sends each to arq as job
`{id}:{send}`; a worker begins that send once, keeps its lease by heartbeat, and completes or fails it. Leases and
back-offs are on the database's clock, `run_at` is on the product's. Whatever comes under an older send number changes
nothing. Only beginning counts as an attempt, so a flushed Redis or a long queue costs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from asyncpg import Record

from gamification.core.correlation import correlation_id
from gamification.core.database import execute, fetch, fetch_row, fetch_value

ERROR_LENGTH_MAX = 2000
REDRIVE_ATTEMPTS = 8
_MINE = "id = $1 AND sends = $2 AND running AND done_at IS NULL AND failed_at IS NULL"


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that the relay has leased and must hand to arq."""

    id: int
    send: int

    @property
    def place(self) -> str:
        """The job id in arq."""
        return f"{self.id}:{self.send}"


@dataclass(frozen=True, slots=True)
class Run(Claim):
    """A send that a worker has begun; `attempt` counts from 1."""

    job: str
    payload: Mapping[str, Any]
    attempt: int
    correlation_id: str | None


async def schedule(job: str, payload: Mapping[str, Any], *, run_at: datetime, key: str | None = None) -> bool:
    """Let a job run at an instant, in the caller's transaction. False when that key is already known."""
    count = await execute(
        """INSERT INTO outbox (job, payload, key, run_at, correlation_id) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (key) DO NOTHING""",
        job,
        encode(payload),
        key,
        run_at,
        correlation_id.get(),
    )
    return count == 1


async def schedule_all(job: str, payloads: Sequence[Mapping[str, Any]], *, run_at: datetime) -> None:
    """Let a job run once for each of these payloads, in the caller's transaction; one statement."""
    await execute(
        """INSERT INTO outbox (job, payload, run_at, correlation_id)
           SELECT $1, payload, $3, $4 FROM unnest($2::jsonb[]) AS given(payload)""",
        job,
        [encode(payload) for payload in payloads],
        run_at,
        correlation_id.get(),
    )


def encode(payload: Mapping[str, Any]) -> str:
    """A payload as JSON text: plain values, ids, instants and days."""
    return orjson.dumps(payload, default=_plain).decode()


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a payload holds plain values, not {type(value).__name__}")


async def tick(jobs: Sequence[str], slots: Sequence[datetime]) -> list[str]:
    """Add a row for each job's time slot, once; returns the jobs whose slot has its row now.

    While an earlier tick of a job still waits, its new slot gets no row: ask again.
    """
    rows = await fetch(
        """WITH due AS MATERIALIZED (
               SELECT job, slot, 'cron:' || job || ':' || extract(epoch FROM slot)::bigint AS key
                 FROM unnest($1::text[], $2::timestamptz[]) AS due (job, slot)),
           added AS (
               INSERT INTO outbox (job, payload, key, run_at)
               SELECT job, '{}', key, slot FROM due
                WHERE NOT EXISTS (SELECT FROM outbox earlier
                                   WHERE earlier.done_at IS NULL AND earlier.failed_at IS NULL
                                     AND earlier.job = due.job AND earlier.key LIKE 'cron:%')
               ON CONFLICT (key) DO NOTHING RETURNING job)
           SELECT job FROM added UNION SELECT due.job FROM due JOIN outbox USING (key)""",
        jobs,
        slots,
    )
    return [row["job"] for row in rows]


async def claim(now: datetime, *, limit: int, lease: timedelta) -> list[Claim]:
    """Lease due rows that nobody else holds, oldest first; two relays never get the same row.

    Rows whose worker was lost in their last attempt die here. Locks: outbox rows, SKIP LOCKED.
    """
    rows = await fetch(
        """WITH due AS (
               SELECT id FROM outbox
                WHERE done_at IS NULL AND failed_at IS NULL AND run_at <= $1
                  AND (lease_until IS NULL OR lease_until <= clock_timestamp())
                ORDER BY run_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
           taken AS (
               UPDATE outbox SET
                   sends = sends + 1,
                   running = false,
                   lease_until = CASE WHEN attempts < attempts_max THEN clock_timestamp() + $3 END,
                   failed_at = CASE WHEN attempts >= attempts_max THEN clock_timestamp() END,
                   last_error = CASE WHEN running THEN 'the worker was lost' ELSE last_error END
                WHERE id IN (SELECT id FROM due)
               RETURNING id, sends, failed_at, run_at)
           SELECT id, sends FROM taken WHERE failed_at IS NULL ORDER BY run_at, id""",
        now,
        limit,
        lease,
    )
    return [Claim(row["id"], row["sends"]) for row in rows]


async def give_back(claims: Sequence[Claim]) -> None:
    """Free claimed rows that could not be sent, for the next round."""
    await execute(
        """UPDATE outbox SET lease_until = NULL FROM unnest($1::bigint[], $2::int[]) AS back (id, send)
            WHERE outbox.id = back.id AND sends = back.send
              AND NOT running AND done_at IS NULL AND failed_at IS NULL""",
        [claim.id for claim in claims],
        [claim.send for claim in claims],
    )


async def begin(id: int, send: int, lease: timedelta) -> Run | None:
    """Begin a send, once. None for a late or repeated delivery, which must be dropped."""
    row = await fetch_row(
        """UPDATE outbox SET running = true, attempts = attempts + 1, lease_until = clock_timestamp() + $3
            WHERE id = $1 AND sends = $2 AND NOT running AND done_at IS NULL AND failed_at IS NULL
              AND attempts < attempts_max
           RETURNING job, payload, attempts, correlation_id""",
        id,
        send,
        lease,
    )
    if row is None:
        return None
    return Run(id, send, row["job"], orjson.loads(row["payload"]), row["attempts"], row["correlation_id"])


async def heartbeat(run: Run, lease: timedelta) -> bool:
    """Keep the lease. False when it is lost."""
    return (
        await execute(f"UPDATE outbox SET lease_until = clock_timestamp() + $3 WHERE {_MINE}", run.id, run.send, lease)
        == 1
    )


async def complete(run: Run) -> bool:
    """Mark the row done, in the running transaction if there is one. False when the lease is lost."""
    return (
        await execute(
            f"""UPDATE outbox SET done_at = clock_timestamp(), running = false, lease_until = NULL, last_error = NULL
             WHERE {_MINE}""",
            run.id,
            run.send,
        )
        == 1
    )


async def fail(run: Run, error: str, *, backoff: timedelta) -> bool | None:
    """Record a failed attempt: again after the back-off, or dead after the last. True when dead, None when lost."""
    return await fetch_value(  # type: ignore[no-any-return]
        f"""UPDATE outbox SET running = false, last_error = $3,
                   failed_at = CASE WHEN attempts >= attempts_max THEN clock_timestamp() END,
                   lease_until = CASE WHEN attempts < attempts_max THEN clock_timestamp() + $4 END
             WHERE {_MINE} RETURNING failed_at IS NOT NULL""",
        run.id,
        run.send,
        error[:ERROR_LENGTH_MAX],
        backoff,
    )


async def bury(run: Run, error: str) -> None:
    """Declare a row dead at once, for an error that no further attempt can cure."""
    await execute(
        f"""UPDATE outbox SET running = false, last_error = $3, failed_at = clock_timestamp(), lease_until = NULL
             WHERE {_MINE}""",
        run.id,
        run.send,
        error[:ERROR_LENGTH_MAX],
    )


async def stop(run: Run) -> None:
    """Free a row whose run a shutdown interrupted; it costs no attempt."""
    await execute(
        f"UPDATE outbox SET running = false, attempts = attempts - 1, lease_until = NULL WHERE {_MINE}",
        run.id,
        run.send,
    )


async def redrive(id: int) -> bool:
    """Give a dead letter another round of attempts. False when there is no dead letter under that id."""
    return (
        await execute(
            """UPDATE outbox SET failed_at = NULL, lease_until = NULL, attempts_max = attempts + $2
            WHERE id = $1 AND failed_at IS NOT NULL""",
            id,
            REDRIVE_ATTEMPTS,
        )
        == 1
    )


async def dead_letters(*, first: int, before: int | None = None) -> list[Record]:
    """Dead letters, newest first, after the given id in that order."""
    return await fetch(
        """SELECT id, job, payload, key, run_at, created_at, correlation_id, attempts, failed_at, last_error
             FROM outbox WHERE failed_at IS NOT NULL AND ($1::bigint IS NULL OR id < $1) ORDER BY id DESC LIMIT $2""",
        before,
        first,
    )


async def oldest_pending_seconds(now: datetime) -> float:
    """How long the oldest due row has waited: the figure to alert on. 0 when nothing is due."""
    waited = await fetch_value(
        "SELECT $1 - min(run_at) FROM outbox WHERE done_at IS NULL AND failed_at IS NULL AND run_at <= $1", now
    )
    return waited.total_seconds() if waited else 0.0


async def purge_done(*, older_than: timedelta, limit: int) -> int:
    """Delete a chunk of rows that were done long ago; dead letters stay. Their keys may be used again."""
    return await execute(
        """DELETE FROM outbox WHERE id IN (
               SELECT id FROM outbox WHERE done_at < clock_timestamp() - $1::interval ORDER BY id LIMIT $2)""",
        older_than,
        limit,
    )
