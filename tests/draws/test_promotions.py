"""Who gets what nobody claimed: a decision on plain values."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gamification.draws.promotions import Lapsed, Promotion, Reserve, promote

BUYERS = "abcd"
LIMITS: dict[int, int | None] = {1: 1, 2: None, 3: 2}


def test_the_first_reserve_in_line_gets_the_first_prize_that_lapses() -> None:
    """In order of rank; ranks go on after the highest there is, and who has got one is no reserve any more."""
    reserves = [Reserve(17, "c"), Reserve(4, "d"), Reserve(8, "c")]
    standing = {("a", 2): 1, ("b", 2): 1}
    lapses = [Lapsed(2, 2, "b"), Lapsed(1, 2, "a")]
    assert promote(lapses, reserves, standing, LIMITS, 5) == [Promotion(6, 1, 17, 2), Promotion(7, 2, 4, 2)]


def test_who_is_at_the_limit_of_a_prize_is_passed_over_and_stays_in_line() -> None:
    """Whose ticket 17 is has a first prize that stands, so ticket 4 gets the next; the second prize has no limit."""
    reserves = [Reserve(17, "c"), Reserve(4, "d")]
    standing = {("a", 1): 1, ("c", 1): 1, ("b", 2): 1}
    lapses = [Lapsed(1, 1, "a"), Lapsed(3, 2, "b")]
    assert promote(lapses, reserves, standing, LIMITS, 3) == [Promotion(4, 1, 4, 1), Promotion(5, 3, 17, 2)]


def test_a_win_that_lapses_counts_no_more() -> None:
    """Whoever let a prize lapse may get it again by another ticket, and nobody beside stands in the way of that."""
    assert promote([Lapsed(1, 1, "a")], [Reserve(9, "a")], {("a", 1): 1}, LIMITS, 1) == [Promotion(2, 1, 9, 1)]


def test_without_a_reserve_that_may_win_nobody_gets_the_prize() -> None:
    """Neither where none is left, nor where all are at the limit."""
    assert promote([Lapsed(1, 1, "a")], [], {("a", 1): 1}, LIMITS, 1) == []
    assert promote([Lapsed(1, 1, "a")], [Reserve(9, "b")], {("a", 1): 1, ("b", 1): 1}, LIMITS, 2) == []


wins = st.lists(st.tuples(st.sampled_from(sorted(LIMITS)), st.sampled_from(BUYERS)), max_size=12)


def within_limits(drawn: list[tuple[int, str]]) -> list[Lapsed]:
    """Wins by rank of which no buyer has more of a prize than allowed."""
    won: Counter[tuple[str, int]] = Counter()
    for prize, buyer in drawn:
        limit = LIMITS[prize]
        won[buyer, prize] += limit is None or won[buyer, prize] < limit
    kept = [(prize, buyer) for (buyer, prize), count in sorted(won.items()) for _ in range(count)]
    return [Lapsed(rank, prize, buyer) for rank, (prize, buyer) in enumerate(kept, 1)]


@given(wins, st.lists(st.sampled_from(BUYERS), max_size=8), st.data())
def test_lapses_in_two_runs_are_as_good_as_in_one(
    drawn: list[tuple[int, str]], line: list[str], data: st.DataObject
) -> None:
    """Cut anywhere: the same reserves get the same prizes, nobody twice, and nobody passes a limit."""
    all_wins = within_limits(drawn)
    lapses = data.draw(st.lists(st.sampled_from(all_wins), unique=True).map(sorted)) if all_wins else []
    reserves = [Reserve(100 + place, buyer) for place, buyer in enumerate(line)]
    standing = Counter((win.buyer, win.prize) for win in all_wins)
    whole = promote(lapses, reserves, standing, LIMITS, len(all_wins))
    cut = data.draw(st.integers(0, len(lapses)))
    first = promote(lapses[:cut], reserves, standing, LIMITS, len(all_wins))
    buyer_of = dict(reserves)
    taken = {each.number for each in first}
    later = standing + Counter((buyer_of[each.number], each.prize) for each in first)
    later.subtract((lapse.buyer, lapse.prize) for lapse in lapses[:cut])
    left = [each for each in reserves if each.number not in taken]
    rest = promote(lapses[cut:], left, later, LIMITS, len(all_wins) + len(first))
    assert first + rest == whole
    assert len({each.number for each in whole}) == len(whole)
    standing.subtract((lapse.buyer, lapse.prize) for lapse in lapses)
    standing.update((buyer_of[each.number], each.prize) for each in whole)
    assert all(limit is None or standing[buyer, prize] <= limit for prize, limit in LIMITS.items() for buyer in BUYERS)
