"""What group commit is worth: check-ins and tickets, alone and through lanes, beside pgbench on the same server.

    .venv/bin/python -m tests.bench.writes --rounds 7

A PostgreSQL of its own, durable (fsync and synchronous_commit on). The clients are tasks of this process, so that what
is measured is the write path and the driver, without HTTP. pgbench runs one statement per transaction that inserts the
same rows, without rules, receipts or a version. Contenders are shuffled in every round; figures are medians.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from uuid import UUID

import asyncpg
import click
import uvloop
from tortoise.context import TortoiseContext

from app.database import APP_ROLE, tortoise_config
from app.local.accounts import temporary_folder
from app.local.postgres import LocalPostgres
from app.migrate import migrate
from gamification.checkins.rules import CheckInPolicy
from gamification.checkins.service import check_in
from gamification.core.actors import SYSTEM, Actor
from gamification.core.clock import FixedClock
from gamification.core.draft import Command, Verb
from gamification.core.ids import new_id
from gamification.core.lanes import LaneLimits, opened_lanes
from gamification.core.work import Work
from gamification.draws import service as draws
from gamification.draws.rules import DrawsPolicy, Plan, Prize
from gamification.points.book import Book
from gamification.points.ledger import PointsLedger
from gamification.points.rules import PointsPolicy
from tests.builders import publish, some_members

MEMBERS = 4096
ENDOWMENT = 1_000_000
TODAY = datetime.fromisoformat("2026-03-02T10:00:00+08:00")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")

PREPARE = """
CREATE TABLE bench_member (n bigint PRIMARY KEY, id uuid NOT NULL);
INSERT INTO bench_member SELECT row_number() OVER () - 1, member_id FROM account WHERE currency = 'POINTS';
CREATE SEQUENCE bench_number CACHE 100;
"""
ENTRY = """INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta, pending_delta,
  held_delta, debt_delta, available, pending, held, debt, occurred_at, booked_at, business_date, trace)
  SELECT a.member_id, 'POINTS', a.seq, {kind}, {points}, 0, 0, 0, a.available, 0, 0, 0, now(), now(), current_date,
  '{{"rule": "bench"}}'::jsonb FROM a"""
CHECK_IN = f"""\\set n random(0, {MEMBERS - 1})
WITH k AS MATERIALIZED (SELECT nextval('bench_number') AS number),
a AS (UPDATE account SET version = version + 1, seq = seq + 1, available = available + 5, accrued = accrued + 5
  WHERE member_id = (SELECT id FROM bench_member WHERE n = :n) AND currency = 'POINTS'
  RETURNING member_id, seq, available),
e AS ({ENTRY.format(kind="'ACCRUAL', 'bench', (SELECT number FROM k)::text", points="5")}),
l AS (INSERT INTO lot (member_id, currency, seq, line, original, remaining, open, activates_at)
  SELECT member_id, 'POINTS', seq, 0, 5, 5, true, now() FROM a),
c AS (INSERT INTO check_in (member_id, business_date, run_first_on, points, policy_version, entry_seq, checked_in_at)
  SELECT member_id, date '4000-01-01' + number::int, date '4000-01-01', 5, 1, seq, now() FROM a, k)
SELECT seq FROM a;
"""
TICKET = f"""\\set n random(0, {MEMBERS - 1})
WITH k AS MATERIALIZED (SELECT gen_random_uuid() AS id),
d AS MATERIALIZED (SELECT id FROM draw WHERE state = 'OPEN' FOR KEY SHARE),
a AS (UPDATE account SET version = version + 1, seq = seq + 1, available = available - 50, redeemed = redeemed + 50
  WHERE member_id = (SELECT id FROM bench_member WHERE n = :n) AND currency = 'POINTS'
  RETURNING member_id, seq, available),
e AS ({ENTRY.format(kind="'REDEMPTION', 'bench', (SELECT id FROM k)::text", points="-50")}),
l AS (UPDATE lot SET remaining = remaining - 50 FROM a WHERE lot.member_id = a.member_id AND lot.currency = 'POINTS'
  AND (lot.seq, lot.line) = (SELECT seq, line FROM lot WHERE member_id = a.member_id AND currency = 'POINTS' AND open
                             ORDER BY expires_at, activates_at, seq, line LIMIT 1)
  RETURNING lot.member_id, lot.seq AS lot_seq),
x AS (INSERT INTO allocation (member_id, currency, entry_seq, lot_seq, lot_line, points)
  SELECT a.member_id, 'POINTS', a.seq, l.lot_seq, 0, 50 FROM a JOIN l USING (member_id)),
r AS (INSERT INTO receipt (member_id, actor, operation, key, fingerprint, refusal, answer, created_at)
  SELECT member_id, 'bench', 'bench', k.id::text, sha256('bench'), false, '{{}}', now() FROM a, k),
t AS (INSERT INTO ticket (member_id, draw_id, id, points, entry_seq, bought_at, business_date)
  SELECT a.member_id, d.id, k.id, 50, a.seq, now(), current_date FROM a, d, k)
SELECT seq FROM a;
"""


@dataclass(frozen=True, kw_only=True)
class Endow(Command):
    """Points to begin with."""

    actor: Actor = SYSTEM


def _endow(book: Book, command: Endow) -> UUID:
    book.accrue(ENDOWMENT, source=("bench", "endowment"), trace={"rule": "bench"})
    return command.member_id


@dataclass(frozen=True)
class Measured:
    """One contender in one round."""

    per_second: float
    median_ms: float
    database_us: float
    python_us: float


@dataclass
class Bench:
    """The programme under load."""

    server: LocalPostgres
    work: Work
    clock: FixedClock
    draw_id: UUID
    members: list[UUID] = field(default_factory=list)

    async def check_in(self, member_id: UUID) -> object:
        return await check_in(self.work, member_id=member_id)

    async def ticket(self, member_id: UUID) -> object:
        actor, key = Actor("member", member_id), str(new_id())
        return await draws.buy_ticket(self.work, draw_id=self.draw_id, member_id=member_id, actor=actor, key=key)


@asynccontextmanager
async def a_bench(server: LocalPostgres, pool: int) -> AsyncIterator[Bench]:
    """Members with points, and a draw whose tickets sell for the whole run."""
    await migrate(server.url)
    clock = FixedClock(TODAY)
    async with TortoiseContext() as context:
        options = tortoise_config(server.url, role=APP_ROLE, pool_max=pool, acquire_timeout_seconds=60)
        await context.init(config=options, _enable_global_fallback=True)
        await publish(clock, PointsPolicy(), CheckInPolicy((5, 5, 10, 5, 5, 10, 20)), DrawsPolicy())
        work = Work(clock=clock, ledger=PointsLedger())
        bench = Bench(server, work, clock, await an_open_draw(work))
        verb = Verb("bench.endow", _endow, UUID)
        for _ in range(0, MEMBERS, 512):
            found = await some_members(clock, 512)
            await bench.work.perform_all(verb, [Endow(member_id=each) for each in found])
            bench.members += found
        owner = await asyncpg.connect(server.url)
        await owner.execute(PREPARE)
        await owner.close()
        yield bench


async def analysed(server: LocalPostgres) -> None:
    """What autovacuum does within a minute, before a round instead of in it: plans of empty tables are not kept."""
    owner = await asyncpg.connect(server.url)
    await owner.execute("VACUUM ANALYZE")
    await owner.close()


async def an_open_draw(work: Work) -> UUID:
    now = work.clock.now()
    staff = Actor("staff", UUID(int=7), role="operator")
    plan = Plan(
        title_zh="压测", title_en="Bench", ticket_points=50, opens_at=now, closes_at=now + timedelta(days=3000),
        prizes=(Prize(name_zh="奖品", name_en="Prize", points=1, quantity=1, per_member=None),),
    )  # fmt: skip
    draw_id = await draws.plan_draw(work, plan, actor=staff)
    await draws.open_draw(work, draw_id=draw_id, actor=staff)
    return draw_id


async def measured(bench: Bench, act: Callable[[UUID], Awaitable[object]], clients: int, number: int) -> Measured:
    """So many commands of different members by so many clients, each of which waits for its answer."""
    bench.clock.advance(timedelta(days=1))
    next_members = iter(random.sample(bench.members, number))
    taken: list[float] = []

    async def client() -> None:
        for member_id in next_members:
            began = time.perf_counter()
            await act(member_id)
            taken.append(time.perf_counter() - began)

    database, python, began = database_seconds(bench.server), time.process_time(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - began
    python, database = time.process_time() - python, database_seconds(bench.server) - database
    return Measured(number / seconds, median(taken) * 1e3, database / number * 1e6, python / number * 1e6)


async def pgbench(bench: Bench, script: Path, clients: int, number: int) -> Measured:
    """The same number of pgbench's transactions; its own CPU time stands in Python's place."""
    command = [str(bench.server.binaries / "pgbench"), "-n", "-M", "prepared", "-f", str(script), "-c", f"{clients}"]
    command += ["-t", f"{max(1, number // clients)}", "-j", "1", bench.server.url]
    database, own = database_seconds(bench.server), ended_seconds()
    process = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    own, database = ended_seconds() - own, database_seconds(bench.server) - database
    told = dict(line.split(" = ") for line in process.stdout.splitlines() if " = " in line)
    milliseconds = float(told["latency average"].split()[0])
    return Measured(float(told["tps"].split()[0]), milliseconds, database / number * 1e6, own / number * 1e6)


def ended_seconds() -> float:
    """CPU seconds of this process's children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def database_seconds(server: LocalPostgres) -> float:
    """CPU seconds of the server: of processes that live, by the scheduler, and of those that ended, by the kernel."""
    assert server.process is not None
    root = server.process.pid
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    seconds = sum(_scheduled(int(pid)) for pid in [f"{root}", *children])
    ended = Path(f"/proc/{root}/stat").read_text().rpartition(")")[2].split()
    return seconds + (int(ended[13]) + int(ended[14])) / CLOCK_TICKS


def _scheduled(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


Contender = Callable[[int, int], Awaitable[Measured]]


def contenders(bench: Bench, folder: Path, limits: LaneLimits) -> dict[str, Contender]:
    """Every contender by its name: given clients and a number of commands, it measures itself."""
    scripts = {"check-in": CHECK_IN, "ticket": TICKET}
    acts = {"check-in": bench.check_in, "ticket": bench.ticket}
    found: dict[str, Contender] = {}
    for name, act in acts.items():
        (folder / f"{name}.sql").write_text(scripts[name])

        async def alone(clients: int, number: int, act: Callable[[UUID], Awaitable[object]] = act) -> Measured:
            return await measured(bench, act, clients, number)

        async def lanes(clients: int, number: int, act: Callable[[UUID], Awaitable[object]] = act) -> Measured:
            async with opened_lanes(bench.work, limits):
                return await measured(bench, act, clients, number)

        async def one_statement(clients: int, number: int, script: Path = folder / f"{name}.sql") -> Measured:
            return await pgbench(bench, script, clients, number)

        found |= {f"{name} alone": alone, f"{name} lanes": lanes, f"{name} pgbench": one_statement}
    return found


@contextmanager
def a_durable_server() -> Iterator[tuple[LocalPostgres, Path]]:
    """A PostgreSQL that keeps what it has committed; its folder goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="jifen-bench-", dir=temporary_folder()))
    folder.chmod(0o711)
    server = LocalPostgres(folder / "postgres", log=folder / "postgres.log")
    try:
        server.launch()
        server.wait_ready()
        yield server, folder
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def run(rounds: int, clients: int, number: int, pool: int, limits: LaneLimits, only: str) -> None:
    with a_durable_server() as (server, folder):
        async with a_bench(server, pool) as bench:
            ways = {name: way for name, way in contenders(bench, folder, limits).items() if only in name}
            cases = [(name, crowd, size) for name in ways for crowd, size in ((clients, number), (1, number // 16))]
            results: dict[tuple[str, int], list[Measured]] = {(name, crowd): [] for name, crowd, _ in cases}
            for place in range(rounds + 1):
                await analysed(server)
                for name, crowd, size in random.sample(cases, len(cases)):
                    figures = await ways[name](crowd, size)
                    if place:  # the first round warms up
                        results[name, crowd].append(figures)
            shown(results)


def shown(results: dict[tuple[str, int], list[Measured]]) -> None:
    click.echo(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians of rounds")
    click.echo(f"{'':18}{'clients':>8}{'per s':>9}{'p50 ms':>9}{'db µs':>8}{'own µs':>8}   per s by round")
    for (name, clients), rounds in results.items():
        figures = [median(values) for values in zip(*(vars(each).values() for each in rounds), strict=True)]
        each = " ".join(f"{one.per_second:.0f}" for one in rounds)
        click.echo(f"{name:18}{clients:8}{figures[0]:9.0f}{figures[1]:9.2f}{figures[2]:8.0f}{figures[3]:8.0f}   {each}")


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--clients", default=64, show_default=True)
@click.option("--commands", default=4096, show_default=True, help="commands of a round, one per member")
@click.option("--pool", default=4, show_default=True, help="connections of this process")
@click.option("--lanes", default=2, show_default=True)
@click.option("--only", default="", help="contenders with this in their name")
def command(rounds: int, clients: int, commands: int, pool: int, lanes: int, only: str) -> None:
    """Compare writes alone, writes through lanes, and pgbench."""
    uvloop.run(run(rounds, clients, commands, pool, LaneLimits(lanes=lanes), only))


if __name__ == "__main__":
    command()
