"""The product in process on the demonstration programme: what the documents' queries are sent to."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import cast

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from app.asgi import create_app
from app.local.endpoints import Tokens
from app.local.programme import settings_from
from app.local.secrets import NAMES
from app.local.stores import Stores
from app.seed import ensure_demonstration
from app.settings import Settings
from gamification.core.clock import SystemClock
from tests.conftest import database_url
from tests.docs.served import Served

_numbers = count()
WEDNESDAY_NOON = datetime.fromisoformat("2027-03-03T12:00:00+08:00")
_offset = WEDNESDAY_NOON - SystemClock().now()
"""The product's clock begins there, so that no draw or month of the demonstration ends while it is read."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """A database with the demonstration programme, to be copied, and the tokens of its people."""

    name: str
    tokens: Tokens


def settings_on(stores: Stores, name: str, redis_url: str) -> Settings:
    """Settings on a database, with keys that are the same in every run."""
    keys = {key: f"{number:02x}" * 32 for number, key in enumerate(NAMES, start=1)}
    given = {"DATABASE_URL": database_url(stores, name), "REDIS_URL": redis_url, "LOG_FORMAT": "console"}
    return settings_from({**keys, **given, "CLOCK_OFFSET": f"PT{int(_offset.total_seconds())}S"})


@pytest.fixture(scope="session")
async def seeded(
    stores: Stores, server: asyncpg.Connection, template: str, redis_database: str
) -> AsyncIterator[Seeded]:
    """The demonstration programme, made once per process, in an empty context as a process of its own would."""
    name = f"demonstration_{os.getpid()}_{next(_numbers)}"
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    seeding = ensure_demonstration(settings_on(stores, name, redis_database))
    yield Seeded(name, await asyncio.create_task(seeding, context=contextvars.Context()))
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def own_settings(
    stores: Stores, server: asyncpg.Connection, seeded: Seeded, redis_url: str
) -> AsyncIterator[Settings]:
    """Settings on a copy of it for this test alone, on which no ORM is open: the application opens its own."""
    name = f"docs_{os.getpid()}_{next(_numbers)}"
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {seeded.name} STRATEGY file_copy")
    yield settings_on(stores, name, redis_url)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The application with its lifespan, and a client that calls it without a network."""
    application = create_app(settings)
    starlette = cast(Starlette, application.app)
    async with starlette.router.lifespan_context(starlette):
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


@pytest.fixture
async def served(own_settings: Settings, seeded: Seeded) -> AsyncIterator[Served]:
    """The demonstration programme, served."""
    async with serving(own_settings) as client:
        yield Served(client, seeded.tokens)
