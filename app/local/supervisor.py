"""Keeps the programme's processes running: one that ends is started again, after a pause that grows."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from app.local.children import Process, last_lines, spawn

POLL_SECONDS = 0.1
PAUSE_SECONDS_FIRST = 0.5
PAUSE_SECONDS_MAX = 30.0
STEADY_SECONDS = 60.0  # who ran this long starts again with the first pause
GRACE_SECONDS = 20.0  # more than the 15 s that the web process gives its requests


@dataclass(frozen=True, slots=True)
class Program:
    """One process of the programme: its name, and the command line after the interpreter."""

    name: str
    arguments: tuple[str, ...]


class Supervisor:
    """`async with Supervisor(...)`: the programs run inside the block, and have ended after it."""

    def __init__(self, programs: Sequence[Program], *, environment: Mapping[str, str], logs: Path) -> None:
        self.environment = environment
        self.logs = logs
        self.processes: dict[str, Process] = {}
        self.ends: dict[str, int] = {program.name: 0 for program in programs}
        self._programs = programs
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for program in self._programs:
            self._start(program)
            self._keepers.append(asyncio.create_task(self._keep(program)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ask all at once, wait for each, kill who does not end in time."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while any(process.poll() is None for process in self.processes.values()):
            if time.monotonic() > deadline:
                for process in self.processes.values():
                    process.kill()
            await asyncio.sleep(POLL_SECONDS / 5)

    def log(self, name: str) -> Path:
        """The file that a program's output goes to."""
        return self.logs / f"{name}.log"

    def _start(self, program: Program) -> None:
        """A child of the main thread; SIGKILL on our death is certain, and jobs and requests are safe against it."""
        self.processes[program.name] = spawn(
            [sys.executable, *program.arguments],
            log=self.log(program.name),
            death_signal=signal.SIGKILL,
            environment=self.environment,
        )

    async def _keep(self, program: Program) -> None:
        pause = PAUSE_SECONDS_FIRST
        while True:
            started, process = time.monotonic(), self.processes[program.name]
            while process.poll() is None:  # noqa: ASYNC110 - no event tells it without a thread
                await asyncio.sleep(POLL_SECONDS)
            self.ends[program.name] += 1
            pause = PAUSE_SECONDS_FIRST if time.monotonic() - started > STEADY_SECONDS else pause
            self._tell_end(program.name, process, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)
            self._start(program)

    def _tell_end(self, name: str, process: Process, pause: float) -> None:
        log = self.log(name)
        click.echo(f"{name} ended with {process.returncode}, starts again in {pause:g} s; see {log}", err=True)
        if self.ends[name] == 1:
            click.echo(last_lines(log), err=True)
