"""What cash is worth: rates, the monthly ladder and their split over lines; integers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gamification.core.policy import Problem

BASIS = 10_000
"""Basis points in the whole."""
RATE_MAX_BP = 100_000
STEPS_MAX = 20


@dataclass(frozen=True, slots=True)
class LadderStep:
    """From `from_fen` of a month's net spend on, the whole of it earns at `rate_bp`."""

    from_fen: int
    rate_bp: int


@dataclass(frozen=True, slots=True)
class EarningPolicy:
    """Rates in basis points: fen become points (1 point = 1 fen) and growth; `ladder` is empty where there is none."""

    kind: ClassVar[str] = "earning"
    points_rate_bp: int = 0
    growth_rate_bp: int = 100
    ladder: tuple[LadderStep, ...] = ()

    def problems(self) -> Sequence[Problem]:
        found = [
            Problem(name, f"0 to {RATE_MAX_BP} basis points")
            for name in ("points_rate_bp", "growth_rate_bp")
            if not 0 <= getattr(self, name) <= RATE_MAX_BP
        ]
        if len(self.ladder) > STEPS_MAX:
            found.append(Problem("ladder", f"at most {STEPS_MAX} steps"))
        for index, (step, following) in enumerate(zip(self.ladder, self.ladder[1:], strict=False)):
            if following.from_fen <= step.from_fen or following.rate_bp <= step.rate_bp:
                found.append(Problem(f"ladder.{index + 1}", "each step starts later and pays more than the one before"))
        found += [
            Problem(f"ladder.{index}", f"from 0 fen on, 0 to {RATE_MAX_BP} basis points")
            for index, step in enumerate(self.ladder)
            if step.from_fen < 0 or not 0 <= step.rate_bp <= RATE_MAX_BP
        ]
        return found


def points_of(fen: int, rate_bp: int) -> int:
    """Points or growth that an amount is worth at a rate; one multiplication, one floor."""
    return fen * rate_bp // BASIS


def ladder_rate(ladder: Sequence[LadderStep], month_fen: int) -> int:
    """The rate (bp) of the highest step that a month's net spend reaches; 0 below the first."""
    rate_bp = 0
    for step in ladder:
        if step.from_fen <= month_fen and step.rate_bp > rate_bp:
            rate_bp = step.rate_bp
    return rate_bp


def ladder_points(ladder: Sequence[LadderStep], month_fen: int) -> int:
    """Points that a month's net spend is worth, the whole of it at the highest step reached."""
    return points_of(month_fen, ladder_rate(ladder, month_fen))


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a member is told: spend `missing_fen` more this month to reach `rate_bp`; it adds `gain` points."""

    missing_fen: int
    rate_bp: int
    gain: int


def next_step(ladder: Sequence[LadderStep], month_fen: int) -> NextStep | None:
    """The next step of the ladder from here, or None on the highest."""
    for step in ladder:
        if step.from_fen > month_fen:
            gain = ladder_points(ladder, step.from_fen) - ladder_points(ladder, month_fen)
            return NextStep(step.from_fen - month_fen, step.rate_bp, gain)
    return None
