"""What the clock has decided: activations, expiries and time-outs of holds, booked in the order of their instants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from gamification.core.draft import MoreLotsNeeded
from gamification.points.models import POINTS
from gamification.points.returns import Returns, lot_name
from gamification.points.rows import HoldRow
from gamification.points.rules import (
    ActivationEvent,
    Expiry,
    Lot,
    PointsPolicy,
    activation_after,
    expiry_after,
)

Due = Lot | HoldRow
LotKey = tuple[int, int]
DueAt = tuple[datetime, int, LotKey, Due]
_ORDER = itemgetter(0, 1, 2)
EVENT_RULES: Mapping[ActivationEvent, str] = {
    "RECEIVED": "order_received",
    "REFUND_WINDOW_CLOSED": "refund_window_closed",
}
"""What the trace of an activation says where an event of the order brought it forward."""


class Dues(Returns):
    """A book that catches up with the clock, and knows what moves the instants at which points begin and end."""

    def book_due(self) -> None:
        """Book everything whose instant has come; afterwards `next_due_at` is the next instant again."""
        due_at = self.points.next_due_at
        if due_at is None or due_at > self.now:
            return
        self._book_all(self._due_in_order())
        left = [lot for lot in self.lots_by_key.values() if lot.remaining]
        if not self.lots_complete and not any(self.is_within_reach(lot) for lot in left):
            raise MoreLotsNeeded
        instants = [lot.activates_at if lot.pending else lot.expires_at for lot in left]
        instants += [hold.expires_at for hold in self.holds_by_seq.values() if hold.active]
        next_due_at = min((at for at in instants if at is not None), default=None)
        self.replace(POINTS, next_due_at=next_due_at)
        self.changes += 1

    def release_hold(self, hold: HoldRow, *, state: str, at: datetime | None = None) -> HoldRow:
        """Give back what a hold took and end it as RELEASED or TIMED_OUT; returns it as it is then."""
        trace = {"rule": "hold_ended", "hold": hold.seq, "order": hold.order_external_id, "cause": state}
        self.return_points(
            hold.takes, hold.points, held=True, extend=False,
            source=("hold", str(hold.seq)), kind="RELEASE", trace=trace, at=at,
        )  # fmt: skip
        ended = hold._replace(state=state, released=hold.points, ended_at=at or self.now)
        self.put_hold(ended)
        return ended

    def sliding_lots(self) -> list[LotKey]:
        """The lots whose life the member's activity renews: the open ones, and those that active holds took from.

        Not the pending ones, whose life has not begun, nor those that are used up. Where a version was ever sliding,
        all of the member's lots and active holds have to be there: a verb that loads fewer is decided again over all.
        """
        if not self._sliding_expiries:
            return []
        holds = [hold for hold in self.holds_by_seq.values() if hold.active]
        if not self.lots_complete or sum(hold.points for hold in holds) < self.points.held:
            raise MoreLotsNeeded
        held = {take.key for hold in holds for take in hold.takes}
        return [
            lot.key
            for lot in self.lots_by_key.values()
            if (lot.remaining or lot.key in held) and not lot.pending and lot.policy_version in self._sliding_expiries
            if lot.expires_at is not None and lot.expires_at > self.now
        ]

    def slide(self, keys: Iterable[LotKey]) -> None:
        """Let activity renew the life of lots: from today on, never shorter. `sliding_lots` says which."""
        for key in keys:
            lot = self.lots_by_key[key]
            until = expiry_after(self._sliding_expiries[lot.policy_version], self.now, self.calendar)
            if lot.expires_at is not None and until is not None and until > lot.expires_at:
                self.change_lot(lot, expires_at=until)

    def bring_forward(self, order_id: UUID, event: ActivationEvent, at: datetime) -> int:
        """An event of an order happened: its points that wait for it activate sooner, now at the earliest.

        Each lot under the policy version that it was accrued under; its life is counted from the activation. Returns
        how many points it moved forward.
        """
        moved = 0
        waiting = [lot for lot in self.lots() if lot.pending and lot.policy_version is not None]
        for lot in (each for each in waiting if each.order_id == order_id):
            policy = self.policies.numbered(PointsPolicy, lot.policy_version or 0).body
            activates_at = max(activation_after(policy, at, self.calendar), self.now)
            if policy.activation_event != event or activates_at >= lot.activates_at:
                continue
            expires_at = expiry_after(policy.expiry, activates_at, self.calendar)
            self.change_lot(lot, activates_at=activates_at, expires_at=expires_at)
            moved += lot.remaining
            if activates_at <= self.now:
                self._activate(self.lots_by_key[lot.key], self.now, {"rule": EVENT_RULES[event]})
            self.due_by(activates_at if activates_at > self.now else expires_at)
        return moved

    @property
    def _sliding_expiries(self) -> dict[int | None, Expiry]:
        """The lives that activity renews, by policy version; none before the first such version is in force."""
        return self.common("sliding", self._work_out_sliding)

    def _work_out_sliding(self) -> dict[int | None, Expiry]:
        versions = self.policies.all(PointsPolicy)
        return {
            each.version: each.body.expiry
            for each in versions
            if each.body.expiry.sliding and (each.effective_from is None or each.effective_from <= self.now)
        }

    def _book_all(self, due: list[DueAt]) -> None:
        """Book what is due, each at its instant or at that of the one before it, whichever is later.

        An expiry moves nothing that is due besides; anything else may make more fall due.
        """
        booked_until: datetime | None = None
        while due:
            at, _, _, first = due.pop()
            booked_until = at if booked_until is None else max(at, booked_until)
            if isinstance(first, HoldRow):
                self.release_hold(first, state="TIMED_OUT", at=booked_until)
            elif first.pending:
                self._activate(first, booked_until)
            else:
                self.expire(first, booked_until)
                continue
            due = self._due_in_order()

    def _due_in_order(self) -> list[DueAt]:
        """What is due, what fell due first at the end; of one instant, holds before the lots they give back to."""
        now = self.now
        found: list[DueAt] = [
            (at, 1, lot.key, lot)
            for lot in self.lots_by_key.values()
            if lot.remaining and (at := lot.activates_at if lot.pending else lot.expires_at) and at <= now
        ]
        found += [
            (hold.expires_at, 0, (hold.seq, 0), hold)
            for hold in self.holds_by_seq.values()
            if hold.active and hold.expires_at <= now
        ]
        found.sort(key=_ORDER, reverse=True)
        return found

    def _activate(self, lot: Lot, at: datetime, trace: Mapping[str, Any] | None = None) -> None:
        repaid = min(lot.remaining, self.points.debt)
        self.change_lot(lot, remaining=lot.remaining - repaid, pending=False)
        self.allocate(self.points.seq + 1, lot, repaid)
        self.post(
            POINTS, "ACTIVATION", ("lot", lot_name(lot)), {**(trace or {}), "lot": lot_name(lot)}, at,
            available=lot.remaining - repaid, pending=-lot.remaining, debt=-repaid,
        )  # fmt: skip
