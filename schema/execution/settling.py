"""Awaits what the fields of a level left: all values of one field together, all fields side by side.

There is a task for a field, not for an object, except where plain asynchronous resolvers were called for many objects.
When the execution is cancelled, so is everything it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

from schema.execution.batches import answers_of
from schema.execution.completion import Completion, Pending
from schema.execution.plans import Answer, FieldPlan, Found, Waiting
from schema.execution.resolvers import Batch
from schema.execution.running import Execution


async def settle(run: Execution, waiting: Waiting) -> None:
    """Await everything that waits, and everything that follows from it."""
    if len(waiting) == 1:
        for settling, entries in waiting.items():
            await settling.settle(run, entries)
    else:
        await _together([settling.settle(run, entries) for settling, entries in waiting.items()])


async def _together(settled: Sequence[Awaitable[None]]) -> None:
    tasks = [asyncio.ensure_future(each) for each in settled]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def outcomes(awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
    """What each awaitable gives, or the exception that it raises. Cancellation is nobody's outcome: it is raised."""
    if len(awaitables) == 1:
        try:
            return [await awaitables[0]]
        except Exception as error:  # noqa: BLE001 - an outcome
            return [error]
    found = await asyncio.gather(*awaitables, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, Exception):
            raise each
    return found


@dataclass(eq=False, slots=True)
class Values:
    """Values of one field of many answers; an entry is the answer and its awaitable."""

    field: FieldPlan

    async def settle(self, run: Execution, entries: list[tuple[Answer, Awaitable[Any]]]) -> None:
        """Await the values, and finish the field with them."""
        values = await outcomes([awaitable for _, awaitable in entries])
        await _finish(run, self.field, [answer for answer, _ in entries], values)


@dataclass(eq=False, slots=True)
class Batches:
    """Values of a batch resolver; an entry is the answer and its source."""

    field: FieldPlan
    batch: Batch

    async def settle(self, run: Execution, entries: list[tuple[Answer, Any]]) -> None:
        """Call the batch resolver with all sources, in portions of what it takes at once, and finish the field."""
        most = self.batch.extension.sources_max
        portions = [entries[start : start + most] for start in range(0, len(entries), most)]
        if len(portions) == 1:
            values = await self._values(run, entries)
        else:
            found = await outcomes([self._values(run, portion) for portion in portions])
            values = [value for portion in found for value in portion]
        await _finish(run, self.field, [answer for answer, _ in entries], values)

    async def _values(self, run: Execution, entries: list[tuple[Answer, Any]]) -> Sequence[Any]:
        sources = [source for _, source in entries]
        info = self.batch.method.info(run, self.field, entries[0][0])
        try:
            shared = self.field.arguments.shared(run.variables)
            given = self.field.arguments.own(run.variables, info) if shared is None else dict(shared)
        except Exception as error:  # noqa: BLE001 - the outcome of every source
            return [error] * len(sources)
        return await answers_of(self.batch.extension.function, sources, info, given)


@dataclass(eq=False, slots=True)
class Spots:
    """What single spots of a field wait for: items of lists, types of objects."""

    field: FieldPlan

    async def settle(self, run: Execution, entries: list[Pending]) -> None:
        """Await it all, and go on at each spot."""
        found: Found = {}
        waiting: Waiting = {}
        completion = Completion(run, self.field, waiting, found)
        for pending, outcome in zip(entries, await outcomes([pending.awaitable for pending in entries]), strict=True):
            _go_on(completion, pending, outcome)
        fill(run, found, waiting)
        if waiting:
            await settle(run, waiting)


def fill(run: Execution, found: Found, waiting: Waiting) -> None:
    """Fill the answers of the objects that were found."""
    for plan, (sources, answers) in found.items():
        if plan.fill:
            plan.fill(run, sources, answers, waiting)


async def _finish(run: Execution, field: FieldPlan, answers: Sequence[Answer], values: Sequence[Any]) -> None:
    waiting: Waiting = {}
    field.finish(run, answers, values, waiting)
    if waiting:
        await settle(run, waiting)


def _go_on(completion: Completion, pending: Pending, outcome: Any) -> None:
    spot, source = pending.spot, pending.source
    if pending.kind == "value":
        completion.complete(spot, outcome)
        return
    try:
        if isinstance(outcome, Exception):
            raise outcome
        if pending.kind == "items":
            items, failure = outcome
            completion.add_items(spot, items)
            if failure is not None:
                completion.fail_after_items(spot, failure)
        elif pending.kind == "type":
            completion.checked(spot, completion.plan_of(outcome, source), source)
        elif outcome and pending.plan:
            completion.add_object(spot, pending.plan, source)
        elif pending.plan:
            raise completion.unfit(pending.plan.type, source)
    except Exception as error:  # noqa: BLE001 - answered with its path
        completion.fail(spot, error)
