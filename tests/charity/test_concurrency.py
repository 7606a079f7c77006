"""Many give at once, over connections of their own."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from gamification.charity import service as charity
from gamification.charity.errors import CampaignNotOpen, GoalReached, MonthlyCapReached
from gamification.core.work import Work
from gamification.points.errors import InsufficientPoints
from tests.charity.builders import OPERATOR, a_campaign, a_member, give, rows_written
from tests.checkins.builders import a_crowd_of_connections
from tests.databases import Database


async def at_once(
    database: Database, work: Work, campaign_id: UUID, donors: list[UUID], **given: Any
) -> tuple[list[charity.Donated], list[BaseException]]:
    """One unit from each donor, side by side; who gave and who was refused."""
    async with a_crowd_of_connections(database):
        outcomes = await asyncio.gather(
            *(give(work, campaign_id, member_id, **given) for member_id in donors), return_exceptions=True
        )
    done = [each for each in outcomes if isinstance(each, charity.Donated)]
    return done, [each for each in outcomes if isinstance(each, BaseException)]


async def test_thirty_at_once_do_not_pass_the_goal(database: Database, work: Work) -> None:
    """Of thirty members who give to a goal of ten, ten do; the others keep their points and read that none is left."""
    campaign_id = await a_campaign(work, goal_units=10)
    donors = [await a_member(work, 1_000) for _ in range(30)]
    done, refused = await at_once(database, work, campaign_id, donors)
    assert len(done) == 10
    assert [(type(each), each.remaining_units) for each in refused if isinstance(each, GoalReached)] == [
        (GoalReached, 0)
    ] * 20
    assert await rows_written() == {
        "donations": 10, "certificates": 10, "entries": 10, "pledged": 10, "available": 20_000, "allocations": 10,
    }  # fmt: skip


async def test_a_member_does_not_pass_the_months_limit_by_haste(database: Database, work: Work) -> None:
    """Twelve taps under keys of their own against a limit of three: three donations."""
    campaign_id, member_id = await a_campaign(work, monthly_units_max=3), await a_member(work, 20_000)
    done, refused = await at_once(database, work, campaign_id, [member_id] * 12)
    assert len(done) == 3
    assert [each.used for each in refused if isinstance(each, MonthlyCapReached)] == [3] * 9
    assert (await rows_written())["available"] == 17_000


async def test_the_last_points_are_spent_once(database: Database, work: Work) -> None:
    """Ten taps with points for one donation: one donation, nine refusals, nothing left."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 1_000)
    done, refused = await at_once(database, work, campaign_id, [member_id] * 10)
    assert len(done) == 1
    assert [each.available for each in refused if isinstance(each, InsufficientPoints)] == [0] * 9
    assert (await rows_written())["available"] == 0


async def test_taps_under_one_key_are_one_donation(database: Database, work: Work) -> None:
    """Ten parallel requests with the same key are all answered with the one donation."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 20_000)
    done, refused = await at_once(database, work, campaign_id, [member_id] * 10, key="tap")
    assert (len(done), len(set(done)), refused) == (10, 1, [])
    assert (await rows_written())["pledged"] == 1


async def test_closing_amid_donations_leaves_none_half_done(database: Database, work: Work) -> None:
    """Staff close a campaign while members give: each donation is whole or refused."""
    campaign_id = await a_campaign(work)
    donors = [await a_member(work, 1_000) for _ in range(20)]

    async def close() -> None:
        await charity.close_campaign(campaign_id=campaign_id, reason="协议终止", actor=OPERATOR, now=work.clock.now())

    closing = asyncio.create_task(close())
    done, refused = await at_once(database, work, campaign_id, donors)
    await closing
    assert len(done) + len(refused) == 20 and all(isinstance(each, CampaignNotOpen) for each in refused)
    written = await rows_written()
    assert (written["pledged"], written["available"]) == (len(done), 1_000 * len(refused))
