"""Who is measured: each a process behind a port, told everything by its environment.

A variant of ours is a name and what its environment says besides. A setting of the product that chooses how operations
run is a line in `KNOWN_VARIANTS`, used by checkouts that know the setting; others are given by `--variant`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from app.local.children import HOST, Process, any_free_port, spawn, stop, wait_until
from app.settings import Settings
from tests.bench.load import Outcome, closed_loop
from tests.bench.node import NotHere, peers_on_node
from tests.bench.operations import BY_TEXT, OPERATIONS, OURS, POSTGRAPHILE, Caller, Dialect, Operation, is_good
from tests.bench.programme import Measured

POOL_MAX = 4
"""Database connections of every server: twice the cores of the machine that the figures are of."""
KNOWN_VARIANTS: Mapping[str, Mapping[str, str]] = {
    "ours, compiled": {"EXECUTION": "compiled"},
    "ours, graphql-core": {"EXECUTION": "core"},
}


def own_variants() -> dict[str, Mapping[str, str]]:
    """The ways in which this checkout runs an operation: those whose settings it knows, else the only one."""
    known = {name.upper() for name in Settings.model_fields}
    found = {name: told for name, told in KNOWN_VARIANTS.items() if set(told) <= known}
    return found or {"ours": {}}


@dataclass
class Contender(ABC):
    """Something that answers operations for as long as it is open."""

    name: str
    operations: Sequence[Operation] = OPERATIONS

    @abstractmethod
    def start(self, measured: Measured, folder: Path) -> None:
        """Make it ready to be asked. Raises NotHere, LocalServerFailed."""

    @abstractmethod
    def end(self) -> None:
        """End whatever was started."""

    @abstractmethod
    async def load(self, operation: Operation, *, clients: int, seconds: float, random: Random) -> Outcome:
        """Ask an operation in a closed loop."""

    @property
    def pid(self) -> int | None:
        """The process whose CPU time is the server's; None where there is no server."""
        return None

    @abstractmethod
    def next_day(self) -> None:
        """Move the clock on by a day."""


@dataclass
class Server(Contender):
    """A contender that speaks GraphQL over HTTP."""

    dialect: Dialect = BY_TEXT
    environment: Mapping[str, str] = field(default_factory=dict)
    process: Process | None = None
    port: int = 0
    caller: Caller | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    def start(self, measured: Measured, folder: Path) -> None:
        self.port = any_free_port()
        told = {"HOST": HOST, "PORT": str(self.port), "DATABASE_POOL_MAX": str(POOL_MAX), **self.environment}
        log = folder / "logs" / f"{self.name.replace(' ', '-').replace(',', '')}.log"
        log.unlink(missing_ok=True)
        self.process = spawn(
            self.command(),
            log=log,
            death_signal=signal.SIGKILL,
            environment={**inherited(), **measured.environment, **told},
        )
        wait_until(self._listens, process=self.process, name=self.name, log=log)

    def end(self) -> None:
        if self.process is not None:
            stop(self.process, signal.SIGTERM)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def next_day(self) -> None:
        assert self.process is not None, "start comes first"
        self.process.send_signal(signal.SIGUSR2)

    async def load(self, operation: Operation, *, clients: int, seconds: float, random: Random) -> Outcome:
        assert self.caller is not None, "a caller is given before anything is asked"
        requests = self.caller.all(operation, random)
        return await closed_loop(self.port, requests, is_good(operation), clients=clients, seconds=seconds)

    async def answer(self, request: bytes) -> bytes:
        """The body of one answer, good or not."""
        bodies: list[bytes] = []

        def keep(status: int, body: bytes) -> bool:
            bodies.append(body)
            return status == 200

        outcome = await closed_loop(self.port, iter([request]), keep, clients=1, seconds=60)
        if outcome.failures:
            raise ValueError(f"{self.name} answered {outcome.first_failure.decode(errors='replace')}")
        return bodies[0]

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0


def inherited() -> dict[str, str]:
    """What every process is told of this machine, and nothing that would set the product up otherwise."""
    known = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() not in known}


@dataclass
class Ours(Server):
    """The product's web process."""

    dialect: Dialect = OURS

    def command(self) -> list[str]:
        return [sys.executable, "-P", "-m", "tests.bench.server"]


@dataclass
class Naive(Server):
    """Strawberry and Tortoise as their documentation shows."""

    def command(self) -> list[str]:
        return [sys.executable, "-P", "-m", "tests.bench.peers.naive"]


@dataclass
class OnNode(Server):
    """A peer of ours in `peers/`, on Node."""

    file: str = ""

    def start(self, measured: Measured, folder: Path) -> None:
        self.node = peers_on_node()
        self.environment = {**self.environment, "NODE_ENV": "production", "GRAPHILE_ENV": "production"}
        super().start(measured, folder)

    def command(self) -> list[str]:
        return [str(self.node.program), str(self.node.folder / self.file)]


def servers(variants: Mapping[str, Mapping[str, str]]) -> list[Server]:
    """Every contender behind HTTP, ours first."""
    return [
        *(Ours(name, environment=told) for name, told in variants.items()),
        Naive("strawberry + Tortoise, naive"),
        OnNode("PostGraphile 5", dialect=POSTGRAPHILE, file="postgraphile.mjs"),
        OnNode("Mercurius, JIT + loaders", file="mercurius.mjs"),
    ]


__all__ = ["Contender", "NotHere", "Server", "own_variants", "servers"]
