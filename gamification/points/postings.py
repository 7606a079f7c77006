"""A member's running accounts and lots, and the postings that move them together.

Everything here keeps the invariants; the verbs on top (`book.py`) say why something moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from gamification.core.calendar import Calendar
from gamification.core.draft import Draft, Loaded, MoreLotsNeeded
from gamification.core.encoding import encode
from gamification.core.policy import Policies
from gamification.points.models import GROWTH, POINTS, Hold
from gamification.points.rows import (
    EXTENDED,
    HOLDS,
    HOLDS_DUE,
    LOTS_WHEN_DUE,
    AccountRow,
    EntryRow,
    HoldRow,
    Posted,
    Source,
    lots_loaded,
)
from gamification.points.rules import Lot, consumption_order


class Postings(Draft):
    """A draft with the member's accounts and lots in it."""

    def __init__(self, member_id: UUID, now: datetime, loaded: Loaded, policies: Policies, calendar: Calendar) -> None:
        super().__init__(member_id, now, loaded, policies, calendar)
        self.accounts: dict[str, AccountRow] = {row.currency: row for row in loaded.by_member["accounts"][member_id]}
        self.entries: list[EntryRow] = []
        self.allocations: list[tuple[UUID, str, int, int, int, int, int]] = []
        self.expired_now: dict[tuple[UUID, int | None], int] = {}
        self._touched = {POINTS}
        self.lots_by_key: dict[tuple[int, int], Lot] = {}
        self.new_lots: set[tuple[int, int]] = set()
        self.changed_lots: set[tuple[int, int]] = set()
        self.last_in_reach: tuple[datetime, datetime, int, int] | None = None
        self.lots_complete = self._read_lots(loaded)
        self.holds_by_seq: dict[int, HoldRow] = {}
        self._read_holds(loaded)
        extended = loaded.by_member.get(EXTENDED, {}).get(member_id, ())
        self.extended_before: dict[tuple[int, int], datetime] = {(row.seq, row.line): row.until for row in extended}

    def _read_holds(self, loaded: Loaded) -> None:
        """Take over the holds that were loaded, and the lots that they took from, most of which are used up."""
        for name in (HOLDS_DUE.name, HOLDS):
            for row in loaded.by_member.get(name, {}).get(self.member_id, ()):
                self.holds_by_seq[row.seq] = row
                for lot in row.lots:
                    self.lots_by_key.setdefault(lot.key, lot)

    def _read_lots(self, loaded: Loaded) -> bool:
        """Take over the lots that were loaded; returns whether they are all open lots of the member."""
        name, lots_max, is_worth = self.common("lots", lambda: lots_loaded(loaded))
        account = self.points
        is_due = account.next_due_at is not None and account.next_due_at <= self.now
        if not lots_max and not is_due:
            return False
        self.lots_by_key = {lot.key: lot for lot in loaded.by_member[name].get(self.member_id, ())}
        prefix = sorted(map(consumption_order, self.lots_by_key.values()))
        if is_worth and not is_due:
            self.last_in_reach = prefix[-1] if prefix else None
            return sum(lot.remaining for lot in self.lots_by_key.values()) == account.available + account.pending
        prefix_max = max(lots_max, LOTS_WHEN_DUE)
        self.last_in_reach = prefix[:prefix_max][-1] if prefix else None
        return len(prefix) < prefix_max

    @property
    def points(self) -> AccountRow:
        """The POINTS account as it stands in this draft."""
        return self.accounts[POINTS]

    @property
    def growth(self) -> int:
        """The growth value as it stands in this draft."""
        return self.accounts[GROWTH].available

    def lots(self) -> list[Lot]:
        """The loaded lots that are still open, in consumption order."""
        return sorted((lot for lot in self.lots_by_key.values() if lot.open), key=consumption_order)

    def lot(self, seq: int, line: int) -> Lot | None:
        """A loaded lot, open or closed."""
        return self.lots_by_key.get((seq, line))

    def is_within_reach(self, lot: Lot) -> bool:
        """Whether all lots that are to be used before this one are loaded.

        Beyond the loaded prefix lie lots that were pending, are new or came back: others may come before them.
        """
        return self.lots_complete or (self.last_in_reach is not None and consumption_order(lot) <= self.last_in_reach)

    def usable(self) -> list[Lot]:
        """Active lots in consumption order, as far as the loaded ones reach."""
        return [lot for lot in self.lots() if not lot.pending and self.is_within_reach(lot)]

    def consume(self, points: int, lots: Iterable[Lot], seq: int) -> None:
        """Take exactly this many points from the lots, in their order. Raises MoreLotsNeeded when not all were read."""
        taken = self.consume_up_to(points, lots, seq)
        if taken < points:
            if not self.lots_complete:
                raise MoreLotsNeeded
            raise AssertionError(f"account of {self.member_id} has more available than its lots hold")

    def consume_up_to(self, points: int, lots: Iterable[Lot], seq: int) -> int:
        """Take at most this many points from the lots, in their order; how many were there."""
        taken = 0
        for stale in lots:
            lot = self.lots_by_key[stale.key]
            part = min(lot.remaining, points - taken)
            if part:
                self.change_lot(lot, remaining=lot.remaining - part)
                self.allocate(seq, lot, part)
                taken += part
            if taken == points:
                break
        return taken

    def allocate(self, seq: int, lot: Lot, points: int) -> None:
        """Write down that an entry took points from a lot, or gave them back."""
        if points:
            last = self.allocations[-1] if self.allocations else None
            place = last[-1] + 1 if last is not None and last[2] == seq else 0
            self.allocations.append((self.member_id, POINTS, seq, lot.seq, lot.line, points, place))

    def put_hold(self, hold: HoldRow) -> None:
        """Write a hold as it is now, and remember it for the rest of the batch."""
        self.holds_by_seq[hold.seq] = hold
        values = hold._asdict()
        columns = {name: values[name] for name in HoldRow._fields if name not in ("member_id", "takes", "lots")}
        self.put(Hold, ("member_id", "seq"), **columns)

    def change_lot(self, lot: Lot, **changes: Any) -> None:
        """Replace a lot by one with these changes."""
        self.lots_by_key[lot.key] = lot._replace(**changes)
        self.changed_lots.add(lot.key)

    def due_by(self, at: datetime | None) -> None:
        """Let the account be looked at again at this instant, if not earlier."""
        known = self.points.next_due_at
        if at is not None and (known is None or at < known):
            self.replace(POINTS, next_due_at=at)

    def replace(self, currency: str, **changes: Any) -> None:
        """Replace an account by one with these changes."""
        self.accounts[currency] = self.accounts[currency]._replace(**changes)

    def post(
        self,
        currency: str,
        kind: str,
        source: Source,
        trace: Mapping[str, Any],
        occurred_at: datetime | None,
        *,
        available: int = 0,
        pending: int = 0,
        held: int = 0,
        debt: int = 0,
        accrued: int = 0,
        redeemed: int = 0,
        expired: int = 0,
        revoked: int = 0,
    ) -> Posted:
        """Write an entry: its deltas, and the balances after it."""
        before = self.accounts[currency]
        after = AccountRow(
            before.member_id, currency, before.version, before.seq + 1,
            before.available + available, before.pending + pending, before.held + held, before.debt + debt,
            before.accrued + accrued, before.redeemed + redeemed, before.expired + expired, before.revoked + revoked,
            before.next_due_at,
        )  # fmt: skip
        assert min(after.available, after.pending, after.held, after.debt) >= 0, "nothing is negative"
        self.accounts[currency] = after
        self._touched.add(currency)
        self.entries.append(EntryRow(
            self.member_id, currency, after.seq, kind, *source,
            available, pending, held, debt, after.available, after.pending, after.held, after.debt,
            occurred_at or self.now, self.now, self.on, encode(trace),
        ))  # fmt: skip
        self.changes += 1
        return Posted(after.seq, abs(available + pending - debt), after.available)

    # -- rows for the write ------------------------------------------------------------------------------------------

    def account_rows(self) -> list[AccountRow]:
        """The accounts after the draft; the POINTS row always, since it carries the member's version."""
        return [self.accounts[currency] for currency in sorted(self._touched, reverse=True)]

    def lot_rows(self) -> list[tuple[Any, ...]]:
        """New and changed lots; the last column says which are new."""
        rows = [self._lot_row(key, is_new=True) for key in sorted(self.new_lots)]
        return rows + [self._lot_row(key, is_new=False) for key in sorted(self.changed_lots - self.new_lots)]

    def _lot_row(self, key: tuple[int, int], *, is_new: bool) -> tuple[Any, ...]:
        lot = self.lots_by_key[key]
        return (
            lot.member_id, POINTS, lot.seq, lot.line, lot.original, lot.remaining, lot.expired, lot.open,
            lot.pending, lot.activates_at, lot.expires_at, lot.order_id, lot.order_line, lot.root_seq, lot.root_line,
            lot.policy_version, is_new,
        )  # fmt: skip
