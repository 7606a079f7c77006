"""The member's book: what can be done with points, each verb one or more postings.

The slices above call these inside their decisions. Entries come about here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gamification.core.draft import MoreLotsNeeded
from gamification.points.due import Dues
from gamification.points.errors import InsufficientPoints
from gamification.points.models import GROWTH, POINTS
from gamification.points.rows import TAKEN, HoldRow, Posted, Revoked, Source
from gamification.points.rules import Lot, PointsPolicy, Taken, consumption_order, lifetime


class Book(Dues):
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
        sliding = [] if kind == "ADJUSTMENT" else self.sliding_lots()  # staff act, not the member
        version, activates_at, expires_at = self._lifetime(of_order=order_id is not None)
        pending = activates_at > self.now
        seq = self.points.seq + 1
        repaid = 0 if pending else min(points, self.points.debt)
        left = repaid
        for line, (order_line, part) in enumerate(parts):
            used = min(left, part)
            left -= used
            lot = Lot(
                self.member_id, seq, line, part, part - used, 0, pending, activates_at, expires_at,
                order_id, order_line, None, None, version,
            )  # fmt: skip
            self.lots_by_key[lot.key] = lot
            self.new_lots.add(lot.key)
            self.allocate(seq, lot, used)
        self.due_by(activates_at if pending else expires_at)
        self.slide(sliding)
        return self.post(
            POINTS, kind, source, trace, occurred_at,
            available=0 if pending else points - repaid, pending=points if pending else 0, debt=-repaid, accrued=points,
        )  # fmt: skip

    def _lifetime(self, *, of_order: bool) -> tuple[int, datetime, datetime | None]:
        """Under which policy version what is booked now lives, when it activates, and when it expires."""

        def work_out() -> tuple[int, datetime, datetime | None]:
            policy = self.policy(PointsPolicy)
            return policy.version, *lifetime(policy.body, self.now, self.calendar, of_order=of_order)

        return self.common(("lifetime", of_order), work_out)

    def take(
        self,
        points: int,
        *,
        source: Source,
        kind: str = "REDEMPTION",
        trace: Mapping[str, Any],
        is_revocation: bool = False,
    ) -> Posted:
        """Post points out, soonest expiry first: redeemed, or revoked over a lifetime. Refuses: InsufficientPoints.

        What a redemption renews it renews afterwards, also what it used up, in case that comes back.
        """
        assert points > 0, "what is taken is positive"
        self._refuse_more_than_available(points)
        sliding = [] if is_revocation else self.sliding_lots()  # staff act, not the member
        self.consume(points, self.usable(), self.points.seq + 1)
        self.slide(sliding)
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
        for row in taken:
            self.lots_by_key.setdefault(row.lot.key, row.lot)
        taken.sort(key=lambda row: (row.place, consumption_order(row.lot)))  # before 0010 every place was 0
        takes = [row.taken._replace(place=place) for place, row in enumerate(taken)]
        points = sum(take.points for take in takes)
        return self.return_points(
            takes, points, held=False, extend=not by_member, source=source, kind=kind, trace=trace
        )

    def hold(
        self,
        points: int,
        *,
        order_external_id: str,
        store: str | None,
        expires_at: datetime,
        trace: Mapping[str, Any],
    ) -> HoldRow:
        """Reserve points for an order until an instant: taken, not yet redeemed. Refuses: InsufficientPoints.

        A verb that may also give them back in the same batch loads `extended_load`.
        """
        assert points > 0, "what is held is positive"
        self._refuse_more_than_available(points)
        seq, before = self.points.seq + 1, len(self.allocations)
        self.consume(points, self.usable(), seq)
        takes = tuple(
            Taken(row[3], row[4], row[5], row[6], self.extended_before.get((row[3], row[4])))
            for row in self.allocations[before:]
        )
        self.post(POINTS, "HOLD", ("hold", str(seq)), trace, None, available=-points, held=points)
        hold = HoldRow(
            self.member_id,
            seq,
            order_external_id,
            store,
            "ACTIVE",
            points,
            0,
            0,
            0,
            self.now,
            expires_at,
            None,
            None,
            takes,
        )
        self.due_by(expires_at)
        self.put_hold(hold)
        return hold

    def capture(self, hold: HoldRow, points: int, *, trace: Mapping[str, Any]) -> HoldRow:
        """Make so many points of an active hold a redemption and release the rest; returns the hold as it is then."""
        assert hold.active and 0 < points <= hold.points, "at most what is held is captured, once"
        source = ("hold", str(hold.seq))
        self.slide(self.sliding_lots())
        self.post(POINTS, "CAPTURE", source, trace, None, held=-points, redeemed=points)
        rest = hold.points - points
        if rest:
            self.return_points(
                hold.takes, rest, held=True, extend=False, source=source, kind="RELEASE",
                trace={"rule": "hold_ended", "hold": hold.seq, "order": hold.order_external_id, "cause": "REST"},
            )  # fmt: skip
        captured = hold._replace(state="CAPTURED", captured=points, released=rest, ended_at=self.now)
        self.put_hold(captured)
        return captured

    def restore(self, hold: HoldRow, points: int, *, source: Source, trace: Mapping[str, Any]) -> Posted:
        """Give back points that a captured hold redeemed, since what they paid for was refunded; see `give_back`."""
        assert 0 < points <= hold.captured - hold.restored, "no more comes back than was captured"
        posted = self.return_points(
            hold.takes, points, returned=hold.released + hold.restored, held=False, extend=True,
            source=source, kind="RESTORATION", trace=trace,
        )  # fmt: skip
        self.put_hold(hold._replace(restored=hold.restored + points))
        return posted

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

    def waive(self, points: int, *, source: Source, kind: str = "DEBT_WAIVER", trace: Mapping[str, Any]) -> Posted:
        """Post debt away, never more than is owed: so much of what was revoked counts as never taken back."""
        assert 0 < points <= self.points.debt, "what is waived is owed"
        return self.post(POINTS, kind, source, trace, None, debt=-points, revoked=-points)

    def _refuse_more_than_available(self, points: int) -> None:
        account = self.points
        if points > account.available:
            missing = points - account.available + account.debt
            raise InsufficientPoints(required=points, available=account.available, debt=account.debt, missing=missing)
