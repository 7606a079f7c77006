"""Lots live under the policy version that they were accrued under: what activity and events do to their instants.

A later version changes no lot that exists. Lots from before versions were kept know neither sliding nor events.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from uuid import UUID

from gamification.core.draft import MoreLotsNeeded
from gamification.points.due import Dues
from gamification.points.rules import Lot, OrderEventType, PointsPolicy, activation_after, expiry_from

LotKey = tuple[int, int]

_RULES = {"RECEIVED": "order_received", "REFUND_WINDOW_CLOSED": "refund_window_closed"}


class Lifetimes(Dues):
    """A book that moves the instants of its lots: expiry later by activity, activation forward by an order's event."""

    def sliding_lots(self) -> list[LotKey]:
        """The lots whose expiry the member's activity resets; none, and nothing is asked, where none can slide.

        Open active ones, and those that active holds took from; a lot that is used up slides no more. Raises
        MoreLotsNeeded where not all of them are loaded.
        """
        if not self._any_policy_slides:
            return []
        holds = [hold for hold in self.holds_by_seq.values() if hold.active]
        if not self.lots_complete or sum(hold.points for hold in holds) < self.points.held:
            raise MoreLotsNeeded
        held = {take.key for hold in holds for take in hold.takes}
        return [key for key, lot in self.lots_by_key.items() if (lot.open or key in held) and self._slides(lot)]

    def slide(self, keys: Iterable[LotKey]) -> None:
        """Let lots live on, counted from this business day, where that is longer."""
        for key in keys:
            lot = self.lots_by_key[key]
            policy = self._policy_of(lot)
            assert policy is not None and lot.expires_at is not None, "it slides"
            until = expiry_from(policy.expiry, self.now, self.calendar)
            if until is not None and until > lot.expires_at:
                self.change_lot(lot, expires_at=until)

    def bring_forward(self, order_id: UUID, event: OrderEventType, occurred_at: datetime) -> int:
        """Let an order's pending points activate as its event says, where that is sooner; returns how many.

        Their life begins with their activation, so it ends sooner too. What is to activate at once is booked.
        """
        points = 0
        for lot in self.lots():
            policy = self._policy_of(lot)
            waits = policy.activation_event if policy else None
            if policy is None or waits is None or waits.event != event or not lot.pending or lot.order_id != order_id:
                continue
            at = activation_after(waits, occurred_at, self.now, self.calendar)
            if at < lot.activates_at:
                points += lot.remaining
                self.change_lot(lot, activates_at=at, expires_at=expiry_from(policy.expiry, at, self.calendar))
                self._activate_by(lot.key, event)
        return points

    def _activate_by(self, key: LotKey, event: OrderEventType) -> None:
        lot = self.lots_by_key[key]
        if lot.activates_at > self.now:
            self.due_by(lot.activates_at)
            return
        self.activate(lot, self.now, trace={"rule": _RULES[event]})
        self.due_by(lot.expires_at)

    @cached_property
    def _any_policy_slides(self) -> bool:
        versions = self.policies.all(PointsPolicy)
        return any(
            each.body.expiry.sliding
            for each in versions
            if each.effective_from is None or each.effective_from <= self.now
        )

    def _slides(self, lot: Lot) -> bool:
        policy = self._policy_of(lot)
        ends = lot.expires_at is not None and lot.expires_at > self.now
        return policy is not None and policy.expiry.sliding and ends and not lot.pending

    def _policy_of(self, lot: Lot) -> PointsPolicy | None:
        """What the lot lives under; None for one from before versions were kept."""
        return None if lot.policy_version is None else self.policies.version(PointsPolicy, lot.policy_version).body
