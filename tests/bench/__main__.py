"""`./run bench`: measures the product against others over one database, and says what it cost."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import click
import uvloop

from app.local.children import LocalServerFailed
from app.local.programme import ROOT, open_folder
from app.local.stores import FolderHeld, Stores, held, running_stores
from app.progress import Progress
from tests.bench import bulk, hot, profiling, readings
from tests.bench.contenders import Contender, NotHere, Server, own_variants, servers
from tests.bench.crowd import EACH, FEW_PRIZES
from tests.bench.operations import OPERATIONS, Caller, Operation, operation_names
from tests.bench.pgbench import READS, Pgbench
from tests.bench.programme import Measured, check_invariants, measured
from tests.bench.recording import statements_of
from tests.bench.report import Report
from tests.bench.rounds import Bench, Plan
from tests.bench.seeding import Size
from tests.bench.surroundings import jobs_surroundings, surroundings

FOLDER = ROOT / ".jifen-bench"
PGBENCH = "pgbench, same statements"


def variant(text: str) -> tuple[str, dict[str, str]]:
    """`NAME:KEY=VALUE,KEY=VALUE` of the command line. Raises BadParameter."""
    name, _, told = text.partition(":")
    pairs = [each.partition("=") for each in told.split(",") if each]
    if not name or any(not separator for _, separator, _ in pairs):
        raise click.BadParameter(f"{text!r} is not NAME:KEY=VALUE,KEY=VALUE")
    return name, {key: value for key, _, value in pairs}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--rounds", type=click.IntRange(1, 50), default=5, show_default=True, help="Loads of each contender.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=4, show_default=True, help="How long each lasts.")
@click.option("--clients", type=click.IntRange(1, 72), help="Clients of the operations that write (64).")
@click.option("--only", help="Contenders whose names contain one of these words, separated by commas.")
@click.option("--operations", help=f"Of {operation_names()}, separated by commas; all when left out.")
@click.option("--variant", "variants", multiple=True, help="A variant of ours besides: NAME:KEY=VALUE,KEY=VALUE.")
@click.option("--members", type=click.IntRange(1), default=100_000, show_default=True, help="Members that are seeded.")
@click.option("--entries", type=click.IntRange(10), default=1_000_000, show_default=True, help="Their ledger entries.")
@click.option("--bulk", "with_bulk", is_flag=True, help="Measure the import and the jobs in bulk as well.")
@click.option("--jobs", "only_jobs", is_flag=True, help="Instead, measure only the jobs in bulk: expiry, settlement.")
@click.option("--rush", is_flag=True, help="Instead, measure a rush on one draw against many draws.")
@click.option("--sizes", default="10000,100000", show_default=True, help="Lots and tickets that the jobs work on.")
@click.option("--profile", is_flag=True, help="Instead, say where the time of ours goes, operation by operation.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every sample to this file.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path), help="Write the tables to this file.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, help="Where the database is kept.")
def command(
    rounds: int,
    seconds: float,
    clients: int | None,
    only: str | None,
    operations: str | None,
    variants: Sequence[str],
    members: int,
    entries: int,
    with_bulk: bool,
    only_jobs: bool,
    rush: bool,
    sizes: str,
    profile: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    folder: Path,
) -> None:
    """Measure requests per second, latency, CPU time and memory of the product and of others over the same database."""
    if not readings.is_possible():
        raise click.ClickException("CPU time is read from /proc as Linux has it; this system has none")
    size, bulk_sizes = fit_size(members, entries), fit_bulk(sizes)
    plan = Plan(chosen(operations), rounds, seconds, min(seconds, 2.0), clients)
    own = {**own_variants(), **dict(variant(each) for each in variants)}
    contenders = wanted(only, own)
    with stores_in(folder) as (kept, stores):
        if rush:
            click.echo(uvloop.run(rushed(kept, stores, size, plan)))
            return
        if only_jobs:
            lines = uvloop.run(bulk.jobs(kept, stores, database_pid(kept), bulk_sizes))
            report: Report | None = Report(jobs_surroundings(), (), (), (), {}, lines)
        else:
            measured_in_bulk = bulk_sizes if with_bulk else ()
            report = uvloop.run(run(kept, stores, size, plan, contenders, profile=profile, in_bulk=measured_in_bulk))
    if report is None:
        return
    if json_file:
        json_file.write_text(json.dumps(report.json(), indent=2, ensure_ascii=False) + "\n")
    if markdown_file:
        markdown_file.write_text(report.markdown())
    click.echo(report.markdown())


def fit_size(members: int, entries: int) -> Size:
    """What is seeded. Raises BadParameter."""
    try:
        return Size(members, entries)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


def fit_bulk(sizes: str) -> list[int]:
    """The sizes of the jobs in bulk. Raises BadParameter."""
    found = [int(each) if each.strip().isdecimal() else 0 for each in sizes.split(",")]
    if any(each < FEW_PRIZES or each % EACH for each in found):
        raise click.BadParameter(f"sizes are multiples of {EACH}, at least {FEW_PRIZES}")
    return found


def chosen(names: str | None) -> list[Operation]:
    """The operations of a list of names, in the order in which they are measured. Raises BadParameter."""
    given = [each.strip() for each in names.split(",")] if names else operation_names().split(", ")
    if unknown := set(given) - {each.name for each in OPERATIONS}:
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}; there are {operation_names()}")
    return [each for each in OPERATIONS if each.name in given]


def wanted(only: str | None, own: Mapping[str, Mapping[str, str]]) -> list[Contender]:
    """The contenders whose names match. Raises BadParameter where none does."""
    words = [word.strip().lower() for word in only.split(",")] if only else [""]
    everybody: list[Contender] = [*servers(own), Pgbench(PGBENCH)]
    found = [each for each in everybody if any(word in each.name.lower() for word in words)]
    if not found:
        raise click.BadParameter(f"nobody is called that; there are {', '.join(each.name for each in everybody)}")
    return found


@contextmanager
def stores_in(folder: Path) -> Iterator[tuple[Path, Stores]]:
    """A PostgreSQL and a Valkey of the benchmark's own, durable, whatever the environment names."""
    folder = open_folder(folder)
    try:
        with held(folder), running_stores(folder, environment={}) as stores:
            yield folder, stores
    except FolderHeld:
        raise click.ClickException(
            f"another run works in {folder}; wait for its end, or name another --folder"
        ) from None


async def run(
    folder: Path,
    stores: Stores,
    size: Size,
    plan: Plan,
    contenders: Sequence[Contender],
    *,
    profile: bool,
    in_bulk: Sequence[int],
) -> Report | None:
    """Make the database, then measure or profile on a copy of it."""
    load_before = os.getloadavg()[0]
    async with measured(folder, stores, size) as programme:
        if profile:
            await profiling.run(programme, folder, plan)
            return None
        owner = await asyncpg.connect(programme.settings.database_url)
        try:
            samples, absent = await _measured_samples(folder, programme, owner, plan, contenders)
            sums = [await bulk.imported(programme, folder)] if in_bulk else []
            known = await surroundings(plan, size, owner, load_before)
        finally:
            await owner.close()
    if in_bulk:
        sums += await bulk.jobs(folder, stores, database_pid(folder), in_bulk)
    names = [each.name for each in contenders if each.name not in absent]
    return Report(known, plan.operations, samples, names, absent, sums)


async def rushed(folder: Path, stores: Stores, size: Size, plan: Plan) -> str:
    """What a rush on one draw costs against many draws, as Markdown."""
    async with measured(folder, stores, size) as programme:
        lines = [
            line
            for what in hot.ACTS
            for line in await hot.rush(programme, what, rounds=plan.rounds, seconds=plan.seconds, random=Random())
        ]
    return hot.table(lines)


async def _measured_samples(
    folder: Path, programme: Measured, owner: asyncpg.Connection, plan: Plan, contenders: Sequence[Contender]
) -> tuple[list[Any], dict[str, str]]:
    async with up(contenders, programme, folder) as (ready, absent):
        bench = Bench(ready, programme, database_pid(folder), owner)
        click.echo("Comparing answers ...", err=True)
        await bench.compare(plan.operations)
        loads = sum(each in contender.operations for contender in ready for each in plan.operations) * plan.rounds
        with Progress("Measuring", total=loads, unit="loads") as progress:
            samples = await bench.measure(plan, progress.advance)
    if any(each.writes for each in plan.operations):
        click.echo("Checking the invariants ...", err=True)
        await check_invariants(programme.settings)
    return samples, absent


def database_pid(folder: Path) -> int:
    """The postmaster of the benchmark's own PostgreSQL."""
    return int((folder / "postgres").resolve().joinpath("data", "postmaster.pid").read_text().split()[0])


@asynccontextmanager
async def up(
    contenders: Sequence[Contender], programme: Measured, folder: Path
) -> AsyncIterator[tuple[list[Contender], dict[str, str]]]:
    """Everybody who can be had, started; and why the others cannot. All have ended afterwards."""
    ready: list[Contender] = []
    absent: dict[str, str] = {}
    tokens = [programme.member_token(number) for number in range(1, programme.size.members + 1)]
    try:
        for contender in contenders:
            if isinstance(contender, Pgbench):
                contender.reads = {each.name: await statements_of(each, programme, typed=True) for each in READS}
            try:
                click.echo(f"Starting {contender.name} ...", err=True)
                contender.start(programme, folder)
            except (NotHere, LocalServerFailed) as reason:
                absent[contender.name] = str(reason)
                click.echo(f"{contender.name} is not here: {reason}", err=True)
                contender.end()
                continue
            ready.append(contender)
            if isinstance(contender, Server):
                contender.caller = Caller(programme, contender.dialect, tokens, programme.staff_token())
        if not ready:
            raise click.ClickException("nobody could be started")
        yield ready, absent
    finally:
        for contender in ready:
            contender.end()


if __name__ == "__main__":
    command(prog_name="./run bench")
