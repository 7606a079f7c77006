"""Plays from processes of their own, one of which is killed amid them: nothing answered is lost, nothing oversold."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.databases import Database
from tests.draws.builders import available, members_with
from tests.instant_draws.builders import a_draw, a_prize, a_table, play, plays_of

ROOT = Path(__file__).parents[2]
STOCK, PLAYS_EACH = 40, 6
SCARCE = a_table(a_prize(100, 1_000_000, stock=STOCK), play_points=1)
HANGS_AFTER_SECONDS = 300
"""Only keeps a broken product from hanging the run."""
Answer = tuple[str, int, int]


async def playing(
    database: Database, clock: FixedClock, draw_id: UUID, members: Sequence[UUID], *, dies_after: int = 0
) -> tuple[int | None, list[Answer]]:
    """How a process of these members ended, and what it was answered: key, number of the play, place given."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.instant_draws.playing_process", database.url, clock.now().isoformat(),
        str(draw_id), str(PLAYS_EACH), str(dies_after), *map(str, members), cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(HANGS_AFTER_SECONDS):
        printed, _ = await process.communicate()
    lines = [line.split() for line in printed.decode().splitlines()]
    return process.returncode, [(key, int(number), int(given)) for key, number, given in lines]


@pytest.mark.parametrize("dies_after", [1, 7, 30])
async def test_a_process_that_is_killed_amid_plays_loses_and_oversells_nothing(
    database: Database, work: Work, clock: FixedClock, dies_after: int
) -> None:
    """What was answered is there; each key again gives the same play; exactly the stock is given to two processes."""
    draw_id, members = await a_draw(work, SCARCE), await members_with(work, [PLAYS_EACH] * 24)
    (died, lost), (ended, served) = await asyncio.gather(
        playing(database, clock, draw_id, members[:12], dies_after=dies_after),
        playing(database, clock, draw_id, members[12:]),
    )
    assert (died, ended, len(lost), len(served)) == (-signal.SIGKILL, 0, dies_after, 12 * PLAYS_EACH)
    again = [
        (key, done.number, done.given)
        for each in members
        for key in [f"{each}-{turn}" for turn in range(PLAYS_EACH)]
        for done in [await play(work, draw_id, each, key)]
    ]
    assert set(lost) | set(served) <= set(again)
    rows = await plays_of(draw_id)
    assert Counter((row.given, row.reason) for row in rows) == {(1, None): STOCK, (2, "STOCK"): len(again) - STOCK}
    assert {(row.member_id, row.number) for row in rows} == {(each, turn) for each in members for turn in range(1, 7)}
    assert sum([await available(each) for each in members]) == STOCK * 100
