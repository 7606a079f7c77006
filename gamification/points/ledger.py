"""The one ledger, as the write path sees it: what it loads, the book it opens, the SQL function that writes.

Every change of points is decided on a `Book` and written by `ledger_write`, the only writer of these tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gamification.core.calendar import Calendar
from gamification.core.draft import Load, Loaded, Price
from gamification.core.policy import Policies
from gamification.core.statements import LedgerCall
from gamification.core.work import LOTS_ALL
from gamification.points.book import Book
from gamification.points.rows import ACCOUNTS, HOLDS_ACTIVE, HOLDS_DUE, POINTS_ACCOUNTS, lots_load, lots_worth
from gamification.points.rules import PointsPolicy


class PointsLedger:
    """What the write path borrows from this slice: loads, the member's book, and the call that writes."""

    call = LedgerCall(
        "ledger_write($1::timestamptz, $2::boolean, $3::account_write[], $4::entry_write[], $5::lot_write[], "
        "$6::allocation_write[], $7::receipt_write[], $8::outbox_write[])",
        8,
    )
    lock_sql = "SELECT lock_members($1::uuid[])"

    def loads(
        self, lots_max: int, *, price: Price | None = None, points_only: bool = False, policies: Policies | None = None
    ) -> tuple[Load, ...]:
        """Accounts; lots: all pending ones and the first `lots_max` to be consumed; holds that may end or slide.

        With a price, of the lots only as many as hold it, unless activity renews the life of all of them.
        """
        accounts = POINTS_ACCOUNTS if points_only else ACCOUNTS
        if lots_max == LOTS_ALL:
            return accounts, lots_load(lots_max), HOLDS_ACTIVE
        if price is None or policies is None or any(each.body.expiry.sliding for each in policies.all(PointsPolicy)):
            return accounts, lots_load(lots_max), HOLDS_DUE
        return accounts, lots_worth(lots_max, price), HOLDS_DUE

    def open(
        self, member_id: UUID, now: datetime, loaded: Loaded, policies: Policies, calendar: Calendar
    ) -> Book | None:
        """A member's book with everything due already booked; None for a member without accounts."""
        if not loaded.by_member["accounts"].get(member_id):
            return None
        book = Book(member_id, now, loaded, policies, calendar)
        book.book_due()
        return book

    def arguments(self, books: Sequence[Book], *, wait: bool) -> list[Any]:
        """The parameters of `call` for some books, ordered by member."""
        return [
            books[0].now,
            wait,
            [row for book in books for row in book.account_rows()],
            [entry for book in books for entry in book.entries],
            [row for book in books for row in book.lot_rows()],
            [allocation for book in books for allocation in book.allocations],
            [(book.member_id, *receipt) for book in books for receipt in book.receipts],
            [(book.member_id, *job) for book in books for job in book.jobs],
        ]
