"""When new odds of a draw that is live are better for its members: pure decisions.

A new version keeps every line at its place, with its kind and its names, and may add lines behind the last. Compared
with the version before:

- the price of a play is not higher; free plays, limits per member and the budget are not lower;
- pity comes not later, and does not go away;
- of each prize odds, pity odds, points, stock, limit per member and daily release are not lower (no limit is more than
  any); where pity is new, its odds are compared with the plain ones that decided before;
- the fallback of a prize stays the same, or becomes a prize where it was a miss;
- so only misses may shrink.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gamification.instant_draws.rules import Line, Odds

Figure = int | None


class Worse(NamedTuple):
    """A figure that would be worse for members: where it stands, what it was and what it would be (None: no limit)."""

    figure: str
    was: Figure
    becomes: Figure


def worse(old: Odds, new: Odds) -> Worse | None:
    """The first figure of a new version that is worse than it was; None where the new one is as good or better."""
    return next(_all_worse(old, new), None)


def improves(old: Odds, new: Odds) -> bool:
    """Whether a new version may take the place of the old one while the draw is live."""
    return worse(old, new) is None


def _all_worse(old: Odds, new: Odds) -> Iterator[Worse]:
    if new.play_points > old.play_points:
        yield Worse("playPoints", old.play_points, new.play_points)
    yield from _lower("freePlaysPerDay", old.free_plays_per_day, new.free_plays_per_day)
    yield from _lower("playsPerMember", old.plays_per_member, new.plays_per_member)
    yield from _lower("playsPerMemberDay", old.plays_per_member_day, new.plays_per_member_day)
    yield from _lower("budgetPoints", old.budget_points, new.budget_points)
    if old.pity_after is not None and (new.pity_after is None or new.pity_after > old.pity_after):
        yield Worse("pityAfter", old.pity_after, new.pity_after)
    if len(new.lines) < len(old.lines):
        yield Worse("lines", len(old.lines), len(new.lines))
    for place, (before, after) in enumerate(zip(old.lines, new.lines, strict=False), 1):
        yield from _line_worse(f"lines.{place - 1}", before, after, new)


def _line_worse(where: str, before: Line, after: Line, new: Odds) -> Iterator[Worse]:
    for name, is_other in (
        ("kind", before.kind != after.kind),
        ("nameZh", before.name_zh != after.name_zh),
        ("nameEn", before.name_en != after.name_en),
    ):
        if is_other:
            yield Worse(f"{where}.{name}", None, None)
    if not before.wins:
        return
    yield from _lower(f"{where}.oddsPpm", before.odds_ppm, after.odds_ppm)
    yield from _pity_lower(f"{where}.pityPpm", before, after, new)
    yield from _lower(f"{where}.points", before.points, after.points)
    yield from _lower(f"{where}.stock", before.stock, after.stock)
    yield from _lower(f"{where}.perMember", before.per_member, after.per_member)
    yield from _lower(f"{where}.dailyRelease", before.daily_release, after.daily_release)
    if before.fallback != after.fallback and not _fallback_is_better(before, after, new):
        yield Worse(f"{where}.fallback", before.fallback, after.fallback)


def _pity_lower(where: str, before: Line, after: Line, new: Odds) -> Iterator[Worse]:
    """Where there was no pity, the plain odds decided; where there is none any more, `pityAfter` has said so."""
    if new.pity_after is not None and after.pity_ppm is not None:
        yield from _lower(where, before.odds_ppm if before.pity_ppm is None else before.pity_ppm, after.pity_ppm)


def _fallback_is_better(before: Line, after: Line, new: Odds) -> bool:
    """A prize in place of a miss; the place that was the fallback has the same kind in both versions."""
    if before.fallback is None or after.fallback is None:
        return False
    return not new.line(before.fallback).wins and new.line(after.fallback).wins


def _lower(figure: str, was: Figure, becomes: Figure) -> Iterator[Worse]:
    """None is more than any number."""
    if becomes is not None and (was is None or becomes < was):
        yield Worse(figure, was, becomes)
