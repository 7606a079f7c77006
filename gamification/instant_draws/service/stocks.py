"""What is left of a draw's stocks and budget while a batch of plays is decided.

Whether a prize is exhausted is decided by what is committed and by what the same member claims in the same write, both
of which are certain: a fallback is never given because of a neighbour in the batch whose own play may yet fail. The
neighbours' claims only spread the next ones over the counters. Where a batch claims more than there is, the write
refuses it, and it is decided again in halves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from gamification.instant_draws.rules import BUDGET_PLACE, SHARDS, Odds, Reason, released, share
from gamification.instant_draws.service.loads import DrawRow, StockCounter

Claims = list[tuple[UUID, int]]
Claimed = Mapping[UUID, int]
NOBODY: Claimed = {}


class Stocks:
    """The counters of one draw as they were read, and what decisions since then have claimed of them."""

    def __init__(self, draw: DrawRow, odds: Odds, on: date) -> None:
        self.odds = odds
        self._counters: dict[int, list[StockCounter]] = {}
        for row in draw.counters or ():
            counter = StockCounter(*row)
            self._counters.setdefault(counter.place, []).append(counter)
        counters = [each for own in self._counters.values() for each in own]
        self._left = {each.id: self._capacity(each, on) - each.given for each in counters}
        self._claimed = dict.fromkeys(self._left, 0)

    def _capacity(self, counter: StockCounter, on: date) -> int:
        if counter.place == BUDGET_PLACE:
            return share(self.odds.budget_points or 0, counter.shard)
        line = self.odds.line(counter.place)
        return share(released(line.stock or 0, line.daily_release, counter.first_on, on), counter.shard)

    def _rooms(self, place: int, claimed: Claimed) -> dict[UUID, int]:
        return {each.id: max(self._left[each.id] - claimed.get(each.id, 0), 0) for each in self._counters[place]}

    def obstacle(self, place: int, own: Claimed) -> Reason | None:
        """Why one of a prize cannot be given: none is left, none is released yet, or the budget has not its points.

        `own` is what the member has claimed in the same write.
        """
        line = self.odds.line(place)
        if line.stock is not None and not any(self._rooms(place, own).values()):
            given = sum(each.given + own.get(each.id, 0) for each in self._counters[place])
            return "STOCK" if given >= line.stock else "RELEASE"
        if self.odds.budget_points is not None and sum(self._rooms(BUDGET_PLACE, own).values()) < line.points:
            return "BUDGET"
        return None

    def claim(self, place: int, own: Claimed, start: int) -> Claims:
        """What giving one of a prize takes of the counters, looking from the shard `start` on."""
        line = self.odds.line(place)
        claims: Claims = []
        if line.stock is not None:
            claims += self._take(place, 1, own, start)
        if self.odds.budget_points is not None:
            claims += self._take(BUDGET_PLACE, line.points, own, start)
        return claims

    def _take(self, place: int, amount: int, own: Claimed, start: int) -> Claims:
        """So much in all, first where nobody of the batch is in the way; at worst the write refuses it."""
        order = [each.id for each in sorted(self._counters[place], key=lambda each: (each.shard - start) % SHARDS)]
        taken = _portions(order, self._rooms(place, self._claimed), amount)
        rest = amount - sum(taken.values())
        if rest:
            rooms = self._rooms(place, own)
            further = _portions(order, {each: rooms[each] - taken.get(each, 0) for each in order}, rest)
            taken = {each: taken.get(each, 0) + further.get(each, 0) for each in {**taken, **further}}
        for each, portion in taken.items():
            self._claimed[each] += portion
        return list(taken.items())


def _portions(order: Sequence[UUID], rooms: Mapping[UUID, int], amount: int) -> dict[UUID, int]:
    """An amount in portions that fit, the first counters first."""
    portions: dict[UUID, int] = {}
    for each in order:
        portion = min(amount, max(rooms[each], 0))
        if portion:
            portions[each] = portion
            amount -= portion
    return portions
