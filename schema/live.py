"""Live updates: one poll of the database for all subscribers of a kind, however many follow.

A follower stands behind a key and a cursor. While there are followers, one task asks for everything behind all cursors
at once, a set at a time, and hands it out; with none it stops. Nothing depends on Redis, nothing is lost between the
cursor a follower starts from and the first poll.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import structlog

K = TypeVar("K", bound=Hashable)
C = TypeVar("C")
T = TypeVar("T")

POLL_SECONDS = 0.5
WAITING_MAX = 1_000
"""Values that may wait for one follower; one that reads more slowly is cut off and starts again from its cursor."""

log = structlog.get_logger()


class News(NamedTuple, Generic[K, C, T]):
    """A value for the followers of a key, and the cursor behind it."""

    key: K
    cursor: C
    value: T


@dataclass(eq=False)
class _Follower(Generic[C, T]):
    cursor: C
    queue: asyncio.Queue[T | None] = field(default_factory=lambda: asyncio.Queue(WAITING_MAX))


class Live(Generic[K, C, T]):
    """The followers of one kind of news. `poll` answers what lies behind the cursors, in order per key."""

    def __init__(self, poll: Callable[[Mapping[K, C]], Awaitable[Sequence[News[K, C, T]]]]) -> None:
        self._poll = poll
        self._followers: dict[K, list[_Follower[C, T]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def follow(self, key: K, cursor: C) -> AsyncIterator[T]:
        """Everything for a key behind a cursor, as it comes. Ends when the follower reads too slowly."""
        follower: _Follower[C, T] = _Follower(cursor)
        self._followers.setdefault(key, []).append(follower)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            while (value := await follower.queue.get()) is not None:
                yield value
        finally:
            self._leave(key, follower)

    async def close(self) -> None:
        """End the poll."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _leave(self, key: K, follower: _Follower[C, T]) -> None:
        others = [each for each in self._followers.get(key, []) if each is not follower]
        if others:
            self._followers[key] = others
        else:
            self._followers.pop(key, None)

    async def _run(self) -> None:
        while self._followers:
            try:
                await self._once()
            except Exception as fault:  # noqa: BLE001 - the database may be away; the cursors stay
                log.warning("live.poll_failed", error=repr(fault))
            await asyncio.sleep(POLL_SECONDS)

    async def _once(self) -> None:
        # Followers of a key may stand at different cursors: the earliest is asked for, and each takes what it lacks.
        cursors = {key: min((each.cursor for each in all_of), key=_order) for key, all_of in self._followers.items()}
        for news in await self._poll(cursors):
            for follower in self._followers.get(news.key, []):
                if _order(news.cursor) > _order(follower.cursor):
                    follower.cursor = news.cursor
                    _hand(follower, news.value)


def _order(cursor: object) -> tuple[object, ...]:
    return cursor if isinstance(cursor, tuple) else (cursor,)


def _hand(follower: _Follower[C, T], value: T) -> None:
    try:
        follower.queue.put_nowait(value)
    except asyncio.QueueFull:
        while not follower.queue.empty():
            follower.queue.get_nowait()
        follower.queue.put_nowait(None)
