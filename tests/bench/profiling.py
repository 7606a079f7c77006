"""Where the time of ours goes: a profile and the statements of each operation, for whoever wants to make it less."""

from __future__ import annotations

import io
import pstats
import signal
from collections.abc import Mapping
from pathlib import Path
from random import Random

import click

from tests.bench.contenders import Ours, own_variants
from tests.bench.operations import Caller, Operation
from tests.bench.programme import Measured
from tests.bench.recording import statements_of
from tests.bench.rounds import Plan

LINES = 40


async def run(measured: Measured, folder: Path, plan: Plan) -> None:
    """Profile every variant of ours at every operation; the files stay in the folder's `profiles`."""
    profiles = folder / "profiles"
    profiles.mkdir(exist_ok=True)
    tokens = [measured.member_token(number) for number in range(1, measured.size.members + 1)]
    for operation in plan.operations:
        await _tell_statements(operation, measured)
        for name, told in own_variants().items():
            file = profiles / f"{operation.name}-{name.replace(' ', '-').replace(',', '')}.pstats"
            await _profile(operation, Ours(name, environment=_with_profile(told, file)), measured, folder, tokens, plan)
            click.echo(f"{name}, {operation.name}: {operation.title} (profiled, so slower; {file})\n{summary(file)}")


def _with_profile(told: Mapping[str, str], file: Path) -> dict[str, str]:
    return {**told, "BENCH_PROFILE": str(file)}


async def _tell_statements(operation: Operation, measured: Measured) -> None:
    statements = await statements_of(operation, measured)
    click.echo(f"{operation.name} sends {len(statements)} statements:")
    for each in statements:
        click.echo(f"  {' '.join(each.sql.split())[:200]}")


async def _profile(
    operation: Operation, ours: Ours, measured: Measured, folder: Path, tokens: list[str], plan: Plan
) -> None:
    """A process per operation, so that each has a profile of its own; start and warm-up are not in it."""
    ours.start(measured, folder)
    try:
        ours.caller = Caller(measured, ours.dialect, tokens, measured.staff_token())
        assert ours.process is not None, "it was started"
        clients = plan.clients_of(operation)
        for seconds in (plan.warm_up_seconds, plan.seconds):
            ours.next_day()  # today's check-in may be done: the recorded request was one
            await ours.load(operation, clients=clients, seconds=seconds, random=Random(plan.seed))
            ours.process.send_signal(signal.SIGUSR1)
    finally:
        ours.end()


def summary(file: Path) -> str:
    """The functions in which most time was spent, by their own time."""
    told = io.StringIO()
    pstats.Stats(str(file), stream=told).strip_dirs().sort_stats("tottime").print_stats(LINES)
    return told.getvalue()
