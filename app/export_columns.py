"""The columns of the exported files, in their order; `docs/statements.md` says what each holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from app.csv_lines import Column
from gamification.core.calendar import Calendar
from gamification.points import explanations
from gamification.points.exports import ExportRow
from gamification.points.liability import Report
from schema.entry_filters import kind_label


def entry_columns(calendar: Calendar, locale: str) -> list[Column[ExportRow]]:
    """The columns of `entries.csv`. Instants are on the programme's wall clock, texts in the caller's language."""
    return [
        Column("business_date", lambda row: row.business_date.isoformat()),
        Column("booked_at", lambda row: calendar.local(row.booked_at).isoformat(timespec="seconds")),
        Column("occurred_at", lambda row: calendar.local(row.occurred_at).isoformat(timespec="seconds")),
        Column("member_number", lambda row: row.member_number),
        Column("currency", lambda row: row.currency),
        Column("seq", lambda row: row.seq),
        Column("kind", lambda row: row.kind),
        Column("label", lambda row: kind_label(row.kind, locale)),
        Column("points", lambda row: row.points),
        Column("available_delta", lambda row: row.available_delta),
        Column("pending_delta", lambda row: row.pending_delta),
        Column("held_delta", lambda row: row.held_delta),
        Column("debt_delta", lambda row: row.debt_delta),
        Column("available", lambda row: row.available),
        Column("pending", lambda row: row.pending),
        Column("held", lambda row: row.held),
        Column("debt", lambda row: row.debt),
        Column("source_type", lambda row: row.source_type),
        Column("source_id", lambda row: row.source_id),
        Column("explanation", lambda row: _sentence(row, locale)),
        Column("trace", lambda row: row.trace),
    ]


def _sentence(row: ExportRow, locale: str) -> str:
    return explanations.explain(row.kind, row.source_type, orjson.loads(row.trace), locale)


@dataclass(frozen=True, slots=True)
class LiabilityLine:
    """A line of the liability: points that end in a month, that never end, or that are held."""

    month: str
    available: int
    pending: int
    held: int
    breakage: int | None

    @property
    def gross(self) -> int:
        """All of it, in points and in fen."""
        return self.available + self.pending + self.held


def liability_rows(report: Report, rate_bp: int | None) -> list[LiabilityLine]:
    """The report line by line: the months, points that never expire, what is held, and the total."""
    parts: Sequence[int | None] = [None] * len(report.buckets) if rate_bp is None else report.breakage(rate_bp)
    found = [
        LiabilityLine(bucket.month.isoformat()[:7] if bucket.month else "never", *bucket[1:], 0, part)
        for bucket, part in zip(report.buckets, parts, strict=True)
    ]
    breakage = None if rate_bp is None else sum(part or 0 for part in parts)
    nothing = None if rate_bp is None else 0
    return [
        *found,
        LiabilityLine("held", 0, 0, report.held, nothing),
        LiabilityLine("total", report.available, report.pending, report.held, breakage),
    ]


def liability_columns() -> list[Column[LiabilityLine]]:
    """The columns of `liability.csv`, in fen; breakage and net are empty without a rate."""
    return [
        Column("month", lambda row: row.month),
        Column("available", lambda row: row.available),
        Column("pending", lambda row: row.pending),
        Column("held", lambda row: row.held),
        Column("gross_fen", lambda row: row.gross),
        Column("breakage_fen", lambda row: row.breakage),
        Column("net_fen", lambda row: None if row.breakage is None else row.gross - row.breakage),
    ]
