"""What a draw came to stays readable, whatever becomes of its members."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute
from gamification.core.work import Work
from gamification.draws import queries
from tests.draws.builders import DAY, a_prize, an_open_draw, bought, drawn, members_with, settled
from tests.draws.test_verifier import exported


async def the_archive(draw_id: UUID) -> tuple[Any, Any]:
    """The published list and results, without the masked names."""
    winners = (await queries.winner_pages([draw_id], None, 10))[draw_id]
    return await exported(draw_id), [winner._replace(name="") for winner in winners]


@pytest.mark.parametrize(
    "fate", ["status = 'BLOCKED'", "status = 'ERASED', nickname = NULL, merged_into_id = NULL", "nickname = NULL"]
)
async def test_results_outlive_the_member(work: Work, clock: FixedClock, fate: str) -> None:
    """Blocked, erased or without a nickname: numbers, ranks, prizes and pseudonyms stay; a name is only ever masked."""
    draw_id, members = await an_open_draw(work, a_prize(20, 3)), await members_with(work, [50] * 5)
    await bought(work, draw_id, members)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    await settled(work, draw_id)
    before = await the_archive(draw_id)
    document, winners = before
    pseudonyms = {number: buyer for number, _, buyer in document["tickets"]}
    assert [winner.buyer for winner in winners] == [pseudonyms[winner.number] for winner in winners]
    assert len(winners) == 3
    assert await execute(f"UPDATE member SET {fate} WHERE id = ANY($1)", members) == 5
    assert await the_archive(draw_id) == before
    names = {winner.name for winner in (await queries.winner_pages([draw_id], None, 10))[draw_id]}
    assert names == ({"**"} if "nickname" in fate else {"美**"})
