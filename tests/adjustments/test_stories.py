"""What adjustments do to a member's points over time, told as tables."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.points.rules import Expiry, PointsPolicy
from tests.adjustments.builders import adjust, an_office, waive
from tests.builders import a_member, a_work, balance, claw_back, earn, spend
from tests.points.stories import tell

DEBT = """
step               | available | pending | debt | lots
earn 40            | 40        | 0       | 0    | 40
revoke 100         | 0         | 0       | 60   | none
waive 10           | 0         | 0       | 50   | none
adjust 30          | 0         | 0       | 20   | none
adjust 25          | 5         | 0       | 0    | 5
revoke 20          | 0         | 0       | 15   | none
waive all          | 0         | 0       | 0    | none
adjust 7           | 7         | 0       | 0    | 7
"""

SOONEST_FIRST = """
step               | available | pending | debt | lots
earn 50 for ever   | 50        | 0       | 0    | 50
adjust 20          | 70        | 0       | 0    | 20 50
a day passes       | 70        | 0       | 0    | 20 50
adjust 10          | 80        | 0       | 0    | 20 10 50
adjust -25         | 55        | 0       | 0    | 5 50
2 days pass        | 55        | 0       | 0    | 5 50
adjust -1          | 54        | 0       | 0    | 4 50
1 day passes       | 50        | 0       | 0    | 4 50
spend 50           | 0         | 0       | 0    | none
"""

WAITING = """
step               | available | pending | debt | lots
revoke 10          | 0         | 0       | 10   | none
adjust 30          | 0         | 30      | 10   | 30
waive 4            | 0         | 30      | 6    | 30
a day passes       | 24        | 0       | 0    | 30
adjust -20         | 4         | 0       | 0    | 4
"""


@pytest.mark.parametrize(
    ("story", "policy"),
    [
        (DEBT, PointsPolicy()),
        (SOONEST_FIRST, PointsPolicy(Expiry(2, "day"))),
        (WAITING, PointsPolicy(activation_days=1)),
    ],
    ids=["debt is repaid and waived", "soonest expiry first", "points that wait"],
)
async def test_a_story_of_adjustments(
    work: Work, clock: FixedClock, lin: Actor, story: str, policy: PointsPolicy
) -> None:
    """Points up live as the policy says and repay debt first, points down take the soonest expiry first."""
    office, mei = an_office(clock, points=policy), await a_member(clock)

    async def step(words: str) -> object:
        match words.split():
            case ["adjust", points]:
                return await adjust(office, mei, int(points), lin)
            case ["waive", points]:
                return await waive(office, mei, None if points == "all" else int(points), lin)
            case ["earn", points, *_]:
                return await earn(a_work(clock, PointsPolicy()), mei, int(points))
            case ["spend", points]:
                return await spend(office, mei, int(points))
            case ["revoke", points]:
                return await claw_back(office, mei, int(points), order_id=new_id())
            case [days, *_]:
                clock.advance(timedelta(days=1 if days == "a" else int(days)))
        return None

    await tell(office, mei, story, step)


async def test_lifetime_figures_add_up(work: Work, clock: FixedClock, lin: Actor) -> None:
    """What staff take counts as revoked and not as used, what they waive as never taken back; the sum stays true."""
    mei = await a_member(clock, points=50)
    await adjust(work, mei, 20, lin)
    await adjust(work, mei, -30, lin)
    await claw_back(work, mei, 100)
    await waive(work, mei, 45, lin)
    now = await balance(work, mei)
    assert (now.accrued, now.redeemed, now.expired, now.revoked) == (70, 0, 0, 85)
    assert (now.available, now.debt) == (0, 15)
    assert now.accrued - now.redeemed - now.expired - now.revoked == now.available + now.pending - now.debt
