"""Dead letters as staff see them: what failed for good, without personal data, and another round for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from gamification.core import outbox
from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.database import fetch, fetch_row
from gamification.core.errors import NotFound
from gamification.core.transactions import transaction

MASK = "…"
NUMBER_MAX = 10**10
"""Whole numbers from here on may be phones."""

_SHOWN = re.compile(
    r"""[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}            # an id
      | \d{4}-\d{2}-\d{2}(T\d{2}:\d{2}[0-9:.]*([+-]\d{2}:\d{2}|Z)?)?  # a day, an instant
      | [A-Z][A-Z_]{0,39}                                      # a state or a code""",
    re.VERBOSE | re.ASCII,
)
_LONG_NUMBER = re.compile(r"(?<![\w-])\+?\d{7,}(?![\w-])", re.ASCII)
_ADDRESS = re.compile(r"[^\s@<>()\"']+@[^\s@<>()\"']+")


class DeadLetter(NamedTuple):
    """Work whose last attempt failed. `failed_at` and `created_at` are on the database's clock."""

    id: int
    job: str
    payload: Any
    run_at: datetime
    created_at: datetime
    correlation_id: str | None
    attempts: int
    failed_at: datetime
    last_error: str | None


_COLUMNS = ", ".join(DeadLetter._fields)


async def dead_letter_page(*, before: int | None, limit: int) -> list[DeadLetter]:
    """Up to `limit` dead letters, the newest work first, that come after an id in this order."""
    return [_readable(row) for row in await outbox.dead_letters(first=limit, before=before)]


async def dead_letters_by_ids(ids: Sequence[int]) -> list[DeadLetter | None]:
    """The dead letters with these ids, in their order; None for what is not dead."""
    rows = await fetch(
        f"SELECT {_COLUMNS} FROM outbox WHERE failed_at IS NOT NULL AND id = ANY($1::bigint[])", list(ids)
    )
    known = {row["id"]: _readable(row) for row in rows}
    return [known.get(each) for each in ids]


async def redrive_job(id: int, *, actor: Actor, now: datetime) -> DeadLetter:
    """Let a dead letter run again, at once, with a fresh round of attempts; answers with it as it was.

    Refuses: NotFound, also for one that somebody redrove before. Locks: the outbox row.
    """
    async with transaction():
        row = await fetch_row(
            f"SELECT {_COLUMNS} FROM outbox WHERE id = $1 AND failed_at IS NOT NULL FOR NO KEY UPDATE", id
        )
        if row is None:
            raise NotFound(kind="dead letter", id=str(id))
        letter = _readable(row)
        await outbox.redrive(id)
        before = {"job": letter.job, "attempts": letter.attempts, "failed_at": letter.failed_at.isoformat()}
        await audit(actor, "job.redriven", "job", id, now=now, before=before)
    return letter


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How much work is due and not done, due later, dead, and how long the oldest due work has waited (0: none)."""

    pending: int
    scheduled: int
    dead_letters: int
    oldest_pending_seconds: int


async def outbox_state(now: datetime) -> OutboxState:
    """The state of the outbox at an instant, in one statement over its partial indexes."""
    row = await fetch_row(
        """SELECT waiting.*, (SELECT count(*) FROM outbox WHERE failed_at IS NOT NULL) AS dead_letters
             FROM (SELECT count(*) FILTER (WHERE run_at <= $1) AS pending,
                          count(*) FILTER (WHERE run_at > $1) AS scheduled,
                          min(run_at) FILTER (WHERE run_at <= $1) AS oldest
                     FROM outbox WHERE done_at IS NULL AND failed_at IS NULL) waiting""",
        now,
    )
    assert row is not None
    waited = int((now - row["oldest"]).total_seconds()) if row["oldest"] else 0
    return OutboxState(row["pending"], row["scheduled"], row["dead_letters"], waited)


def without_personal_data(value: Any) -> Any:
    """A payload with every text masked that is no id, day, instant or code, and every number as long as a phone's."""
    if isinstance(value, Mapping):
        return {key: without_personal_data(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_personal_data(each) for each in value]
    if isinstance(value, str):
        return value if _SHOWN.fullmatch(value) else MASK
    return MASK if isinstance(value, int) and abs(value) >= NUMBER_MAX else value


def error_without_personal_data(error: str) -> str:
    """The first line of an error (a database's details quote rows), without long numbers and addresses."""
    first = error.partition("\n")[0]
    return _ADDRESS.sub(MASK, _LONG_NUMBER.sub(MASK, first))


def _readable(row: Any) -> DeadLetter:
    found = DeadLetter(*(row[name] for name in DeadLetter._fields))
    error = found.last_error
    return found._replace(
        payload=without_personal_data(orjson.loads(found.payload)),
        last_error=error_without_personal_data(error) if error else None,
    )
