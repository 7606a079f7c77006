"""A programme with something in every table of its books, and the owner's way around the guards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from gamification.checkins import service as checkins
from gamification.checkins.rules import CheckInPolicy
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.draws.rules import DrawsPolicy
from gamification.earning.rules import EarningPolicy
from gamification.members import service as members
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import SPEC_LADDER, TIERS, a_work, assert_invariants
from tests.charity.builders import a_campaign, give
from tests.databases import Database
from tests.draws.builders import a_prize, an_open_draw, buy, drawn, settled
from tests.orders.builders import Shop

LADDER = EarningPolicy(points_rate_bp=100, growth_rate_bp=100, ladder=SPEC_LADDER)


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> Work:
    """The surroundings of verbs in a programme with every policy."""
    return a_work(clock, PointsPolicy(Expiry(12, "month")), LADDER, TIERS, CheckInPolicy(), DrawsPolicy())


@pytest.fixture
async def books(work: Work, clock: FixedClock) -> UUID:
    """Books that agree: orders, a refund, check-ins, a settled draw, a donation. Returns their member."""
    shop = Shop(work)
    mei = await shop.member()
    await shop.sent(shop.order("a", 600_000, 400_000, paid="03-02"))
    await shop.sent(shop.refund("a1", "a", None, (0, 50_000), on="03-02T11:00"))
    await give(work, await a_campaign(work), mei)
    draw_id = await an_open_draw(work, a_prize(40))
    await members.declare_adult(member_id=mei, now=clock.now())
    await buy(work, draw_id, mei)
    for _ in range(2):
        await checkins.check_in(work, member_id=mei)
        clock.advance(timedelta(days=1) if clock.now().day == 2 else timedelta(0))
    await drawn(work, draw_id, clock.now())
    await settled(work, draw_id)
    await assert_invariants()
    return mei


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the database's owner with the guards out of the way."""
    connection = await asyncpg.connect(database.url)
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()
