"""The audit trail: one line per action of staff, written in the action's own transaction, never changed, searchable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.database import fetch
from gamification.core.errors import InvalidInput
from gamification.core.models import AuditRecord

REASON_LENGTH_MAX = 500


async def audit(
    actor: Actor,
    action: str,
    subject: str,
    subject_id: UUID | int | str,
    *,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Write who did what to whom. Values are states, roles and policies, never a secret nor personal data."""
    await AuditRecord.create(
        at=now,
        actor=actor.key,
        action=action,
        subject=f"{subject}:{subject_id}",
        before=before,
        after=after,
        reason=reason,
    )


def check_reason(reason: str) -> str:
    """The reason staff gave, without outer blanks. Refuses: InvalidInput when it is too long or shows nothing."""
    text = reason.strip()
    if not (len(text) <= REASON_LENGTH_MAX and any(map(str.isprintable, text))):
        raise InvalidInput(field="reason", reason=f"1 to {REASON_LENGTH_MAX} characters that can be shown")
    return text


class AuditLine(NamedTuple):
    """A line of the trail as it is read; `before` and `after` are JSON text."""

    id: UUID
    at: datetime
    actor: str
    action: str
    subject: str
    before: str | None
    after: str | None
    reason: str | None


_COLUMNS = ", ".join(AuditLine._fields)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines are looked for; what is absent does not narrow. The period is `since` ≤ at < `until`."""

    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def audit_page(wanted: AuditFilter, *, after: tuple[datetime, UUID] | None, limit: int) -> list[AuditLine]:
    """Up to `limit` lines, the latest first, that come after an instant and id in this order."""
    clauses, arguments = _narrowed(wanted)
    if after is not None:
        arguments.extend(after)
        clauses.append(f"(at, id) < (${len(arguments) - 1}, ${len(arguments)})")
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    arguments.append(limit)
    rows = await fetch(
        f"SELECT {_COLUMNS} FROM audit_record {where} ORDER BY at DESC, id DESC LIMIT ${len(arguments)}", *arguments
    )
    return [AuditLine(*row) for row in rows]


def _narrowed(wanted: AuditFilter) -> tuple[list[str], list[Any]]:
    given = {
        "subject =": wanted.subject,
        "actor =": wanted.actor,
        "action =": wanted.action,
        "at >=": wanted.since,
        "at <": wanted.until,
    }
    kept = {clause: value for clause, value in given.items() if value is not None}
    return [f"{clause} ${place}" for place, clause in enumerate(kept, start=1)], list(kept.values())


async def audit_lines_by_ids(ids: Sequence[UUID]) -> list[AuditLine | None]:
    """The lines with these ids, in their order; None for what is not there."""
    rows = await fetch(f"SELECT {_COLUMNS} FROM audit_record WHERE id = ANY($1::uuid[])", list(ids))
    known = {row["id"]: AuditLine(*row) for row in rows}
    return [known.get(each) for each in ids]
