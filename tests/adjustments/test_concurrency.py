"""Many of the staff at once, over connections of their own: everything happens once, and within its limit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from gamification.adjustments import service as adjustments
from gamification.adjustments.errors import AdjustmentNotOpen
from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.errors import IdempotencyConflict
from gamification.core.work import Work
from gamification.points.errors import InsufficientPoints
from tests.adjustments.builders import actions, adjust, approve, hire, line_of, reject, waive, withdraw
from tests.builders import a_crowd_of_connections, a_member, booked, claw_back, entries, rows_in, some_members, spend
from tests.databases import Database

FRIDAY = datetime.fromisoformat("2026-03-06T00:00:00+08:00")


async def at_once(database: Database, *attempts: Awaitable[Any]) -> list[Any]:
    """What becomes of attempts that really run side by side."""
    async with a_crowd_of_connections(database):
        return await asyncio.gather(*attempts, return_exceptions=True)


def kinds(outcomes: list[Any]) -> Counter[str]:
    return Counter(type(each).__name__ for each in outcomes)


async def test_two_approvers_at_once_post_once(database: Database, work: Work, clock: FixedClock, lin: Actor) -> None:
    """Of four people who tap twice each, one approves; that one is answered twice, the others read POSTED."""
    mei = await a_member(clock)
    people = [await hire(clock, name) for name in ("zhou", "wang", "qin", "bao")]
    made = await adjust(work, mei, 500, lin)
    outcomes = await at_once(database, *(approve(work, made, each) for each in people * 2))
    assert kinds(outcomes) == {"AdjustmentLine": 2, "AdjustmentNotOpen": 6}
    assert {each.state for each in outcomes} == {"POSTED"}
    assert await entries(mei) == [("ADJUSTMENT", 500)] and await actions() == ["proposed", "approved"]


async def test_a_proposal_ends_once_whoever_is_first(
    database: Database, work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """Approval, rejection and withdrawal of ten proposals at once: each ends one way, and is posted if approved."""
    mei, wang = await a_member(clock), await hire(clock, "wang")
    made = [await adjust(work, mei, 500, lin) for _ in range(10)]
    steps = [(approve, zhou), (reject, wang), (withdraw, lin)]
    outcomes = await at_once(database, *(step(work, each, by) for each in made for step, by in steps))
    assert kinds(outcomes) == {"AdjustmentLine": 10, "AdjustmentNotOpen": 20}
    ends = Counter([(await line_of(each)).state for each in made])
    assert sum(ends.values()) == 10 and ends["PROPOSED"] == 0
    assert await booked(mei) == (500 * ends["POSTED"], 0, 0)
    assert Counter(await actions()) == {
        name: number
        for name, number in {
            "proposed": 10, "approved": ends["POSTED"], "rejected": ends["REJECTED"], "withdrawn": ends["WITHDRAWN"],
        }.items()
        if number
    }  # fmt: skip


async def test_taps_under_one_key_are_one_adjustment(
    database: Database, work: Work, clock: FixedClock, lin: Actor
) -> None:
    """Ten parallel requests with the same key are all answered with the one adjustment, and audited once."""
    mei = await a_member(clock)
    outcomes = await at_once(database, *(adjust(work, mei, 50, lin, key="tap") for _ in range(10)))
    assert kinds(outcomes) == {"Adjusted": 10} and len({each.adjustment_id for each in outcomes}) == 1
    assert await entries(mei) == [("ADJUSTMENT", 50)] and await actions() == ["posted"]


async def test_one_key_for_two_members_at_once_adjusts_one(
    database: Database, work: Work, clock: FixedClock, lin: Actor
) -> None:
    """Whichever comes second is a conflict, not a fault."""
    members = await some_members(clock, 8)
    outcomes = await at_once(database, *(adjust(work, each, 5, lin, key="tap") for each in members))
    assert kinds(outcomes) == {"Adjusted": 1, "IdempotencyConflict": 7}
    assert all(each.key == "tap" for each in outcomes if isinstance(each, IdempotencyConflict))
    assert await rows_in("adjustment") == 1 and await actions() == ["posted"]


async def test_the_days_allowance_is_not_passed_by_haste(
    database: Database, work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """Twelve changes of 50 for twelve members at once under 250 a day: five are posted; another's day is another's."""
    members = await some_members(clock, 12)
    outcomes = await at_once(
        database,
        *(adjust(work, each, 50, lin) for each in members),
        *(adjust(work, each, 50, zhou) for each in members),
    )
    states = Counter((each.state, each.because) for each in outcomes)
    assert states == {("POSTED", None): 10, ("PROPOSED", "DAY_ALLOWANCE_USED"): 14}


async def test_adjustments_beside_spending_never_overdraw(
    database: Database, work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """Of a hundred points either spenders or staff get the last ones; who is too late reads what was left."""
    mei = await a_member(clock, points=100)
    attempts = [adjust(work, mei, -20, by) for by in (lin, zhou) * 4] + [spend(work, mei, 20) for _ in range(8)]
    outcomes = await at_once(database, *attempts)
    refused = [each for each in outcomes if isinstance(each, InsufficientPoints)]
    assert len(refused) == 11 and all(each.available < 20 for each in refused)
    assert await booked(mei) == (0, 0, 0)


async def test_debt_is_waived_once(database: Database, work: Work, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """Two waive the whole debt at once: one does, the other reads that there is nothing to waive."""
    mei = await a_member(clock)
    await claw_back(work, mei, 80)
    outcomes = await at_once(database, waive(work, mei, None, lin), waive(work, mei, None, zhou))
    assert kinds(outcomes) == {"Adjusted": 1, "NothingToWaive": 1}
    assert await entries(mei) == [("CLAW_BACK", -80), ("DEBT_WAIVER", 80)] and await actions() == ["posted"]


async def test_two_sweeps_beside_late_deciders_book_each_lapse_once(
    database: Database, work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """At the instant at which twelve proposals lapse nobody decides any more, and each is booked once."""
    made = [await adjust(work, await a_member(clock), 500, lin) for _ in range(12)]
    clock.set(FRIDAY)
    outcomes = await at_once(
        database,
        *(adjustments.lapse_due(now=clock.now(), limit=100) for _ in range(3)),
        *(approve(work, each, zhou) for each in made),
    )
    assert all(isinstance(each, AdjustmentNotOpen) and each.state == "LAPSED" for each in outcomes[3:])
    await adjustments.lapse_due(now=clock.now(), limit=100)
    assert {(await line_of(each)).state for each in made} == {"LAPSED"}
    assert Counter(await actions()) == {"proposed": 12, "lapsed": 12}


async def test_the_sweep_passes_over_what_somebody_holds(
    database: Database, work: Work, clock: FixedClock, lin: Actor
) -> None:
    """A proposal that another transaction has locked is left for the next run; the others lapse."""
    held, free = [await adjust(work, await a_member(clock), 500, lin) for _ in range(2)]
    clock.set(FRIDAY + timedelta(hours=1))
    owner = await asyncpg.connect(database.url)
    async with owner.transaction():
        await owner.execute("SELECT FROM adjustment WHERE id = $1 FOR UPDATE", held.adjustment_id)
        assert await adjustments.lapse_due(now=clock.now(), limit=100) == 1
    await owner.close()
    assert [(await line_of(made)).state for made in (held, free)] == ["PROPOSED", "LAPSED"]
    assert await adjustments.lapse_due(now=clock.now(), limit=100) == 1
