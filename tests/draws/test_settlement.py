"""Settlement: every win is paid once, whoever settles, however often, and whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.jobs import LeaseLost
from gamification.core.work import Work
from gamification.draws import queries
from gamification.draws import service as draws
from gamification.draws.errors import DrawStateRefused
from gamification.draws.events import DrawSettled
from gamification.draws.queries import DrawState
from gamification.draws.service import StillOwed, chunks
from tests.bench.statements import recorded
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    STAFF,
    a_crowd_of_connections,
    a_prize,
    an_open_draw,
    available,
    bought,
    draw_row,
    drawn,
    members_with,
    no_heartbeat,
    rows_written,
    settled,
)


async def a_drawn_draw(work: Work, clock: FixedClock, wins: int = 30) -> tuple[UUID, list[UUID]]:
    """A draw of 10-point prizes in which everybody wins, on 50 points each that are all spent."""
    members = await members_with(work, [50] * wins)
    draw_id = await an_open_draw(work, a_prize(10, wins))
    await bought(work, draw_id, members)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    return draw_id, members


@asynccontextmanager
async def a_grant_that_fails(database: Database, rank: int) -> AsyncIterator[None]:
    """The database refuses the grant of one rank."""
    owner = await asyncpg.connect(database.url)
    await owner.execute(
        f"""CREATE FUNCTION refuse_rank() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.rank = {rank} THEN RAISE EXCEPTION 'no prize for this one'; END IF; RETURN NEW; END $$;
            CREATE TRIGGER refuse_rank BEFORE INSERT ON draw_grant FOR EACH ROW EXECUTE FUNCTION refuse_rank()"""
    )
    try:
        yield
    finally:
        await owner.execute("DROP TRIGGER refuse_rank ON draw_grant; DROP FUNCTION refuse_rank")
        await owner.close()


async def test_wins_are_looked_up_before_any_was_ever_granted(
    work: Work, database: Database, clock: FixedClock
) -> None:
    """Where the planner knows that no prize was ever granted, grants are still not searched for from end to end."""
    draw_id, _ = await a_drawn_draw(work, clock)
    owner = await asyncpg.connect(database.url)
    try:
        await owner.execute("VACUUM ANALYZE draw_grant")
        async with owner.transaction():
            wins = await owner.fetch("SELECT * FROM wins_by_key($1, $2)", [draw_id] * 30, list(range(1, 31)))
            scans = await owner.fetchrow(
                "SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'draw_grant'"
            )
    finally:
        await owner.close()
    assert (len(wins), {win["entry_seq"] for win in wins}) == (30, {None})
    assert scans is not None and tuple(scans) == (0, 30)


async def test_every_win_is_paid_and_the_draw_is_settled(work: Work, clock: FixedClock) -> None:
    """The prize arrives, the ticket names the entry, the listeners hear of it in the same transaction."""
    work.listeners["draw.settled"] = ["messages.draw_settled"]
    draw_id, members = await a_drawn_draw(work, clock)
    await settled(work, draw_id)
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["settled_at"]) == ("SETTLED", clock.now())
    assert [await available(each) for each in members] == [10] * 30
    (ticket,) = await queries.tickets_page(members[0], None, 10)
    (entry,) = await fetch(
        "SELECT seq, kind, source_id, available_delta FROM entry WHERE source_type = 'draw_win' AND member_id = $1",
        members[0],
    )
    assert tuple(entry) == (ticket.granted_seq, "ACCRUAL", f"{draw_id}:{ticket.rank}", 10)
    (told,) = await fetch("SELECT payload FROM outbox WHERE job = 'messages.draw_settled'")
    assert told["payload"] == f'{{"wins": 30, "draw_id": "{draw_id}"}}' and DrawSettled.name == "draw.settled"


async def test_settling_twice_pays_once(work: Work, clock: FixedClock) -> None:
    """A job that runs again finds nothing to do."""
    draw_id, _ = await a_drawn_draw(work, clock)
    await settled(work, draw_id)
    before = await rows_written()
    assert await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat) == draws.WorkedOff(0, 0, True)
    assert not await draws.finish_settlement(work, draw_id=draw_id)
    assert await rows_written() == before


async def test_two_settlements_at_once_pay_once(
    database: Database, work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four workers on the same draw, in chunks that overlap; each grant is in the ledger once."""
    monkeypatch.setattr(chunks, "CHUNK", 7)
    draw_id, members = await a_drawn_draw(work, clock, wins=60)
    async with a_crowd_of_connections(database):
        runs = await asyncio.gather(
            *(draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat) for _ in range(4))
        )
        finished = await asyncio.gather(*(draws.finish_settlement(work, draw_id=draw_id) for _ in range(4)))
    assert all(run.reached_end and not run.failed for run in runs)
    assert sorted(finished) == [False, False, False, True]
    assert await fetch_value("SELECT count(*) FROM entry WHERE source_type = 'draw_win'") == 60
    assert [await available(each) for each in members] == [10] * 60


async def test_a_run_is_bounded_and_the_next_one_goes_on(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress can be read in between; nothing is finished before its time."""
    monkeypatch.setattr(chunks, "CHUNK", 10)
    draw_id, _ = await a_drawn_draw(work, clock, wins=25)
    assert (await queries.draw_states([draw_id]))[draw_id] == DrawState(draw_id, "DRAWN", 25, 0, 0)
    run = await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat, chunks_max=2)
    assert run == draws.WorkedOff(20, 0, reached_end=False)
    assert (await queries.draw_states([draw_id]))[draw_id] == DrawState(draw_id, "SETTLING", 25, 20, 0)
    with pytest.raises(StillOwed):
        await draws.finish_settlement(work, draw_id=draw_id)
    assert (await draw_row(draw_id))["state"] == "SETTLING"
    run = await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat)
    assert run == draws.WorkedOff(5, 0, reached_end=True)
    await draws.finish_settlement(work, draw_id=draw_id)
    assert (await queries.draw_states([draw_id]))[draw_id] == DrawState(draw_id, "SETTLED", 25, 25, 0)


@pytest.mark.parametrize("after", range(1, 5))
async def test_a_settlement_that_was_cut_between_any_two_chunks_goes_on(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """What was granted before the cut stays, the next run grants what was not, and nothing twice."""
    monkeypatch.setattr(chunks, "CHUNK", 3)
    draw_id, members = await a_drawn_draw(work, clock, wins=11)
    left = iter(range(after - 1, -1, -1))

    async def cut() -> None:
        if next(left) == 0:
            raise LeaseLost("somebody else has it")

    with pytest.raises(LeaseLost):
        await draws.settle_draw(work, draw_id=draw_id, heartbeat=cut)
    done = (await queries.draw_states([draw_id]))[draw_id].done
    assert min(3 * after, 11) <= done <= 3 * (after + 1)
    await settled(work, draw_id)
    assert (await queries.draw_states([draw_id]))[draw_id] == DrawState(draw_id, "SETTLED", 11, 11, 0)
    assert [await available(each) for each in members] == [10] * 11


@pytest.mark.parametrize("tickets", [1, 2, 3, 9])
async def test_chunks_end_with_a_winner_and_cost_three_statements_each(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, tickets: int
) -> None:
    """Four winners with so many wins each, in chunks of four: no account is moved by two chunks, unless one winner has
    more wins than a chunk holds; each chunk is listed, loaded and written."""
    monkeypatch.setattr(chunks, "CHUNK", 4)
    members = await members_with(work, [50 * tickets] * 4)
    draw_id = await an_open_draw(work, a_prize(10, 4 * tickets))
    await bought(work, draw_id, members * tickets)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    expected = {1: 1, 2: 2, 3: 4}.get(tickets)
    with recorded() as statements:
        run = await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat)
    assert run == draws.WorkedOff(4 * tickets, 0, reached_end=True)
    writes = [each for each in statements if "ledger_write" in each.sql]
    assert expected is None or len(writes) == expected
    begins, finds_nothing = 2, 1
    assert expected is None or len(statements) == begins + 3 * expected + finds_nothing
    assert [await available(each) for each in members] == [10 * tickets] * 4


async def test_one_grant_that_fails_holds_nobody_up_but_the_draw(
    database: Database, work: Work, clock: FixedClock
) -> None:
    """The others are paid; staff see which one is owed and why; once it can be paid, the draw is settled."""
    draw_id, members = await a_drawn_draw(work, clock, wins=40)
    async with a_grant_that_fails(database, rank=17):
        for attempt in (1, 2):
            run = await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat)
            assert run == draws.WorkedOff(39 if attempt == 1 else 0, 1, reached_end=True)
            with pytest.raises(StillOwed):
                await draws.finish_settlement(work, draw_id=draw_id)
            (failure,) = (await queries.failure_pages([draw_id], None, 10))[draw_id]
            assert (failure.what, failure.attempts, failure.failed_at) == ("win:17", attempt, clock.now())
            assert failure.error == "RaiseError: no prize for this one"
    assert (await queries.draw_states([draw_id]))[draw_id] == DrawState(draw_id, "SETTLING", 40, 39, 1)
    assert sum([await available(each) for each in members]) == 390
    await draws.redrive_draw(work, draw_id=draw_id, actor=STAFF)
    assert await fetch_value("SELECT count(*) FROM outbox WHERE job = 'draws.settle'") == 2
    await settled(work, draw_id)
    assert (await queries.draw_states([draw_id]))[draw_id] == DrawState(draw_id, "SETTLED", 40, 40, 0)
    assert (await queries.failure_pages([draw_id], None, 10))[draw_id] == []
    assert sum([await available(each) for each in members]) == 400
    with pytest.raises(DrawStateRefused):
        await draws.redrive_draw(work, draw_id=draw_id, actor=STAFF)


async def test_several_wins_of_one_member_are_paid_in_one_write(work: Work, clock: FixedClock) -> None:
    """Each under its own key."""
    (member_id,) = await members_with(work, [500])
    draw_id = await an_open_draw(work, a_prize(30, 4), a_prize(1, 6))
    await bought(work, draw_id, [member_id] * 10)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    await settled(work, draw_id)
    assert await available(member_id) == 4 * 30 + 6


async def test_a_grant_is_never_changed_nor_written_twice(work: Work, clock: FixedClock) -> None:
    """The database refuses both, whoever asks."""
    draw_id, _ = await a_drawn_draw(work, clock, wins=2)
    await settled(work, draw_id)
    for change in ("UPDATE draw_grant SET points = 1", "DELETE FROM draw_grant"):
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await execute(change)
    with pytest.raises(asyncpg.UniqueViolationError):
        await execute("INSERT INTO draw_grant SELECT draw_id, rank, member_id, points, 99, granted_at FROM draw_grant")
