"""Buying tickets: price and ticket in one write, limits that hold under haste, and no sale that is not guarded."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.errors import IdempotencyConflict, NotFound, Refusal
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.draws import proofs, queries
from gamification.draws import service as draws
from gamification.draws.errors import DrawNotOpen, TicketLimitReached
from gamification.points.errors import InsufficientPoints
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
    rows_written,
)


async def test_a_ticket_costs_its_price_and_carries_what_it_stands_under(work: Work, clock: FixedClock) -> None:
    """The receipt names entry, balance, commitment and terms, so that the member holds them before the draw."""
    draw_id, member_id = await an_open_draw(work), await a_member(work, 120)
    answer, proof = await buy(work, draw_id, member_id), (await proofs.proofs_by_draw_ids([draw_id])).get(draw_id)
    assert proof is not None
    assert answer == draws.TicketBought(
        answer.ticket_id, draw_id, 50, proof.commitment.hex(), proof.terms_hash.hex(), 2, 70, clock.now(), 0
    )
    assert await available(member_id) == 70
    (ticket,) = await queries.tickets_page(member_id, None, 10)
    assert (ticket.id, ticket.draw_id, ticket.points, ticket.entry_seq) == (answer.ticket_id, draw_id, 50, 2)
    assert (ticket.bought_at, ticket.number, ticket.rank) == (clock.now(), None, None)


async def test_the_same_key_buys_one_ticket(work: Work) -> None:
    """The stored receipt is answered; another draw under the same key is a conflict."""
    draw_id, other_id, member_id = await an_open_draw(work), await an_open_draw(work), await a_member(work, 1000)
    first = await buy(work, draw_id, member_id, key="k")
    assert await buy(work, draw_id, member_id, key="k") == first
    with pytest.raises(IdempotencyConflict):
        await buy(work, other_id, member_id, key="k")
    assert await available(member_id) == 950


async def test_without_enough_points_nothing_changes(work: Work) -> None:
    """The refusal carries the numbers."""
    draw_id, member_id = await an_open_draw(work), await a_member(work, 49)
    before = await rows_written()
    with pytest.raises(InsufficientPoints) as refusal:
        await draws.buy_ticket(work, draw_id=draw_id, member_id=member_id, actor=Actor("member", member_id), key="k")
    assert (refusal.value.required, refusal.value.available, refusal.value.missing) == (50, 49, 1)
    assert await rows_written() == {**before, "receipt": 1, "versions": before["versions"] + 1}
    assert await available(member_id) == 49


async def test_tickets_sell_only_in_their_time(work: Work, clock: FixedClock) -> None:
    """Not before opening, not at the closing instant, not for a draft or nothing at all."""
    opens_at, closes_at = clock.now() + timedelta(hours=1), clock.now() + DAY
    draw_id, member_id = await an_open_draw(work, opens_at=opens_at), await a_member(work)
    with pytest.raises(DrawNotOpen) as early:
        await buy(work, draw_id, member_id)
    assert early.value.fields() == {"state": "OPEN", "opens_at": opens_at, "closes_at": closes_at}
    clock.set(opens_at)
    await buy(work, draw_id, member_id)
    clock.set(closes_at)
    with pytest.raises(DrawNotOpen):
        await buy(work, draw_id, member_id)
    draft = await draws.plan_draw(work, a_plan(clock), actor=STAFF)
    for unknown in (draft, new_id()):
        with pytest.raises(NotFound):
            await buy(work, unknown, member_id)
    assert await available(member_id) == 950 and await fetch_value("SELECT count(*) FROM ticket") == 1


async def test_limits_per_member_hold_by_day_and_in_all(work: Work, clock: FixedClock) -> None:
    """Two a day, three in all; the day's limit says when it lifts, the other never does."""
    draw_id = await an_open_draw(
        work, tickets_per_member=3, tickets_per_member_day=2, closes_at=clock.now() + timedelta(days=9)
    )
    member_id = await a_member(work)
    await bought(work, draw_id, [member_id] * 2)
    with pytest.raises(TicketLimitReached) as day:
        await buy(work, draw_id, member_id)
    midnight = work.calendar.ends_at(work.calendar.business_date(clock.now()))
    assert day.value.fields() == {"scope": "DAY", "limit": 2, "used": 2, "resets_at": midnight}
    clock.set(midnight)
    await buy(work, draw_id, member_id)
    with pytest.raises(TicketLimitReached) as total:
        await buy(work, draw_id, member_id)
    assert total.value.fields() == {"scope": "TOTAL", "limit": 3, "used": 3, "resets_at": None}
    assert await available(member_id) == 850
    assert await queries.held_by_draw_ids(member_id, [draw_id]) == {draw_id: 3}


async def test_a_batch_counts_its_own_tickets(work: Work) -> None:
    """Of five commands in one write two pass a limit of two; another draw's limit is its own."""
    draw_id, other_id = await an_open_draw(work, tickets_per_member=2), await an_open_draw(work, tickets_per_member=2)
    member_id = await a_member(work)
    commands = [
        draws.BuyTicket(member_id=member_id, actor=STAFF, draw_id=each) for each in (*[draw_id] * 3, *[other_id] * 2)
    ]
    outcomes = await work.perform_all(draws.BUY_TICKET, commands)
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "TicketBought", "TicketBought", "TicketLimitReached", "TicketBought", "TicketBought",
    ]  # fmt: skip
    assert await available(member_id) == 800


async def test_a_preview_is_the_decision_and_writes_nothing(work: Work, clock: FixedClock) -> None:
    """Price and balance after it, or the refusal; no ticket and no number."""
    draw_id, member_id, poor_id = await an_open_draw(work), await a_member(work, 60), await a_member(work, 20)
    before = await rows_written()
    quote = await draws.preview_ticket(work, draw_id=draw_id, member_id=member_id, actor=STAFF)
    with pytest.raises(InsufficientPoints):
        (await draws.preview_ticket(work, draw_id=draw_id, member_id=poor_id, actor=STAFF)).outcome()
    assert await rows_written() == before
    answer = await buy(work, draw_id, member_id)
    seen = quote.outcome()
    assert (seen.points, seen.available, seen.commitment) == (50, answer.available, answer.commitment)
    assert (seen.terms_hash, [entry.kind for entry in quote.draft.entries]) == (answer.terms_hash, ["REDEMPTION"])


async def test_the_last_points_buy_one_ticket_however_many_ask(database: Database, work: Work) -> None:
    """Twenty requests at once with points for three."""
    draw_id, member_id = await an_open_draw(work), await a_member(work, 170)
    async with a_crowd_of_connections(database):
        outcomes = await asyncio.gather(*(_outcome(work, draw_id, member_id) for _ in range(20)))
    assert sorted(outcomes) == ["InsufficientPoints"] * 17 + ["TicketBought"] * 3
    assert await available(member_id) == 20 and await fetch_value("SELECT count(*) FROM ticket") == 3


async def test_a_limit_holds_however_many_ask(database: Database, work: Work) -> None:
    """Twenty requests at once for a member who may hold two; other members are not in the way."""
    draw_id, member_id, other_id = (
        await an_open_draw(work, tickets_per_member=2),
        await a_member(work),
        await a_member(work),
    )
    async with a_crowd_of_connections(database):
        outcomes = await asyncio.gather(
            *(_outcome(work, draw_id, member_id) for _ in range(20)), _outcome(work, draw_id, other_id)
        )
    assert sorted(outcomes) == ["TicketBought"] * 3 + ["TicketLimitReached"] * 18
    assert await queries.held_by_draw_ids(member_id, [draw_id]) == {draw_id: 2}


async def _outcome(work: Work, draw_id: object, member_id: object) -> str:
    try:
        return type(await buy(work, draw_id, member_id)).__name__  # type: ignore[arg-type]
    except Refusal as refusal:
        return type(refusal).__name__


async def test_a_ticket_is_never_changed_nor_taken_away(work: Work) -> None:
    """Tickets are append-only in the database."""
    await buy(work, await an_open_draw(work), await a_member(work))
    for change in ("UPDATE ticket SET points = 1", "DELETE FROM ticket"):
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await execute(change)
    assert len(await fetch("SELECT id FROM ticket")) == 1


async def test_a_member_sees_only_own_tickets(work: Work) -> None:
    """By page, by draw and by id, newest first."""
    draw_id, other_id = await an_open_draw(work), await an_open_draw(work)
    member_id, stranger_id = await a_member(work), await a_member(work)
    tickets = await bought(work, draw_id, [member_id] * 3) + await bought(work, other_id, [member_id])
    (foreign,) = await bought(work, draw_id, [stranger_id])
    page = await queries.tickets_page(member_id, None, 3)
    assert [ticket.id for ticket in page] == sorted(tickets, reverse=True)[:3]
    assert [ticket.id for ticket in await queries.tickets_page(member_id, page[-1].id, 3)] == [min(tickets)]
    assert [ticket.id for ticket in await queries.tickets_page(member_id, None, 9, other_id)] == [tickets[3]]
    assert (await queries.tickets_by_ids(member_id, [foreign, tickets[0]])).keys() == {tickets[0]}
