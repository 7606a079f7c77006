"""The product in process on the demonstration programme: what the documents' queries are sent to."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from tests.conftest import database_url
from tests.docs.served import Served

_numbers = count()


@pytest.fixture
async def own_settings(
    stores: Stores, server: asyncpg.Connection, template: str, redis_url: str
) -> AsyncIterator[Settings]:
    """Settings on a migrated database of this test alone, on which no ORM is open: the application opens its own."""
    name = f"docs_{os.getpid()}_{next(_numbers)}"
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    keys = {key: f"{number:02x}" * 32 for number, key in enumerate(NAMES, start=1)}
    yield settings_from(
        {**keys, "DATABASE_URL": database_url(stores, name), "REDIS_URL": redis_url, "LOG_FORMAT": "console"}
    )
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def demonstration(own_settings: Settings) -> Tokens:
    """The demonstration programme is there; tokens of its people. Seeded in an empty context, as a process would."""
    seeding = asyncio.create_task(ensure_demonstration(own_settings), context=contextvars.Context())
    return await seeding


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
async def served(own_settings: Settings, demonstration: Tokens) -> AsyncIterator[Served]:
    """The demonstration programme, served."""
    async with serving(own_settings) as client:
        yield Served(client, demonstration)
