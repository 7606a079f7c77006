"""Group commit: commands that arrive one by one share a transaction with those that arrive meanwhile.

A *flush* is one load, one round of decisions and one write of the commands of several members, all of one verb. A
*lane* is a place where flushes run one after the other; a process has few. While they are busy commands wait; whatever
waits when a lane is free is its next flush. There is no timer, and nobody is answered before COMMIT.

1. Of one member one batch is on its way at a time, and the member's further commands wait for it: what a process does
   to a member it does in the order in which it was asked, and it never overtakes itself.
2. A flush waits for no member. It passes over accounts that somebody else has locked, and over members whose version
   moved; those leave the lane and are tried alone, beside it, then under locks that are waited for.
3. A flush that fails is halved, beside the lane, until the guilty command stands alone. Its neighbours are answered.
4. Members take turns: however many commands one of them sends, the next flush has room for the others.
5. What was accepted is done, whether or not somebody still waits for the answer.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, cast
from uuid import UUID

import structlog

from gamification.core.correlation import correlation_id
from gamification.core.draft import A, C, Verb
from gamification.core.errors import Overloaded
from gamification.core.receipts import check_key
from gamification.core.transactions import is_retryable, retrying
from gamification.core.work import LOTS_ALL, Item, Work, by_member, undone

log = structlog.get_logger(__name__)

FLUSH_MAX = 64
"""Commands in one flush: beyond it a commit gets no cheaper, and the first of them waits for the last."""
TURN_MAX = 16
"""Commands of one member in one flush."""
PAUSES_SECONDS = (0.0, 0.005, 0.02, 0.08)
"""Before each try of a member alone that waits for nobody's lock; most locks are another process's flush."""


@dataclass(frozen=True, kw_only=True)
class LaneLimits:
    """How much at once: flushes, connections in use beside the lanes, commands waiting in all and of one member."""

    lanes: int = 2
    beside: int = 2
    waiting_max: int = 2000
    member_max: int = 100


@dataclass(slots=True, eq=False, kw_only=True)
class _Accepted(Item[Any]):
    """A command that is promised to be done, and where its outcome is waited for."""

    verb: Verb[Any, Any]
    answer: asyncio.Future[Any]


class Lanes:
    """The lanes of one process; see the module for what they keep."""

    def __init__(self, work: Work, limits: LaneLimits | None = None) -> None:
        self.work = work
        self.limits = limits or LaneLimits()
        self.waiting = 0
        self._queues: dict[UUID, deque[_Accepted]] = {}
        self._ready: deque[UUID] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0
        self._flushing = 0
        self._beside = asyncio.Semaphore(self.limits.beside)
        self._blocking = asyncio.Semaphore(max(1, self.limits.beside - 1))

    async def perform(self, verb: Verb[C, A], command: C) -> A:
        """Do one command in a flush with others. Raises what became of it; refuses: Overloaded, InvalidInput (the key).

        Whoever stops waiting stops nothing: the command was accepted and is done.
        """
        if command.key is not None:
            check_key(command.key)
        answer = asyncio.get_running_loop().create_future()
        item = _Accepted(command, correlation_id.get(), verb=verb, answer=answer)
        self._accept(item)
        outcome = await answer
        if isinstance(outcome, BaseException):
            raise outcome
        return cast(A, outcome)

    async def drain(self) -> None:
        """Return when everything that was accepted has been answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # -- who is next -------------------------------------------------------------------------------------------------

    def _accept(self, item: _Accepted) -> None:
        member_id = item.command.member_id
        queue = self._queues.get(member_id)
        if self.waiting >= self.limits.waiting_max:
            raise Overloaded(limit=self.limits.waiting_max)
        if queue is None:
            self._queues[member_id] = deque((item,))
            self._ready.append(member_id)
            self._open_lane()
        elif len(queue) >= self.limits.member_max:
            raise Overloaded(limit=self.limits.member_max)
        else:
            queue.append(item)
        self.waiting += 1

    def _next(self) -> list[_Accepted]:
        """The next flush: commands of the verb that waited longest, whose members are then on their way.

        The lanes that are free share what waits: while one is decided the other is written.
        """
        verb = self._queues[self._ready[0]][0].verb
        members = -(-len(self._ready) // (self.limits.lanes - self._flushing))
        taken: list[_Accepted] = []
        passed: list[UUID] = []
        while self._ready and members and len(taken) < FLUSH_MAX:
            member_id = self._ready.popleft()
            queue = self._queues[member_id]
            if queue[0].verb is verb:
                taken += _turn(queue, verb, min(TURN_MAX, FLUSH_MAX - len(taken)))
                members -= 1
            else:
                passed.append(member_id)
        self._ready.extendleft(reversed(passed))
        return taken

    def _finish(self, items: Iterable[_Accepted]) -> None:
        """Answer some members' commands, and let what they asked for meanwhile be taken."""
        members: dict[UUID, None] = {}
        for item in items:
            self.waiting -= 1
            members[item.command.member_id] = None
            if not item.answer.done():  # whoever waited may have gone
                item.answer.set_result(item.outcome)
        for member_id in members:
            if self._queues[member_id]:
                self._ready.append(member_id)
            else:
                del self._queues[member_id]
        self._open_lane()

    # -- in a lane ---------------------------------------------------------------------------------------------------

    def _open_lane(self) -> None:
        if self._ready and self._running < self.limits.lanes:
            self._running += 1
            self._start(self._lane())

    def _start(self, run: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lane(self) -> None:
        correlation_id.set(None)  # that of whoever happened to open the lane
        try:
            while True:
                await asyncio.sleep(0)  # what comes in the same turn of the loop comes along
                if not self._ready:
                    return
                items = self._next()
                self._flushing += 1
                try:
                    await self._flush(items)
                finally:
                    self._flushing -= 1
        finally:
            self._running -= 1

    async def _flush(self, items: list[_Accepted]) -> None:
        verb = items[0].verb
        try:
            wanted = await self.work.attempt(verb, items, verb.lots_max, wait=False)
        except Exception as fault:  # noqa: BLE001 - it becomes the outcome of whoever is guilty of it
            log.warning("flush.failed", verb=verb.name, commands=len(items), error=type(fault).__name__)
            self._start(self._recover(items, fault))
        else:
            self._part(items, wanted)

    def _part(self, items: list[_Accepted], wanted: set[UUID]) -> None:
        """Answer those who were written; the others go on alone, beside the lane."""
        self._finish([item for item in items if item.done])
        for member_id, own in by_member(undone(items)).items():
            self._start(self._alone(own, LOTS_ALL if member_id in wanted else own[0].verb.lots_max))

    # -- beside the lanes --------------------------------------------------------------------------------------------

    async def _recover(self, items: list[_Accepted], fault: Exception) -> None:
        """After a fault: again, if that may help; else in halves, until whoever is guilty stands alone."""
        verb = items[0].verb
        for part in [items] if is_nobodys(fault) else _halves(items):
            if len(by_member(part)) == 1:
                self._start(self._alone(part, verb.lots_max))
                continue
            try:
                async with self._beside:
                    wanted = await retrying(partial(self.work.attempt, verb, part, verb.lots_max, wait=False))
            except Exception as again:  # noqa: BLE001 - likewise
                if is_nobodys(again):
                    self._fail(part, again)
                else:
                    await self._recover(part, again)
            else:
                self._part(part, wanted)

    def _fail(self, items: list[_Accepted], fault: Exception) -> None:
        for item in items:
            item.outcome, item.done = fault, True
        self._finish(items)

    async def _alone(self, items: list[_Accepted], lots_max: int) -> None:
        """One member's commands: a few tries that wait for nobody, then as `Work` does them, waiting for locks."""
        verb = items[0].verb
        if not await self._tried(items, lots_max):
            async with self._blocking, self._beside:
                await self.work.settle(verb, undone(items))
        self._finish(items)

    async def _tried(self, items: list[_Accepted], lots_max: int) -> bool:
        verb = items[0].verb
        for pause_seconds in PAUSES_SECONDS:
            await asyncio.sleep(random.uniform(0, pause_seconds))
            try:
                async with self._beside:
                    if await self.work.attempt(verb, items, lots_max, wait=False):
                        lots_max = LOTS_ALL
            except Exception:  # noqa: BLE001 - it comes again where it is waited for, and finds its command there
                return False
            if not undone(items):
                return True
        return False


def is_nobodys(fault: BaseException) -> bool:
    """Whether a fault came from the surroundings, so that no command is guilty of it."""
    return is_retryable(fault) or isinstance(fault, TimeoutError)


def _turn(queue: deque[_Accepted], verb: Verb[Any, Any], most: int) -> Iterator[_Accepted]:
    """The first commands of a member's queue, as far as they are of one verb."""
    while queue and most and queue[0].verb is verb:
        most -= 1
        yield queue.popleft()


def _halves(items: list[_Accepted]) -> list[list[_Accepted]]:
    """The commands of some members in two parts, each member in one of them."""
    members = list(by_member(items).values())
    half = len(members) // 2
    return [list(chain.from_iterable(part)) for part in (members[:half], members[half:]) if part]


@asynccontextmanager
async def opened_lanes(work: Work, limits: LaneLimits | None = None) -> AsyncIterator[Lanes]:
    """Let `work.perform` go through lanes while inside; at the end everything that was accepted is done."""
    lanes = work.lanes = Lanes(work, limits)
    try:
        yield lanes
    finally:
        work.lanes = None
        await lanes.drain()
