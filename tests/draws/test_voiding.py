"""Voided draws: everyone's points go back to the lots they came from, once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_row, fetch_value
from gamification.core.errors import InvalidInput
from gamification.core.work import Work
from gamification.draws import queries
from gamification.draws import service as draws
from gamification.draws.errors import DrawNotOpen, DrawStateRefused
from gamification.draws.queries import DrawState
from gamification.draws.service import chunks
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    STAFF,
    a_crowd_of_connections,
    a_member,
    a_plan,
    an_open_draw,
    available,
    bought,
    buy,
    draw_row,
    drawn,
    members_with,
    no_heartbeat,
    rows_written,
)


async def restored(work: Work, draw_id: UUID) -> draws.WorkedOff:
    run = await draws.restore_tickets(work, draw_id=draw_id, heartbeat=no_heartbeat)
    await draws.finish_restoration(work, draw_id=draw_id)
    return run


async def lots_of(member_id: UUID) -> list[tuple[int, int]]:
    rows = await fetch("SELECT original, remaining FROM lot WHERE member_id = $1 ORDER BY seq, line", member_id)
    return [tuple(row) for row in rows]


async def test_too_few_tickets_void_the_draw_and_the_points_go_back(work: Work, clock: FixedClock) -> None:
    """To the lots they came from; the seed is revealed, nobody wins."""
    members = await members_with(work, [80, 50])
    draw_id = await an_open_draw(work, tickets_min=3)
    await bought(work, draw_id, members)
    clock.advance(DAY)
    assert await draws.close_draw(work, draw_id=draw_id)
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["void_reason"], draw["tickets"]) == ("VOIDED", "TOO_FEW_TICKETS", 2)
    assert draw["seed"] is not None and not await draws.draw_winners(work, draw_id=draw_id)
    assert [job["job"] for job in await fetch("SELECT job FROM outbox ORDER BY id")] == ["draws.close", "draws.restore"]
    assert (await queries.draw_states([draw_id]))[draw_id] == DrawState(draw_id, "VOIDED", 2, 0, 0)
    assert await restored(work, draw_id) == draws.WorkedOff(2, 0, reached_end=True)
    assert [await available(each) for each in members] == [80, 50]
    assert [await lots_of(each) for each in members] == [[(80, 80)], [(50, 50)]]
    assert (await draw_row(draw_id))["restored_at"] == clock.now()
    assert (await queries.draw_states([draw_id]))[draw_id] == DrawState(draw_id, "VOIDED", 2, 2, 0)
    (ticket,) = await queries.tickets_page(members[0], None, 10)
    assert ticket.restored_seq == 3


async def test_restoring_twice_or_at_once_gives_back_once(
    database: Database, work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several tickets of each member, four workers, chunks that overlap."""
    monkeypatch.setattr(chunks, "CHUNK", 7)
    members = await members_with(work, [200] * 12)
    draw_id = await an_open_draw(work)
    await bought(work, draw_id, members * 3)
    await draws.void_draw(work, draw_id=draw_id, reason="wrong terms", actor=STAFF)
    async with a_crowd_of_connections(database):
        runs = await asyncio.gather(
            *(draws.restore_tickets(work, draw_id=draw_id, heartbeat=no_heartbeat) for _ in range(4))
        )
    assert all(run.reached_end and not run.failed for run in runs)
    assert [await available(each) for each in members] == [200] * 12
    assert await fetch_value("SELECT count(*) FROM entry WHERE kind = 'RESTORATION'") == 36
    assert await draws.finish_restoration(work, draw_id=draw_id)
    before = await rows_written()
    assert await restored(work, draw_id) == draws.WorkedOff(0, 0, reached_end=True)
    assert await rows_written() == before


async def test_staff_void_an_open_draw_with_a_reason(work: Work) -> None:
    """Sales end at once, the reason stands in the audit trail, a second void changes nothing."""
    work.listeners["draw.voided"] = ["messages.draw_voided"]
    draw_id, member_id = await an_open_draw(work), await a_member(work, 100)
    await buy(work, draw_id, member_id)
    with pytest.raises(InvalidInput):
        await draws.void_draw(work, draw_id=draw_id, reason=" ", actor=STAFF)
    assert (await draw_row(draw_id))["state"] == "OPEN"
    for _ in range(2):
        await draws.void_draw(work, draw_id=draw_id, reason="wrong prize", actor=STAFF)
    audit = await fetch_row("SELECT actor, reason FROM audit_record WHERE action = 'draw.voided'")
    assert audit is not None and tuple(audit) == (STAFF.key, "wrong prize")
    assert await fetch_value("SELECT count(*) FROM outbox WHERE job = 'messages.draw_voided'") == 1
    with pytest.raises(DrawNotOpen) as refusal:
        await buy(work, draw_id, member_id)
    assert refusal.value.state == "VOIDED"
    await restored(work, draw_id)
    assert await available(member_id) == 100


async def test_a_closed_or_drawn_draw_cannot_be_voided_by_staff(work: Work, clock: FixedClock) -> None:
    """Whoever could void after the tickets are known could wait for a better list."""
    draw_id = await an_open_draw(work)
    await bought(work, draw_id, [await a_member(work)])
    clock.advance(DAY)
    await draws.close_draw(work, draw_id=draw_id)
    for state in ("CLOSED", "DRAWN"):
        with pytest.raises(DrawStateRefused) as refusal:
            await draws.void_draw(work, draw_id=draw_id, reason="no", actor=STAFF)
        assert refusal.value.fields() == {"state": state, "verb": "void"}
        await draws.draw_winners(work, draw_id=draw_id)
    assert (await draw_row(draw_id))["state"] == "DRAWN"


async def test_a_draft_is_dropped_by_voiding_it(work: Work) -> None:
    """It was never published, so nothing is revealed and nothing is owed."""
    draw_id = await draws.plan_draw(work, a_plan(work.clock), actor=STAFF)
    await draws.void_draw(work, draw_id=draw_id, reason="not this week", actor=STAFF)
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["opened_at"], draw["seed"]) == ("VOIDED", None, None)
    assert await restored(work, draw_id) == draws.WorkedOff(0, 0, reached_end=True)


async def test_points_of_an_expired_lot_do_not_come_back_to_life_unbounded(work: Work, clock: FixedClock) -> None:
    """A lot that expired in between gives a child lot of thirty days, as every restoration does."""
    draw_id = await an_open_draw(work, closes_at=clock.now() + 400 * DAY)
    member_id = await a_member(work, 50)
    await buy(work, draw_id, member_id)
    clock.advance(399 * DAY)
    await draws.void_draw(work, draw_id=draw_id, reason="stale", actor=STAFF)
    await restored(work, draw_id)
    assert await available(member_id) == 50
    assert await fetch_value("SELECT max(expires_at) FROM lot") == clock.now() + 30 * DAY


async def test_drawn_winners_keep_what_they_won(work: Work, clock: FixedClock) -> None:
    """A draw that is not voided owes no restoration."""
    draw_id = await an_open_draw(work)
    await bought(work, draw_id, [await a_member(work, 50)])
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    assert await draws.restore_tickets(work, draw_id=draw_id, heartbeat=no_heartbeat) == draws.WorkedOff(0, 0, True)
    assert not await draws.finish_restoration(work, draw_id=draw_id)
