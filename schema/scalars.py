"""Points, fen and instants as GraphQL scalars: whole numbers that JavaScript holds exactly, instants with an offset.

GraphQL's own Int ends at 2^31 - 1, which a lifetime total passes; an Int field that ever holds more can never be read
again. A double holds whole numbers up to 2^53 - 1.
"""

from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

Points = NewType("Points", int)
Fen = NewType("Fen", int)

SAFE_INTEGER_MAX = 2**53 - 1
INPUT_MAX = 10**12
"""The most points or fen that one input may name; far above any balance, far below what sums could overflow."""


def parse_amount(value: object) -> int:
    """A whole number within ±10^12. Refuses fractions, text and truth values."""
    if type(value) is not int:
        raise ValueError("expected a whole number")
    if abs(value) > INPUT_MAX:
        raise ValueError(f"expected a number within ±{INPUT_MAX}")
    return value


def show_amount(value: object) -> int:
    """A whole number that a double holds exactly; anything else is a fault of ours."""
    if type(value) is not int or abs(value) > SAFE_INTEGER_MAX:
        raise ValueError("an amount must be a whole number within ±(2^53 - 1)")
    return value


def parse_instant(value: object) -> datetime:
    """An ISO 8601 instant. Refuses one without an offset: it would mean another instant on another machine."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is not None:
            at.astimezone(UTC)  # the first and last hours of the calendar have no such instant
    except (ValueError, OverflowError):
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("expected an ISO 8601 instant with an offset, such as 2026-01-31T08:00:00+08:00")
    return at


def show_instant(value: Any) -> str:
    """ISO 8601 with offset; a naive instant is a fault of ours."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("an instant must be aware")
    return value.isoformat()


SCALARS: dict[object, ScalarDefinition] = {
    Points: strawberry.scalar(
        name="Points",
        description="Whole points. One point is worth one fen when deducted. Inputs lie within ±10^12.",
        serialize=show_amount,
        parse_value=parse_amount,
    ),
    Fen: strawberry.scalar(
        name="Fen",
        description="Money in whole fen (one hundredth of a yuan). Inputs lie within ±10^12.",
        serialize=show_amount,
        parse_value=parse_amount,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant: ISO 8601 with an offset.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=show_instant,
        parse_value=parse_instant,
    ),
}
