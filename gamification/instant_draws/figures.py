"""Figures of odds as people read them: decimals, worked out on integers."""

from __future__ import annotations

from gamification.instant_draws.rules import WHOLE_PPM, Odds, payout_ppm


def decimal_points(micropoints: int) -> str:
    """Millionths of points as a decimal number of points."""
    return f"{micropoints // WHOLE_PPM}.{micropoints % WHOLE_PPM:06d}"


def payout_percent(odds: Odds) -> str:
    """What plays bring for their price in the long run, in per cent with two decimals, rounded up."""
    hundredths = -(-payout_ppm(odds) // 100)
    return f"{hundredths // 100}.{hundredths % 100:02d}"
