"""What happens in bulk: a draw is settled, orders are imported, points expire; each once, timed as a whole."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from app.wiring import open_work
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.work import Work
from gamification.draws import service as draws
from gamification.points import service as points
from tests.bench.contenders import inherited
from tests.bench.programme import DRAW, Measured, check_invariants, opened
from tests.bench.seeding import TODAY

IMPORTED_PER_MEMBER = 1
IMPORTED_MAX = 50_000
AFTER_CLOSING = TODAY + timedelta(days=366)
AFTER_EXPIRY = TODAY + timedelta(days=500)


async def run(measured: Measured, folder: Path) -> list[dict[str, Any]]:
    """All of them, one after the other, and the invariants at the end."""
    found = [await imported(measured, folder), *await settled(measured), await expired(measured)]
    click.echo("Checking the invariants ...", err=True)
    await check_invariants(measured.settings)
    return found


def timed(what: str, rows: int, seconds: float) -> dict[str, Any]:
    """A line of the table."""
    return {"what": what, "rows": rows, "seconds": seconds, "per_second": rows / seconds}


async def imported(measured: Measured, folder: Path) -> dict[str, Any]:
    """`import-orders` as a process of its own, over members who exist and members who do not."""
    rows = min(IMPORTED_MAX, measured.size.members * IMPORTED_PER_MEMBER)
    file = folder / "orders.csv"
    paid_at = (TODAY - timedelta(days=1)).isoformat()
    lines = [f"import-{row},till-{row % (rows // 2 + 1)},{paid_at},{10_000 + row % 977}" for row in range(rows)]
    file.write_text("\n".join(["external_id,member_external_id,paid_at,amount_minor", *lines]) + "\n")
    click.echo(f"Importing {rows:,} orders ...", err=True)
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "app", "import-orders", str(file), env=_environment(measured),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await process.communicate()
    if process.returncode != 0:
        raise click.ClickException(f"import-orders ended with {process.returncode}: {told.decode()[-2_000:]}")
    return timed("import of orders, the process's start included", rows, time.perf_counter() - started)


def _environment(measured: Measured) -> Mapping[str, str]:
    # Whose servers are given needs nothing of a programme that may serve from this checkout.
    return {**inherited(), **measured.environment}


@asynccontextmanager
async def working(measured: Measured, clock: FixedClock) -> AsyncIterator[Work]:
    """The product's work in this process, at an instant of its own."""
    async with opened(measured.settings):
        work = await open_work(measured.settings)
        work.clock = clock
        yield work


async def no_heartbeat() -> None:
    """Nobody waits for it here."""


async def settled(measured: Measured) -> list[dict[str, Any]]:
    """The draw that everybody has a ticket of: closed, drawn, settled."""
    click.echo("Settling the draw ...", err=True)
    async with working(measured, FixedClock(AFTER_CLOSING)) as work:
        started = time.perf_counter()
        await draws.close_draw(work, draw_id=DRAW)
        closed = time.perf_counter()
        await draws.draw_winners(work, draw_id=DRAW)
        drawn = time.perf_counter()
        while not (await draws.settle_draw(work, draw_id=DRAW, heartbeat=no_heartbeat)).reached_end:
            pass
        await draws.finish_settlement(work, draw_id=DRAW)
        ended = time.perf_counter()
        tickets = await fetch_value("SELECT count(*) FROM ticket WHERE draw_id = $1", DRAW)
        wins = await fetch_value("SELECT count(*) FROM draw_grant WHERE draw_id = $1", DRAW)
    return [
        timed("closing: tickets numbered and hashed", tickets, closed - started),
        timed("drawing: winners of that many tickets", tickets, drawn - closed),
        timed("settling: wins granted", wins, ended - drawn),
    ]


async def expired(measured: Measured) -> dict[str, Any]:
    """The sweep over everybody after all seeded lots have reached their end."""
    async with working(measured, FixedClock(AFTER_EXPIRY)) as work:
        open_before = await fetch_value("SELECT count(*) FROM lot WHERE open")
        click.echo(f"Expiring {open_before:,} lots ...", err=True)
        started = time.perf_counter()
        if faults := await points.sweep_due(work, heartbeat=no_heartbeat):
            raise faults[0]
        seconds = time.perf_counter() - started
        left = await fetch_value("SELECT count(*) FROM lot WHERE open")
    return timed("expiry sweep: lots", open_before - left, seconds)
