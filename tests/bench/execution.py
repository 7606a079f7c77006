"""What an execution costs this process: compiled operations against graphql-core, side by side.

    .venv/bin/python -m tests.bench.execution

CPU of this process per execution, serialising included, in microseconds; the database's own is not in it. Rounds of the
contenders alternate and medians are told, so that a busy machine disturbs all alike; answers are compared first.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
import orjson
import strawberry

from app.asgi import DOCUMENTS
from app.desk import access_for, opened_desk
from app.documents import TrustedDocuments
from app.graphql_engine import Engine, Policy
from app.graphql_requests import OperationRequest
from app.local.programme import settings_from
from app.local.secrets import NAMES
from app.local.stores import disposable_stores
from app.migrate import migrate
from app.seed import MEMBER, ensure_demonstration
from app.settings import Settings
from app.wiring import open_work, opened_database
from gamification.core.actors import Actor
from gamification.members.service import find_member
from schema.admin.root import schema as staff_schema
from schema.context import Context
from schema.extensions import Schema, make_schema
from schema.root import schema as member_schema
from schema.scalars import Points
from tests.builders import some_members

ROUNDS = 9
EXECUTIONS = 40
STAFF_LIST = """query Members { members(first: 50) { edges { node {
  id number nickname points { available pending growth } tierProgress { current { code name } missing }
  ladder { month netFen points } } } pageInfo { hasNextPage endCursor } } }"""
FIELDS_800 = "query Shelf { shelf { code name amount at isNew tier { code } more { price label } } }"


@strawberry.type(description="A step.")
class Step:
    code: str = strawberry.field(description="Its code.")


@strawberry.type(description="More of a thing.")
class More:
    price: Points = strawberry.field(description="What it costs.")
    label: str | None = strawberry.field(description="What it says.")


@strawberry.type(description="A thing.")
class Item:
    code: str = strawberry.field(description="Its code.")
    name: str = strawberry.field(description="Its name.")
    amount: int = strawberry.field(description="How many.")
    at: datetime = strawberry.field(description="Since when.")
    is_new: bool = strawberry.field(description="Whether it is new.")
    tier: Step = strawberry.field(description="Its step.")
    more: More = strawberry.field(description="The rest.")


ITEMS = [
    Item(
        code=f"c{n}",
        name=f"thing {n}",
        amount=n,
        at=datetime(2026, 3, 2, tzinfo=UTC),
        is_new=n % 2 == 0,
        tier=Step(code=f"s{n % 4}"),
        more=More(price=Points(n * 100), label=None if n % 3 else "sale"),
    )
    for n in range(80)
]


@strawberry.type(description="The root.")
class Query:
    @strawberry.field(description="Eighty things of ten fields.")
    def shelf(self) -> list[Item]:
        return ITEMS


@dataclass(frozen=True)
class Case:
    """Something to execute, by engines that differ in their execution only."""

    name: str
    schema: Schema
    documents: TrustedDocuments
    policy: Callable[..., Policy]
    request: OperationRequest
    context: Callable[[], Context]


def case_of(case: Case, execution: Any) -> Callable[[], Awaitable[bytes]]:
    """One execution by this engine, from the prepared document to the bytes of the answer."""
    engine = Engine(case.schema, case.documents, case.policy(execution))

    async def once() -> bytes:
        context = case.context()
        prepared = engine.prepare(case.request, context)
        result = await engine.execute(prepared, case.request, context)
        assert not result.errors, result.errors
        return orjson.dumps(result.data)

    return once


async def compare(case: Case) -> None:
    """Measure both engines, and tell the medians."""
    contenders = {name: case_of(case, name) for name in ("core", "compiled")}
    answers = {name: await once() for name, once in contenders.items()}
    assert answers["core"] == answers["compiled"], case.name
    costs: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, once in contenders.items():
            began = time.process_time()
            for _ in range(EXECUTIONS):
                await once()
            costs[name].append((time.process_time() - began) / EXECUTIONS * 1e6)
    core, compiled = (statistics.median(costs[name]) for name in ("core", "compiled"))
    click.echo(f"{case.name:<34}{core:>10.0f}{compiled:>10.0f}{core / compiled:>8.1f} ×   {len(answers['core'])} bytes")


@asynccontextmanager
async def programme() -> AsyncIterator[Settings]:
    """The demonstration programme on servers of its own."""
    with disposable_stores({}) as stores:
        keys = {key: f"{number:02x}" * 32 for number, key in enumerate(NAMES, start=1)}
        given = {"DATABASE_URL": stores.database_url, "REDIS_URL": stores.redis_url, "LOG_FORMAT": "console"}
        settings = settings_from({**keys, **given})
        await migrate(settings.database_url)
        await ensure_demonstration(settings)
        yield settings


async def main() -> None:
    """All cases."""
    click.echo(f"{'CPU µs per execution':<34}{'core':>10}{'compiled':>10}{'ratio':>10}")
    async with programme() as settings, opened_database(settings, "bench"):
        work = await open_work(settings)
        access = access_for(settings, work)
        async with opened_desk(settings, work, access) as desk:
            await some_members(work.clock, 60, points=500)
            member_id = await find_member(MEMBER)

            def context(actor: Actor) -> Context:
                return Context(work=work, clock=work.clock, desk=desk, actor=actor, locale="en")

            member, owner = Actor("member", member_id), Actor("staff", member_id, role="owner")
            documents = TrustedDocuments.load(DOCUMENTS, member_schema._schema)
            home = next(each for each in documents if "query Home" in each.text)

            def plain(execution: Any) -> Policy:
                return Policy(execution=execution)

            none = TrustedDocuments()
            shelf = make_schema(query=Query)
            cases = [
                Case("member's home, database", member_schema, documents, plain,
                     OperationRequest(document_id=home.id), lambda: context(member)),
                Case("50 members × 3 nested, database", staff_schema, none, plain,
                     OperationRequest(query=STAFF_LIST), lambda: context(owner)),
                Case("800 fields in memory", shelf, none, plain,
                     OperationRequest(query=FIELDS_800), lambda: context(owner)),
            ]  # fmt: skip
            for case in cases:
                await compare(case)


if __name__ == "__main__":
    asyncio.run(main())
