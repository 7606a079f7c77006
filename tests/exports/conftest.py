"""The staff's files without a network: every kind of caller, named by a header instead of a token."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.applications import Starlette

from app.exports import Exports
from app.security import SecureResponses
from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.members.errors import Unauthenticated
from schema.context import Context, locale_of
from tests.builders import FOR_EVER, a_member, a_work, assert_invariants, earn, spend
from tests.databases import Database
from tests.statements.asking import CALLERS

MARCH = {"from": "2026-03-01", "to": "2026-03-31"}
ENTRIES, LIABILITY = "/admin/exports/entries.csv", "/admin/exports/liability.csv"


@dataclass
class Room:
    """The exports of one process, and what callers are answered."""

    work: Work
    exports: Exports = field(init=False)
    sessions_end_after: int = 10**9

    def __post_init__(self) -> None:
        self.exports = Exports(self._context, self._still_holds)

    async def _context(self, headers: Mapping[str, str], _: Mapping[str, Any] | None) -> Context:
        caller = headers.get("x-caller", "anonymous")
        if caller == "expired":
            raise Unauthenticated(reason="TOKEN_EXPIRED")
        locale = locale_of(headers.get("accept-language"))
        return Context(work=self.work, clock=self.work.clock, actor=CALLERS[caller], locale=locale)

    async def _still_holds(self, actor: Actor) -> bool:
        self.sessions_end_after -= 1
        return self.sessions_end_after >= 0

    @asynccontextmanager
    async def http(self, caller: str = "auditor", locale: str = "en") -> AsyncIterator[httpx.AsyncClient]:
        app = SecureResponses(Starlette(routes=self.exports.routes()))
        headers = {"x-caller": caller, "accept-language": locale}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://room.test", headers=headers) as client:
            yield client

    async def get(self, path: str, caller: str = "auditor", locale: str = "en", **query: str) -> httpx.Response:
        async with self.http(caller, locale) as client:
            return await client.get(path, params=query)

    async def rows(self, path: str = ENTRIES, **query: str) -> list[dict[str, str]]:
        """A file that is answered, line by line."""
        answer = await self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return read(answer)


def read(answer: httpx.Response) -> list[dict[str, str]]:
    """A CSV as a spreadsheet reads it: the mark tells the encoding."""
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs; the books agree in the end."""
    yield a_work(clock, FOR_EVER)
    await assert_invariants()


@pytest.fixture
async def room(work: Work) -> Room:
    """The exports over these surroundings."""
    return Room(work)


@pytest.fixture
async def mei(work: Work, clock: FixedClock) -> UUID:
    """A member with two entries on 2 March."""
    member_id = await a_member(clock, "mei")
    await earn(work, member_id, 100, "a")
    await spend(work, member_id, 30, "b")
    return member_id
