"""Reads of the ledger: balances as they are at an instant, entries by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.calendar import Calendar
from gamification.core.database import fetch, fetch_row
from gamification.core.draft import Loaded, MoreLotsNeeded
from gamification.core.policy import Policies
from gamification.core.statements import load_statement
from gamification.core.work import LOTS_ALL
from gamification.points.book import Book
from gamification.points.ledger import PointsLedger
from gamification.points.models import GROWTH, POINTS
from gamification.points.rows import AccountRow


@dataclass(frozen=True, slots=True)
class Balance:
    """A member's points and growth at an instant; `accrued` … `revoked` are lifetime figures of POINTS."""

    member_id: UUID
    available: int
    pending: int
    held: int
    debt: int
    accrued: int
    redeemed: int
    expired: int
    revoked: int
    growth: int


class EntryLine(NamedTuple):
    """A line of the statement. `points` is what the entry moved in all buckets together, debt counted against it."""

    member_id: UUID
    currency: str
    seq: int
    kind: str
    source_type: str
    source_id: str
    points: int
    available: int
    pending: int
    held: int
    debt: int
    occurred_at: datetime
    booked_at: datetime
    trace: str


LINE_COLUMNS = """member_id, currency, seq, kind, source_type, source_id,
    available_delta + pending_delta + held_delta - debt_delta AS points,
    available, pending, held, debt, occurred_at, booked_at, trace"""
"""The columns of an `EntryLine`, in their order."""


async def balances_by_member_ids(
    member_ids: Sequence[UUID], now: datetime, policies: Policies, calendar: Calendar
) -> Mapping[UUID, Balance]:
    """Balances as they are at an instant, whether or not what is due has been booked; one statement.

    Where nothing is due the accounts say it all, and no book is opened.
    """
    loaded = await _loaded(member_ids, now, policies, 0)
    found: dict[UUID, Balance] = {}
    due: list[UUID] = []
    for member_id, rows in loaded.by_member["accounts"].items():
        accounts = {row.currency: row for row in rows}
        due_at = accounts[POINTS].next_due_at
        if due_at is None or due_at > now:
            found[member_id] = _balance(accounts[POINTS], accounts[GROWTH].available)
        else:
            due.append(member_id)
    for book in await _books(due, now, loaded, policies, calendar) if due else ():
        found[book.member_id] = _balance(book.points, book.growth)
    return found


async def open_books(
    member_ids: Sequence[UUID], now: datetime, policies: Policies, calendar: Calendar, lots_max: int = 0
) -> list[Book]:
    """The books of those members who have accounts, with what is due booked in them and written nowhere."""
    loaded = await _loaded(member_ids, now, policies, lots_max)
    return await _books(member_ids, now, loaded, policies, calendar)


async def _loaded(member_ids: Sequence[UUID], now: datetime, policies: Policies, lots_max: int) -> Loaded:
    statement = load_statement(PointsLedger().loads(lots_max))
    record = await fetch_row(statement.sql, *statement.arguments(member_ids, now, ()))
    revision, loaded = statement.read(record)
    if revision > policies.revision:
        await policies.refresh()
    return loaded


async def _books(
    member_ids: Sequence[UUID], now: datetime, loaded: Loaded, policies: Policies, calendar: Calendar
) -> list[Book]:
    ledger = PointsLedger()
    try:
        books = [ledger.open(each, now, loaded, policies, calendar) for each in member_ids]
    except MoreLotsNeeded:
        return await open_books(member_ids, now, policies, calendar, LOTS_ALL)
    return [book for book in books if book is not None]


def _balance(points: AccountRow, growth: int) -> Balance:
    return Balance(
        points.member_id, points.available, points.pending, points.held, points.debt,
        points.accrued, points.redeemed, points.expired, points.revoked, growth,
    )  # fmt: skip


async def members_due(now: datetime, after: tuple[datetime, UUID] | None, limit: int) -> list[tuple[datetime, UUID]]:
    """Members with an activation or expiry that is due and not booked, as (due since, member), longest due first."""
    rows = await fetch(
        """SELECT next_due_at, member_id FROM account
           WHERE next_due_at <= $1 AND (next_due_at, member_id) > (coalesce($2::timestamptz, '-infinity'), $3)
           ORDER BY next_due_at, member_id LIMIT $4""",
        now, *(after or (None, UUID(int=0))), limit,
    )  # fmt: skip
    return [(row["next_due_at"], row["member_id"]) for row in rows]


async def entry(member_id: UUID, currency: str, seq: int) -> EntryLine | None:
    """One entry of a member."""
    row = await fetch_row(
        f"SELECT {LINE_COLUMNS} FROM entry WHERE member_id = $1 AND currency = $2 AND seq = $3",
        member_id, currency, seq,
    )  # fmt: skip
    return EntryLine(*row) if row else None


async def entries_after(cursors: Sequence[tuple[UUID, str, int]], limit: int) -> list[EntryLine]:
    """Entries above each (member, currency, seq): what a live feed asks. Seqs commit in order within an account."""
    rows = await fetch(
        f"""SELECT e.* FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS c(id, currency, seq) CROSS JOIN LATERAL (
                SELECT {LINE_COLUMNS} FROM entry WHERE member_id = c.id AND currency = c.currency AND seq > c.seq
                ORDER BY seq LIMIT $4) e""",
        *(list(column) for column in zip(*cursors, strict=True)), limit,
    )  # fmt: skip
    return [EntryLine(*row) for row in rows]


async def last_seqs(member_id: UUID) -> Mapping[str, int]:
    """The last seq of each of a member's accounts."""
    return {row["currency"]: row["seq"] for row in await fetch(
        "SELECT currency, seq FROM account WHERE member_id = $1", member_id
    )}  # fmt: skip


def by_member(rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    """Rows by their member, in the order in which they came."""
    grouped: dict[UUID, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row.member_id, []).append(row)
    return grouped


__all__ = ["GROWTH", "POINTS", "Balance", "EntryLine"]
