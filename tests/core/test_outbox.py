"""The outbox: due rows are claimed once, begun once, and end done or dead."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gamification.core import outbox
from gamification.core.clock import FixedClock
from gamification.core.correlation import correlation_id
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.jobs import EPOCH, Cron, Job, JobContext, LeaseLost, On, gather
from gamification.core.outbox import Claim, Run
from gamification.core.transactions import transaction
from gamification.core.work import Work

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
LEASE = timedelta(minutes=5)
NO_WAIT = timedelta(0)


pytestmark = pytest.mark.usefixtures("database")


async def scheduled(job: str = "draws.settle", **payload: Any) -> int:
    await outbox.schedule(job, payload, run_at=NOW)
    return int(await fetch_value("SELECT max(id) FROM outbox"))


async def claimed(now: datetime = NOW) -> list[Claim]:
    return await outbox.claim(now, limit=100, lease=LEASE)


async def begun() -> Run:
    """The one due row, claimed and begun."""
    (claim,) = await claimed()
    run = await outbox.begin(claim.id, claim.send, LEASE)
    assert run is not None
    return run


async def let_leases_expire() -> None:
    await execute(
        "UPDATE outbox SET lease_until = clock_timestamp() - interval '1 second' WHERE lease_until IS NOT NULL"
    )


async def row(number: int) -> dict[str, Any]:
    found = await fetch_row("SELECT * FROM outbox WHERE id = $1", number)
    assert found is not None
    return dict(found)


async def test_a_scheduled_job_exists_only_if_its_transaction_commits() -> None:
    """Work is remembered with the change that causes it, or not at all."""
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with transaction():
            await outbox.schedule("draws.settle", {}, run_at=NOW)
            raise ZeroDivisionError
    assert await fetch("SELECT id FROM outbox") == []


async def test_a_key_is_scheduled_once_and_carries_the_correlation_id() -> None:
    """The second schedule under a key changes nothing and says so."""
    token = correlation_id.set("request-7")
    assert await outbox.schedule("draws.settle", {"draw_id": "d1"}, run_at=NOW, key="settle:d1")
    assert not await outbox.schedule("draws.settle", {"draw_id": "d2"}, run_at=NOW, key="settle:d1")
    correlation_id.reset(token)
    run = await begun()
    assert (run.job, run.payload, run.attempt, run.correlation_id) == (
        "draws.settle",
        {"draw_id": "d1"},
        1,
        "request-7",
    )


async def test_only_due_rows_are_claimed_oldest_first() -> None:
    """A row waits for its instant on the product's clock; a batch starts with what has waited longest."""
    for minutes in (2, -1, 0, -3):
        await outbox.schedule("draws.settle", {}, run_at=NOW + timedelta(minutes=minutes), key=str(minutes))
    keys = {each["id"]: each["key"] for each in await fetch("SELECT id, key FROM outbox")}
    assert [keys[claim.id] for claim in await claimed()] == ["-3", "-1", "0"]
    assert [keys[claim.id] for claim in await claimed(NOW + timedelta(minutes=2))] == ["2"]


async def test_two_relays_never_claim_the_same_row() -> None:
    """Concurrent claims share the due rows out; together they get every row exactly once."""
    await execute("INSERT INTO outbox (job, payload, run_at) SELECT 'a', '{}', $1 FROM generate_series(1, 300)", NOW)
    batches = await asyncio.gather(*(outbox.claim(NOW, limit=40, lease=LEASE) for _ in range(12)))
    ids = [claim.id for batch in batches for claim in batch]
    ids += [claim.id for claim in await outbox.claim(NOW, limit=300, lease=LEASE)]
    assert len(ids) == 300 and len(set(ids)) == 300
    assert await claimed() == []


async def test_a_send_that_never_began_is_sent_again_and_costs_no_attempt() -> None:
    """What Redis lost comes back after its lease under the next send number."""
    number = await scheduled()
    assert await claimed() == [Claim(number, 1)]
    assert await claimed() == []
    await let_leases_expire()
    assert await claimed() == [Claim(number, 2)]
    assert (await row(number))["attempts"] == 0


async def test_a_send_begins_once_and_an_old_send_never() -> None:
    """Repeated and late deliveries of a row are recognised before any work is done."""
    number = await scheduled()
    run = await begun()
    assert (run.id, run.send, run.place) == (number, 1, f"{number}:1")
    assert await outbox.begin(number, 1, LEASE) is None
    await let_leases_expire()
    assert await claimed() == [Claim(number, 2)]
    assert await outbox.begin(number, 1, LEASE) is None
    second = await outbox.begin(number, 2, LEASE)
    assert second is not None and second.attempt == 2


async def test_a_run_whose_lease_is_lost_can_change_nothing() -> None:
    """After another send was claimed, the old run neither keeps, completes, fails, frees nor buries the row."""
    number = await scheduled()
    old = await begun()
    await let_leases_expire()
    new = await begun()
    before = await row(number)
    assert not await outbox.heartbeat(old, LEASE)
    assert not await outbox.complete(old)
    assert await outbox.fail(old, "late", backoff=NO_WAIT) is None
    await outbox.bury(old, "late")
    await outbox.stop(old)
    await outbox.give_back([Claim(number, 1)])
    assert await row(number) == before
    assert await outbox.complete(new)


async def test_heartbeat_keeps_a_row_from_being_claimed_again() -> None:
    """A long job is left alone as long as its worker says that it is alive."""
    await scheduled()
    run = await begun()
    await let_leases_expire()
    assert await outbox.heartbeat(run, LEASE)
    assert await claimed() == []


async def test_completion_commits_with_the_handlers_work_or_not_at_all() -> None:
    """A done mark set inside a transaction that fails is undone with it."""
    number = await scheduled()
    context = JobContext(Work(clock=FixedClock(NOW), ledger=None), await begun(), LEASE)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with transaction():
            await context.complete()
            raise ZeroDivisionError
    assert (await row(number))["done_at"] is None
    async with transaction():
        await context.complete()
    done = await row(number)
    assert done["done_at"] is not None and not done["running"] and done["lease_until"] is None
    assert context.clock.now() == NOW
    for again in (context.complete, context.heartbeat):
        with pytest.raises(LeaseLost):
            await again()


async def test_a_failed_attempt_waits_for_its_backoff_and_the_last_one_is_dead() -> None:
    """An error is kept, the next attempt waits, and after all attempts the row is a dead letter."""
    number = await scheduled()
    await execute("UPDATE outbox SET attempts_max = 2")
    assert await outbox.fail(await begun(), "ValueError: first", backoff=LEASE) is False
    assert await claimed() == []
    await let_leases_expire()
    assert await outbox.fail(await begun(), "ValueError: " + "x" * 3000, backoff=LEASE) is True
    dead = await row(number)
    assert (dead["attempts"], dead["lease_until"]) == (2, None) and dead["failed_at"] is not None
    assert dead["last_error"] == ("ValueError: " + "x" * 3000)[:2000]
    assert await claimed() == []


async def test_a_worker_lost_in_the_last_attempt_leaves_a_dead_letter() -> None:
    """A job that kills its worker every time ends as a dead letter, not in an endless loop."""
    number = await scheduled()
    await execute("UPDATE outbox SET attempts_max = 1")
    await begun()
    await let_leases_expire()
    assert await claimed() == []
    dead = await row(number)
    assert dead["failed_at"] is not None and dead["last_error"] == "the worker was lost"


async def test_a_dead_letter_is_redriven_with_fresh_attempts() -> None:
    """Staff give a dead letter another round; anything else is refused without a change."""
    number = await scheduled()
    assert not await outbox.redrive(number)
    await outbox.bury(await begun(), "no job is named x")
    assert await outbox.redrive(number)
    again = await row(number)
    assert (again["attempts"], again["attempts_max"], again["failed_at"]) == (1, 9, None)
    assert await claimed() == [Claim(number, 2)]
    assert not await outbox.redrive(number)


async def test_a_shutdown_frees_the_row_and_costs_no_attempt() -> None:
    """A deployment is not the job's fault: the row can be claimed at once."""
    number = await scheduled()
    await outbox.stop(await begun())
    assert (await row(number))["attempts"] == 0
    assert await claimed() == [Claim(number, 2)]


async def test_claims_that_could_not_be_sent_are_given_back() -> None:
    """Rows claimed while Redis was gone are due again immediately; one that began meanwhile is left alone."""
    ids = [await scheduled(), await scheduled()]
    claims = await claimed()
    assert await outbox.begin(ids[0], 1, LEASE) is not None
    await outbox.give_back(claims)
    assert await claimed() == [Claim(ids[1], 2)]


async def test_dead_letters_are_paged_newest_first() -> None:
    """Staff page through dead letters by id, each with its error."""
    ids = [await scheduled() for _ in range(5)]
    for claim in await claimed():
        run = await outbox.begin(claim.id, claim.send, LEASE)
        assert run is not None
        if run.id != ids[2]:
            await outbox.bury(run, f"error {run.id}")
    page = await outbox.dead_letters(first=2)
    assert [(each["id"], each["last_error"]) for each in page] == [
        (ids[4], f"error {ids[4]}"),
        (ids[3], f"error {ids[3]}"),
    ]
    assert [each["id"] for each in await outbox.dead_letters(first=2, before=ids[3])] == [ids[1], ids[0]]
    assert await outbox.dead_letters(first=2, before=ids[0]) == []


async def test_only_rows_done_long_ago_are_purged() -> None:
    """Pending rows and dead letters stay however old they are."""
    old, fresh, pending, dead = [await scheduled() for _ in range(4)]
    runs = {claim.id: await outbox.begin(claim.id, claim.send, LEASE) for claim in await claimed()}
    for number in (old, fresh):
        assert await outbox.complete(runs[number])  # type: ignore[arg-type]
    await outbox.bury(runs[dead], "x")  # type: ignore[arg-type]
    await execute("UPDATE outbox SET done_at = done_at - interval '8 days' WHERE id = $1", old)
    assert await outbox.purge_done(older_than=timedelta(days=7), limit=10) == 1
    assert [each["id"] for each in await fetch("SELECT id FROM outbox ORDER BY id")] == [fresh, pending, dead]


async def test_the_age_of_the_oldest_due_row_is_known() -> None:
    """The figure to alert on counts from the instant at which work fell due."""
    assert await outbox.oldest_pending_seconds(NOW) == 0
    await scheduled()
    assert await outbox.oldest_pending_seconds(NOW + timedelta(seconds=90)) == 90
    await begun()
    assert await outbox.oldest_pending_seconds(NOW + timedelta(seconds=90)) == 90


async def test_a_tick_is_added_once_per_slot_and_never_piles_up() -> None:
    """Relays may tick as often as they like; while one tick of a job waits, no other is added."""
    cron = Cron("points.sweep", every=timedelta(minutes=1))
    first, second = cron.slot(NOW), cron.slot(NOW + timedelta(minutes=1, seconds=7))
    assert await outbox.tick(["points.sweep"], [first]) == ["points.sweep"]
    assert await outbox.tick(["points.sweep"], [first]) == ["points.sweep"]
    assert await outbox.tick(["points.sweep", "draws.sweep"], [second, second]) == ["draws.sweep"]
    assert [each["job"] for each in await fetch("SELECT job FROM outbox ORDER BY id")] == [
        "points.sweep",
        "draws.sweep",
    ]
    runs = [await outbox.begin(claim.id, claim.send, LEASE) for claim in await claimed()]
    assert [run.job for run in runs if run] == ["points.sweep"]
    assert await outbox.complete(runs[0])  # type: ignore[arg-type]
    assert await outbox.tick(["points.sweep"], [first]) == ["points.sweep"]
    assert await fetch_value("SELECT count(*) FROM outbox") == 2
    assert await outbox.tick(["points.sweep"], [second]) == ["points.sweep"]
    assert await fetch_value("SELECT count(*) FROM outbox") == 3


def test_a_cron_slot_starts_at_the_offset_of_its_period() -> None:
    """Slots are counted from midnight UTC plus the offset: 16:00 UTC is midnight in Shanghai."""
    daily = Cron("a", every=timedelta(days=1), offset=timedelta(hours=16))
    assert daily.slot(datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC)) == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert daily.slot(datetime(2026, 3, 1, 16, tzinfo=UTC)) == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert Cron("a", every=timedelta(minutes=1)).slot(EPOCH + timedelta(seconds=61)) == EPOCH + timedelta(seconds=60)


def test_declarations_are_checked_against_each_other() -> None:
    """A name declared twice, or listened to and never declared, stops the process at its start."""

    class Draws:
        JOBS = [Job("draws.settle", print)]  # type: ignore[arg-type]
        ON = [On("draw.closed", "draws.settle")]
        CRON = [Cron("draws.settle", every=timedelta(minutes=1))]

    class Silent:
        JOBS: list[Job] = []
        ON = [On("draw.settled", "messages.tell")]
        CRON: list[Cron] = []

    registry = gather([Draws()])
    assert registry.listeners == {"draw.closed": ("draws.settle",)} and list(registry.jobs) == ["draws.settle"]
    with pytest.raises(ValueError, match=r"messages\.tell"):
        gather([Draws(), Silent()])
    with pytest.raises(ValueError, match=r"two jobs are named draws\.settle"):
        gather([Draws(), type("Again", (Draws,), {"JOBS": [Job("draws.settle", repr)]})()])  # type: ignore[arg-type]
