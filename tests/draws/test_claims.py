"""Prizes that are claimed: by their winner, in time, once, and never after they have lapsed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.errors import NotFound
from gamification.core.work import Work
from gamification.draws import queries
from gamification.draws import service as draws
from gamification.draws.errors import ClaimLapsed, DrawStateRefused
from gamification.draws.queries import DrawState
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    HOUR_SECONDS,
    a_crowd_of_connections,
    a_draw_to_claim,
    a_prize,
    an_open_draw,
    available,
    bought,
    claim,
    draw_row,
    drawn,
    lapse,
    members_with,
    rows_written,
    settled,
    wins_of,
)

HOUR = timedelta(seconds=HOUR_SECONDS)


async def test_a_winner_claims_and_is_paid_at_once(work: Work, clock: FixedClock) -> None:
    """Entry, lot and grant in one write; the same claim again, also when the time is long over, answers the same."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500, 2))
    first, second = await wins_of(draw_id)
    assert [each["claim_until"] for each in (first, second)] == [clock.now() + HOUR] * 2
    clock.advance(HOUR / 2)
    answer = await claim(work, first)
    assert answer == draws.PrizeClaimed(draw_id, 1, 1, 500, 3, 500, clock.now())
    assert (await available(first["member_id"]), await available(second["member_id"])) == (500, 0)
    assert await queries.draw_states([draw_id]) == {draw_id: DrawState(draw_id, "SETTLING", 2, 1, 0)}
    before = await rows_written()
    assert await claim(work, first) == answer
    clock.advance(DAY)
    assert await claim(work, first) == answer
    assert await rows_written() == before
    assert await lapse(work, draw_id) == 1
    assert await claim(work, first) == answer
    (entry,) = await fetch("SELECT kind, source_id, available_delta FROM entry WHERE source_type = 'draw_win'")
    assert tuple(entry) == ("ACCRUAL", f"{draw_id}:1", 500)


async def test_settlement_grants_nothing_that_has_to_be_claimed(work: Work, clock: FixedClock) -> None:
    """However often it runs; the draw stays SETTLING, and is settled when the last prize is claimed and swept up."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500, 2))
    await settled(work, draw_id)
    assert (await draw_row(draw_id))["state"] == "SETTLING"
    assert await fetch_value("SELECT count(*) FROM draw_grant") == 0
    for win in await wins_of(draw_id):
        assert await queries.draws_due_to_lapse(clock.now(), 10) == []
        await claim(work, win)
    assert await queries.draws_due_to_lapse(clock.now(), 10) == [draw_id]
    assert await lapse(work, draw_id) == 0
    assert await queries.draw_states([draw_id]) == {draw_id: DrawState(draw_id, "SETTLED", 2, 2, 0)}
    assert await queries.draws_due_to_lapse(clock.now(), 10) == []


async def test_nobody_claims_what_somebody_else_won(work: Work, clock: FixedClock) -> None:
    """It is not there for them: neither another's win nor a rank or draw that does not exist; nothing changes."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500, 2))
    first, second = await wins_of(draw_id)
    before = await rows_written()
    for draw, rank in ((draw_id, 1), (draw_id, 3), (draw_id, 0), (first["ticket_id"], 2)):
        with pytest.raises(NotFound):
            await claim(work, {**second, "draw_id": draw, "rank": rank})
    assert await rows_written() == before


async def test_a_claim_comes_too_late_at_its_instant(work: Work, clock: FixedClock) -> None:
    """Before any job has noticed: the refusal says until when, and nothing changes."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500))
    (win,) = await wins_of(draw_id)
    clock.advance(HOUR)
    before = await rows_written()
    with pytest.raises(ClaimLapsed) as refusal:
        await claim(work, win)
    assert (refusal.value.rank, refusal.value.claim_until) == (1, clock.now())
    assert await rows_written() == before
    clock.set(clock.now() - timedelta(microseconds=1))
    assert (await claim(work, win)).available == 500


async def test_a_draw_that_grants_by_itself_has_nothing_to_claim(work: Work, clock: FixedClock) -> None:
    """The claim is refused while the grant is on its way, and answered with it afterwards."""
    draw_id = await an_open_draw(work, a_prize(500))
    await bought(work, draw_id, await members_with(work, [50]))
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    (win,) = await wins_of(draw_id)
    before = await rows_written()
    with pytest.raises(DrawStateRefused) as refusal:
        await claim(work, win)
    assert (refusal.value.state, refusal.value.verb) == ("DRAWN", "claim")
    assert await rows_written() == before
    await settled(work, draw_id)
    assert await claim(work, win) == draws.PrizeClaimed(draw_id, 1, 1, 500, 3, 500, clock.now())


async def test_many_claims_of_one_win_at_once_pay_once(database: Database, work: Work, clock: FixedClock) -> None:
    """All are answered the same."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500))
    (win,) = await wins_of(draw_id)
    async with a_crowd_of_connections(database):
        answers = await asyncio.gather(*(claim(work, win) for _ in range(20)))
    assert set(answers) == {answers[0]} and await available(win["member_id"]) == 500
    assert await fetch_value("SELECT count(*) FROM draw_grant") == 1


async def test_several_wins_are_claimed_in_one_write(work: Work, clock: FixedClock) -> None:
    """Each under its own key, the second on the balance of the first."""
    draw_id = await an_open_draw(work, a_prize(30, 2), claim_seconds=HOUR_SECONDS)
    (member_id,) = await members_with(work, [100])
    await bought(work, draw_id, [member_id] * 2)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    claims = [
        draws.ClaimPrize(member_id=member_id, actor=Actor("member", member_id), draw_id=draw_id, rank=rank)
        for rank in (1, 2, 1)
    ]
    answers = await work.perform_all(draws.CLAIM_PRIZE, claims)
    assert [(each.rank, each.available) for each in answers if isinstance(each, draws.PrizeClaimed)] == [
        (1, 30), (2, 60), (1, 30),
    ]  # fmt: skip


async def test_a_claim_decided_before_the_lapse_is_not_written_after_it(work: Work, clock: FixedClock) -> None:
    """The write itself checks that claims are still open: the prize is the reserve's, and the claim is refused."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500), reserves=2)
    (win,) = await wins_of(draw_id)
    early = Work(clock=FixedClock(clock.now()), ledger=work.ledger, policies=work.policies)
    clock.advance(HOUR)
    write = early._write
    lapsed: list[int] = []

    async def lapsing_in_between(drafts: list[object], *, wait: bool) -> object:
        if not lapsed:
            lapsed.append(await lapse(work, draw_id))
        return await write(drafts, wait=wait)  # type: ignore[arg-type]

    early._write = lapsing_in_between  # type: ignore[method-assign, assignment]
    with pytest.raises(ClaimLapsed):
        await claim(early, win)
    assert lapsed == [1] and await fetch_value("SELECT count(*) FROM draw_grant") == 0
    promoted = (await wins_of(draw_id))[1]
    assert (await claim(early, promoted)).points == 500, "a clock that is behind claims what is open all the same"


async def test_claims_and_lapses_at_once_leave_each_prize_one_fate(
    database: Database, work: Work, clock: FixedClock
) -> None:
    """Thirty winners race the job that ends their claims: who has an answer is paid, the others' prizes lapse."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(5, 30), tickets=40, reserves=5)
    wins = await wins_of(draw_id)
    early = Work(clock=FixedClock(clock.now()), ledger=work.ledger, policies=work.policies)
    clock.advance(HOUR)
    async with a_crowd_of_connections(database):
        claims = [asyncio.create_task(_try_to_claim(early, win)) for win in wins]
        await asyncio.sleep(0)
        lapsed = asyncio.create_task(lapse(work, draw_id))
        answers = await asyncio.gather(*claims)
        assert await lapsed == answers.count(False)
    paid = {row["rank"] for row in await fetch("SELECT rank FROM draw_grant")}
    assert paid == {win["rank"] for win, answer in zip(wins, answers, strict=True) if answer}
    booked = {row["rank"] for row in await fetch("SELECT rank FROM draw_lapse")}
    assert paid.isdisjoint(booked) and paid | booked == set(range(1, 31))


async def _try_to_claim(work: Work, win: object) -> bool:
    try:
        await claim(work, win)
    except ClaimLapsed:
        return False
    return True
