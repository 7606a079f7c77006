"""Ten thousand grants, a worker killed again and again: every prize arrives exactly once."""

from __future__ import annotations

from gamification.core.clock import FixedClock
from gamification.core.database import fetch_row, fetch_value
from gamification.core.work import Work
from gamification.draws.queries import DrawState
from tests.databases import Database
from tests.draws.builders import DAY, a_prize, an_open_draw, bought, drawn, members_with
from tests.draws.processes import a_relay, a_worker, progress, until_granted

TICKETS, MEMBERS = 10_000, 1_000
KILLED_AT = (100, 2_500, 5_000, 7_500, 9_900)
"""Grants after which a worker dies: from 1 % to 99 %."""


async def test_a_killed_worker_settles_ten_thousand_grants_exactly_once(
    database: Database, work: Work, clock: FixedClock, redis_url: str
) -> None:
    """SIGKILL at five points between 1 % and 99 %; each time another worker goes on where the last one died."""
    draw_id = await an_open_draw(work, a_prize(500, 10), a_prize(20, 990), a_prize(3, 9_000))
    members = await members_with(work, [50 * TICKETS // MEMBERS] * MEMBERS)
    await bought(work, draw_id, members * (TICKETS // MEMBERS))
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    seen_at_death = []
    async with a_relay(redis_url, clock):
        for grants in KILLED_AT:
            async with a_worker(database.url, redis_url, clock) as worker:
                await until_granted(draw_id, grants)
                worker.kill()
            seen_at_death.append((await progress(draw_id)).state)
        async with a_worker(database.url, redis_url, clock):
            await until_granted(draw_id, TICKETS, settled=True)
    assert seen_at_death[0] == "SETTLING"
    assert await progress(draw_id) == DrawState(draw_id, "SETTLED", TICKETS, TICKETS, 0)
    points = 10 * 500 + 990 * 20 + 9_000 * 3
    row = await fetch_row(
        """SELECT count(*), count(DISTINCT source_id), sum(available_delta)::bigint FROM entry
           WHERE source_type = 'draw_win'"""
    )
    assert row is not None and tuple(row) == (TICKETS, TICKETS, points)
    assert await fetch_value("SELECT sum(available)::bigint FROM account WHERE currency = 'POINTS'") == points
    assert await fetch_value("SELECT attempts FROM outbox WHERE job = 'draws.settle'") >= 2
