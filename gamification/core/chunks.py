"""Long work in chunks: while one chunk is written, the next one is read and decided.

A chunk is a list of things that one call does, in transactions of its own. Two are under way at a time, on a connection
each, so that this process and the database work at the same time; never more, so that memory does not grow with the
work. Nothing remembers how far it came: what is done is no longer listed, and a run that was cut anywhere goes on with
what still is. Two chunks that touch the same member are as good as two workers: the later one decides again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gamification.core.transactions import in_transaction

CHUNKS_AT_ONCE = 2
"""One is written while the next is read and decided; a third would only wait for either."""

T = TypeVar("T")
R = TypeVar("R")


async def work_through(
    listed: Callable[[T | None], Awaitable[list[T]]],
    perform: Callable[[list[T]], Awaitable[R]],
    finished: Callable[[list[T], R], Awaitable[None]],
    *,
    chunks_max: int | None = None,
) -> bool:
    """Do what `listed` names behind the last thing it named, until it names nothing; returns whether it came so far.

    `finished` is told of every chunk and its result, one by one and in order. After `chunks_max` chunks it stops. The
    first fault ends it; what is under way beside it is cut off, and waited for.
    """
    assert not in_transaction(), "a transaction has one connection, and would be as long as the whole work"
    running: deque[tuple[list[T], asyncio.Task[R]]] = deque()
    begun, last = 0, None
    try:
        while chunks_max is None or begun < chunks_max:
            if not (chunk := await listed(last)):
                return await _finish(running, finished, at_once=1)
            running.append((chunk, asyncio.ensure_future(_run(perform, chunk))))
            begun, last = begun + 1, chunk[-1]
            await _finish(running, finished, at_once=CHUNKS_AT_ONCE)
        await _finish(running, finished, at_once=1)
        return False
    finally:
        await _end(running)


async def _run(perform: Callable[[list[T]], Awaitable[R]], chunk: list[T]) -> R:
    return await perform(chunk)


async def _finish(
    running: deque[tuple[list[T], asyncio.Task[R]]],
    finished: Callable[[list[T], R], Awaitable[None]],
    *,
    at_once: int,
) -> bool:
    """Wait, in order, until fewer than `at_once` are under way."""
    while len(running) >= at_once:
        chunk, task = running[0]
        result = await task
        running.popleft()
        await finished(chunk, result)
    return True


async def _end(running: deque[tuple[list[T], asyncio.Task[R]]]) -> None:
    """Leave nothing behind that still writes: what is under way is cut off, and waited for."""
    tasks = [task for _, task in running]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
