"""What the tests of lanes watch flushes with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from gamification.core.clock import Clock
from gamification.core.draft import Draft, Verb
from gamification.core.lanes import LaneLimits, Lanes
from gamification.core.work import Item, Work
from gamification.points.ledger import PointsLedger
from tests.builders import FOR_EVER, policies_of
from tests.databases import Database


class Watched(Work):
    """Work with lanes whose flushes are counted, and whose writes wait at a gate while it is shut."""

    def __init__(self, clock: Clock, limits: LaneLimits | None = None, **given: Any) -> None:
        super().__init__(clock=clock, ledger=PointsLedger(), policies=policies_of(FOR_EVER), **given)
        self.lanes: Lanes = Lanes(self, limits)
        self.tries: list[tuple[str, int, bool]] = []
        self.faults: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_gate = asyncio.Event()

    @property
    def flushes(self) -> list[int]:
        """How many commands each try had that waited for nobody's lock."""
        return [commands for _, commands, wait in self.tries if not wait]

    async def attempt(
        self, verb: Verb[Any, Any], items: Sequence[Item[Any]], lots_max: int, *, wait: bool = True
    ) -> set[UUID]:
        self.tries.append((verb.name, len(items), wait))
        try:
            return await super().attempt(verb, items, lots_max, wait=wait)
        except Exception as fault:
            self.faults.append(type(fault).__name__)
            raise

    async def _write(self, drafts: list[Draft], *, wait: bool) -> list[UUID]:
        self.at_gate.set()
        await self.gate.wait()
        return await super()._write(drafts, wait=wait)


async def at_once(*runs: Coroutine[Any, Any, Any]) -> list[Any]:
    """All of them side by side; a refusal or fault stands in its place."""
    return await asyncio.gather(*runs, return_exceptions=True)


async def turns(number: int = 3) -> None:
    """Let the loop turn, so that what was begun has been accepted."""
    for _ in range(number):
        await asyncio.sleep(0)


@asynccontextmanager
async def holding(database: Database, *members: UUID) -> AsyncIterator[None]:
    """While inside, another transaction holds these members' accounts; it changes nothing but their versions."""
    owner = await asyncpg.connect(database.url)
    try:
        async with owner.transaction():
            sql = "UPDATE account SET version = version + 1 WHERE member_id = ANY($1) AND currency = 'POINTS'"
            assert await owner.execute(sql, members) == f"UPDATE {len(members)}"
            yield
    finally:
        await owner.close()
