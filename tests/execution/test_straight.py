"""Queries for which nothing is waited are executed object by object; what is unusual goes level by level after all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult, parse
from strawberry.types import ExecutionResult as Result

from schema.execution.batches import Answers, batched
from schema.execution.gates import Gate
from schema.execution.operations import Operation
from schema.execution.resolvers import Resolvers
from tests.execution.comparison import operation_of


class Ticketed(Gate):
    """Lets in whoever has a ticket."""

    def admit(self, info: Any) -> None:
        if not info.context["ticket"]:
            raise PermissionError("no ticket")


class SoldOutError(Exception):
    """There is nothing left."""


@strawberry.type
class SoldOut:
    left: int


class Handler(strawberry.ExceptionHandler[SoldOutError]):
    error_type = SoldOut

    def handle(self, exception: SoldOutError, **more: Any) -> SoldOut:
        return SoldOut(left=0)


@strawberry.type
class Seat:
    number: int

    @batched(description="Who sits beside.")
    @staticmethod
    async def beside(seats: Sequence[Any], info: strawberry.Info, steps: int = 1) -> Answers[list[Seat]]:
        info.context["calls"].append([seat.number for seat in seats])
        return [[Seat(number=seat.number + steps)] for seat in seats]

    @strawberry.field
    async def price(self, info: strawberry.Info) -> int | None:
        if info.context["waits"]:
            await asyncio.sleep(0)
        return self.number * 10 if self.number < 9 else None

    @strawberry.field
    def broken(self) -> int:
        raise ValueError(f"seat {self.number} is broken")

    @strawberry.field
    def where(self, info: strawberry.Info) -> str:
        return ".".join(map(str, info.path.as_list()))


@strawberry.type
class Query:
    @strawberry.field(extensions=[Ticketed()])
    async def seats(self, numbers: list[int]) -> list[Seat]:
        return [Seat(number=each) for each in numbers]

    @strawberry.field(extensions=[Ticketed()])
    async def best(self) -> Seat | SoldOut:
        raise SoldOutError


schema = strawberry.Schema(query=Query, exception_handlers=[Handler()])


async def answered(text: str, *, ticket: bool = True, waits: bool = False) -> tuple[ExecutionResult, list[list[int]]]:
    """The answer with the hint that all is at hand, which is strawberry's as well, and the calls of the batch."""
    document = parse(text)
    calls: list[list[int]] = []
    own = {"ticket": ticket, "waits": waits, "calls": calls}
    operation = Operation(Resolvers(schema._schema), document, operation_of(document))
    for _ in range(2):  # what a generic type's objects look like is learnt from the first answer
        calls.clear()
        found = await operation.execute(context=own, at_hand=True)
    assert found is not None
    usual: Result = await schema.execute(text, context_value={**own, "calls": []})
    assert found.data == usual.data
    told = [[(each.message, each.path) for each in result.errors or ()] for result in (found, usual)]
    assert told[0] == told[1]
    return found, calls


async def test_where_nothing_waits_objects_are_answered_one_after_the_other() -> None:
    """The batch resolver is called for each seat, in order, and the answer is the usual one."""
    found, calls = await answered("{ seats(numbers: [1, 2]) { number price beside(steps: 3) { number } } }")
    assert found.data == {
        "seats": [
            {"number": 1, "price": 10, "beside": [{"number": 4}]},
            {"number": 2, "price": 20, "beside": [{"number": 5}]},
        ]
    }
    assert calls == [[1], [2]]


async def test_who_waits_after_all_is_executed_level_by_level() -> None:
    """A resolver that waits ends the attempt: then the batch resolver sees all seats at once."""
    found, calls = await answered("{ seats(numbers: [1, 9]) { beside { number } price } }", waits=True)
    assert [each["price"] for each in (found.data or {})["seats"]] == [10, None]
    assert calls[-1] == [1, 9]


@pytest.mark.parametrize("field", ["broken", "where"])
async def test_errors_and_paths_are_those_of_the_way_level_by_level(field: str) -> None:
    """An exception is told with its path, and a resolver that asks for its path is told it."""
    found, _ = await answered(f"{{ seats(numbers: [7]) {{ {field} }} }}")
    if field == "where":
        assert found.data == {"seats": [{"where": "seats.0.where"}]}
    else:
        assert [(each.message, each.path) for each in found.errors or ()] == [
            ("seat 7 is broken", ["seats", 0, "broken"])
        ]


async def test_a_gate_keeps_out_whoever_is_not_admitted() -> None:
    """Without a ticket nothing is resolved, and the error stands at the field; with one, all is."""
    found, calls = await answered("{ seats(numbers: [1]) { beside { number } } }", ticket=False)
    assert (found.data, calls) == (None, [])
    assert [(each.message, each.path) for each in found.errors or ()] == [("no ticket", ["seats"])]


async def test_handlers_answer_behind_a_gate() -> None:
    """A refusal that a handler knows becomes data for whoever was admitted, and stays unseen by others."""
    text = "{ best { ... on SoldOut { left } } }"
    found, _ = await answered(text)
    assert found.data == {"best": {"left": 0}}
    found, _ = await answered(text, ticket=False)
    assert [(each.message, each.path) for each in found.errors or ()] == [("no ticket", ["best"])]
