"""What an export is asked for, read from the query string. Whatever is wrong is a Problem that names the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from starlette.datastructures import QueryParams

from app.problems import bad_field
from gamification.points.exports import DAYS_MAX
from gamification.points.liability import BASIS
from gamification.points.models import GROWTH, KINDS, POINTS

Value = TypeVar("Value")

CURRENCIES = (POINTS, GROWTH)
NUMBER_LENGTH = 12


@dataclass(frozen=True, slots=True)
class EntriesAsked:
    """`from`, `to`, `member`, `currency`, `kinds` of `entries.csv`."""

    since: date
    until: date
    member: str | None
    currency: str | None
    kinds: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class LiabilityAsked:
    """`on` and `breakageBp` of `liability.csv`."""

    on: date | None
    breakage_bp: int | None


def entries_asked(query: QueryParams) -> EntriesAsked:
    """Raises Problem."""
    _check_names(query, "from", "to", "member", "currency", "kinds")
    since, until = _required(query, "from", _day), _required(query, "to", _day)
    if until < since:
        raise bad_field("to", "`to` must not lie before `from`.")
    if (until - since).days >= DAYS_MAX:
        raise bad_field("to", f"An export covers at most {DAYS_MAX} days.")
    return EntriesAsked(
        since,
        until,
        _read(query, "member", _number),
        _read(query, "currency", _currency),
        _read(query, "kinds", _kinds),
    )


def liability_asked(query: QueryParams) -> LiabilityAsked:
    """Raises Problem."""
    _check_names(query, "on", "breakageBp")
    return LiabilityAsked(_read(query, "on", _day), _read(query, "breakageBp", _rate))


def _check_names(query: QueryParams, *known: str) -> None:
    for name in query:
        if name not in known:
            raise bad_field(name[:40], f"The parameters are {', '.join(known)}.")
        if len(query.getlist(name)) > 1:
            raise bad_field(name, f"`{name}` stands there more than once.")


def _required(query: QueryParams, name: str, read: Callable[[str, str], Value]) -> Value:
    value = _read(query, name, read)
    if value is None:
        raise bad_field(name, f"`{name}` is missing.")
    return value


def _read(query: QueryParams, name: str, read: Callable[[str, str], Value]) -> Value | None:
    text = query.get(name)
    return None if text is None else read(text, name)


def _day(text: str, name: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise bad_field(name, f"`{name}` is a business day such as 2026-03-31.")
    return found


def _number(text: str, name: str) -> str:
    if not (len(text) == NUMBER_LENGTH and text.isascii() and text.isdecimal()):
        raise bad_field(name, f"`{name}` is a member number: {NUMBER_LENGTH} digits.")
    return text


def _currency(text: str, name: str) -> str:
    if text not in CURRENCIES:
        raise bad_field(name, f"`{name}` is one of {', '.join(CURRENCIES)}.")
    return text


def _kinds(text: str, name: str) -> tuple[str, ...]:
    kinds = text.split(",", len(KINDS))
    if not set(kinds) <= KINDS.keys():
        raise bad_field(name, f"`{name}` is a list with commas of {', '.join(KINDS)}.")
    return tuple(dict.fromkeys(kinds))


def _rate(text: str, name: str) -> int:
    rate = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(BASIS)) else -1
    if not 0 <= rate <= BASIS:
        raise bad_field(name, f"`{name}` is a rate of 0 to {BASIS} basis points.")
    return rate
