"""What every test may ask for: a database of its own, a Valkey database, a clock, settings.

One PostgreSQL and one Valkey run per test run, private and without durability. Under xdist the controller starts them
before its workers and stops them after; a run without xdist starts them when the first test asks. One template database
is built by the real migrations; each test gets a copy of it, used again once it is empty (tests/databases.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import cast

import asyncpg
import pytest
import redis.asyncio
from tortoise.context import TortoiseContext

import migrations
from app import graphql_engine
from app.local.programme import settings_from
from app.local.secrets import NAMES
from app.local.stores import Stores, disposable_stores
from app.migrate import migrate
from app.settings import Settings
from gamification.core.clock import FixedClock
from tests.databases import Database, Shelf

MONDAY_MORNING = datetime.fromisoformat("2026-03-02T10:00:00+08:00")
TEMPLATE_LOCK = 0x74657374  # "test"

_servers = ExitStack()
_stores = pytest.StashKey[Stores]()
_numbers = count()

# Servers that exist already are used when they are named, and EXECUTION=core runs everything by graphql-core; what a
# developer's shell says otherwise must not matter.
_given = {name: os.environ.pop(name) for name in ("DATABASE_URL", "REDIS_URL") if name in os.environ}
for _name in Settings.model_fields.keys() - {"execution"}:
    os.environ.pop(_name.upper(), None)
graphql_engine.DEFAULT_EXECUTION = cast(graphql_engine.ExecutionMode, os.environ.get("EXECUTION", "compiled"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """In the controller, once per worker: tell it where the servers are."""
    stores = stores_of(node.config)  # type: ignore[attr-defined]
    node.workerinput["stores"] = (stores.database_url, stores.redis_url)  # type: ignore[attr-defined]


def pytest_unconfigure() -> None:
    """In whichever process started servers: stop them."""
    _servers.close()


def stores_of(config: pytest.Config) -> Stores:
    """The servers of this run, started by the first who asks."""
    if _stores not in config.stash:
        told = getattr(config, "workerinput", {}).get("stores")
        config.stash[_stores] = Stores(*told) if told else _servers.enter_context(disposable_stores(_given))
    return config.stash[_stores]


@pytest.fixture(scope="session")
def stores(request: pytest.FixtureRequest) -> Stores:
    """The addresses of the servers of this run."""
    return stores_of(request.config)


@pytest.fixture(scope="session")
async def server(stores: Stores) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the server's owner, for making and dropping databases."""
    connection = await asyncpg.connect(stores.database_url)
    yield connection
    await connection.close()


def database_url(stores: Stores, name: str) -> str:
    """The address of another database of the same server."""
    return stores.database_url.rpartition("/")[0] + f"/{name}"


def template_name() -> str:
    """A name that changes with the migrations, since a server that was given keeps its templates between runs."""
    files = sorted(Path(migrations.__file__).parent.glob("*.py"))
    return "jifen_template_" + hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


@pytest.fixture(scope="session")
async def template(stores: Stores, server: asyncpg.Connection) -> str:
    """The name of a database built by the migrations; of several processes the first builds it."""
    name = template_name()
    await server.execute("SELECT pg_advisory_lock($1)", TEMPLATE_LOCK)
    if not await server.fetchval("SELECT true FROM pg_database WHERE datname = $1 AND datistemplate", name):
        await server.execute(f"DROP DATABASE IF EXISTS {name}")
        await server.execute(f"CREATE DATABASE {name}")
        await migrate(database_url(stores, name))
        await server.execute(f"ALTER DATABASE {name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
    await server.execute("SELECT pg_advisory_unlock($1)", TEMPLATE_LOCK)
    return name


@pytest.fixture(scope="session")
async def shelf(server: asyncpg.Connection) -> AsyncIterator[Shelf]:
    """The databases of this process that are free."""
    shelf = Shelf()
    yield shelf
    await shelf.clear(server)


@pytest.fixture
async def empty_database(stores: Stores, server: asyncpg.Connection) -> AsyncIterator[str]:
    """The address of a database without tables, dropped at the end."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    await server.execute(f"CREATE DATABASE {name}")
    yield database_url(stores, name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(stores: Stores, server: asyncpg.Connection, template: str, shelf: Shelf) -> AsyncIterator[Database]:
    """An empty database with the ORM open on it as the application's role."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    database = await shelf.take(server, template, name, database_url(stores, name))
    try:
        async with TortoiseContext() as context:
            await context.init(config=database.config(), _enable_global_fallback=True)
            yield database
    finally:
        await shelf.give_back(server, database)


@pytest.fixture(scope="session")
def redis_database(stores: Stores, worker_number: int) -> str:
    """The address of the Valkey database that belongs to this process of the run."""
    return f"{stores.redis_url.rpartition('/')[0]}/{worker_number}"


@pytest.fixture(scope="session")
def worker_number() -> int:
    """0 without xdist, else the number of its worker."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@pytest.fixture
async def redis_url(redis_database: str) -> AsyncIterator[str]:
    """The address of an empty Valkey database, emptied again at the end."""
    client = redis.asyncio.Redis.from_url(redis_database)
    if await client.dbsize():
        pytest.exit(f"{redis_database} is not empty; tests empty it, so name one that holds nothing", returncode=4)
    yield redis_database
    await client.flushdb()
    await client.aclose()


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at ten o'clock on a Monday morning in Shanghai."""
    return FixedClock(MONDAY_MORNING)


@pytest.fixture
def settings(database: Database, redis_url: str) -> Settings:
    """Settings on the test's own database, with keys that are the same in every run."""
    keys = {name: f"{number:02x}" * 32 for number, name in enumerate(NAMES, start=1)}
    return settings_from({**keys, "DATABASE_URL": database.url, "REDIS_URL": redis_url, "LOG_FORMAT": "console"})
