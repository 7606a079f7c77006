"""A draw runs by itself from its opening to the last grant, through the outbox alone."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from app.worker import Deliveries, WorkerOptions
from gamification.core import outbox
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.work import Work
from gamification.draws import queries, service
from gamification.draws.queries import DrawState
from gamification.draws.service import chunks
from gamification.jobs import REGISTRY
from gamification.points.book import Book
from gamification.points.rows import Posted
from tests.draws.builders import DAY, STAFF, a_prize, an_open_draw, available, bought, draw_row, members_with

LEASE = timedelta(minutes=1)


async def run_due(work: Work) -> list[str]:
    """Do what is due, wave after wave, as relay and worker would; returns the jobs in their order."""
    deliveries = Deliveries(REGISTRY, work, WorkerOptions(backoff_first_seconds=0, backoff_max_seconds=0))
    done: list[str] = []
    while claims := await outbox.claim(work.clock.now(), limit=100, lease=LEASE):
        for claim in claims:
            done.append(await fetch_value("SELECT job FROM outbox WHERE id = $1", claim.id))
            await deliveries.deliver({}, claim.id, claim.send)
    return done


async def state_of(draw_id: UUID) -> DrawState:
    return (await queries.draw_states([draw_id]))[draw_id]


async def test_a_draw_closes_draws_and_settles_by_itself(work: Work, clock: FixedClock) -> None:
    """Nobody asks for anything after the opening; nothing happens before the closing time."""
    draw_id = await an_open_draw(work, a_prize(20, 3))
    members = await members_with(work, [50] * 5)
    await bought(work, draw_id, members)
    assert await run_due(work) == [] and (await state_of(draw_id)).state == "OPEN"
    clock.advance(DAY)
    assert await run_due(work) == ["draws.close", "draws.draw", "draws.settle"]
    assert await state_of(draw_id) == DrawState(draw_id, "SETTLED", 3, 3, 0)
    assert sum([await available(each) for each in members]) == 60
    assert await fetch_value("SELECT count(*) FROM outbox WHERE done_at IS NULL") == 0


async def test_a_voided_draw_gives_back_by_itself(work: Work, clock: FixedClock) -> None:
    """Also when staff called it off: its closing job then finds nothing to do."""
    few_id, off_id = await an_open_draw(work, tickets_min=9), await an_open_draw(work)
    members = await members_with(work, [100] * 3)
    await bought(work, few_id, members)
    await bought(work, off_id, members)
    await service.void_draw(work, draw_id=off_id, reason="wrong terms", actor=STAFF)
    clock.advance(DAY)
    assert sorted(await run_due(work)) == ["draws.close", "draws.close", "draws.restore", "draws.restore"]
    assert [await available(each) for each in members] == [100] * 3
    assert {(await draw_row(each))["restored_at"] for each in (few_id, off_id)} == {clock.now()}


async def test_a_closing_that_was_lost_is_made_up_for(work: Work, clock: FixedClock) -> None:
    """The sweep of every minute closes what is past its time."""
    draw_id = await an_open_draw(work)
    await bought(work, draw_id, await members_with(work, [50]))
    await execute("DELETE FROM outbox")
    clock.advance(DAY)
    await outbox.tick(["draws.close_due"], [clock.now()])
    assert await run_due(work) == ["draws.close_due", "draws.draw", "draws.settle"]
    assert (await state_of(draw_id)).state == "SETTLED"


async def test_a_long_settlement_goes_on_in_further_runs(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run is bounded and hands over to the next in the transaction that ends it."""
    monkeypatch.setattr(chunks, "CHUNK", 2)
    monkeypatch.setattr(service, "settle_draw", partial(service.settle_draw, chunks_max=2))
    draw_id = await an_open_draw(work, a_prize(1, 9))
    await bought(work, draw_id, await members_with(work, [50] * 9))
    clock.advance(DAY)
    assert (await run_due(work))[2:] == ["draws.settle"] * 3
    assert await state_of(draw_id) == DrawState(draw_id, "SETTLED", 9, 9, 0)


async def test_what_failed_in_an_earlier_run_is_tried_again_from_the_first(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs go on where the last one ended; the one that comes to the end while something is owed starts over."""
    monkeypatch.setattr(chunks, "CHUNK", 2)
    draw_id, members = await an_open_draw(work, a_prize(1, 9)), sorted(await members_with(work, [50] * 9))
    await bought(work, draw_id, members)
    clock.advance(DAY)
    settle, accrue, runs = service.settle_draw, Book.accrue, count(1)
    run = next(runs)

    async def two_chunks(*given: Any, **named: Any) -> service.WorkedOff:
        nonlocal run
        worked_off = await settle(*given, **named, chunks_max=2)
        run = next(runs)
        return worked_off

    def refuse_the_first(book: Book, *given: Any, **named: Any) -> Posted:
        if book.member_id == members[0] and run < 4:
            raise ZeroDivisionError
        return accrue(book, *given, **named)

    monkeypatch.setattr(service, "settle_draw", two_chunks)
    monkeypatch.setattr(Book, "accrue", refuse_the_first)
    assert (await run_due(work))[2:] == ["draws.settle"] * 4
    rows = await fetch("SELECT payload FROM outbox WHERE job = 'draws.settle' ORDER BY id")
    assert [json.loads(row["payload"]).get("after_member") for row in rows] == [
        None, str(members[3]), str(members[7]), None,
    ]  # fmt: skip
    assert await state_of(draw_id) == DrawState(draw_id, "SETTLED", 9, 9, 0)
    assert [await available(each) for each in members] == [1] * 9


async def test_a_settlement_that_cannot_go_on_ends_as_a_dead_letter_and_is_driven_again(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draw stays SETTLING, staff see the row; their re-drive settles it."""
    draw_id = await an_open_draw(work, a_prize(20, 2))
    await bought(work, draw_id, await members_with(work, [50] * 2))
    clock.advance(DAY)
    with monkeypatch.context() as broken:

        def refuse(*given: object, **named: object) -> None:
            raise ZeroDivisionError

        broken.setattr("gamification.points.book.Book.accrue", refuse)
        done = await run_due(work)
    assert done.count("draws.settle") == 8
    (dead,) = await outbox.dead_letters(first=10)
    assert (dead["job"], dead["last_error"]) == (
        "draws.settle", f"StillOwed: 2 wins of draw {draw_id} are not granted",
    )  # fmt: skip
    assert await state_of(draw_id) == DrawState(draw_id, "SETTLING", 2, 0, 2)
    failures = (await queries.failure_pages([draw_id], None, 10))[draw_id]
    assert [(each.what, each.attempts, each.error) for each in failures] == [
        ("win:1", 8, "ZeroDivisionError: "), ("win:2", 8, "ZeroDivisionError: "),
    ]  # fmt: skip
    await service.redrive_draw(work, draw_id=draw_id, actor=STAFF)
    assert await run_due(work) == ["draws.settle"]
    assert await state_of(draw_id) == DrawState(draw_id, "SETTLED", 2, 2, 0)
    assert len(await fetch("SELECT * FROM draw_grant")) == 2
