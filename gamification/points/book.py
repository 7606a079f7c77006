"""The member's book: what can be done with points, each verb one or more postings.

The slices above call these inside their decisions. Entries come about here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from gamification.core.draft import MoreLotsNeeded
from gamification.points.errors import InsufficientPoints
from gamification.points.models import GROWTH, POINTS
from gamification.points.postings import Postings
from gamification.points.rows import TAKEN, Posted, Revoked, Source
from gamification.points.rules import Lot, PointsPolicy, consumption_order, lifetime

RESTORED_LIFE = timedelta(days=30)
"""How long restored points live at least, once per lot."""


class Book(Postings):
    """A member's accounts and lots in the middle of a batch of decisions."""

    def accrue(
        self,
        points: int,
        *,
        source: Source,
        kind: str = "ACCRUAL",
        trace: Mapping[str, Any],
        occurred_at: datetime | None = None,
        order_id: UUID | None = None,
        portions: Sequence[tuple[int | None, int]] | None = None,
    ) -> Posted:
        """Post points in: one lot per portion (order line, points). Whatever becomes available repays debt first."""
        assert points > 0, "an accrual is positive"
        parts = [part for part in portions or [(None, points)] if part[1] > 0]
        assert sum(part for _, part in parts) == points, "portions sum to the accrual"
        activates_at, expires_at = self._lifetime
        pending = activates_at > self.now
        seq = self.points.seq + 1
        repaid = 0 if pending else min(points, self.points.debt)
        left = repaid
        for line, (order_line, part) in enumerate(parts):
            used = min(left, part)
            left -= used
            lot = Lot(
                self.member_id, seq, line, part, part - used, 0, 0, pending, activates_at, expires_at,
                order_id, order_line, None, None,
            )  # fmt: skip
            self.lots_by_key[lot.key] = lot
            self.new_lots.add(lot.key)
            self.allocate(seq, lot, used)
        self.due_by(activates_at if pending else expires_at)
        return self.post(
            POINTS, kind, source, trace, occurred_at,
            available=0 if pending else points - repaid, pending=points if pending else 0, debt=-repaid, accrued=points,
        )  # fmt: skip

    @cached_property
    def _lifetime(self) -> tuple[datetime, datetime | None]:
        """When what is booked now activates and expires."""
        return lifetime(self.policy(PointsPolicy).body, self.now, self.calendar)

    def take(
        self,
        points: int,
        *,
        source: Source,
        kind: str = "REDEMPTION",
        trace: Mapping[str, Any],
        is_revocation: bool = False,
    ) -> Posted:
        """Post points out, soonest expiry first: redeemed, or revoked over a lifetime. Refuses: InsufficientPoints."""
        assert points > 0, "what is taken is positive"
        account = self.points
        if points > account.available:
            missing = points - account.available + account.debt
            raise InsufficientPoints(required=points, available=account.available, debt=account.debt, missing=missing)
        self.consume(points, self.usable(), self.points.seq + 1)
        redeemed, revoked = (0, points) if is_revocation else (points, 0)
        return self.post(POINTS, kind, source, trace, None, available=-points, redeemed=redeemed, revoked=revoked)

    def claw_back(
        self,
        points: int,
        *,
        source: Source,
        kind: str = "CLAW_BACK",
        trace: Mapping[str, Any],
        occurred_at: datetime | None = None,
        order_id: UUID | None,
        order_line: int | None = None,
    ) -> Revoked:
        """Take back what a refunded order accrued.

        From that line's pending lots, then that order's lots, then other active lots by expiry, then as debt; the
        policy may stop earlier; the entry says what it forgave. Held points are never taken.
        """
        assert points > 0, "what is clawed back is positive"
        if not self.lots_complete:
            raise MoreLotsNeeded
        reach = self.policy(PointsPolicy).body.claw_back
        seq = self.points.seq + 1
        of_order = [lot for lot in self.lots() if lot.order_id is not None and lot.order_id == order_id]
        of_line = [lot for lot in of_order if order_line is None or lot.order_line == order_line]
        pending = self.consume_up_to(points, [lot for lot in of_line if lot.pending], seq)
        taken = 0
        if reach != "PENDING_ONLY":
            pending += self.consume_up_to(points - pending, [lot for lot in of_order if lot.pending], seq)
            own = [lot for lot in of_line if not lot.pending] + [lot for lot in of_order if not lot.pending]
            taken = self.consume_up_to(points - pending, own, seq)
            taken += self.consume_up_to(points - pending - taken, self.usable(), seq)
        left = points - pending - taken
        debt = left if reach == "TO_DEBT" else 0
        revoked = pending + taken + debt
        self.post(
            POINTS, kind, source, {**trace, "forgiven": left - debt} if left - debt else trace, occurred_at,
            available=-taken, pending=-pending, debt=debt, revoked=revoked,
        )  # fmt: skip
        return Revoked(revoked, debt, left - debt)

    def give_back(
        self,
        seq: int,
        *,
        source: Source,
        kind: str = "RESTORATION",
        trace: Mapping[str, Any],
        by_member: bool = False,
    ) -> Posted | None:
        """Give back what entry `seq` took, to the lots it came from, last taken first; debt is repaid first.

        Where such a lot has less than `RESTORED_LIFE` left, the points form a child lot that lives at least so long,
        never by the member's own cancellation. That life is set once per root lot: what is given back to the same lot
        later lives as long as the first child. What comes back to an expired lot expires again.
        The verb loads `taken_load`. Returns None for an entry that took nothing.
        """
        taken = [row for row in self.loaded(TAKEN) if row.entry_seq == seq and row.points > 0]
        if not taken:
            return None
        points = sum(row.points for row in taken)
        posting = self.points.seq + 1
        repaid = left = min(points, self.points.debt)
        expired: list[Lot] = []
        for line, row in enumerate(sorted(taken, key=lambda row: consumption_order(row.lot), reverse=True)):
            used = min(left, row.points)
            left -= used
            lot = self.lots_by_key.setdefault((row.seq, row.line), row.lot)
            until = None if by_member else self._extended_until(lot, row.extended_until)
            if until is not None:
                self._extend(lot, posting, line, row.points, used, until)
            else:
                self.change_lot(lot, remaining=lot.remaining + row.points - used)
                self.allocate(posting, lot, used - row.points)
                self.due_by(lot.expires_at)
                expired.append(lot)
        posted = self.post(POINTS, kind, source, trace, None, available=points - repaid, debt=-repaid, redeemed=-points)
        for lot in expired:
            self._expire_again(lot, posted.seq)
        return Posted(posted.seq, points, self.points.available)

    def grow(
        self,
        growth: int,
        *,
        source: Source,
        kind: str,
        trace: Mapping[str, Any],
        occurred_at: datetime | None = None,
        forgiving: bool = False,
    ) -> Posted:
        """Post growth: positive for an accrual, negative for what is taken back (never below zero).

        A refund may find that staff have lowered the growth it revokes: it is `forgiving`, and its entry says of what.
        """
        assert growth != 0, "a posting moves something"
        assert forgiving or self.growth + growth >= 0, "growth is revoked only where it was accrued"
        moved = max(growth, -self.growth)
        return self.post(
            GROWTH, kind, source, {**trace, "forgiven": moved - growth} if moved != growth else trace, occurred_at,
            available=moved, accrued=max(moved, 0), revoked=max(-moved, 0),
        )  # fmt: skip

    def book_due(self) -> None:
        """Book every activation and expiry whose instant has come, in the order of the instants."""
        due_at = self.points.next_due_at
        if due_at is None or due_at > self.now:
            return
        while (due := self._next_due()) is not None:
            at, lot = due
            if lot.pending:
                self._activate(lot, at)
            else:
                self._expire(lot, at)
        left = [lot for lot in self.lots_by_key.values() if lot.remaining]
        if not self.lots_complete and not any(self.is_within_reach(lot) for lot in left):
            raise MoreLotsNeeded
        instants = [lot.activates_at if lot.pending else lot.expires_at for lot in left]
        next_due_at = min((at for at in instants if at is not None), default=None)
        self.replace(POINTS, next_due_at=next_due_at)
        self.changes += 1

    def _next_due(self) -> tuple[datetime, Lot] | None:
        instants = (
            (lot.activates_at if lot.pending else lot.expires_at, lot)
            for lot in self.lots_by_key.values()
            if lot.remaining
        )
        due = [(at, lot) for at, lot in instants if at is not None and at <= self.now]
        return min(due, key=lambda each: (each[0], each[1].key), default=None)

    def _activate(self, lot: Lot, at: datetime) -> None:
        repaid = min(lot.remaining, self.points.debt)
        self.change_lot(lot, remaining=lot.remaining - repaid, pending=False)
        self.allocate(self.points.seq + 1, lot, repaid)
        self.post(
            POINTS, "ACTIVATION", _lot_source(lot), {"lot": _lot_source(lot)[1]}, at,
            available=lot.remaining - repaid, pending=-lot.remaining, debt=-repaid,
        )  # fmt: skip

    def _expire(self, lot: Lot, at: datetime, source_id: str | None = None) -> None:
        points = lot.remaining
        self.change_lot(lot, remaining=0, expired=lot.expired + points)
        self.allocate(self.points.seq + 1, lot, points)
        self.post(
            POINTS, "EXPIRY", ("lot", source_id) if source_id else _lot_source(lot), {"lot": _lot_source(lot)[1]}, at,
            available=-points, expired=points,
        )  # fmt: skip
        if lot.order_id is not None:
            place = (lot.order_id, lot.order_line)
            self.expired_now[place] = self.expired_now.get(place, 0) + points

    def _extended_until(self, lot: Lot, known: datetime | None) -> datetime | None:
        """Until when a child of this lot lives; None when restored points share the fate of the lot itself."""
        if lot.expires_at is None or lot.expires_at >= self.now + RESTORED_LIFE or lot.root_seq is not None:
            return None
        children = (each for each in self.lots_by_key.values() if (each.root_seq, each.root_line) == lot.key)
        until = max((at for at in (known, *(each.expires_at for each in children)) if at is not None), default=None)
        if until is None:
            return self.now + RESTORED_LIFE
        return until if until > max(lot.expires_at, self.now) else None

    def _extend(self, lot: Lot, seq: int, line: int, points: int, used: int, until: datetime) -> None:
        """Put restored points into a child lot that lives until then."""
        child = lot._replace(
            seq=seq, line=line, original=points, remaining=points - used, held=0, expired=0, pending=False,
            activates_at=self.now, expires_at=until,
            root_seq=lot.seq, root_line=lot.line,
        )  # fmt: skip
        self.lots_by_key[child.key] = child
        self.new_lots.add(child.key)
        self.allocate(seq, child, used)
        self.due_by(child.expires_at)

    def _expire_again(self, stale: Lot, restored_by: int) -> None:
        lot = self.lots_by_key[stale.key]
        if lot.expires_at is not None and lot.expires_at <= self.now and lot.remaining:
            self._expire(lot, self.now, f"{lot.seq}.{lot.line}@{restored_by}")

    def waive(self, points: int, *, source: Source, kind: str = "DEBT_WAIVER", trace: Mapping[str, Any]) -> Posted:
        """Post debt away, never more than is owed: so much of what was revoked counts as never taken back."""
        assert 0 < points <= self.points.debt, "what is waived is owed"
        return self.post(POINTS, kind, source, trace, None, debt=-points, revoked=-points)


def _lot_source(lot: Lot) -> Source:
    return "lot", f"{lot.seq}.{lot.line}"
