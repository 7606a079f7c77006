"""What the jobs in bulk work on: members with ten lots and ten tickets each, written set by set into the tables.

Three draws are open until tomorrow: one with a few prizes, one with ten thousand, one with a prize for every ticket.
The tickets are of the first, and `retarget` makes them another's in a copy. Every invariant holds.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import click

import migrations
from app.local.programme import settings_from
from app.local.secrets import lasting_secrets
from app.local.stores import Stores
from app.migrate import migrate
from app.seed import ensure_demonstration
from app.wiring import open_work
from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.draws import service as draws
from gamification.draws.rules import Plan, Prize
from gamification.points.rules import PointsPolicy, lifetime
from tests.bench.programme import check_invariants, environment_on, opened
from tests.bench.seeding import (
    CALENDAR,
    ENTRY,
    JOINED,
    MEMBER,
    MEMBERS,
    TICKET,
    TICKET_POINTS,
    TODAY,
    id_sql,
    policy_of,
)

EACH = 10
"""Lots, and tickets, of each member."""
LOT_POINTS = 1_000
FEW_PRIZES = 1_110
PRIZE_POINTS = 10
MANY_PRIZES = 10_000
FEW, ALL = UUID("019d4c99-0000-7000-8000-000000000002"), UUID("019d4c99-0000-7000-8000-000000000003")
MANY = UUID("019d4c99-0000-7000-8000-000000000004")
FILES = (*sorted(Path(migrations.__file__).parent.glob("*.py")), Path(__file__), Path(__file__).with_name("seeding.py"))

PLAN = f"CREATE TEMPORARY TABLE plan AS SELECT i, {id_sql(MEMBER, 'i')} AS id FROM generate_series(1::bigint, $1) AS i"
ACCRUALS = f"""{ENTRY}
SELECT id, 'POINTS', k, 'ACCRUAL', 'bulk', k::text, {LOT_POINTS}, 0, 0, 0, {LOT_POINTS} * k, 0, 0, 0, at, at, day,
       '{{"rule": "opening", "result": {LOT_POINTS}}}'
FROM plan CROSS JOIN unnest($1::bigint[], $2::timestamptz[], $3::date[]) AS earned(k, at, day)"""
LOTS = f"""INSERT INTO lot (member_id, currency, seq, line, original, remaining, expired, open, pending, activates_at,
    expires_at, policy_version)
SELECT id, 'POINTS', k, 0, {LOT_POINTS}, {LOT_POINTS} - CASE k WHEN 1 THEN {EACH * TICKET_POINTS} ELSE 0 END, 0, true,
       false, at, expires_at, 1
FROM plan CROSS JOIN unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) AS earned(k, at, expires_at)"""
PRICES = f"""{ENTRY}
SELECT id, 'POINTS', {EACH} + k, 'REDEMPTION', 'ticket', {id_sql(TICKET, f"i * {EACH} + k")}::text, -{TICKET_POINTS},
       0, 0, 0, {EACH * LOT_POINTS} - {TICKET_POINTS} * k, 0, 0, 0, $1, $1, $2,
       jsonb_build_object('rule', 'draw_ticket', 'draw', $3::uuid, 'result', {TICKET_POINTS})
FROM plan CROSS JOIN generate_series(1, {EACH}) AS k"""
ALLOCATIONS = f"""INSERT INTO allocation (member_id, currency, entry_seq, lot_seq, lot_line, points, place)
SELECT id, 'POINTS', {EACH} + k, 1, 0, {TICKET_POINTS}, 0 FROM plan CROSS JOIN generate_series(1, {EACH}) AS k"""
ACCOUNTS = f"""INSERT INTO account (member_id, currency, version, seq, available, accrued, redeemed, next_due_at)
SELECT id, 'POINTS', {2 * EACH}, {2 * EACH}, {EACH * (LOT_POINTS - TICKET_POINTS)}, {EACH * LOT_POINTS},
       {EACH * TICKET_POINTS}, $1::timestamptz FROM plan
UNION ALL SELECT id, 'GROWTH', 0, 0, 0, 0, 0, NULL FROM plan"""
TICKETS = f"""INSERT INTO ticket (member_id, draw_id, id, points, entry_seq, bought_at, business_date)
SELECT id, $1, {id_sql(TICKET, f"i * {EACH} + k")}, {TICKET_POINTS}, {EACH} + k, $2, $3
FROM plan CROSS JOIN generate_series(1, {EACH}) AS k"""


async def crowd(server: asyncpg.Connection, folder: Path, stores: Stores, items: int) -> str:
    """The name of a database with so many lots and tickets, to be copied; made where this folder lacks it."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in FILES)).hexdigest()[:16]
    name = f"crowd_{digest}_{items}"
    if await server.fetchval("SELECT true FROM pg_database WHERE datname = $1 AND datistemplate", name):
        return name
    await drop(server, "crowd_%", but=f"crowd_{digest}_")
    await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await server.execute(f"CREATE DATABASE {name}")
    environment = environment_on(lasting_secrets(folder), stores, name)
    await asyncio.create_task(_make(environment, items), context=contextvars.Context())
    await server.execute(f"ALTER DATABASE {name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
    return name


async def drop(server: asyncpg.Connection, like: str, *, but: str = " ") -> None:
    """Drop the databases whose names are like this, but those that begin so."""
    for row in await server.fetch("SELECT datname FROM pg_database WHERE datname LIKE $1", like):
        if not row["datname"].startswith(but):
            await server.execute(f"ALTER DATABASE {row['datname']} WITH IS_TEMPLATE false")
            await server.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")


async def _make(environment: dict[str, str], items: int) -> None:
    settings = settings_from(environment)
    await migrate(settings.database_url)
    await asyncio.create_task(ensure_demonstration(settings), context=contextvars.Context())
    async with opened(settings):
        work = await open_work(settings)
        work.clock = FixedClock(TODAY - timedelta(hours=1))
        for draw_id, prizes in ((FEW, FEW_PRIZES), (MANY, MANY_PRIZES), (ALL, items)):
            prize = Prize(name_zh="奖品", name_en="Prize", points=PRIZE_POINTS, quantity=prizes)
            plan = Plan(
                title_zh="基准测试", title_en="Benchmark", ticket_points=TICKET_POINTS, opens_at=work.clock.now(),
                closes_at=TODAY + timedelta(days=1), prizes=(prize,),
            )  # fmt: skip
            await draws.plan_draw(work, plan, actor=SYSTEM, draw_id=draw_id)
            await draws.open_draw(work, draw_id=draw_id, actor=SYSTEM)
    click.echo(f"Seeding {items:,} lots and tickets ...", err=True)
    connection = await asyncpg.connect(settings.database_url)
    try:
        await _seed(connection, items)
    finally:
        await connection.close()
    await check_invariants(settings)


async def _seed(connection: asyncpg.Connection, items: int) -> None:
    numbers = list(range(1, EACH + 1))
    booked = [JOINED + timedelta(days=number) for number in numbers]
    days = [CALENDAR.business_date(at) for at in booked]
    ends = [lifetime(policy_of(PointsPolicy), at, CALENDAR)[1] for at in booked]
    today = CALENDAR.business_date(TODAY)
    async with connection.transaction():
        # Every row is written whole here: accounts with their balances, rows in the order of their references.
        await connection.execute("SET LOCAL session_replication_role = replica; SET LOCAL work_mem = '256MB'")
        await connection.execute(PLAN, items // EACH)
        await connection.execute(MEMBERS, JOINED)
        await connection.execute(ACCRUALS, numbers, booked, days)
        await connection.execute(LOTS, numbers, booked, ends)
        await connection.execute(PRICES, TODAY, today, FEW)
        await connection.execute(ALLOCATIONS)
        await connection.execute(ACCOUNTS, min(end for end in ends if end is not None))
        await connection.execute(TICKETS, FEW, TODAY, today)
    await connection.execute("VACUUM (ANALYZE)")


async def retarget(connection: asyncpg.Connection, draw_id: UUID) -> None:
    """Make all tickets those of another draw."""
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE ticket SET draw_id = $1", draw_id)
    await connection.execute("VACUUM (FULL, ANALYZE) ticket")
