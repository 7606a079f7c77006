"""How each kind of prize reaches its winner: the one port that slices with prizes of their own fill.

A granter works in the decision of a verb, so that prize and whatever won it are one write. Locks: nothing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gamification.points.book import Book
from gamification.points.rows import Source
from gamification.prizes.errors import PrizeTooValuable
from gamification.prizes.rules import PRIZE_VALUE_FEN_MAX, PrizeKind, value_fen


class Granter(Protocol):
    """Gives a prize to the member of the book; returns the seq of the POINTS entry that did, or None."""

    def __call__(self, book: Book, points: int, source: Source, trace: Mapping[str, Any]) -> int | None: ...


def _grant_points(book: Book, points: int, source: Source, trace: Mapping[str, Any]) -> int | None:
    return book.accrue(points, source=source, trace={**trace, "result": points}).seq


def _grant_nothing(book: Book, points: int, source: Source, trace: Mapping[str, Any]) -> int | None:
    return None


GRANTERS: Mapping[PrizeKind, Granter] = {"POINTS": _grant_points, "NONE": _grant_nothing}


def grant(book: Book, kind: PrizeKind, *, points: int, source: Source, trace: Mapping[str, Any]) -> int | None:
    """Give a prize under its natural key; returns the seq of the POINTS entry, where there is one."""
    return GRANTERS[kind](book, points, source, trace)


def check_value(place: int, kind: PrizeKind, points: int) -> None:
    """Refuses: PrizeTooValuable."""
    worth = value_fen(kind, points)
    if worth > PRIZE_VALUE_FEN_MAX:
        raise PrizeTooValuable(place=place, value_fen=worth, limit_fen=PRIZE_VALUE_FEN_MAX)
