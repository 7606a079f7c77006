"""What a rule asks of an activity: a typed tree of conditions, judged on facts; pure.

A tree is data and never code: `all`, `any` and `none` hold conditions, every other node asks one thing. Depth, nodes
and lists are bounded, so that judging a tree costs little whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Literal

from gamification.core.calendar import Calendar
from gamification.core.policy import Problem

Trigger = Literal["ORDER_PAID", "CHECK_IN", "REVIEW", "SHARE", "PROFILE_COMPLETED", "CUSTOM"]
Occasion = Literal["DAY", "MONTH"]

DEPTH_MAX = 5
NODES_MAX = 50
LISTED_MAX = 200
WORD_LENGTH_MAX = 100
FEN_MAX = 1_000_000_000_000
QUANTITY_MAX = 1_000_000
DAYS_MAX = 3_660


@dataclass(frozen=True, slots=True)
class LineFacts:
    """A line of an order: what it is, pieces, and the cash paid for it that earns, in fen."""

    sku: str | None
    category: str | None
    quantity: int
    fen: int


@dataclass(frozen=True, slots=True)
class Activity:
    """What a member did: on which business day, at which time of the programme's wall clock, and what was bought."""

    trigger: str
    on: date
    local: datetime
    event: str | None = None
    lines: tuple[LineFacts, ...] = ()
    channel: str | None = None
    store: str | None = None

    @property
    def fen(self) -> int:
        """The cash of all lines that earns."""
        return sum(line.fen for line in self.lines)


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What rules may ask of a member. `birthday` is the (month, day) that counts; None where it is unknown."""

    tier: str | None
    joined_on: date
    birthday: tuple[int, int] | None
    has_ordered: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """One node of a tree: exactly one field is given."""

    all: tuple[Condition, ...] | None = None
    any: tuple[Condition, ...] | None = None
    none: tuple[Condition, ...] | None = None
    amount_at_least_fen: int | None = None
    quantity_at_least: int | None = None
    sku_in: tuple[str, ...] | None = None
    category_in: tuple[str, ...] | None = None
    channel_in: tuple[str, ...] | None = None
    store_in: tuple[str, ...] | None = None
    tier_in: tuple[str, ...] | None = None
    first_order: bool | None = None
    joined_within_days: int | None = None
    birthday: Occasion | None = None
    anniversary: Occasion | None = None

    @property
    def given(self) -> list[str]:
        """The names of the fields that are given; one in a tree that may be published."""
        return [name for name in NAMES if getattr(self, name) is not None]

    @property
    def children(self) -> tuple[Condition, ...]:
        """The conditions below this one."""
        return self.all or self.any or self.none or ()

    def holds(self, activity: Activity, member: MemberFacts) -> bool:
        """Whether it is true of what a member did."""
        (name,) = self.given
        return _ASKED[name](getattr(self, name), activity, member)


NAMES = tuple(field.name for field in fields(Condition))
BRANCHES = ("all", "any", "none")
OF_ORDERS = (
    "amount_at_least_fen",
    "quantity_at_least",
    "sku_in",
    "category_in",
    "channel_in",
    "store_in",
    "first_order",
)
"""What only an order can answer."""


def is_listed(line: LineFacts, skus: Sequence[str], categories: Sequence[str]) -> bool:
    """Whether a line is one of these; every line is where nothing is listed."""
    return not (skus or categories) or line.sku in skus or line.category in categories


def falls_on(month: int, day: int, on: date, occasion: str) -> bool:
    """Whether a yearly day, or its month, is now; 29 February falls on the 28th in years that lack it."""
    if occasion == "MONTH":
        return on.month == month
    if (month, day) == (2, 29) and not _is_leap(on.year):
        day = 28
    return (on.month, on.day) == (month, day)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _anniversary(occasion: str, activity: Activity, member: MemberFacts) -> bool:
    joined = member.joined_on
    return activity.on.year > joined.year and falls_on(joined.month, joined.day, activity.on, occasion)


def _is_new(days: int, activity: Activity, member: MemberFacts) -> bool:
    return timedelta(0) <= activity.on - member.joined_on < timedelta(days=days)


_ASKED: Mapping[str, Callable[[Any, Activity, MemberFacts], bool]] = {
    "all": lambda below, activity, member: all(each.holds(activity, member) for each in below),
    "any": lambda below, activity, member: any(each.holds(activity, member) for each in below),
    "none": lambda below, activity, member: not any(each.holds(activity, member) for each in below),
    "amount_at_least_fen": lambda fen, activity, member: activity.fen >= fen,
    "quantity_at_least": lambda pieces, activity, member: sum(line.quantity for line in activity.lines) >= pieces,
    "sku_in": lambda skus, activity, member: any(line.sku in skus for line in activity.lines),
    "category_in": lambda categories, activity, member: any(line.category in categories for line in activity.lines),
    "channel_in": lambda channels, activity, member: activity.channel in channels,
    "store_in": lambda stores, activity, member: activity.store in stores,
    "tier_in": lambda tiers, activity, member: member.tier in tiers,
    "first_order": lambda wanted, activity, member: wanted != member.has_ordered,
    "joined_within_days": _is_new,
    "birthday": lambda occasion, activity, member: (
        member.birthday is not None and falls_on(*member.birthday, activity.on, occasion)
    ),
    "anniversary": _anniversary,
}


def condition_problems(condition: Condition, path: str, *, of_orders: bool) -> list[Problem]:
    """What is wrong with a tree, by node. `of_orders` says whether there is an order to ask about."""
    found = list(_node_problems(condition, path, 1, of_orders=of_orders))
    if _nodes(condition) > NODES_MAX:
        found.append(Problem(path, f"at most {NODES_MAX} conditions in all"))
    return found


def _nodes(condition: Condition) -> int:
    return 1 + sum(map(_nodes, condition.children))


def _node_problems(condition: Condition, path: str, depth: int, *, of_orders: bool) -> Iterator[Problem]:
    if len(condition.given) != 1:
        yield Problem(path, "exactly one condition")
        return
    (name,) = condition.given
    place, value = f"{path}.{name}", getattr(condition, name)
    if name in OF_ORDERS and not of_orders:
        yield Problem(place, "only of orders that are paid")
    if name not in BRANCHES:
        yield from _leaf_problems(name, value, place)
    elif depth >= DEPTH_MAX:
        yield Problem(place, f"at most {DEPTH_MAX} conditions deep")
    elif not value:
        yield Problem(place, "at least one condition")
    else:
        for index, each in enumerate(value):
            yield from _node_problems(each, f"{place}.{index}", depth + 1, of_orders=of_orders)


_MOST = {"amount_at_least_fen": FEN_MAX, "quantity_at_least": QUANTITY_MAX, "joined_within_days": DAYS_MAX}


def _leaf_problems(name: str, value: Any, place: str) -> Iterator[Problem]:
    if name in _MOST and not 1 <= value <= _MOST[name]:
        yield Problem(place, f"1 to {_MOST[name]}")
    elif isinstance(value, tuple):
        yield from word_problems(value, place)
        if not value:
            yield Problem(place, "at least one")


def word_problems(words: Sequence[str], place: str) -> Iterator[Problem]:
    """What is wrong with a list of names that are compared."""
    if len(words) > LISTED_MAX:
        yield Problem(place, f"at most {LISTED_MAX}")
    for index, word in enumerate(words):
        if not (1 <= len(word) <= WORD_LENGTH_MAX and word.isprintable()):
            yield Problem(f"{place}.{index}", f"1 to {WORD_LENGTH_MAX} printable characters")


def order_activity(
    at: datetime, calendar: Calendar, lines: tuple[LineFacts, ...], channel: str | None, store: str | None
) -> Activity:
    """A paid order as rules see it."""
    return Activity("ORDER_PAID", calendar.business_date(at), calendar.local(at), None, lines, channel, store)
