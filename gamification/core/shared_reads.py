"""Reads that arrive one by one and are answered together: keys asked for while a read runs make the next read.

One read runs at a time, so that it grows with what is asked and costs the database and the driver once. Whoever asks
is answered from a read that began afterwards: nothing older than the question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from gamification.core.correlation import correlation_id
from gamification.core.database import together
from gamification.core.together import reading_together

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

KEYS_MAX = 256
"""Keys of one read; more make another."""


async def read_all(
    reads: Sequence[Callable[[list[K]], Awaitable[Sequence[Any]]]], keys: list[K]
) -> list[Mapping[K, Any]]:
    """What several batch reads answer for the same keys, as one statement where each of them is one."""
    with reading_together(together()):
        found = await asyncio.gather(*(read(keys) for read in reads))
    return [dict(zip(keys, rows, strict=True)) for rows in found]


class SharedReads(Generic[K, V]):
    """A read by keys, shared by all who ask at the same time."""

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._asked: dict[K, list[asyncio.Future[V | None]]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """What is under the key, or None. Raises what the read raises. Whoever stops waiting disturbs nobody."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(key, []).append(answer)
        if self._reading is None:
            self._reading = asyncio.create_task(self._answer_all())
        return await answer

    async def _answer_all(self) -> None:
        correlation_id.set(None)  # that of whoever happened to ask first
        try:
            while self._asked:
                await asyncio.sleep(0)  # what is asked in the same turn of the loop comes along
                await self._answer(self._next())
        finally:
            self._reading = None

    def _next(self) -> dict[K, list[asyncio.Future[V | None]]]:
        if len(self._asked) <= KEYS_MAX:
            taken, self._asked = self._asked, {}
            return taken
        return {key: self._asked.pop(key) for key in list(self._asked)[:KEYS_MAX]}

    async def _answer(self, asked: Mapping[K, list[asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._read(list(asked))
        except Exception as fault:  # noqa: BLE001 - raised where it was asked
            for answers in asked.values():
                for answer in answers:
                    if not answer.done():
                        answer.set_exception(fault)
            return
        for key, answers in asked.items():
            for answer in answers:
                if not answer.done():  # whoever waited may have gone
                    answer.set_result(found.get(key))
