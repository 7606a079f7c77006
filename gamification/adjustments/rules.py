"""What staff may adjust alone, what an adjustment leaves behind, where each step leads: pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Literal

from gamification.adjustments.errors import AdjustmentNotOpen
from gamification.core.policy import Problem

POINTS_MAX = 10**9
"""The highest ceiling of one adjustment that a policy may set: ten million yuan, far from what sums could overflow."""
PROPOSAL_DAYS_MAX = 90

Kind = Literal["ADJUSTMENT", "DEBT_WAIVER"]
Currency = Literal["POINTS", "GROWTH"]
State = Literal["PROPOSED", "POSTED", "REJECTED", "WITHDRAWN", "LAPSED"]
Step = Literal["approve", "reject", "withdraw", "lapse"]
Because = Literal["ABOVE_LIMIT", "DAY_ALLOWANCE_USED"]

TRANSITIONS: Mapping[tuple[State, Step], State] = {
    ("PROPOSED", "approve"): "POSTED",
    ("PROPOSED", "reject"): "REJECTED",
    ("PROPOSED", "withdraw"): "WITHDRAWN",
    ("PROPOSED", "lapse"): "LAPSED",
}
"""Where a step leads from a state; what is not listed is refused, or done already."""

STATES: tuple[State, ...] = ("PROPOSED", "POSTED", "REJECTED", "WITHDRAWN", "LAPSED")

ADJUSTING_ROLES = frozenset({"owner", "operator"})
"""Who may propose, and who may decide about another's proposal."""


@dataclass(frozen=True, slots=True)
class AdjustmentsPolicy:
    """How far staff adjust alone, in points of one adjustment and of a business day; growth and waivers count alike.

    More than `approval_above_points` at once needs a second person (0: always), and so does what would take the day's
    sum of one member of staff above `points_per_staff_day_max` (None: no such limit). `points_max` is the ceiling of
    one adjustment, whoever approves. A proposal lapses at the end of the business day `proposal_days` after its own.
    """

    kind: ClassVar[str] = "adjustments"
    approval_above_points: int = 1_000
    points_max: int = 100_000
    points_per_staff_day_max: int | None = 5_000
    proposal_days: int = 7

    def problems(self) -> Sequence[Problem]:
        found = []
        if not 0 <= self.approval_above_points <= POINTS_MAX:
            found.append(Problem("approval_above_points", f"0 to {POINTS_MAX} points"))
        if not 1 <= self.points_max <= POINTS_MAX:
            found.append(Problem("points_max", f"1 to {POINTS_MAX} points"))
        if self.points_per_staff_day_max is not None and not 0 <= self.points_per_staff_day_max <= POINTS_MAX:
            found.append(Problem("points_per_staff_day_max", f"0 to {POINTS_MAX} points, or null for no such limit"))
        if not 1 <= self.proposal_days <= PROPOSAL_DAYS_MAX:
            found.append(Problem("proposal_days", f"1 to {PROPOSAL_DAYS_MAX} days"))
        return found

    def because(self, points: int, moved_today: int) -> Because | None:
        """Why a change needs a second person, given what this one moved alone today; None when it does not."""
        if abs(points) > self.approval_above_points:
            return "ABOVE_LIMIT"
        most = self.points_per_staff_day_max
        return None if most is None or moved_today + abs(points) <= most else "DAY_ALLOWANCE_USED"


@dataclass(frozen=True, slots=True)
class Balances:
    """What a member has at an instant: the buckets of POINTS, and the growth value."""

    available: int
    pending: int
    held: int
    debt: int
    growth: int


def balances_after(before: Balances, kind: Kind, currency: Currency, points: int, *, waits: bool) -> Balances:
    """What a change leaves behind that is possible; `waits` says that points accrued now are usable later only."""
    if kind == "DEBT_WAIVER":
        after = replace(before, debt=before.debt - points)
    elif currency == "GROWTH":
        after = replace(before, growth=before.growth + points)
    elif points > 0 and waits:
        after = replace(before, pending=before.pending + points)
    elif points > 0:
        repaid = min(points, before.debt)
        after = replace(before, available=before.available + points - repaid, debt=before.debt - repaid)
    else:
        after = replace(before, available=before.available + points)
    assert min(after.available, after.pending, after.held, after.debt, after.growth) >= 0, "nothing is negative"
    return after


RULE_NAMES: Mapping[tuple[Kind, Currency, bool], str] = {
    ("ADJUSTMENT", "POINTS", True): "points_raised",
    ("ADJUSTMENT", "POINTS", False): "points_lowered",
    ("ADJUSTMENT", "GROWTH", True): "growth_raised",
    ("ADJUSTMENT", "GROWTH", False): "growth_lowered",
    ("DEBT_WAIVER", "POINTS", True): "debt_waiver",
}
"""How a trace calls the rule that made its entry, by kind, currency and whether it raises; the sentence goes by it."""


def state_at(state: State, lapses_at: datetime | None, now: datetime) -> State:
    """The state at an instant, whether or not the job has booked that a proposal lapsed."""
    lapsed = state == "PROPOSED" and lapses_at is not None and lapses_at <= now
    return "LAPSED" if lapsed else state


def following(state: State, step: Step) -> State:
    """Where a step leads. Refuses: AdjustmentNotOpen."""
    to = TRANSITIONS.get((state, step))
    if to is None:
        raise AdjustmentNotOpen(state=state)
    return to
