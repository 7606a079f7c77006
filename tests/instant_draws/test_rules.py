"""The pure decisions: exact odds, what is given instead, what plays pay, and what makes odds better."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from gamification.core.clock import FixedClock
from gamification.instant_draws.bettering import Worse, improves, worse
from gamification.instant_draws.rules import (
    SHARDS,
    WHOLE_PPM,
    Line,
    Odds,
    effective,
    expected_micropoints,
    given,
    payout_micropoints,
    payout_ppm,
    place_at,
    released,
    share,
)
from tests.instant_draws.builders import USUAL, a_miss, a_plan, a_prize, a_table

TINY = a_table(a_prize(5_000_000, 1), a_prize(1000, 2), a_prize(10, 3), a_prize(1, 499_999))


@st.composite
def odds_tables(draw: Any, *, pity: bool = False) -> Odds:
    """Any valid table of up to six prizes and a miss, the prizes falling back to later lines."""
    count = draw(st.integers(0, 6))
    parts = [draw(st.integers(0, 150_000)) for _ in range(count)]
    more = [part + draw(st.integers(0, 16_000)) for part in parts]
    prizes = [
        a_prize(
            draw(st.integers(1, 5_000_000)), part, draw(st.integers(place + 1, count + 1)),
            pity_ppm=raised if pity else None, stock=draw(st.none() | st.integers(1, 1000)),
            per_member=draw(st.none() | st.integers(1, 9)),
        )
        for place, (part, raised) in enumerate(zip(parts, more, strict=True), 1)
    ]  # fmt: skip
    price = draw(st.integers(1, 10_000))
    return a_table(*prizes, play_points=price, pity_after=draw(st.integers(1, 30)) if pity else None)


def test_every_roll_stands_for_one_line_and_each_line_for_its_parts() -> None:
    """Of the million rolls exactly 1, 2, 3, 499,999 and the rest stand for the lines of a table with tiny odds."""
    counted = Counter(place_at(roll, TINY.column(pity=False)) for roll in range(WHOLE_PPM))
    assert counted == {1: 1, 2: 2, 3: 3, 4: 499_999, 5: 499_995}
    assert [place_at(roll, TINY.column(pity=False)) for roll in (0, 1, 2, 3, 5, 6, 500_004, 500_005, 999_999)] == [
        1, 2, 2, 3, 3, 4, 4, 5, 5,
    ]  # fmt: skip


@examples(odds_tables(), st.integers(0, WHOLE_PPM - 1))
def test_a_roll_lies_within_the_parts_of_its_line(odds: Odds, roll: int) -> None:
    """Below it lie fewer parts than the roll and with it more, in any table; a line without odds is never met."""
    column = odds.column(pity=False)
    place = place_at(roll, column)
    assert sum(column[: place - 1]) <= roll < sum(column[:place]) and column[place - 1] > 0


@examples(odds_tables(), st.sets(st.integers(1, 6)))
def test_effective_odds_are_those_of_what_is_given(odds: Odds, exhausted: set[int]) -> None:
    """They add up to the whole; nothing exhausted has any; each line's parts went where its fallback leads."""
    column = odds.column(pity=False)
    folded = effective(odds.lines, column, exhausted)
    assert sum(folded) == WHOLE_PPM
    gone = {place for place in exhausted if place < len(odds.lines)}
    assert all(folded[place - 1] == 0 for place in gone)
    assert all(folded[place - 1] >= column[place - 1] for place in range(1, len(column) + 1) if place not in gone)
    if not gone:
        assert folded == column


def test_effective_odds_follow_fallbacks_along() -> None:
    """The first falls back to the second, the second to the miss: with both gone all goes to the miss."""
    odds = a_table(a_prize(100, 10_000, 2), a_prize(10, 90_000))
    column = odds.column(pity=False)
    assert effective(odds.lines, column, {1}) == (0, 100_000, 900_000)
    assert effective(odds.lines, column, {2}) == (10_000, 0, 990_000)
    assert effective(odds.lines, column, {1, 2}) == (0, 0, 1_000_000)


def test_what_is_given_instead_names_why_the_first_could_not() -> None:
    """The reason is that of what chance gave, whatever stood in the way of the fallback."""
    lines = a_table(a_prize(100, 10, 2), a_prize(10, 10)).lines
    obstacles: dict[int, Any] = {1: "STOCK", 2: "MEMBER_LIMIT"}
    assert given(lines, 1, obstacles.get) == (3, "STOCK")
    assert given(lines, 2, obstacles.get) == (3, "MEMBER_LIMIT")
    obstacles[2] = None
    assert given(lines, 1, obstacles.get) == (2, "STOCK")
    assert given(lines, 3, obstacles.get) == (3, None) and given(lines, 2, obstacles.get) == (2, None)


def test_expected_points_are_exact() -> None:
    """Half a point's worth of one in a million is half a millionth of it, and nothing is rounded."""
    assert expected_micropoints(TINY) == 5_000_000 * 1 + 1000 * 2 + 10 * 3 + 499_999
    assert expected_micropoints(USUAL) == 500 * 10_000 + 20 * 200_000 == 9_000_000
    assert (payout_micropoints(USUAL), payout_ppm(USUAL)) == (9_000_000, 180_000)


def test_pity_is_counted_in_what_plays_pay() -> None:
    """One in two wins 10, after one miss always: cycles of one and a half plays, each paying 10."""
    odds = a_table(a_prize(10, 500_000, pity_ppm=1_000_000), pity_after=1)
    assert payout_micropoints(odds) == 6_666_667
    never = a_table(a_prize(10, 0, pity_ppm=1_000_000), pity_after=9)
    assert payout_micropoints(never) == 1_000_000


@examples(odds_tables(pity=True).filter(lambda odds: not list(odds.problems())))
def test_what_plays_pay_lies_between_plain_and_pity(odds: Odds) -> None:
    """Pity never makes plays pay less, and never more than pity alone would."""
    plain, better = expected_micropoints(odds), expected_micropoints(odds, pity=True)
    assert plain <= payout_micropoints(odds) <= better


@examples(st.integers(0, 10**9), st.integers(0, 10**6))
def test_shares_of_a_stock_add_up_and_never_fall(total: int, more: int) -> None:
    """Whatever the stock, its counters hold exactly it; where more is released, none of them holds less."""
    shares = [share(total, shard) for shard in range(SHARDS)]
    assert sum(shares) == total and max(shares) - min(shares) <= 1
    assert all(share(total + more, shard) >= each for shard, each in enumerate(shares))


def test_stock_is_released_day_by_day_up_to_all_of_it() -> None:
    """So much on the first day, as much again on each further one; before the first day as on it."""
    first_on = date(2026, 3, 2)
    days = [released(10, 4, first_on, first_on + timedelta(days=ahead)) for ahead in (-1, 0, 1, 2, 3, 400)]
    assert days == [4, 4, 8, 10, 10, 10] and released(10, None, first_on, first_on) == 10


WRONG: list[tuple[Odds, str]] = [
    (a_table(play_points=0), "playPoints"),
    (a_table(free_plays_per_day=-1), "freePlaysPerDay"),
    (a_table(plays_per_member=0), "playsPerMember"),
    (a_table(plays_per_member_day=0), "playsPerMemberDay"),
    (a_table(budget_points=0), "budgetPoints"),
    (a_table(a_prize(1, 5, pity_ppm=6), pity_after=1001), "pityAfter"),
    (replace(USUAL, lines=()), "lines"),
    (a_table(*[a_prize(1, 1)] * 50), "lines"),
    (replace(USUAL, lines=(a_miss(999_999),)), "lines.oddsPpm"),
    (replace(USUAL, lines=(a_miss(1_000_001),)), "lines.0.oddsPpm"),
    (a_table(a_prize(0, 5)), "lines.0.points"),
    (a_table(a_prize(5, -1)), "lines.0.oddsPpm"),
    (a_table(replace(a_prize(5, 5), name_zh=" ")), "lines.0.nameZh"),
    (a_table(replace(a_prize(5, 5), name_en="x" * 101)), "lines.0.nameEn"),
    (a_table(a_prize(5, 5, stock=0)), "lines.0.stock"),
    (a_table(a_prize(5, 5, per_member=0)), "lines.0.perMember"),
    (a_table(a_prize(5, 5, stock=9, daily_release=0)), "lines.0.dailyRelease"),
    (a_table(a_prize(5, 5, daily_release=1)), "lines.0.dailyRelease"),
    (a_table(a_prize(5, 5, 3)), "lines.0.fallback"),
    (a_table(a_prize(5, 5, 1)), "lines.0.fallback"),
    (a_table(a_prize(5, 5, 2), a_prize(6, 5, 1)), "lines.0.fallback"),
    (replace(USUAL, lines=(Line(name_zh="无", name_en="No", odds_ppm=WHOLE_PPM),)), "lines.0.points"),
    (replace(USUAL, lines=(replace(a_miss(WHOLE_PPM), points=1),)), "lines.0"),
    (replace(USUAL, lines=(replace(a_miss(WHOLE_PPM), stock=1),)), "lines.0"),
    (replace(USUAL, lines=(replace(a_miss(WHOLE_PPM), fallback=1),)), "lines.0"),
    (a_table(a_prize(5, 5, pity_ppm=6)), "pityAfter"),
    (a_table(a_prize(5, 5), pity_after=3), "lines.pityPpm"),
    (a_table(a_prize(5, 5, pity_ppm=4), pity_after=3), "lines.0.pityPpm"),
    (a_table(a_prize(5, 5, pity_ppm=5), pity_after=3), "lines.pityPpm"),
]


@pytest.mark.parametrize(("odds", "field"), WRONG, ids=[f"{at}-{field}" for at, (_, field) in enumerate(WRONG)])
def test_odds_that_cannot_be_are_named_by_field(odds: Odds, field: str, clock: FixedClock) -> None:
    """Sums, bounds, fallbacks and pity: each names the first field that is wrong."""
    problem = a_plan(clock, odds).problem()
    assert problem is not None and problem.path == field


def test_a_plan_has_titles_and_a_time(clock: FixedClock) -> None:
    """Blank titles and a closing that is not after the opening are named; the usual plan has no problem."""
    assert a_plan(clock).problem() is None
    for given_so, field in (
        ({"title_zh": " "}, "titleZh"), ({"title_en": "x" * 101}, "titleEn"), ({"closes_at": clock.now()}, "closesAt"),
    ):  # fmt: skip
        problem = a_plan(clock, **given_so).problem()
        assert problem is not None and problem.path == field


@examples(odds_tables(), odds_tables(pity=True).filter(lambda odds: not list(odds.problems())))
def test_any_odds_are_as_good_as_themselves(plain: Odds, pity: Odds) -> None:
    """The same odds again are never worse."""
    assert improves(plain, plain) and improves(pity, pity)


OLD = a_table(
    a_prize(500, 10_000, 2, stock=10, per_member=1, daily_release=2, pity_ppm=20_000),
    a_prize(20, 200_000, pity_ppm=300_000),
    pity_after=5, plays_per_member=9, plays_per_member_day=3, budget_points=1000, free_plays_per_day=1,
)  # fmt: skip


def changed(place: int, **given_so: Any) -> Odds:
    """The old odds with one line changed, the miss taking what is left of both columns."""
    lines = list(OLD.lines)
    lines[place - 1] = replace(lines[place - 1], **given_so)
    lines[-1] = replace(
        lines[-1], odds_ppm=WHOLE_PPM - sum(line.odds_ppm for line in lines[:-1]),
        pity_ppm=WHOLE_PPM - sum(line.pity_ppm or 0 for line in lines[:-1]),
    )  # fmt: skip
    return replace(OLD, lines=tuple(lines))


WORSE = [
    (replace(OLD, play_points=51), Worse("playPoints", 50, 51)),
    (replace(OLD, free_plays_per_day=0), Worse("freePlaysPerDay", 1, 0)),
    (replace(OLD, plays_per_member=8), Worse("playsPerMember", 9, 8)),
    (replace(OLD, plays_per_member_day=2), Worse("playsPerMemberDay", 3, 2)),
    (replace(OLD, budget_points=999), Worse("budgetPoints", 1000, 999)),
    (replace(OLD, pity_after=6), Worse("pityAfter", 5, 6)),
    (replace(OLD, pity_after=None), Worse("pityAfter", 5, None)),
    (replace(OLD, lines=OLD.lines[:2]), Worse("lines", 3, 2)),
    (changed(1, odds_ppm=9_999), Worse("lines.0.oddsPpm", 10_000, 9_999)),
    (changed(1, pity_ppm=19_999), Worse("lines.0.pityPpm", 20_000, 19_999)),
    (changed(1, points=499), Worse("lines.0.points", 500, 499)),
    (changed(1, stock=9), Worse("lines.0.stock", 10, 9)),
    (changed(2, stock=9), Worse("lines.1.stock", None, 9)),
    (changed(2, per_member=9), Worse("lines.1.perMember", None, 9)),
    (changed(1, daily_release=1), Worse("lines.0.dailyRelease", 2, 1)),
    (changed(1, fallback=3), Worse("lines.0.fallback", 2, 3)),
    (changed(1, name_en="Other"), Worse("lines.0.nameEn", None, None)),
    (changed(1, name_zh="别的"), Worse("lines.0.nameZh", None, None)),
    (changed(3, kind="POINTS", points=1, fallback=3), Worse("lines.2.kind", None, None)),
]


@pytest.mark.parametrize(("new", "found"), WORSE, ids=[f"{each.figure}-{each.becomes}" for _, each in WORSE])
def test_what_is_worse_for_members_is_named_with_both_figures(new: Odds, found: Worse) -> None:
    """Price, limits, odds, points, stock, release, fallback and what a place is: each alone is refused."""
    assert worse(OLD, new) == found and not improves(OLD, new)


BETTER = [
    replace(OLD, play_points=49),
    replace(OLD, free_plays_per_day=2, plays_per_member=None, plays_per_member_day=4, budget_points=None),
    replace(OLD, pity_after=4),
    changed(1, odds_ppm=10_001, pity_ppm=20_001, points=501),
    changed(1, stock=None, per_member=None, daily_release=None),
    changed(2, fallback=1),
    replace(OLD, lines=(*changed(2, odds_ppm=200_000).lines[:2], a_miss(780_000, 670_000), a_prize(1, 10_000, 3,
            pity_ppm=10_000))),
]  # fmt: skip


@pytest.mark.parametrize("new", BETTER, ids=range(len(BETTER)))
def test_what_is_better_is_let_through(new: Odds) -> None:
    """Lower price, higher limits, earlier pity, more of anything, a prize for a miss, another prize."""
    assert worse(OLD, new) is None


def test_pity_that_is_new_is_measured_by_the_plain_odds() -> None:
    """Where there was none, it may come with at least the odds that decided before."""
    plain = a_table(a_prize(500, 10_000))
    better = a_table(a_prize(500, 10_000, pity_ppm=20_000), pity_after=3)
    lower = a_table(a_prize(500, 10_000, pity_ppm=9_000), pity_after=3)
    assert worse(plain, better) is None
    assert worse(plain, lower) == Worse("lines.0.pityPpm", 10_000, 9_000)
