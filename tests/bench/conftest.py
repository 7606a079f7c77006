"""Databases with the benchmark's members, on the servers of the test run."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from app.local.secrets import NAMES
from app.local.stores import Stores
from tests.bench.programme import Measured, environment_on, make, measured_on
from tests.bench.seeding import Size

KEYS = {name: f"{number:02x}" * 32 for number, name in enumerate(NAMES, start=1)}
FEW = Size(members=12, entries=120)
MANY = Size(members=8_000, entries=80_000)


@asynccontextmanager
async def filled(stores: Stores, server: asyncpg.Connection, template: str, size: Size) -> AsyncIterator[Measured]:
    """A database with so many members, dropped at the end; seeded in an empty context, as by a process of its own."""
    name = f"bench_{os.getpid()}_{size.members}"
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        environment = environment_on(KEYS, stores, name)
        await asyncio.create_task(make(environment, size), context=contextvars.Context())
        yield await measured_on(environment, size)
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
async def few(stores: Stores, server: asyncpg.Connection, template: str) -> AsyncIterator[Measured]:
    """A dozen members."""
    async with filled(stores, server, template, FEW) as measured:
        yield measured


@pytest.fixture(scope="session")
async def many(stores: Stores, server: asyncpg.Connection, template: str) -> AsyncIterator[Measured]:
    """So many members that a query which reads all of them is found out."""
    async with filled(stores, server, template, MANY) as measured:
        yield measured
