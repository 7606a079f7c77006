"""Points as money on an order: how many may be used, and how they fall on its lines; pure, 1 point = 1 fen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gamification.core.policy import Problem
from gamification.points.rules import split_by_largest_remainder

BASIS = 10_000
"""Basis points in the whole."""
STEP_POINTS_MAX = 1_000_000
QUOTE_MINUTES_MAX = 60
HOLD_MINUTES_MAX = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class DeductionPolicy:
    """How points pay: in steps of `step_points`, up to `share_max_bp` of what an order's lines cost (basis points).

    A quote stands for `quote_minutes`; a hold whose till names no time ends after `hold_minutes`.
    """

    kind: ClassVar[str] = "deduction"
    step_points: int = 100
    share_max_bp: int = BASIS
    quote_minutes: int = 10
    hold_minutes: int = 30

    def problems(self) -> Sequence[Problem]:
        bounds = {
            "step_points": (1, STEP_POINTS_MAX),
            "share_max_bp": (0, BASIS),
            "quote_minutes": (1, QUOTE_MINUTES_MAX),
            "hold_minutes": (1, HOLD_MINUTES_MAX),
        }
        return [
            Problem(name, f"{least} to {most}")
            for name, (least, most) in bounds.items()
            if not least <= getattr(self, name) <= most
        ]


def deductible(policy: DeductionPolicy, *, payable_fen: int, available: int, requested: int | None) -> int:
    """Points that may be used: the least of what is asked for, available, the share, and payable; in whole steps.

    `requested` None asks for as many as possible. Never more than was asked for, and never a refusal: it may be 0.
    """
    share = payable_fen * policy.share_max_bp // BASIS
    most = min(available, share, payable_fen, *(() if requested is None else (requested,)))
    return max(most, 0) // policy.step_points * policy.step_points


def deduction_by_line(points: int, net_fen: Sequence[int]) -> list[int]:
    """A deduction over an order's lines in proportion to what they cost; the parts sum to it and none passes its line.

    Largest remainder. No part can pass its line: floor(points × net ÷ Σ net) + 1 > net only where points = Σ net.
    """
    assert 0 <= points <= sum(net_fen), "no more is deducted than the lines cost"
    return split_by_largest_remainder(points, net_fen)
