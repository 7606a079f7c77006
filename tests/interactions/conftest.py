"""A programme with rules for interactions, and what must hold when a test has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.earning import service as earning
from gamification.earning.rulebook import Cap, Effect
from tests.builders import EARNING, FOR_EVER, TIERS, a_work, assert_invariants, publish
from tests.databases import Database
from tests.earning.rulebooks import a_rule
from tests.orders.builders import Shop, at

REVIEW = a_rule("REVIEW", Effect(fixed_points=20), trigger="REVIEW", caps=(Cap("DAY", 50),))
QUIZ = a_rule("QUIZ", Effect(fixed_points=1_000), trigger="CUSTOM", event="quiz.passed", currency="GROWTH")
EARLY = a_rule("EARLY", Effect(fixed_points=3), trigger="CHECK_IN", caps=(Cap("WEEK", None, 2),))


@pytest.fixture
async def shop(database: Database, clock: FixedClock) -> AsyncIterator[Shop]:
    """Reviews pay 20 points, 50 a day at most; a quiz 1,000 growth; the first two check-ins of a week 3 points."""
    await publish(clock, FOR_EVER, EARNING, TIERS)
    await earning.publish_rules([REVIEW, QUIZ, EARLY], actor=SYSTEM, now=clock.now())
    shop = Shop(a_work(clock))
    await shop.work.policies.refresh()
    await shop.member()
    clock.set(at("03-20"))
    yield shop
    await assert_invariants()
