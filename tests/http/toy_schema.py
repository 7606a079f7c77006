"""Toys on a shelf: a connection, a fan-out of lists, a union with refusals, a subscription, fields that fail."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry import relay

from gamification.core import errors
from schema.context import Info
from schema.extensions import make_schema
from schema.nodes import key_of, resolve_node
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Integration, Member, Staff
from schema.refusals import Refusal
from schema.scalars import Fen, Points


@dataclass(kw_only=True, eq=False)
class ToySoldOut(errors.Refusal):
    """The shelf is empty.

    Not part of the description.
    """

    required: int
    missing_points: int
    price_fen: int | None
    limit: int
    toy: str
    messages = {"zh-CN": "{toy} 还差 {missing_points} 积分", "en": "{toy}: {missing_points} points missing."}


@dataclass(kw_only=True, eq=False)
class ToyHidden(errors.Refusal):
    """A refusal that no union of the toy schema names."""

    owner_phone: str
    messages = {"zh-CN": "{owner_phone}", "en": "{owner_phone}"}


@dataclass(frozen=True)
class ToyRow:
    id: UUID
    name: str
    made_at: datetime


MADE_AT = datetime.fromisoformat("2026-03-02T10:00:00+08:00")
ROWS = [ToyRow(UUID(int=number + 1), f"toy {number}", MADE_AT) for number in range(7)]
SHELF = Keyset("toys", Key("made_at", datetime), Key("id", UUID))
part_reads: list[list[UUID]] = []
feeds_open: list[str] = []


async def parts_by_toys(toy_ids: list[UUID]) -> list[list[str]]:
    part_reads.append(toy_ids)
    return [["wheel", "axle"] for _ in toy_ids]


@strawberry.type(description="A toy.")
class Toy(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Its name.")
    made_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, row: ToyRow) -> "Toy":
        return cls(id=row.id, name=row.name, made_at=row.made_at)

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        wanted = [UUID(each) for each in node_ids]
        by_id = {row.id: row for row in ROWS}
        return [Toy.of(by_id[each]) if each in by_id else None for each in wanted]

    @strawberry.field(description="Its parts.")
    async def parts(self, info: Info) -> list[str]:
        return await info.context.load(parts_by_toys, self.id)

    @strawberry.field(description="Toys like it.")
    async def similar(self) -> list["Toy"]:
        return [Toy.of(row) for row in ROWS[:2]]

    @strawberry.field(description="Toys beside it.")
    async def beside(self, first: First = PAGE_DEFAULT, after: After = None) -> Connection["Toy"]:
        return shelf(first, after)


def shelf(first: int, after: str | None) -> Connection[Toy]:
    page = SHELF.page(first, after)
    rows = [row for row in ROWS if page.after is None or (row.made_at, row.id) > page.after]
    return page.connection(rows[: page.limit], Toy.of)


class ToySoldOutRefusal(
    Refusal, of=ToySoldOut, points=("required",), describe={"toy": "Which.", "missing_points": "M.", "price_fen": "P."}
):
    pass


@strawberry.type(description="A toy that was bought.")
class ToyBought:
    points: Points = strawberry.field(description="What it took.")
    change: Fen = strawberry.field(description="What is left in fen.")


BuyToyResult = Annotated[ToyBought | ToySoldOutRefusal, strawberry.union("BuyToyResult", description="Bought or not.")]


@strawberry.type(description="Questions.")
class Query:
    node: relay.Node | None = strawberry.field(resolver=resolve_node, description="Anything with an id.")

    @strawberry.field(description="All toys.")
    async def toys(self, first: First = PAGE_DEFAULT, after: After = None) -> Connection[Toy]:
        return shelf(first, after)

    @strawberry.field(description="The name of a toy.")
    def toy_name(self, id: strawberry.ID) -> str:
        key = key_of(id, "Toy")
        return next(row.name for row in ROWS if row.id == key)

    @strawberry.field(description="A number as it came.")
    def echo(self, points: Points, at: datetime | None = None) -> Points:
        return points

    @strawberry.field(description="A number that no double holds.")
    def too_many(self) -> Points:
        return Points(2**53)

    @strawberry.field(description="Fails with a text that must not leak.")
    async def broken(self) -> str | None:
        raise RuntimeError("postgres://user:secret@db/jifen phone 13800138000")

    @strawberry.field(description="Fails like a domain refusal that no union names.")
    async def hidden(self) -> str | None:
        raise ToyHidden(owner_phone="13800138000")

    @strawberry.field(description="Refuses its input.")
    async def picky(self) -> str | None:
        raise errors.InvalidInput(field="name", reason="empty")

    @strawberry.field(description="Has too much to do.")
    async def busy(self) -> str | None:
        raise errors.Overloaded(limit=3)

    @strawberry.field(description="An error with a code of its own.")
    async def coded(self) -> str | None:
        raise GraphQLError("Known.", extensions={"code": "KNOWN"})

    @strawberry.field(description="Never answers.")
    async def slow(self) -> str:
        await asyncio.Event().wait()
        return ""

    @strawberry.field(description="For members.", extensions=[Allow(Member())])
    async def for_members(self, info: Info) -> str:
        return info.context.actor.key

    @strawberry.field(
        description="For owners and tills.", extensions=[Allow(Staff("owner"), Integration("orders:write"))]
    )
    def for_owners(self) -> str:
        return "yes"


@strawberry.type(description="Changes.")
class Mutation:
    @strawberry.mutation(description="Buy a toy.")
    async def buy_toy(self, name: str) -> BuyToyResult:
        if name == "gone":
            raise ToySoldOut(required=9, missing_points=3, price_fen=None, limit=1, toy=name)
        if name == "hidden":
            raise ToyHidden(owner_phone="13800138000")
        return ToyBought(points=Points(2**53 - 1), change=Fen(-5))


@strawberry.type(description="News.")
class Subscription:
    @strawberry.subscription(description="Counts up to a number.")
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(1, to + 1):
            yield number

    @strawberry.subscription(description="Fails after its first answer.")
    async def falters(self) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("secret of the feed")

    @strawberry.subscription(description="Never ends.")
    async def feed(self, info: Info) -> AsyncIterator[str]:
        feeds_open.append(info.context.actor.key)
        try:
            yield info.context.actor.key
            await asyncio.Event().wait()
        finally:
            feeds_open.remove(info.context.actor.key)


toy_schema = make_schema(query=Query, mutation=Mutation, subscription=Subscription)
