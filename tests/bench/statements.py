"""The SQL that an operation sends, with its arguments: counted and explained in the suite, replayed by pgbench."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, cast
from unittest.mock import patch

import asyncpg
import httpx
from asyncpg.connection import LoggedQuery
from starlette.applications import Starlette

from app.asgi import create_app
from app.database import Client
from app.settings import Settings

NOBODYS = ("FROM policy_version WHERE revision >", "typeinfo_tree", "set_config('jit'")
"""Marks of what no request sends: the look for new policies that each process takes once a second, and what the driver
asks on a new connection about types that it has not met."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it was sent, and the SQL type of each argument where the database was asked for them."""

    sql: str
    arguments: tuple[Any, ...]
    types: tuple[str, ...] = ()


@asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The application with its lifespan, and a client that calls it without a network."""
    application = create_app(settings)
    starlette = cast(Starlette, application.app)
    async with starlette.router.lifespan_context(starlette):
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Collects every statement that goes through the product's pool, BEGIN and COMMIT included.

    Without those that no request sends (`NOBODYS`).
    """
    seen: list[Statement] = []
    borrow = Client.borrow

    def record(query: LoggedQuery) -> None:
        if not any(mark in query.query for mark in NOBODYS):
            seen.append(Statement(query.query, tuple(query.args or ())))

    async def recording(client: Client) -> Any:
        connection = await borrow(client)
        connection.add_query_logger(record)
        return connection

    with patch.object(Client, "borrow", recording):
        yield seen


async def with_types(statements: Iterable[Statement], connection: asyncpg.Connection) -> list[Statement]:
    """The statements with the types that their parameters have."""
    return [
        replace(each, types=tuple(kind.name for kind in (await connection.prepare(each.sql)).get_parameters()))
        for each in statements
    ]


def literal(value: Any) -> str:
    """A value as SQL text, for scripts that carry no parameters."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(map(literal, value))}]" if value else "'{}'"
    if isinstance(value, datetime):
        return f"'{value:%Y%m%dT%H%M%S.%f%z}'::timestamptz"  # without colons, which pgbench takes for variables
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    quoted = "'" + str(value).replace("'", "''") + "'"
    if isinstance(value, date):
        return f"{quoted}::date"
    return f"'{value}'::uuid" if isinstance(value, uuid.UUID) else quoted
