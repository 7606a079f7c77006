"""The worker: every due row is done exactly once or ends as a dead letter, whatever dies on the way."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.local.binaries import valkey_binary
from app.redis import close_redis, open_redis
from app.relay import Relay, RelayOptions, ring
from app.settings import Settings
from app.worker import ARQ_MARGIN_SECONDS, Deliveries, WorkerOptions, build_worker, run, serve
from gamification.core import outbox
from gamification.core.clock import FixedClock
from gamification.core.correlation import correlation_id
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.jobs import Job, JobContext, Registry
from gamification.core.transactions import transaction
from gamification.core.upkeep import purge_outbox
from gamification.core.work import Work
from tests.core.doomed_worker import grant
from tests.databases import Database

ROOT = Path(__file__).parents[2]
RELAY = RelayOptions(lease_seconds=5.0, poll_min_seconds=0.01, poll_max_seconds=0.05)
QUICK = WorkerOptions(
    lease_seconds=0.6,
    job_timeout_seconds=30.0,
    backoff_first_seconds=0.01,
    backoff_max_seconds=0.02,
    poll_delay_seconds=0.02,
    completion_wait_seconds=5.0,
)

pytestmark = pytest.mark.usefixtures("database")


class Bench:
    """A registry of test handlers, with relay and worker to run it."""

    def __init__(self, redis_url: str, clock: FixedClock) -> None:
        self.redis_url = redis_url
        self.clock = clock
        self.redis = open_redis(redis_url)
        self.jobs: dict[str, Job] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def job(self, name: str) -> Callable[[Callable[..., Awaitable[None]]], None]:
        """Register a handler; each call is noted."""

        def register(handler: Callable[..., Awaitable[None]]) -> None:
            async def noting(ctx: JobContext, **payload: Any) -> None:
                self.calls.append((name, payload))
                await handler(ctx, **payload)

            self.jobs[name] = Job(name, noting)

        return register

    async def schedule(self, job: str, **payload: Any) -> int:
        await outbox.schedule(job, payload, run_at=self.clock.now())
        return int(await fetch_value("SELECT max(id) FROM outbox"))

    def relay(self) -> Relay:
        return Relay(self.redis, Registry(), self.clock, RELAY)

    def deliveries(self, options: WorkerOptions = QUICK) -> Deliveries:
        work = Work(clock=self.clock, ledger=None)  # type: ignore[arg-type]
        return Deliveries(Registry(jobs=self.jobs), work, options)

    @asynccontextmanager
    async def running(self, options: WorkerOptions = QUICK, *, relay: bool = True) -> AsyncIterator[asyncio.Event]:
        """Worker and relay run during the block and are told to stop at its end."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(serve(self.redis_url, self.deliveries(options), stop))]
        if relay:
            tasks.append(asyncio.create_task(self.relay().serve(stop)))
        try:
            yield stop
        finally:
            stop.set()
            await asyncio.gather(*tasks)


@pytest.fixture
async def bench(redis_url: str, clock: FixedClock) -> AsyncIterator[Bench]:
    bench = Bench(redis_url, clock)
    yield bench
    await close_redis(bench.redis)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition; the limit is far away and only keeps a broken product from hanging the run."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def settled() -> bool:
    """Whether no row is pending any more."""
    return not await fetch_value("SELECT count(*) FROM outbox WHERE done_at IS NULL AND failed_at IS NULL")


async def row(number: int) -> dict[str, Any]:
    found = await fetch_row("SELECT * FROM outbox WHERE id = $1", number)
    assert found is not None
    return dict(found)


async def test_a_scheduled_job_runs_with_its_arguments_clock_and_correlation_id(bench: Bench) -> None:
    """The handler gets the payload by name, the product's clock, and the id that joins it to its request."""
    seen: list[object] = []

    @bench.job("draws.settle")
    async def settle(ctx: JobContext, draw_id: str) -> None:
        seen.extend((draw_id, ctx.clock.now(), correlation_id.get(), ctx.run.attempt))

    token = correlation_id.set("request-7")
    number = await bench.schedule("draws.settle", draw_id="d1")
    correlation_id.reset(token)
    async with bench.running():
        await until(settled)
    assert seen == ["d1", bench.clock.now(), "request-7", 1]
    done = await row(number)
    assert (done["sends"], done["attempts"], done["last_error"], done["running"]) == (1, 1, None, False)


async def test_many_jobs_are_done_exactly_once_by_two_workers_and_two_relays(bench: Bench) -> None:
    """Workers and relays that run side by side neither lose nor repeat anything."""

    @bench.job("points.grant")
    async def grant(ctx: JobContext, number: int) -> None:
        async with transaction():
            await ctx.complete()

    await execute(
        "INSERT INTO outbox (job, payload, run_at)"
        " SELECT 'points.grant', jsonb_build_object('number', number), $1 FROM generate_series(1, 150) AS number",
        bench.clock.now(),
    )
    steady = WorkerOptions(poll_delay_seconds=0.02)
    async with bench.running(steady), bench.running(steady):
        await until(settled)
    assert sorted(payload["number"] for _, payload in bench.calls) == list(range(1, 151))
    assert await fetch_value("SELECT count(*) FROM outbox WHERE attempts = 1 AND done_at IS NOT NULL") == 150


async def test_a_flushed_redis_loses_no_work(bench: Bench) -> None:
    """What Redis forgot between relay and worker is sent again and done once, without costing an attempt."""

    @bench.job("points.grant")
    async def grant(ctx: JobContext) -> None: ...

    number = await bench.schedule("points.grant")
    assert await bench.relay().once() == 1
    await bench.redis.flushdb()
    await execute("UPDATE outbox SET lease_until = clock_timestamp()")
    async with bench.running():
        await until(settled)
    assert len(bench.calls) == 1
    done = await row(number)
    assert (done["sends"], done["attempts"]) == (2, 1)


async def test_a_repeated_and_a_late_delivery_do_nothing(bench: Bench) -> None:
    """The same send twice, or an old send after a new one, is recognised before the handler runs."""

    @bench.job("points.grant")
    async def grant(ctx: JobContext) -> None: ...

    number = await bench.schedule("points.grant")
    await bench.relay().once()
    deliver = bench.deliveries().deliver
    await asyncio.gather(deliver({}, number, 1), deliver({}, number, 1))
    before = await row(number)
    await deliver({}, number, 1)
    await deliver({}, number, 2)
    assert len(bench.calls) == 1
    assert await row(number) == before


async def test_a_poison_job_ends_as_a_dead_letter_and_a_redrive_cures_it(bench: Bench) -> None:
    """Each attempt is logged and waits longer; after the last the row is dead; staff re-drive it once it can work."""
    broken = True

    @bench.job("messages.send")
    async def send(ctx: JobContext) -> None:
        if broken:
            raise ValueError("no such template")

    token = correlation_id.set("request-8")
    number = await bench.schedule("messages.send")
    correlation_id.reset(token)
    await execute("UPDATE outbox SET attempts_max = 3")
    async with bench.running():
        with capture_logs() as logs:
            await until(settled)
        dead = await row(number)
        assert (dead["attempts"], dead["last_error"]) == (3, "ValueError: no such template")
        assert dead["failed_at"] is not None
        assert [entry["attempt"] for entry in logs if entry["event"] == "job.failed"] == [1, 2, 3]
        assert [entry["correlation_id"] for entry in logs if entry["event"] == "job.dead"] == ["request-8"]
        broken = False
        assert await outbox.redrive(number)
        await until(settled)
    assert (await row(number))["done_at"] is not None
    assert len(bench.calls) == 4


async def test_a_job_that_nobody_declares_is_a_dead_letter_at_once(bench: Bench) -> None:
    """A name that the registry does not know is reported with its name, without further attempts."""
    number = await bench.schedule("draws.setle")
    async with bench.running():
        await until(settled)
    dead = await row(number)
    assert (dead["attempts"], dead["last_error"]) == (1, "no job is named draws.setle")
    assert [each["id"] for each in await outbox.dead_letters(first=5)] == [number]


async def test_arguments_that_do_not_fit_end_as_a_dead_letter(bench: Bench) -> None:
    """A payload that the handler does not take is an error of the job, not of the worker."""

    async def grant(ctx: JobContext, member: str) -> None: ...

    bench.jobs["members.grant"] = Job("members.grant", grant)
    number = await bench.schedule("members.grant", membre="m1")
    await execute("UPDATE outbox SET attempts_max = 1")
    async with bench.running():
        await until(settled)
    assert "unexpected keyword argument 'membre'" in (await row(number))["last_error"]


async def test_a_job_longer_than_its_lease_is_left_alone(bench: Bench) -> None:
    """The heartbeat keeps the lease while the handler runs, so no second worker starts the same work."""

    @bench.job("draws.settle")
    async def settle(ctx: JobContext) -> None:
        first = await fetch_value("SELECT lease_until FROM outbox")
        while await fetch_value("SELECT clock_timestamp() <= $1::timestamptz + interval '0.3 s'", first):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    number = await bench.schedule("draws.settle")
    async with bench.running():
        await until(settled)
    done = await row(number)
    assert (len(bench.calls), done["sends"], done["attempts"]) == (1, 1, 1)


async def test_a_handler_whose_lease_is_lost_is_stopped_and_writes_nothing(bench: Bench) -> None:
    """When another send has been claimed, the old handler is cancelled, its transaction undone, its row untouched."""
    stuck = asyncio.Event()
    stopped = asyncio.Event()

    @bench.job("draws.settle")
    async def settle(ctx: JobContext) -> None:
        if ctx.run.attempt > 1:
            return
        try:
            async with transaction():
                await outbox.schedule("never", {}, run_at=ctx.clock.now())
                stuck.set()
                await asyncio.sleep(3600)
        finally:
            stopped.set()

    number = await bench.schedule("draws.settle")
    await bench.relay().once()
    old = asyncio.create_task(bench.deliveries().deliver({}, number, 1))
    await stuck.wait()
    (claim,) = await _claimed_by_force(bench)
    await old
    assert stopped.is_set()
    assert [each["job"] for each in await fetch("SELECT job FROM outbox")] == ["draws.settle"]
    await bench.deliveries().deliver({}, claim.id, claim.send)
    assert (await row(number))["done_at"] is not None


async def _claimed_by_force(bench: Bench) -> list[outbox.Claim]:
    """Let the lease run out and claim the row before its heartbeat comes: what a paused process suffers."""
    async with transaction():
        await execute("UPDATE outbox SET lease_until = clock_timestamp()")
        return await outbox.claim(bench.clock.now(), limit=1, lease=timedelta(minutes=5))


async def test_a_job_that_never_ends_is_a_failed_attempt(bench: Bench) -> None:
    """The time limit of a job cancels the handler and counts as an error like any other."""

    @bench.job("draws.settle")
    async def settle(ctx: JobContext) -> None:
        await asyncio.sleep(3600)

    number = await bench.schedule("draws.settle")
    await execute("UPDATE outbox SET attempts_max = 1")
    async with bench.running(WorkerOptions(job_timeout_seconds=0.05, poll_delay_seconds=0.02)):
        await until(settled)
    assert (await row(number))["last_error"] == "TimeoutError: "


async def test_a_job_may_be_given_more_time_than_others(bench: Bench) -> None:
    """A job that declares its own time outlives the worker's, and arq waits for it as long."""

    async def audit(ctx: JobContext) -> None:
        await asyncio.sleep(0.3)

    bench.jobs["audits.audit_books"] = Job("audits.audit_books", audit, seconds_max=30)
    number = await bench.schedule("audits.audit_books")
    async with bench.running(WorkerOptions(job_timeout_seconds=0.05, poll_delay_seconds=0.02)):
        await until(settled)
    done = await row(number)
    assert (done["done_at"] is not None, done["attempts"]) == (True, 1)
    assert build_worker(bench.redis, bench.deliveries()).job_timeout_s == 30 + ARQ_MARGIN_SECONDS


async def test_told_to_stop_the_worker_finishes_what_runs(bench: Bench) -> None:
    """A deployment waits for running jobs, which are done then, and begins no other."""
    started, may_end = asyncio.Event(), asyncio.Event()

    @bench.job("draws.settle")
    async def settle(ctx: JobContext) -> None:
        started.set()
        await may_end.wait()

    number = await bench.schedule("draws.settle")
    async with bench.running() as stop:
        await started.wait()
        stop.set()
        await asyncio.sleep(0)
        may_end.set()
    done = await row(number)
    assert (done["done_at"] is not None, done["attempts"], len(bench.calls)) == (True, 1, 1)


async def test_a_job_that_outstays_the_shutdown_is_freed_for_the_next_worker(bench: Bench) -> None:
    """Cut by a shutdown a job costs no attempt and another worker does it without waiting for a lease."""
    started = asyncio.Event()

    @bench.job("draws.settle")
    async def settle(ctx: JobContext) -> None:
        if ctx.run.send == 1:
            started.set()
            await asyncio.sleep(3600)

    number = await bench.schedule("draws.settle")
    async with bench.running(WorkerOptions(completion_wait_seconds=0.01, poll_delay_seconds=0.02)):
        await started.wait()
    freed = await row(number)
    assert (freed["attempts"], freed["lease_until"], freed["running"]) == (0, None, False)
    async with bench.running():
        await until(settled)
    assert (await row(number))["attempts"] == 1


async def test_a_worker_killed_in_the_middle_is_replaced_after_its_lease(bench: Bench, database: Database) -> None:
    """SIGKILL in an open transaction: nothing of it remains, and the next worker does the job, exactly once."""
    number = await bench.schedule("members.grant", member="m1")
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.core.doomed_worker", database.url, bench.redis_url, cwd=ROOT
    )
    try:
        await bench.relay().once()
        await until(_stuck)
    finally:
        doomed.kill()
        await doomed.wait()
    bench.jobs["members.grant"] = Job("members.grant", grant)
    async with bench.running():
        await until(settled)
    done = await row(number)
    assert (done["sends"] >= 2, done["attempts"], done["done_at"] is not None) == (True, 2, True)
    assert [each["subject"] for each in await fetch("SELECT subject FROM audit_record")] == ["m1"]


async def _stuck() -> bool:
    """Whether the doomed worker has written in its transaction."""
    return bool(await fetch_value("SELECT count(*) FROM pg_locks WHERE relation = 'audit_record'::regclass"))


async def test_a_worker_lives_through_a_redis_that_forgets_everything(bench: Bench) -> None:
    """Keys and connections vanish under a running worker; it goes on with what is sent next."""

    @bench.job("points.grant")
    async def grant(ctx: JobContext) -> None: ...

    async with bench.running():
        for _ in range(3):
            await bench.schedule("points.grant")
            await until(settled)
            await bench.redis.flushdb()
            await bench.redis.client_kill_filter(_type="normal", skipme=True)
    assert len(bench.calls) == 3


@asynccontextmanager
async def valkey(folder: Path, port: int) -> AsyncIterator[None]:
    """A Valkey without a file, killed at the end."""
    process = await asyncio.create_subprocess_exec(
        str(valkey_binary()),
        *("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_worker_and_relay_outlive_a_redis_that_dies_and_comes_back_empty(
    bench: Bench, clock: FixedClock, tmp_path: Path
) -> None:
    """Redis is killed, work is scheduled meanwhile, an empty one starts: the work is done once."""

    @bench.job("points.grant")
    async def grant(ctx: JobContext) -> None: ...

    port = free_port()
    mortal = Bench(f"redis://127.0.0.1:{port}/0", clock)
    mortal.jobs = bench.jobs
    async with mortal.running():
        async with valkey(tmp_path, port):
            await mortal.schedule("points.grant")
            await until(settled)
        await mortal.schedule("points.grant")
        async with valkey(tmp_path, port):
            await until(settled)
    await close_redis(mortal.redis)
    assert len(bench.calls) == 2


async def test_jobs_are_rung_without_pickle(bench: Bench) -> None:
    """A pickle in the queue is not executed: the worker drops it and goes on."""

    @bench.job("points.grant")
    async def grant(ctx: JobContext) -> None: ...

    await ring(bench.redis, [outbox.Claim(999_999, 1)])
    await bench.redis.set("arq:job:999999:1", b"\x80\x04\x95\x00")
    await bench.schedule("points.grant")
    async with bench.running():
        await until(settled)
    assert len(bench.calls) == 1
    assert not await bench.redis.exists("arq:job:999999:1")


async def test_done_rows_are_forgotten_by_the_core_itself(bench: Bench) -> None:
    """The hourly purge deletes rows done more than a week ago."""
    bench.jobs["core.purge_outbox"] = Job("core.purge_outbox", purge_outbox)
    await execute(
        "INSERT INTO outbox (job, payload, run_at, done_at)"
        " SELECT 'a', '{}', $1, clock_timestamp() - interval '8 days' FROM generate_series(1, 2500)",
        bench.clock.now(),
    )
    number = await bench.schedule("core.purge_outbox")
    async with bench.running():
        await until(settled)
    assert [each["id"] for each in await fetch("SELECT id FROM outbox")] == [number]


async def test_the_worker_process_works_from_its_settings_and_stops_when_told(settings: Settings, bench: Bench) -> None:
    """Opened from the settings alone, with surroundings made once the database is open, it does the core's own job."""
    stop = asyncio.Event()

    async def open_work() -> Work:
        assert await fetch_value("SELECT 1") == 1
        return Work(clock=bench.clock, ledger=None)  # type: ignore[arg-type]

    number = await bench.schedule("core.purge_outbox")
    working = asyncio.create_task(run(settings, open_work, QUICK, stop))
    await bench.relay().once()
    await until(settled)
    stop.set()
    await working
    assert (await row(number))["done_at"] is not None
