"""What every resolver is given: who asks, the surroundings of the write path, the language, and loaders of its own.

A context serves one operation: over a socket each operation gets a new one, so that nothing is cached for longer than
one answer and a session that ended meanwhile is seen.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar, cast
from uuid import UUID

import strawberry
from graphql import DocumentNode
from strawberry.dataloader import DataLoader

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import Clock
from gamification.core.errors import DEFAULT_LOCALE, LOCALES
from gamification.core.work import Work
from gamification.members.ports import Desk
from gamification.orders.quotes import Quotes

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
BATCH_MAX = 1_000
LANGUAGES_MAX = 10
NO_DESK = cast(Desk, None)
"""For schemas without members' verbs."""
NO_QUOTES = cast(Quotes, None)
"""For schemas without deductions."""


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """What was read before an operation began, at an instant: by batch read and key."""

    now: datetime
    values: Mapping[Any, Mapping[Any, Any]]


NOTHING_AHEAD = ReadAhead(datetime.min.replace(tzinfo=UTC), {})
NO_VALUES: Mapping[Any, Any] = {}


@dataclass(slots=True, weakref_slot=True, kw_only=True)
class Context:
    """The surroundings of one operation.

    `now` is the clock's reading for the whole operation, `desk` what the verbs of members need, `quotes` signs
    deductions, `prepared` is the document, parsed and found valid before execution, `ahead` what was read before it.
    """

    work: Work
    clock: Clock
    desk: Desk = NO_DESK
    quotes: Quotes = NO_QUOTES
    actor: Actor = ANONYMOUS
    locale: str = DEFAULT_LOCALE
    correlation_id: str = ""
    connection_params: Mapping[str, Any] | None = None
    prepared: DocumentNode | None = None
    ahead: ReadAhead = NOTHING_AHEAD
    loaders: dict[Hashable, DataLoader[Any, Any]] = field(default_factory=dict)
    readings: dict[Hashable, dict[Any, tuple[asyncio.Future[list[Any]], int]]] = field(default_factory=dict)
    now: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.clock.now()

    async def load(self, batch: Callable[[list[K]], Awaitable[Sequence[V | BaseException]]], key: K) -> V:
        """One row by key through a batch read: all keys asked for in one tick are read together, once each.

        `batch` answers in the order of its keys; a `*_by_ids` function of a slice's queries is one.
        """
        ahead = self.ahead.values.get(batch, NO_VALUES)
        if key in ahead:
            return cast(V, ahead[key])
        loader = self.loaders.get(batch)
        if loader is None:
            loader = self.loaders[batch] = DataLoader(load_fn=batch, max_batch_size=BATCH_MAX)
        return cast(V, await loader.load(key))

    async def load_many(self, batch: Callable[[list[K]], Awaitable[Sequence[V]]], keys: Sequence[K]) -> list[V]:
        """The same for many keys at once, in their order: those that this operation has not read yet, together."""
        ahead = self.ahead.values.get(batch, NO_VALUES)
        if all(key in ahead for key in keys):
            return [cast(V, ahead[key]) for key in keys]
        known = self.readings.setdefault(batch, {})
        missing = [key for key in dict.fromkeys(keys) if key not in known]
        if missing:
            reading = asyncio.ensure_future(_read(batch, missing))
            known.update((key, (reading, place)) for place, key in enumerate(missing))
        found = {reading: await reading for reading in {known[key][0] for key in keys}}
        return [cast(V, found[reading][place]) for reading, place in (known[key] for key in keys)]


async def _read(batch: Callable[[list[K]], Awaitable[Sequence[Any]]], keys: list[K]) -> list[Any]:
    """What a batch read answers, a portion at a time."""
    found: list[Any] = []
    for start in range(0, len(keys), BATCH_MAX):
        found += await batch(keys[start : start + BATCH_MAX])
    return found


Info = strawberry.Info[Context, None]


def own_id(info: Info) -> UUID:
    """The id of the member who asks; the field is open to members only."""
    own = info.context.actor.member_id
    assert own is not None, "the field is open to members only"
    return own


@lru_cache(maxsize=256)
def locale_of(accept_language: str | None) -> str:
    """The language of messages for an Accept-Language header: zh-CN or en, whichever is preferred; zh-CN otherwise."""
    preferred: tuple[float, str] = (0.0, DEFAULT_LOCALE)
    for part in (accept_language or "").split(",")[:LANGUAGES_MAX]:
        tag, _, parameters = part.partition(";")
        quality = _quality(parameters)
        locale = _LOCALE_BY_LANGUAGE.get(tag.strip().lower().split("-")[0])
        if locale and quality > preferred[0]:
            preferred = (quality, locale)
    return preferred[1]


_LOCALE_BY_LANGUAGE = {locale.split("-")[0]: locale for locale in LOCALES}


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
