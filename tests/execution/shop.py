"""A small shop by hand: objects, interfaces, unions, lists in lists, fields that fail in every way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry import relay
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from tests.execution.strawberry_parts import SCALARS, Choice, Filter, Gate, Stamp


class Closed(Exception):
    """What the shop raises, and what one of its unions answers with."""

    def __init__(self, until: int) -> None:
        super().__init__(f"closed until {until}")
        self.until = until


@strawberry.enum
class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Maker(Named):
    country: str | None = None

    @strawberry.field
    async def motto(self) -> str:
        await asyncio.sleep(0)
        return f"{self.name} made it"


@strawberry.type
class Thing(relay.Node, Named):
    id: relay.NodeID[UUID]
    size: Size
    price: float
    made_at: datetime
    maker: Maker
    tags: list[str]
    grid: list[list[int | None]]
    facts: JSON
    stamp: Stamp | None = None

    @strawberry.field
    def priced(self, times: int = 2, size: Size = Size.SMALL) -> str:
        return f"{self.price * times} {size.name}"

    @strawberry.field
    def later(self) -> int:
        return _later(int(self.price))  # type: ignore[return-value]

    @strawberry.field
    def counted(self) -> list[int]:
        return iter((1, 2, 3))  # type: ignore[return-value]

    @strawberry.field
    async def streamed(self) -> list[int]:
        return _stream()  # type: ignore[return-value]

    @strawberry.field
    def whole(self, info: strawberry.Info) -> str:
        return f"{info.field_name} {info.python_name} {info.path.as_list()} {info.variable_values}"

    @strawberry.field
    def fails(self, how: str = "raise") -> str | None:
        return cast(str, fail(how))

    @strawberry.field
    def must(self, how: str = "raise") -> str:
        return fail(how) or ""

    @strawberry.field
    async def must_later(self, how: str = "raise") -> str:
        await asyncio.sleep(0)
        return cast(str, fail(how))


async def _later(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def _stream() -> AsyncIterator[int]:
    for number in (4, 5):
        await asyncio.sleep(0)
        yield number


def fail(how: str) -> Any:
    if how == "raise":
        raise ValueError("raised")
    if how == "told":
        raise GraphQLError("told", extensions={"code": "TOLD"})
    if how == "located":
        raise GraphQLError("located", path=["elsewhere"])
    return {"return": ValueError("returned"), "null": None, "wrong": object()}.get(how, how)


def things(number: int = 2) -> list[Thing]:
    return [
        Thing(
            id=UUID(int=place),
            name=f"thing {place}",
            size=Size.LARGE if place % 2 else Size.SMALL,
            price=place * 1.5,
            made_at=datetime(2026, 3, 2, place, tzinfo=UTC),
            maker=Maker(name=f"maker {place}", country="CN" if place else None),
            tags=["a", "b"][:place],
            grid=[[place, None], []],
            facts=cast(JSON, {"place": place}),
            stamp=Stamp(f"at {place}"),
        )
        for place in range(number)
    ]


@strawberry.type
class ClosedProblem:
    until: int


class ClosedHandler(strawberry.ExceptionHandler[Closed, ClosedProblem]):
    def handle(self, exception: Closed, *, field: Any, info: strawberry.Info) -> ClosedProblem | None:
        return ClosedProblem(until=exception.until) if exception.until else None


Visit = Annotated[Thing | Maker | ClosedProblem, strawberry.union("Visit")]


@dataclass
class Till:
    """What mutations did, in order; and room for loaders."""

    done: list[str] = field(default_factory=list)
    loaders: dict[Any, Any] = field(default_factory=dict)


@strawberry.type
class Query:
    @strawberry.field
    def things(self, number: int = 2) -> list[Thing]:
        return things(number)

    @strawberry.field
    async def thing(self, place: int = 1) -> Thing | None:
        return things(place + 1)[place] if place >= 0 else None

    @strawberry.field
    def named(self) -> list[Named | None]:
        return [Maker(name="Ann"), None, *things(1)]

    @strawberry.field
    def visits(self) -> list[list[Visit]]:
        return [[*things(1), ClosedProblem(until=3)], [], [Maker(name="Bo")]]

    @strawberry.field
    async def visit(self, until: int) -> Visit:
        raise Closed(until)

    @strawberry.field(extensions=[Gate()])
    def guarded(self, number: int = 1) -> int:
        return number

    @strawberry.field
    def echo(
        self,
        n: int = 7,
        text: str | None = "plain",
        ids: list[strawberry.ID] | None = None,
        filter: Filter | None = None,
        choice: Choice | None = None,
        size: Size | None = None,
        stamp: Stamp | None = None,
    ) -> str:
        return f"{n} {text} {ids} {filter} {choice} {size} {stamp}"

    @strawberry.field
    def broken(self) -> list[Thing | None]:
        return _broken()  # type: ignore[return-value]

    @strawberry.field
    def not_a_list(self) -> list[int] | None:
        return 5  # type: ignore[return-value]

    @strawberry.field
    def node(self) -> relay.Node | None:
        return things(1)[0]


def _broken() -> Iterator[Any]:
    yield from things(2)
    raise ValueError("the list broke")


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def sell(self, info: strawberry.Info[Till, None], name: str, rounds: int = 1) -> Thing | None:
        for _ in range(rounds):
            await asyncio.sleep(0)
        info.context.done.append(name)
        return things(1)[0]

    @strawberry.mutation
    def refuse(self, info: strawberry.Info[Till, None]) -> int:
        info.context.done.append("refused")
        raise ValueError("no")

    @strawberry.mutation
    def try_(self, info: strawberry.Info[Till, None]) -> int | None:
        info.context.done.append("tried")
        raise ValueError("not today")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def arrivals(self, number: int = 2, breaks: bool = False) -> AsyncIterator[Thing]:
        for thing in things(number):
            yield thing
        if breaks:
            raise ValueError("the feed broke")

    @strawberry.subscription
    async def nothing(self) -> AsyncIterator[int]:
        raise ValueError("no feed")
        yield 1


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    exception_handlers=[ClosedHandler()],
    config=StrawberryConfig(scalar_map=SCALARS),
)
