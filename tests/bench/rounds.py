"""The measuring itself: answers compared, everybody warmed up, then shuffled rounds of all contenders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import asyncpg
import click

from tests.bench.answers import cursor_of, difference, said
from tests.bench.contenders import Contender, Server
from tests.bench.load import Outcome, percentile_ms
from tests.bench.operations import PAGES, R1, R2, Operation
from tests.bench.programme import Measured
from tests.bench.readings import Reading, reading

COMPARED_MEMBERS = 5
COMPARED_PAGES = 3
SETTLING_SECONDS = 0.2
SECONDS_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One load of one contender. CPU in microseconds per answer, memory in MiB; None where there is no server."""

    operation: str
    contender: str
    round: int
    answers: int
    per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float | None
    database_us: float
    client_us: float
    memory_mib: float | None
    failures: int
    ran_out: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. `clients` are those of the operations that write; None: as the operation says."""

    operations: Sequence[Operation]
    rounds: int
    seconds: float
    warm_up_seconds: float
    clients: int | None = None
    seed: int = 1

    def clients_of(self, operation: Operation) -> int:
        """How many connections ask."""
        return self.clients if self.clients and operation.writes and operation.clients > 1 else operation.clients


class Bench:
    """All contenders, up and over one database."""

    def __init__(
        self, contenders: Sequence[Contender], measured: Measured, database_pid: int, owner: asyncpg.Connection
    ) -> None:
        self.contenders = contenders
        self.measured = measured
        self.database_pid = database_pid
        self.owner = owner
        self.random = Random(1)

    async def compare(self, operations: Sequence[Operation]) -> None:
        """Ask every server the same and compare. Raises ClickException where two answers differ."""
        servers = [each for each in self.contenders if isinstance(each, Server)]
        for server in servers:
            await self._walk_pages(server)
        for operation in operations:
            answers = [await self._said(server, operation, place) for place, server in enumerate(servers)]
            for server, answer in zip(servers[1:], answers[1:], strict=True):
                if found := difference(answers[0], answer):
                    told = f"{operation.name}: {servers[0].name} and {server.name} differ at {found}"
                    raise click.ClickException(told)

    async def _said(self, server: Server, operation: Operation, place: int) -> list[object]:
        """The answers that must be equal: of the same members and pages, or of equal members for what is written."""
        assert server.caller is not None
        if operation.writes:
            return [said(await server.answer(server.caller.one(operation, 1 + place)), operation)]
        if operation is R2:
            asked = [server.caller.one(operation, 0, cursor) for cursor in server.caller.cursors[:COMPARED_PAGES]]
        else:
            members = self.measured.size.members
            asked = [server.caller.one(operation, 1 + place * (members - 1) // 4) for place in range(COMPARED_MEMBERS)]
        return [said(await server.answer(each), operation) for each in asked]

    async def _walk_pages(self, server: Server) -> None:
        """Learn the cursors of the staff's first pages, each server its own."""
        assert server.caller is not None
        cursors: list[str | None] = [None]
        while len(cursors) < PAGES:
            following = cursor_of(await server.answer(server.caller.one(R2, 0, cursors[-1])))
            if following is None:
                break
            cursors.append(following)
        server.caller.cursors = cursors

    async def measure(self, plan: Plan, advance: Callable[[], None]) -> list[Sample]:
        """Warm up, then every round asks all contenders in another order."""
        samples = []
        self.random.seed(plan.seed)
        for operation in plan.operations:
            able = [each for each in self.contenders if operation in each.operations]
            for contender in able:
                await self._load(contender, operation, plan, plan.warm_up_seconds)
            for number in range(plan.rounds):
                for contender in self.random.sample(able, len(able)):
                    samples.append(await self._sample(contender, operation, plan, number))
                    advance()
        return samples

    async def _load(self, contender: Contender, operation: Operation, plan: Plan, seconds: float) -> Outcome:
        if operation.once_a_day:
            for each in self.contenders:
                each.next_day()
        clients = plan.clients_of(operation)
        return await contender.load(operation, clients=clients, seconds=seconds, random=self.random)

    async def _sample(self, contender: Contender, operation: Operation, plan: Plan, number: int) -> Sample:
        if operation.writes:
            await self.owner.execute("CHECKPOINT")
        await asyncio.sleep(SETTLING_SECONDS)
        before, client_before = self._readings(contender), time.process_time_ns()
        outcome = await self._load(contender, operation, plan, plan.seconds)
        client_ns, after = time.process_time_ns() - client_before, self._readings(contender)
        return sample_of(operation, contender, number, outcome, before, after, client_ns)

    def _readings(self, contender: Contender) -> tuple[Reading | None, Reading]:
        pid = contender.pid
        return (reading(pid) if pid is not None else None), reading(self.database_pid)


def sample_of(
    operation: Operation,
    contender: Contender,
    number: int,
    outcome: Outcome,
    before: tuple[Reading | None, Reading],
    after: tuple[Reading | None, Reading],
    client_ns: int,
) -> Sample:
    """What a load says. Raises ClickException where an answer was not good: figures of errors are none."""
    if outcome.failures or not outcome.latencies_ns:
        told = outcome.first_failure.decode(errors="replace") or "nothing"
        raise click.ClickException(f"{operation.name}: {contender.name}, {outcome.failures} bad answers; first: {told}")
    answers = len(outcome.latencies_ns)
    server_before, server_after = before[0], after[0]
    server = server_before is not None and server_after is not None
    return Sample(
        operation=operation.name,
        contender=contender.name,
        round=number,
        answers=answers,
        per_second=answers / outcome.seconds,
        p50_ms=percentile_ms(outcome.latencies_ns, 50),
        p99_ms=percentile_ms(outcome.latencies_ns, 99),
        server_us=(server_after.cpu_ns - server_before.cpu_ns) / 1_000 / answers
        if server_before is not None and server_after is not None
        else None,
        database_us=(after[1].cpu_ns - before[1].cpu_ns) / 1_000 / answers,
        client_us=client_ns / 1_000 / answers,
        memory_mib=server_after.memory_bytes / 2**20 if server and server_after is not None else None,
        failures=outcome.failures,
        ran_out=outcome.ran_out,
    )


__all__ = ["R1", "Bench", "Plan", "Sample", "sample_of"]
