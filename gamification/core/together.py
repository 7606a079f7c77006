"""Reads that are asked for side by side, sent to the database as one statement.

Inside `reading_together()` every `fetch` that begins in one turn of the event loop becomes a column of one SELECT, so
that a level of a GraphQL answer, or a page of the mini-program, costs one round trip whatever it consists of. Each
read keeps its own SQL and knows nothing of the others. Rows come back in their order and under their names.

For reads only, and never inside a transaction. When the one statement fails, each read is made alone, so that the one
that is to blame fails alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

Fetch = Callable[..., Awaitable[Sequence[Any]]]
Names = Callable[[str], Awaitable[tuple[str, ...]]]

JOINED_MAX = 512
"""Combinations of statements that are kept as text; more are written anew."""
_PARAMETER = re.compile(r"\$(\d+)")


class Row(tuple[Any, ...]):
    """A row as asyncpg's records are: by place, and by name."""

    __slots__ = ()
    places: ClassVar[dict[str, int]] = {}

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.places[key] if type(key) is str else key)

    def keys(self) -> list[str]:
        """The names of the columns, in their order."""
        return list(self.places)


def row_class(names: Sequence[str]) -> type[Row]:
    """The class of a statement's rows."""
    places = {name: place for place, name in enumerate(names)}
    return type("Row", (Row,), {"places": places, "__slots__": ()})


@dataclass(slots=True)
class _Asked:
    sql: str
    arguments: tuple[Any, ...]
    answer: asyncio.Future[Sequence[Any]]


class Together:
    """The reads of one operation: those of a turn of the loop are collected, then sent."""

    rows: ClassVar[dict[str, type[Row]]] = {}
    """The classes of rows by SQL, for the whole process: statements are few and do not change."""

    def __init__(self, fetch: Fetch, names: Names) -> None:
        self._fetch = fetch
        self._names = names
        self._asked: list[_Asked] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def fetch(self, sql: str, arguments: tuple[Any, ...]) -> Sequence[Any]:
        """The rows of one read."""
        loop = asyncio.get_running_loop()
        asked = _Asked(sql, arguments, loop.create_future())
        self._asked.append(asked)
        if len(self._asked) == 1:
            loop.call_soon(self._send)
        return await asked.answer

    def _send(self) -> None:
        asked, self._asked = self._asked, []
        task = asyncio.create_task(self._answer(asked))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _answer(self, asked: list[_Asked]) -> None:
        if len(asked) == 1:
            await self._answer_alone(asked[0])
            return
        try:
            for each in asked:
                if each.sql not in self.rows:
                    self.rows[each.sql] = row_class(await self._names(each.sql))
            arguments = [value for each in asked for value in each.arguments]
            (found,) = await self._fetch(joined(tuple((each.sql, len(each.arguments)) for each in asked)), *arguments)
        except Exception:  # noqa: BLE001 - it comes again where it belongs
            await asyncio.gather(*(self._answer_alone(each) for each in asked))
            return
        for each, rows in zip(asked, found, strict=True):
            if not each.answer.done():  # whoever waited may have gone
                row = self.rows[each.sql]
                each.answer.set_result([row(values) for values in rows or ()])

    async def _answer_alone(self, asked: _Asked) -> None:
        try:
            rows = await self._fetch(asked.sql, *asked.arguments)
        except Exception as fault:  # noqa: BLE001 - raised where it was asked
            if not asked.answer.done():
                asked.answer.set_exception(fault)
        else:
            if not asked.answer.done():
                asked.answer.set_result(rows)


@lru_cache(maxsize=JOINED_MAX)
def joined(statements: tuple[tuple[str, int], ...]) -> str:
    """One SELECT with a column of rows for each statement (SQL, number of parameters)."""
    columns, before = [], 0
    for sql, parameters in statements:
        columns.append(f"(SELECT array_agg(ROW(q.*)) FROM ({_renumbered(sql, before)}) q)")
        before += parameters
    return "SELECT " + ", ".join(columns)


def _renumbered(sql: str, before: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + before}", sql)


collecting: ContextVar[Together | None] = ContextVar("collecting", default=None)


@contextmanager
def reading_together(together: Together) -> Iterator[None]:
    """Let the reads of this task, and of those that it starts, go together while inside."""
    reset = collecting.set(together)
    try:
        yield
    finally:
        collecting.reset(reset)
