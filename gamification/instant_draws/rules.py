"""What an instant draw may promise, what a play brings, and what makes new odds better: pure decisions on integers.

Odds are parts per million. A prize's place, from 1, is its place in the declared order and its name for as long as the
draw lives. All sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate, chain
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from gamification.core.calendar import Calendar
from gamification.core.chance import below
from gamification.core.policy import Problem
from gamification.gates.rules import OPEN_TO_ALL, Gate
from gamification.prizes.rules import PrizeKind, value_fen

ALGORITHM = "jifen-play-1"
PROOF_LEVEL = "OPERATOR"
WHOLE_PPM = 1_000_000
TITLE_LENGTH_MAX = 100
LINES_MAX = 50
PLAY_POINTS_MAX = 1_000_000
PLAYS_MAX = 1_000_000
STOCK_MAX = 1_000_000_000
BUDGET_MAX = 1_000_000_000_000
PITY_AFTER_MAX = 1_000
FREE_PLAYS_MAX = 100
SHARDS = 8
"""Counters that share the stock of one prize, so that plays of many members do not wait for one row."""
BUDGET_PLACE = 0
"""Where the budget counts among the stocks of a draw: its unit is the point."""

REVEAL_DELAY = timedelta(minutes=10)
"""Between the end of a business day and the reveal of its seed: no process's clock is as far behind as that."""

State = Literal["DRAFT", "OPEN", "PAUSED", "ENDED"]
Reason = Literal["STOCK", "RELEASE", "MEMBER_LIMIT", "BUDGET"]

TRANSITIONS: Mapping[tuple[State, str], State] = {
    ("DRAFT", "publish"): "OPEN",
    ("DRAFT", "end"): "ENDED",
    ("OPEN", "publish_odds"): "OPEN",
    ("OPEN", "pause"): "PAUSED",
    ("OPEN", "end"): "ENDED",
    ("PAUSED", "publish_odds"): "PAUSED",
    ("PAUSED", "resume"): "OPEN",
    ("PAUSED", "end"): "ENDED",
}
"""Where a verb leads from a state; what is not listed is refused, or done already."""
STATES: tuple[State, ...] = ("DRAFT", "OPEN", "PAUSED", "ENDED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A prize of the odds table, or a miss (NONE). Without `stock`, `per_member` or `daily_release` there is no limit.

    `fallback` is the place of what is given where this cannot be. `pity_ppm` is its odds after the misses of pity.
    """

    name_zh: str
    name_en: str
    odds_ppm: int
    kind: PrizeKind = "POINTS"
    points: int = 0
    pity_ppm: int | None = None
    stock: int | None = None
    per_member: int | None = None
    daily_release: int | None = None
    fallback: int | None = None

    @property
    def value_fen(self) -> int:
        """What one of them is worth on the market."""
        return value_fen(self.kind, self.points)

    @property
    def wins(self) -> bool:
        """Whether it is a prize and no miss."""
        return self.kind != "NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """All that a version of a draw's odds fixes: prices and limits of plays, and the table. None means no limit."""

    play_points: int
    lines: tuple[Line, ...]
    free_plays_per_day: int = 0
    plays_per_member: int | None = None
    plays_per_member_day: int | None = None
    budget_points: int | None = None
    pity_after: int | None = None

    LIMITS: ClassVar[tuple[tuple[str, str, int, int], ...]] = (
        ("play_points", "playPoints", 1, PLAY_POINTS_MAX),
        ("free_plays_per_day", "freePlaysPerDay", 0, FREE_PLAYS_MAX),
        ("plays_per_member", "playsPerMember", 1, PLAYS_MAX),
        ("plays_per_member_day", "playsPerMemberDay", 1, PLAYS_MAX),
        ("budget_points", "budgetPoints", 1, BUDGET_MAX),
        ("pity_after", "pityAfter", 1, PITY_AFTER_MAX),
    )

    def line(self, place: int) -> Line:
        """The line at a place, from 1."""
        return self.lines[place - 1]

    def column(self, *, pity: bool) -> tuple[int, ...]:
        """The odds that decide a play, in the declared order."""
        return tuple(line.pity_ppm or 0 if pity else line.odds_ppm for line in self.lines)

    def problems(self) -> Iterator[Problem]:
        """Why these cannot be the odds of a draw, by field."""
        for name, path, least, most in self.LIMITS:
            yield from range_problems(path, getattr(self, name), least, most)
        yield from range_problems("lines", len(self.lines), 1, LINES_MAX)
        yield from chain.from_iterable(map(_line_problems, range(len(self.lines)), self.lines))
        yield from _sum_problems("oddsPpm", [line.odds_ppm for line in self.lines])
        yield from _fallback_problems(self.lines)
        yield from _pity_problems(self)


def _line_problems(index: int, line: Line) -> Iterator[Problem]:
    where = f"lines.{index}"
    yield from text_problems(f"{where}.nameZh", line.name_zh)
    yield from text_problems(f"{where}.nameEn", line.name_en)
    yield from range_problems(f"{where}.oddsPpm", line.odds_ppm, 0, WHOLE_PPM)
    yield from range_problems(f"{where}.pityPpm", line.pity_ppm, 0, WHOLE_PPM)
    if line.wins:
        yield from range_problems(f"{where}.points", line.points, 1, None)
        yield from range_problems(f"{where}.stock", line.stock, 1, STOCK_MAX)
        yield from range_problems(f"{where}.perMember", line.per_member, 1, PLAYS_MAX)
        yield from range_problems(f"{where}.dailyRelease", line.daily_release, 1, STOCK_MAX)
        if line.daily_release is not None and line.stock is None:
            yield Problem(f"{where}.dailyRelease", "only of a prize with a stock")
    elif line.points or any(
        each is not None for each in (line.stock, line.per_member, line.daily_release, line.fallback)
    ):
        yield Problem(where, "a miss has neither points nor limits nor a fallback")


def _sum_problems(name: str, odds: Sequence[int]) -> Iterator[Problem]:
    if sum(odds) != WHOLE_PPM:
        yield Problem(f"lines.{name}", f"{WHOLE_PPM} in all, not {sum(odds)}")


def _fallback_problems(lines: Sequence[Line]) -> Iterator[Problem]:
    for index, line in enumerate(lines):
        if not line.wins:
            continue
        if line.fallback is None or not 1 <= line.fallback <= len(lines):
            yield Problem(f"lines.{index}.fallback", f"a place, 1 to {len(lines)}")
        elif not _ends_at_a_miss(lines, index + 1):
            yield Problem(f"lines.{index}.fallback", "leads to a miss in the end, not in a circle")


def _ends_at_a_miss(lines: Sequence[Line], place: int | None) -> bool:
    for _ in lines:
        if place is None or not 1 <= place <= len(lines):
            return False
        if not lines[place - 1].wins:
            return True
        place = lines[place - 1].fallback
    return place is not None and 1 <= place <= len(lines) and not lines[place - 1].wins


def _pity_problems(odds: Odds) -> Iterator[Problem]:
    """Pity takes from misses only, and some of it: so more of it, or sooner, is better for every prize."""
    given = [line.pity_ppm for line in odds.lines if line.pity_ppm is not None]
    if odds.pity_after is None:
        if given:
            yield Problem("pityAfter", "the misses after which pityPpm decides")
        return
    if len(given) < len(odds.lines):
        yield Problem("lines.pityPpm", "given for every line, since pityAfter is")
        return
    yield from _sum_problems("pityPpm", given)
    for index, line in enumerate(odds.lines):
        if line.wins and (line.pity_ppm or 0) < line.odds_ppm:
            yield Problem(f"lines.{index}.pityPpm", "at least oddsPpm")
    if misses_ppm(odds, pity=True) >= misses_ppm(odds, pity=False):
        yield Problem("lines.pityPpm", "fewer misses than oddsPpm")


def text_problems(path: str, text: str) -> Iterator[Problem]:
    """Whether a title or name has a length that can be shown."""
    if not 1 <= len(text.strip()) <= TITLE_LENGTH_MAX:
        yield Problem(path, f"1 to {TITLE_LENGTH_MAX} characters")


def range_problems(path: str, value: int | None, least: int, most: int | None) -> Iterator[Problem]:
    """Whether a number lies within its bounds; None is no limit."""
    if value is not None and (value < least or (most is not None and value > most)):
        yield Problem(path, f"{least} to {most}" if most is not None else f"at least {least}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An instant draw as staff plan it: when it is played, by whom, and a version of its odds."""

    title_zh: str
    title_en: str
    opens_at: datetime
    closes_at: datetime
    odds: Odds
    gate: Gate = OPEN_TO_ALL

    def problem(self) -> Problem | None:
        """The first reason why this plan cannot be a draw."""
        return next(chain(self._own_problems(), self.odds.problems()), None)

    def _own_problems(self) -> Iterator[Problem]:
        yield from text_problems("titleZh", self.title_zh)
        yield from text_problems("titleEn", self.title_en)
        if self.closes_at <= self.opens_at:
            yield Problem("closesAt", "later than opensAt")


def dearest(lines: Sequence[Line]) -> int:
    """The place of the line that is worth most."""
    return max(range(1, len(lines) + 1), key=lambda place: lines[place - 1].value_fen)


# -- what a play brings ------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What chance gave: the roll, 0 to 999,999, and the place that it stands for."""

    roll: int
    place: int


def message(draw_id: UUID, member_id: UUID, number: int) -> str:
    """What a play is called where chance decides it: ids in lower case with hyphens, its number from 1."""
    return f"{draw_id}|{member_id}|{number}"


def outcome(seed: bytes, draw_id: UUID, member_id: UUID, number: int, odds: Odds, *, pity: bool) -> Outcome:
    """The outcome of a member's n-th play of a draw under the day's seed, and nothing else."""
    roll = below(seed, message(draw_id, member_id, number), WHOLE_PPM)
    return Outcome(roll, place_at(roll, odds.column(pity=pity)))


def place_at(roll: int, column: Iterable[int]) -> int:
    """The first place in declared order whose cumulated odds exceed the roll."""
    return next(place for place, upto in enumerate(accumulate(column), 1) if upto > roll)


def is_pity(pity_after: int | None, misses: int) -> bool:
    """Whether the better odds decide a play before which so many in a row gave a miss."""
    return pity_after is not None and misses >= pity_after


class Given(NamedTuple):
    """What a play gives: a place, and why it is not the one that chance gave (None where it is)."""

    place: int
    reason: Reason | None


def given(lines: Sequence[Line], nominal: int, obstacle: Callable[[int], Reason | None]) -> Given:
    """Follow the declared fallbacks from what chance gave to the first that can be given; a miss always can.

    The reason is that of the nominal prize, whatever stood in the way of the fallbacks between.
    """
    place, first = nominal, None
    while lines[place - 1].wins and (reason := obstacle(place)) is not None:
        first = first or reason
        fallback = lines[place - 1].fallback
        assert fallback is not None, "a prize has a fallback"
        place = fallback
    return Given(place, first)


def effective(lines: Sequence[Line], column: Sequence[int], exhausted: Collection[int]) -> tuple[int, ...]:
    """The odds of what is given while some prizes are exhausted: their parts go where their fallbacks lead."""
    folded = [0] * len(lines)
    for place, ppm in enumerate(column, 1):
        folded[given(lines, place, lambda at: "STOCK" if at in exhausted else None).place - 1] += ppm
    return tuple(folded)


# -- what it pays ------------------------------------------------------------------------------------------------------


def misses_ppm(odds: Odds, *, pity: bool) -> int:
    """How much of the odds is a miss."""
    column = odds.column(pity=pity)
    return sum(ppm for line, ppm in zip(odds.lines, column, strict=True) if not line.wins)


def expected_micropoints(odds: Odds, *, pity: bool = False) -> int:
    """Points that a play brings on average, in millionths: exact."""
    column = odds.column(pity=pity)
    return sum(ppm * line.points for line, ppm in zip(odds.lines, column, strict=True))


def payout_micropoints(odds: Odds) -> int:
    """Points that plays bring on average in the long run, pity included, in millionths, rounded up.

    Plays come in cycles that end with a win. With q and p the odds of a miss before and in pity, and n the misses after
    which it begins, a cycle has 1 + q + … + q^(n-1) plays without and q^n / (1 - p) plays with it on average. Both are
    taken times 10^(6n) · (10^6 - p·10^6), so that all of it are whole numbers.
    """
    plain = expected_micropoints(odds)
    if odds.pity_after is None:
        return plain
    after, miss, pity_miss = odds.pity_after, misses_ppm(odds, pity=False), misses_ppm(odds, pity=True)
    without: int = (WHOLE_PPM - pity_miss) * sum(
        pow(miss, each) * pow(WHOLE_PPM, after - each) for each in range(after)
    )
    within: int = pow(miss, after) * WHOLE_PPM
    points: int = plain * without + expected_micropoints(odds, pity=True) * within
    return -(-points // (without + within))


def payout_ppm(odds: Odds) -> int:
    """The long run's points paid out for a million points of price, rounded up."""
    return -(-payout_micropoints(odds) // odds.play_points)


# -- stock -------------------------------------------------------------------------------------------------------------


def released(stock: int, daily_release: int | None, first_on: date, on: date) -> int:
    """How much of a stock may have been given by the end of a business day: so much more each day from the first on."""
    if daily_release is None:
        return stock
    return min(stock, (max((on - first_on).days, 0) + 1) * daily_release)


def share(total: int, shard: int) -> int:
    """What of a total stands at a shard, from 0: all shares add up to the total, and none falls as it rises."""
    return total // SHARDS + (shard < total % SHARDS)


def limit_reached(limit: int | None, used: int) -> bool:
    """Whether one more would pass a limit; None is no limit."""
    return limit is not None and used >= limit


def hidden_from(now: datetime, calendar: Calendar) -> date:
    """The first business day whose seed is still a secret at an instant."""
    return calendar.business_date(now - REVEAL_DELAY)
