"""A member's first tickets of a draw may cost nothing: they count, they can win, and nothing goes back for them."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch_value
from gamification.core.work import Work
from gamification.draws import queries
from gamification.draws import service as draws
from gamification.draws.errors import TicketLimitReached
from gamification.draws.queries import DrawState
from gamification.points.errors import InsufficientPoints
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    STAFF,
    a_crowd_of_connections,
    a_member,
    a_prize,
    an_open_draw,
    available,
    bought,
    buy,
    drawn,
    no_heartbeat,
    rows_written,
    settled,
)


async def test_the_first_tickets_cost_nothing(work: Work, clock: FixedClock) -> None:
    """No entry is posted; the answer says how many are left; from then on a ticket has its price."""
    draw_id, member_id = await an_open_draw(work, free_tickets_per_member=2), await a_member(work, 60)
    answers = [await buy(work, draw_id, member_id) for _ in range(3)]
    assert [(each.points, each.entry_seq, each.available, each.free_tickets_left) for each in answers] == [
        (0, None, 60, 1), (0, None, 60, 0), (50, 2, 10, 0),
    ]  # fmt: skip
    assert await fetch_value("SELECT count(*) FROM entry WHERE source_type = 'ticket'") == 1
    tickets = await queries.tickets_page(member_id, None, 10)
    assert [(each.points, each.entry_seq) for each in tickets] == [(50, 2), (0, None), (0, None)]
    with pytest.raises(InsufficientPoints):
        await buy(work, draw_id, member_id)


async def test_a_preview_says_that_it_is_free(work: Work) -> None:
    """As the purchase would answer it, and nothing is written."""
    draw_id, member_id = await an_open_draw(work, free_tickets_per_member=1), await a_member(work, 0)
    before = await rows_written()
    preview = await draws.preview_ticket(work, draw_id=draw_id, member_id=member_id, actor=Actor("member", member_id))
    seen = preview.outcome()
    assert (seen.points, seen.entry_seq, seen.available, seen.free_tickets_left) == (0, None, 0, 0)
    assert await rows_written() == before


async def test_free_tickets_count_against_the_limits(work: Work) -> None:
    """Nobody holds more than the draw allows, whatever they cost."""
    draw_id = await an_open_draw(work, free_tickets_per_member=5, tickets_per_member=2)
    member_id = await a_member(work, 100)
    await bought(work, draw_id, [member_id] * 2)
    with pytest.raises(TicketLimitReached):
        await buy(work, draw_id, member_id)
    assert await available(member_id) == 100


async def test_many_purchases_at_once_are_free_so_often_and_no_more(database: Database, work: Work) -> None:
    """Twelve taps at once of a member with two free tickets and points for three: five tickets."""
    draw_id, member_id = await an_open_draw(work, free_tickets_per_member=2), await a_member(work, 150)
    async with a_crowd_of_connections(database):
        answers = await asyncio.gather(*(buy(work, draw_id, member_id) for _ in range(12)), return_exceptions=True)
    points = sorted(each.points for each in answers if isinstance(each, draws.TicketBought))
    assert points == [0, 0, 50, 50, 50]
    assert sum(isinstance(each, InsufficientPoints) for each in answers) == 7
    assert await available(member_id) == 0


async def test_a_free_ticket_wins_like_any_other(work: Work, clock: FixedClock) -> None:
    """It has its number and place in the order; the prize is paid."""
    draw_id, member_id = await an_open_draw(work, a_prize(20), free_tickets_per_member=1), await a_member(work, 0)
    await bought(work, draw_id, [member_id])
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    await settled(work, draw_id)
    assert await available(member_id) == 20


async def test_a_voided_draw_gives_back_what_was_paid_and_nothing_for_free_tickets(work: Work) -> None:
    """Two of five tickets were free: three prices go back, and the draw owes no more than these."""
    draw_id, member_id = await an_open_draw(work, free_tickets_per_member=2), await a_member(work, 150)
    await bought(work, draw_id, [member_id] * 5)
    await draws.void_draw(work, draw_id=draw_id, reason="rain", actor=STAFF)
    assert await queries.draw_states([draw_id]) == {draw_id: DrawState(draw_id, "VOIDED", 3, 0, 0)}
    run = await draws.restore_tickets(work, draw_id=draw_id, heartbeat=no_heartbeat)
    assert run == draws.WorkedOff(3, 0, reached_end=True)
    assert await draws.finish_restoration(work, draw_id=draw_id)
    assert await available(member_id) == 150
    assert await fetch_value("SELECT count(*) FROM ticket_restoration") == 3


async def test_a_ticket_is_either_free_or_paid_by_an_entry(work: Work) -> None:
    """The database refuses a price without an entry, and an entry without a price."""
    for points, seq in ((50, "NULL"), (0, "7"), (-1, "7")):
        with pytest.raises(asyncpg.CheckViolationError):
            await execute(
                f"""INSERT INTO ticket (member_id, draw_id, id, points, entry_seq, bought_at, business_date)
                    SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), {points}, {seq}, p.published_at,
                           '2026-03-02' FROM (SELECT '2026-03-02T10:00:00Z'::timestamptz AS published_at) p"""
            )
