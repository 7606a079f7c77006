"""Closing and drawing: no sale is in flight, numbers have no gaps, the root and the winners are final."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.core.merkle import proves_inclusion
from gamification.core.work import Work
from gamification.draws import proofs, queries
from gamification.draws import service as draws
from gamification.draws.errors import DrawNotOpen
from gamification.draws.rules import PrizeUnits, Win, choose_winners
from gamification.draws.service import closing
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    a_crowd_of_connections,
    a_member,
    a_prize,
    an_open_draw,
    available,
    bought,
    buy,
    draw_row,
    drawn,
    members_with,
    rows_written,
)


async def test_a_draw_closes_at_its_time_and_not_before(work: Work, clock: FixedClock) -> None:
    """A closing that comes early changes nothing; one that comes twice closes once."""
    draw_id = await an_open_draw(work)
    await bought(work, draw_id, [await a_member(work)])
    before = await rows_written()
    assert not await draws.close_draw(work, draw_id=draw_id)
    assert await rows_written() == before
    clock.advance(DAY)
    assert [await draws.close_draw(work, draw_id=draw_id) for _ in range(2)] == [True, False]
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["tickets"], draw["closed_at"]) == ("CLOSED", 1, clock.now())
    assert await fetch_value("SELECT count(*) FROM outbox WHERE job = 'draws.draw'") == 1


async def test_tickets_are_numbered_in_the_order_of_their_ids(work: Work, clock: FixedClock) -> None:
    """From 1 without gaps; a member has one pseudonym in a draw, and another in the next."""
    members = [await a_member(work), await a_member(work)]
    first_id, second_id = await an_open_draw(work), await an_open_draw(work)
    tickets = await bought(work, first_id, [*members, members[0]])
    await bought(work, second_id, members)
    clock.advance(DAY)
    for draw_id in (first_id, second_id):
        await draws.close_draw(work, draw_id=draw_id)
    lines = await proofs.lines_between(first_id, 1, 10)
    assert [(line.number, line.ticket_id) for line in lines] == list(enumerate(sorted(tickets), 1))
    buyer_of = {line.ticket_id: line.buyer for line in lines}
    assert buyer_of[tickets[0]] == buyer_of[tickets[2]] != buyer_of[tickets[1]]
    others = {line.buyer for line in await proofs.lines_between(second_id, 1, 10)}
    assert len(others) == 2 and not others & set(buyer_of.values())


@pytest.mark.parametrize("pages", [1, 2])
async def test_every_ticket_is_proved_by_the_published_root(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """Also where the list has more than one run of leaves, in one page of the numbering or in two; a number that was
    not given has no proof."""
    monkeypatch.setattr(closing, "ROWS_PER_STATEMENT", proofs.LEAVES_PER_SUBTREE * (3 - pages))
    members = await members_with(work, [5000] * 15)
    draw_id = await an_open_draw(work)
    await bought(work, draw_id, members * 70)  # 1,050 tickets: a run of 1,024 and a rest of 26
    clock.advance(DAY)
    assert await proofs.inclusion_of(draw_id, 1) is None
    await draws.close_draw(work, draw_id=draw_id)
    for number in (1, 2, 1023, 1024, 1025, 1050):
        proof = await proofs.inclusion_of(draw_id, number)
        assert proof is not None and (proof.line.number, proof.index, proof.size) == (number, number - 1, 1050)
        leaf = proofs.hash_of(draw_id, proof.line)
        assert proves_inclusion(leaf, proof.index, proof.size, proof.siblings, proof.root)
        assert not proves_inclusion(leaf, (number + 1) % 1050, proof.size, proof.siblings, proof.root)
    assert [await proofs.inclusion_of(draw_id, number) for number in (0, 1051)] == [None, None]


async def test_no_sale_slips_past_a_closing(database: Database, work: Work, clock: FixedClock) -> None:
    """Forty buyers race a closing: who holds a receipt has a number, who has none kept the points."""
    draw_id = await an_open_draw(work)
    members = await members_with(work, [50] * 40)
    clock.set(clock.now() + DAY)
    early = Work(clock=FixedClock(clock.now() - DAY / 2), ledger=work.ledger, policies=work.policies)
    async with a_crowd_of_connections(database):
        sales = [asyncio.create_task(_try_to_buy(early, draw_id, each)) for each in members]
        await asyncio.sleep(0)
        closing = asyncio.create_task(draws.close_draw(work, draw_id=draw_id))
        answers = await asyncio.gather(*sales)
        assert await closing
    receipts = {answer.ticket_id for answer in answers if answer is not None}
    numbered = {line.ticket_id for line in await proofs.lines_between(draw_id, 1, 99)}
    assert receipts == numbered
    for member_id, answer in zip(members, answers, strict=True):
        assert await available(member_id) == (50 if answer is None else 0)
    assert await draws.close_draw(work, draw_id=draw_id) is False


async def _try_to_buy(work: Work, draw_id: object, member_id: object) -> draws.TicketBought | None:
    try:
        return await buy(work, draw_id, member_id)  # type: ignore[arg-type]
    except DrawNotOpen:
        return None


async def test_a_sale_decided_before_the_closing_is_decided_again(work: Work, clock: FixedClock) -> None:
    """The write itself checks that the draw is still open: a decision on stale rows ends as a refusal, unwritten."""
    draw_id, member_id = await an_open_draw(work), await a_member(work)
    early = Work(clock=FixedClock(clock.now()), ledger=work.ledger, policies=work.policies)
    clock.advance(DAY)
    write = early._write
    seen: list[int] = []

    async def closing_in_between(drafts: list[object], *, wait: bool) -> object:
        seen.append(len(drafts))
        if len(seen) == 1:
            await draws.close_draw(work, draw_id=draw_id)
        return await write(drafts, wait=wait)  # type: ignore[arg-type]

    early._write = closing_in_between  # type: ignore[method-assign, assignment]
    with pytest.raises(DrawNotOpen) as refusal:
        await buy(early, draw_id, member_id)
    assert refusal.value.state == "VOIDED" and await available(member_id) == 1000  # no ticket: the draw is void
    assert await fetch("SELECT id FROM ticket") == []


async def test_winners_are_those_of_the_published_list(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit per member: read in pages and packed, the buyers are those that the rule is given."""
    draw_id = await an_open_draw(work, a_prize(500, 3, 1), a_prize(20, 9))
    members = await members_with(work, [400] * 4)
    await bought(work, draw_id, members * 7)
    clock.advance(DAY)
    await draws.close_draw(work, draw_id=draw_id)
    monkeypatch.setattr(closing, "ROWS_PER_STATEMENT", 5)
    assert await draws.draw_winners(work, draw_id=draw_id)
    rows = await fetch("SELECT rank, number, prize_place FROM draw_win WHERE draw_id = $1 ORDER BY rank", draw_id)
    buyers = [line.buyer for line in await proofs.lines_between(draw_id, 1, 28)]
    seed = (await draw_row(draw_id))["seed"]
    assert [Win(*row) for row in rows] == choose_winners(
        seed, draw_id, buyers, [PrizeUnits(1, 3, 1), PrizeUnits(2, 9, None)]
    ).wins
    assert len(rows) == 12 and len({buyers[row["number"] - 1] for row in rows[:3]}) == 3


async def test_winners_are_drawn_once(work: Work, clock: FixedClock) -> None:
    """The seed is revealed with them; a second drawing changes nothing, and no win can be written over."""
    draw_id = await an_open_draw(work, a_prize(500, 1), a_prize(20, 3, 1))
    members = await members_with(work, [100] * 6)
    await bought(work, draw_id, members + members)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    draw, before = await draw_row(draw_id), await rows_written()
    assert (draw["state"], draw["wins"], draw["unawarded"], len(draw["seed"])) == ("DRAWN", 4, 0, 32)
    assert not await draws.draw_winners(work, draw_id=draw_id)
    assert (await draw_row(draw_id), await rows_written()) == (draw, before)
    for change in ("UPDATE draw_win SET points = 1", "DELETE FROM draw_win", "UPDATE ticket_number SET number = 99"):
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await execute(change)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE draw SET wins = 3, unawarded = 1")


async def test_two_drawings_at_once_are_as_good_as_one(database: Database, work: Work, clock: FixedClock) -> None:
    """Both choose the same winners; one writes them."""
    draw_id = await an_open_draw(work, a_prize(20, 5))
    await bought(work, draw_id, await members_with(work, [50] * 9))
    clock.advance(DAY)
    await draws.close_draw(work, draw_id=draw_id)
    async with a_crowd_of_connections(database):
        outcomes = await asyncio.gather(*(draws.draw_winners(work, draw_id=draw_id) for _ in range(4)))
    assert sorted(outcomes) == [False, False, False, True]
    assert await fetch_value("SELECT count(*) FROM draw_win") == 5


async def test_fewer_tickets_than_prizes_leave_the_rest_unawarded(work: Work, clock: FixedClock) -> None:
    """It is recorded how many."""
    draw_id = await an_open_draw(work, a_prize(100, 2), a_prize(20, 5))
    await bought(work, draw_id, await members_with(work, [50] * 3))
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    draw = await draw_row(draw_id)
    assert (draw["tickets"], draw["wins"], draw["unawarded"]) == (3, 3, 4)
    winners = (await queries.winner_pages([draw_id], None, 10))[draw_id]
    assert [(winner.rank, winner.prize_place, winner.points) for winner in winners] == [
        (1, 1, 100),
        (2, 1, 100),
        (3, 2, 20),
    ]
    assert {winner.name for winner in winners} == {"美**"}
    assert [winner.rank for winner in (await queries.winner_pages([draw_id], 2, 10))[draw_id]] == [3]


async def test_a_draw_without_tickets_may_be_settled_where_its_minimum_is_none(work: Work, clock: FixedClock) -> None:
    """With `tickets_min` 0 nobody wins, and everything is unawarded."""
    draw_id = await an_open_draw(work, a_prize(100, 2), tickets_min=0)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    draw = await draw_row(draw_id)
    assert (draw["tickets"], draw["wins"], draw["unawarded"]) == (0, 0, 2)
