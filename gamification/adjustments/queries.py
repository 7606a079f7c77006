"""Reads of adjustments: searched, by member, by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.adjustments.rules import Because, Currency, Kind, State
from gamification.core.database import fetch


class AdjustmentLine(NamedTuple):
    """An adjustment as it stands; `before` and `after` are JSON text of the balances around its entry."""

    member_id: UUID
    id: UUID
    kind: Kind
    currency: Currency
    points: int
    reason: str | None
    state: State
    because: Because | None
    policy_version: int
    made_by: UUID
    made_at: datetime
    made_on: date
    lapses_at: datetime | None
    decided_by: UUID | None
    decided_at: datetime | None
    decision_reason: str | None
    entry_seq: int | None
    before: str | None
    after: str | None


COLUMNS = ", ".join(AdjustmentLine._fields)
Key = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class AdjustmentFilter:
    """Which adjustments are looked for; what is absent does not narrow. The period is `since` ≤ made at < `until`."""

    member_id: UUID | None = None
    state: State | None = None
    made_by: UUID | None = None
    decided_by: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


async def adjustments_page(
    wanted: AdjustmentFilter, *, now: datetime, after: UUID | None, limit: int
) -> list[AdjustmentLine]:
    """Up to `limit` adjustments, the latest first, behind an id in this order; states are those at `now`."""
    clauses, arguments = _narrowed(wanted, now)
    if after is not None:
        arguments.append(after)
        clauses.append(f"id < ${len(arguments)}")
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    arguments.append(limit)
    rows = await fetch(f"SELECT {COLUMNS} FROM adjustment {where} ORDER BY id DESC LIMIT ${len(arguments)}", *arguments)
    return [AdjustmentLine(*row) for row in rows]


_STATE_AT = "CASE WHEN state = 'PROPOSED' AND lapses_at <= {} THEN 'LAPSED' ELSE state END = {}"
"""`rules.state_at` in SQL."""


def _narrowed(wanted: AdjustmentFilter, now: datetime) -> tuple[list[str], list[Any]]:
    clauses: list[str] = []
    arguments: list[Any] = []

    def add(clause: str, *values: object) -> None:
        if values[-1] is not None:
            clauses.append(clause.format(*(f"${len(arguments) + place}" for place in range(1, len(values) + 1))))
            arguments.extend(values)

    add("member_id = {}", wanted.member_id)
    add(_STATE_AT, now, wanted.state)
    add("made_by = {}", wanted.made_by)
    add("decided_by = {}", wanted.decided_by)
    add("made_at >= {}", wanted.since)
    add("made_at < {}", wanted.until)
    return clauses, arguments


async def adjustment_pages(
    member_ids: Sequence[UUID], after: UUID | None, limit: int
) -> Mapping[UUID, list[AdjustmentLine]]:
    """For each member up to `limit` adjustments, the latest first, behind an id in this order; one statement."""
    rows = await fetch(
        f"""SELECT a.* FROM unnest($1::uuid[]) AS m(whose) CROSS JOIN LATERAL (
                SELECT {COLUMNS} FROM adjustment WHERE member_id = m.whose AND ($2::uuid IS NULL OR adjustment.id < $2)
                ORDER BY adjustment.id DESC LIMIT $3) a""",
        list(member_ids), after, limit,
    )  # fmt: skip
    pages: dict[UUID, list[AdjustmentLine]] = {}
    for row in rows:
        pages.setdefault(row["member_id"], []).append(AdjustmentLine(*row))
    return pages


async def adjustments_by_keys(keys: Sequence[Key]) -> list[AdjustmentLine | None]:
    """Adjustments by (member, id), in the order of the keys; None for what is not there."""
    rows = await fetch(
        f"""SELECT {COLUMNS} FROM adjustment
            WHERE (member_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))""",
        [member_id for member_id, _ in keys], [adjustment_id for _, adjustment_id in keys],
    )  # fmt: skip
    found = {(row["member_id"], row["id"]): AdjustmentLine(*row) for row in rows}
    return [found.get(each) for each in keys]
