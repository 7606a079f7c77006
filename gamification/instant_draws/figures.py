"""Figures of odds as people read them, worked out on integers: what plays pay, and what is left of what is scarce."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from gamification.instant_draws.queries import StockRow
from gamification.instant_draws.rules import BUDGET_PLACE, WHOLE_PPM, Odds, effective, payout_ppm, released


class Left(NamedTuple):
    """What is left of a line: in all, and of what is released today (None: no limit); its odds as they are now.

    A prize is exhausted while none of it can be given to anybody; its odds have then gone to its fallbacks.
    """

    place: int
    stock_left: int | None
    released_left: int | None
    is_exhausted: bool
    effective_ppm: int


class Availability(NamedTuple):
    """What is left of a draw: line by line, and of its budget in points (None: no budget)."""

    lines: tuple[Left, ...]
    budget_left: int | None


def availability(odds: Odds, stocks: Iterable[StockRow], on: date) -> Availability:
    """What is left on a business day of stocks as they were read. Limits per member are left out."""
    by_place = {row.place: row for row in stocks}
    budget = by_place.get(BUDGET_PLACE)
    budget_left = None if odds.budget_points is None else odds.budget_points - (budget.given if budget else 0)
    left = [_left(odds, place, by_place.get(place), on) for place in range(1, len(odds.lines) + 1)]
    exhausted = {
        place
        for place, (line, (_, today)) in enumerate(zip(odds.lines, left, strict=True), 1)
        if today == 0 or (budget_left is not None and line.points > budget_left)
    }
    now = effective(odds.lines, odds.column(pity=False), exhausted)
    lines = [Left(place, *left[place - 1], place in exhausted, ppm) for place, ppm in enumerate(now, 1)]
    return Availability(tuple(lines), budget_left)


def _left(odds: Odds, place: int, row: StockRow | None, on: date) -> tuple[int | None, int | None]:
    line = odds.line(place)
    if line.stock is None:
        return None, None
    given = row.given if row else 0
    upto = (
        released(line.stock, line.daily_release, row.first_on, on)
        if row
        else min(line.stock, line.daily_release or line.stock)
    )
    return line.stock - given, upto - given


def decimal_points(micropoints: int) -> str:
    """Millionths of points as a decimal number of points."""
    return f"{micropoints // WHOLE_PPM}.{micropoints % WHOLE_PPM:06d}"


def payout_percent(odds: Odds) -> str:
    """What plays bring for their price in the long run, in per cent with two decimals, rounded up."""
    hundredths = -(-payout_ppm(odds) // 100)
    return f"{hundredths // 100}.{hundredths % 100:02d}"
