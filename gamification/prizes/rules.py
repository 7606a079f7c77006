"""What a prize may be."""

from __future__ import annotations

from typing import Literal

PrizeKind = Literal["POINTS", "NONE"]

PRIZE_VALUE_FEN_MAX = 5_000_000
"""50 000 yuan: the most that one prize of a draw with prizes may be worth (规范促销行为暂行规定, §17)."""
FEN_PER_POINT = 1


def value_fen(kind: PrizeKind, points: int) -> int:
    """What a prize is worth on the market, in fen."""
    return points * FEN_PER_POINT if kind == "POINTS" else 0
