"""The database that is measured: made once in a folder of the benchmark's own, copied for every run."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import click
from tortoise.context import TortoiseContext

import migrations
from app.auth import Access, access_of
from app.database import database_config
from app.local.programme import ROOT, settings_from
from app.local.secrets import lasting_secrets
from app.local.stores import Stores
from app.migrate import migrate
from app.seed import ensure_demonstration
from app.settings import Settings
from app.wiring import open_work
from gamification import invariants
from gamification.core.actors import SYSTEM, Actor
from gamification.core.clock import FixedClock, SystemClock
from gamification.core.errors import DEFAULT_LOCALE
from gamification.core.work import Work
from gamification.draws import service as draws
from gamification.draws.rules import Plan, Prize
from gamification.points.explanations import explain
from tests.bench import seeding
from tests.bench.seeding import CALENDAR, MEMBER, SESSION, TODAY, Size, id_of, seed

DRAW = UUID("019d4c99-0000-7000-8000-000000000001")
TOKEN_LIFETIME = timedelta(days=300)
PRIZES = 1_000
PEERS_SQL = Path(__file__).parent / "peers" / "functions.sql"
"""What PostGraphile, Mercurius and pgbench call: one function per verb, in a schema of its own."""
FILES = (Path(migrations.__file__).parent, Path(__file__).with_name("seeding.py"), Path(__file__), PEERS_SQL)
"""What a seeded database is made by: a change of these makes it anew."""


@dataclass(frozen=True)
class Measured:
    """A database ready to be measured: what every process on it is told, how much is in it, who may ask."""

    settings: Settings
    environment: Mapping[str, str]
    size: Size
    owner_id: UUID

    def member_id(self, number: int) -> UUID:
        """A member by its number, from 1."""
        return id_of(MEMBER, number)

    def member_token(self, number: int) -> str:
        """An access token of a member's seeded session, under the product's own key."""
        return self._issue(Actor("member", id_of(MEMBER, number), session_id=id_of(SESSION, number)))

    def staff_token(self) -> str:
        """An access token of the owner's seeded session."""
        return self._issue(Actor("staff", self.owner_id, role="owner", session_id=id_of(SESSION, 0)))

    def _issue(self, actor: Actor) -> str:
        return self.access.issue(actor, now=TODAY, lifetime=TOKEN_LIFETIME).value

    @property
    def access(self) -> Access:
        """Who issues tokens; built once per process."""
        return _access(self.settings)


_known: dict[int, Access] = {}


def _access(settings: Settings) -> Access:
    key = id(settings)
    if key not in _known:
        _known[key] = access_of(settings, clock=FixedClock(TODAY), calendar=CALENDAR)
    return _known[key]


def clock_offset() -> timedelta:
    """What moves this machine's clock to `TODAY`, in whole seconds."""
    return timedelta(seconds=int((TODAY - SystemClock().now()).total_seconds()))


def environment_on(secrets: Mapping[str, str], stores: Stores, name: str) -> dict[str, str]:
    """What a process on one database of the benchmark is told, the keys among it."""
    offset = int(clock_offset().total_seconds())
    return {
        **secrets,
        "CLOCK_OFFSET_SECONDS": str(offset),
        "DATABASE_URL": database_url(stores, name),
        "REDIS_URL": stores.redis_url,
        "CLOCK_OFFSET": duration(offset),
        "PYTHONPATH": str(ROOT),
    }


def duration(seconds: int) -> str:
    """Seconds as settings read them (ISO 8601)."""
    return f"{'-' if seconds < 0 else ''}PT{abs(seconds)}S"


def database_url(stores: Stores, name: str) -> str:
    """The address of another database of the same server."""
    return f"{stores.database_url.rpartition('/')[0]}/{name}"


def template_name(size: Size) -> str:
    """Changes with the migrations, with what is seeded and with how much."""
    files = [file for place in FILES for file in (sorted(place.glob("*.py")) if place.is_dir() else [place])]
    parts = [file.read_bytes() for file in files] + [repr(size).encode()]
    return "seeded_" + hashlib.sha256(b"".join(parts)).hexdigest()[:16]


@asynccontextmanager
async def measured(folder: Path, stores: Stores, size: Size) -> AsyncIterator[Measured]:
    """A fresh copy of the seeded database, dropped at the end; made first where this folder lacks it."""
    server, secrets = await asyncpg.connect(stores.database_url), lasting_secrets(folder)
    name = f"run_{os.getpid()}"
    try:
        await _drop(server, "run_%")  # of runs that were killed
        template = await _template(server, secrets, stores, size)
        click.echo("Copying the seeded database ...", err=True)
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield await measured_on(environment_on(secrets, stores, name), size)
        finally:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


async def measured_on(environment: Mapping[str, str], size: Size) -> Measured:
    """A database that `make` has filled."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        owner_id = await connection.fetchval("SELECT id FROM staff WHERE login = 'owner'")
    finally:
        await connection.close()
    return Measured(settings_from(environment), environment, size, owner_id)


async def _template(server: asyncpg.Connection, secrets: Mapping[str, str], stores: Stores, size: Size) -> str:
    name = template_name(size)
    if await server.fetchval("SELECT true FROM pg_database WHERE datname = $1 AND datistemplate", name):
        return name
    await _drop(server, "seeded_%")
    await server.execute(f"CREATE DATABASE {name}")
    await make(environment_on(secrets, stores, name), size)
    await server.execute(f"ALTER DATABASE {name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
    return name


async def _drop(server: asyncpg.Connection, like: str) -> None:
    for row in await server.fetch("SELECT datname FROM pg_database WHERE datname LIKE $1", like):
        await server.execute(f"ALTER DATABASE {row['datname']} WITH IS_TEMPLATE false")
        await server.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")


async def make(environment: Mapping[str, str], size: Size) -> None:
    """The demonstration programme, a draw that stays open, and everybody's history, checked by the invariants."""
    settings = settings_from(environment)
    click.echo("Migrating ...", err=True)
    await migrate(settings.database_url)
    seeding_demonstration = ensure_demonstration(settings)  # in an empty context, as a process of its own would
    await asyncio.create_task(seeding_demonstration, context=contextvars.Context())
    async with opened(settings):
        work = await open_work(settings)
        work.clock = FixedClock(TODAY - timedelta(hours=1))  # before any run begins
        await _open_draw(work)
    click.echo(f"Seeding {size.members:,} members with {size.entries:,} entries ...", err=True)
    connection = await asyncpg.connect(settings.database_url)
    try:
        await seed(connection, size, DRAW)
        await connection.execute(PEERS_SQL.read_text())
        await connection.executemany("INSERT INTO bench.sentence VALUES ($1, $2)", sentences())
    finally:
        await connection.close()
    await check_invariants(settings)


def sentences() -> list[tuple[str, str]]:
    """What the entries of a home page say, with the names of the figures in braces: the peers fill them in."""
    figures = {"cycle_day": 111, "result": 222}
    told = {"check_in": ("ACCRUAL", "check_in"), "draw_ticket": ("REDEMPTION", "ticket")}
    found = []
    for rule, (kind, source) in told.items():
        text = explain(kind, source, {"rule": rule, "draw": "", "terms": "", "streak": 1, **figures}, DEFAULT_LOCALE)
        for name, value in figures.items():
            text = text.replace(str(value), f"{{{name}}}")
        found.append((rule, text))
    return found


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[None]:
    """The product's database access in this process, with statements that may take their time."""
    config = await database_config(settings.model_copy(update={"statement_timeout_seconds": 600.0}))
    async with TortoiseContext() as context:
        await context.init(config=config)
        yield


async def _open_draw(work: Work) -> None:
    """Tickets without limit for the whole run."""
    prize = Prize(name_zh="奖品", name_en="Prize", points=100, quantity=PRIZES)
    plan = Plan(
        title_zh="基准测试", title_en="Benchmark", ticket_points=seeding.TICKET_POINTS, opens_at=work.clock.now(),
        closes_at=TODAY + timedelta(days=365), prizes=(prize,),
    )  # fmt: skip
    await draws.plan_draw(work, plan, actor=SYSTEM, draw_id=DRAW)
    await draws.open_draw(work, draw_id=DRAW, actor=SYSTEM)


async def check_invariants(settings: Settings) -> None:
    """Ask every invariant of the product. Raises ClickException with the rows that break one."""
    async with opened(settings):
        broken = await invariants.broken()
    if broken:
        told = "\n".join(f"{name}: {rows[:3]}" for name, rows in broken.items())
        raise click.ClickException(f"the books do not agree:\n{told}")
