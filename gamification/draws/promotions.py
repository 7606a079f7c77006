"""Who gets a prize that nobody claimed: a pure decision, and the last part of a draw's algorithm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Reserve(NamedTuple):
    """A ticket in line that has won nothing yet, and whose it is."""

    number: int
    buyer: Hashable


class Lapsed(NamedTuple):
    """A win that nobody claimed in time: its rank, the place of its prize, who won it."""

    rank: int
    prize: int
    buyer: Hashable


class Promotion(NamedTuple):
    """A further win: the prize of the win at rank `replaces` goes to a reserve's ticket."""

    rank: int
    replaces: int
    number: int
    prize: int


def promote(
    lapses: Iterable[Lapsed],
    reserves: Sequence[Reserve],
    standing: Mapping[Any, int],
    per_member: Mapping[int, int | None],
    last_rank: int,
) -> list[Promotion]:
    """The further wins that some lapses bring about, in order of the lapses' rank.

    `reserves` are those left, in their order. `standing` counts how often a (buyer, place of prize) has won so
    that it still stands, these lapses included; nobody gets beyond `per_member` of a prize. A lapse that finds no
    reserve brings nothing about.
    """
    left, stands, promotions = list(reserves), Counter(standing), list[Promotion]()
    for lapse in sorted(lapses):
        stands[lapse.buyer, lapse.prize] -= 1
        limit = per_member[lapse.prize]
        eligible = (
            place for place, each in enumerate(left) if limit is None or stands[each.buyer, lapse.prize] < limit
        )
        place = next(eligible, None)
        if place is not None:
            reserve = left.pop(place)
            stands[reserve.buyer, lapse.prize] += 1
            rank = last_rank + len(promotions) + 1
            promotions.append(Promotion(rank, lapse.rank, reserve.number, lapse.prize))
    return promotions
