"""How a stretch of a file is dealt out, so that several batches can run at once: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from gamification.orders.files import Rejection, Row
from gamification.orders.service.requests import MemberName, NewOrder, NewRefund

LANES = 2
"""Batches that run at once: one decides in Python while the other is with the database."""

Entry = Row | Rejection


def deal(entries: Sequence[Entry]) -> list[list[Entry]]:
    """A stretch as `LANES` lists that share no member, each in the order of the file.

    A refund goes with the order it names, and behind it. Where one names neither a member nor an order of the stretch,
    nobody knows yet whose it is: then everything goes into one list. The same stretch is always dealt the same way.
    """
    orders: dict[str, tuple[int, int]] = {}
    for place, entry in enumerate(entries):
        if isinstance(entry, Row) and isinstance(entry.request, NewOrder):
            orders.setdefault(entry.request.external_id, (place, _lane_of(entry.request.member)))
    dealt = [_placed(place, entry, orders) for place, entry in enumerate(entries)]
    dealt.sort(key=lambda each: each.order)
    one_lane = any(each.lane is None for each in dealt)
    lanes: list[list[Entry]] = [[] for _ in range(LANES)]
    for each in dealt:
        lanes[0 if one_lane or each.lane is None else each.lane].append(each.entry)
    return lanes


class _Placed(NamedTuple):
    """The lane of an entry (None: not to be told), and what it is sorted by."""

    lane: int | None
    order: tuple[int, int, int]
    entry: Entry


def _placed(place: int, entry: Entry, orders: dict[str, tuple[int, int]]) -> _Placed:
    if isinstance(entry, Rejection):
        return _Placed(0, (place, 0, place), entry)
    request = entry.request
    if isinstance(request, NewRefund) and request.order_external_id is not None:
        order_place, lane = orders.get(request.order_external_id, (None, None))
        if order_place is not None:
            return _Placed(lane, (max(place, order_place), 1, place), entry)
    lane = None if request.member is None else _lane_of(request.member)
    return _Placed(lane, (place, 0, place), entry)


def _lane_of(member: MemberName) -> int:
    return crc32(repr(member).encode()) % LANES
