"""What happens in bulk: orders are imported, points expire, draws are closed and settled; each once, timed as a whole.

The jobs run over several sizes, each in a process of its own and on a copy of its own, beside the same as SQL over
whole sets (`floors.py`): what they cost for each thing, whether that stays the same, and how much memory they take.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import click

from app.local.programme import settings_from
from app.local.secrets import lasting_secrets
from app.local.stores import Stores
from gamification.points.rules import PointsPolicy, lifetime
from tests.bench import floors, worker
from tests.bench.contenders import inherited
from tests.bench.crowd import ALL, FEW, FEW_PRIZES, MANY, MANY_PRIZES, PRIZE_POINTS, crowd, drop, retarget
from tests.bench.programme import Measured, check_invariants, environment_on
from tests.bench.readings import reading
from tests.bench.seeding import CALENDAR, TODAY, policy_of

IMPORTED_PER_MEMBER = 1
IMPORTED_MAX = 50_000
AFTER_CLOSING = TODAY + timedelta(days=2)
AFTER_EXPIRY = TODAY + timedelta(days=500)
PRIZES_END = lifetime(policy_of(PointsPolicy), AFTER_CLOSING, CALENDAR)[1]
SIZES = (10_000, 100_000)


def timed(what: str, rows: int, seconds: float, **more: float) -> dict[str, Any]:
    """A line of the table."""
    return {"what": what, "rows": rows, "seconds": seconds, "per_second": rows / seconds, **more}


async def imported(measured: Measured, folder: Path) -> dict[str, Any]:
    """`import-orders` as a process of its own, over members who exist and members who do not; the books are closed."""
    rows = min(IMPORTED_MAX, measured.size.members * IMPORTED_PER_MEMBER)
    file = folder / "orders.csv"
    paid_at = (TODAY - timedelta(days=1)).isoformat()
    lines = [f"import-{row},till-{row % (rows // 2 + 1)},{paid_at},{10_000 + row % 977}" for row in range(rows)]
    file.write_text("\n".join(["external_id,member_external_id,paid_at,amount_minor", *lines]) + "\n")
    click.echo(f"Importing {rows:,} orders ...", err=True)
    started = time.perf_counter()
    await told_by("app", "import-orders", str(file), environment=measured.environment)
    seconds = time.perf_counter() - started
    await check_invariants(measured.settings)
    return timed("import of orders, the process's start included", rows, seconds)


async def told_by(module: str, *arguments: str, environment: Mapping[str, str]) -> str:
    """What a process of this checkout prints. Raises ClickException where it fails."""
    # Whose servers are given needs nothing of a programme that may serve from this checkout.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module, *arguments, env={**inherited(), **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, told = await process.communicate()
    if process.returncode != 0:
        raise click.ClickException(f"{module} {arguments[0]} ended with {process.returncode}: {told.decode()[-2_000:]}")
    return printed.decode()


@dataclass(frozen=True)
class Copy:
    """A copy of a crowd: how processes reach it, and the server's postmaster."""

    name: str
    environment: Mapping[str, str]
    postmaster: int

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its owner; nobody has one while it is copied once more."""
        owner = await asyncpg.connect(self.environment["DATABASE_URL"], server_settings={"jit": "off"})
        try:
            yield owner
        finally:
            await owner.close()

    async def job(self, what: str, at: datetime, *draws_of: UUID) -> dict[str, float]:
        """What a job took, with the CPU time of the database meanwhile."""
        before = reading(self.postmaster).cpu_ns
        asked = (what, at.isoformat(), *map(str, draws_of))
        told: dict[str, float] = json.loads(await told_by("tests.bench.job", *asked, environment=self.environment))
        return {**told, "database_seconds": (reading(self.postmaster).cpu_ns - before) / 1e9}


@dataclass(frozen=True)
class Jobs:
    """The jobs over crowds of several sizes on one server."""

    server: asyncpg.Connection
    folder: Path
    stores: Stores
    postmaster: int

    async def over(self, sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Every job over every size; the invariants are asked after each."""
        await drop(self.server, "jobs_%")  # of runs that were killed
        lines: list[dict[str, Any]] = []
        for items in sizes:
            template = await crowd(self.server, self.folder, self.stores, items)
            lines += [await self._sweep(template, items), *await self._draw(template, items, FEW, FEW_PRIZES)]
            lines += (await self._draw(template, items, ALL, items))[1:]
            lines.append(await self._whole(template, items))
        return lines

    async def _sweep(self, template: str, items: int) -> dict[str, Any]:
        click.echo(f"Expiring {items:,} lots ...", err=True)
        async with self._copy(template) as copy, copy.owner() as owner:
            floor = await floors.expire(owner, AFTER_EXPIRY)
        async with self._copy(template) as copy:
            took = await copy.job("sweep", AFTER_EXPIRY)
            await check_invariants(settings_from(copy.environment))
            async with copy.owner() as owner:
                assert not await owner.fetchval("SELECT count(*) FROM lot WHERE open"), "every lot has ended"
        return line(f"expiry sweep of {items:,} lots", items, took, floor)

    async def _draw(self, template: str, items: int, draw_id: UUID, prizes: int) -> list[dict[str, Any]]:
        wins = min(prizes, items)
        click.echo(f"Settling a draw of {items:,} tickets and {wins:,} wins ...", err=True)
        async with self._copy(template) as copy:
            async with copy.owner() as owner:
                if draw_id == ALL:
                    await retarget(owner, ALL)
            closing = await copy.job("close", AFTER_CLOSING, draw_id)
            async with copy.owner() as owner:
                await owner.execute("VACUUM (ANALYZE) ticket_number")
            async with self._copy(copy.name) as other, other.owner() as owner:
                floor = await floors.settle(owner, draw_id, wins, PRIZE_POINTS, AFTER_CLOSING, PRIZES_END)
            settling = await copy.job("settle", AFTER_CLOSING, draw_id)
            await check_invariants(settings_from(copy.environment))
            async with copy.owner() as owner:
                granted = await owner.fetchval("SELECT count(*) FROM draw_grant WHERE draw_id = $1", draw_id)
                assert granted == wins, "every win is granted"
        return [
            line(f"closing a draw of {items:,} tickets", items, closing),
            line(f"drawing and rewarding {wins:,} of {items:,} tickets", wins, settling, floor),
        ]

    async def _whole(self, template: str, items: int) -> dict[str, Any]:
        """A draw from its closing to its last grant as the worker does it, with all that a worker does besides."""
        wins = min(MANY_PRIZES, items)
        click.echo(f"A worker closes, draws and settles {items:,} tickets and {wins:,} wins ...", err=True)
        async with self._copy(template) as copy:
            async with copy.owner() as owner:
                await retarget(owner, MANY)
                took = await worker.settled(copy.environment, owner, MANY, AFTER_CLOSING)
                granted = await owner.fetchval("SELECT count(*) FROM draw_grant WHERE draw_id = $1", MANY)
                assert granted == wins, "every win is granted"
            await check_invariants(settings_from(copy.environment))
        return timed(f"closing to last grant of {wins:,} in {items:,} tickets, by a worker", items, **took)

    @asynccontextmanager
    async def _copy(self, template: str) -> AsyncIterator[Copy]:
        """A copy of a database that nobody is connected to; dropped at the end."""
        name = f"jobs_{os.getpid()}_{time.monotonic_ns()}"
        await self.server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            environment = environment_on(lasting_secrets(self.folder), self.stores, name)
            yield Copy(name, environment, self.postmaster)
        finally:
            await self.server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def line(what: str, rows: int, took: Mapping[str, float], floor: float | None = None) -> dict[str, Any]:
    """A job's line: with the CPU time per row of its process and of the database, its memory, and how many floors."""
    more = {
        "server_us": took["cpu_seconds"] / rows * 1e6,
        "database_us": took["database_seconds"] / rows * 1e6,
        "peak_mib": took["peak_mib"],
    }
    if floor is not None:
        more |= {"floor_seconds": floor, "floors": took["seconds"] / floor}
    return timed(what, rows, took["seconds"], **more)


async def jobs(folder: Path, stores: Stores, postmaster: int, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """The jobs over crowds of these sizes."""
    server = await asyncpg.connect(stores.database_url)
    try:
        return await Jobs(server, folder, stores, postmaster).over(sizes)
    finally:
        await server.close()
