"""Orders, refunds, debt and its repayment, told as tables."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gamification.core.clock import FixedClock
from gamification.earning.rules import EarningPolicy
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import FOR_EVER, SPEC_LADDER, TIERS, a_work, spend
from tests.orders.builders import Shop
from tests.points.stories import tell

DEBT = """
step                | available | pending | debt | lots
order A 100         | 100       | 0       | 0    | 100
order B 50          | 150       | 0       | 0    | 100 50
spend 120           | 30        | 0       | 0    | 30
refund A 50         | 0         | 0       | 20   | none
refund A 50         | 0         | 0       | 70   | none
order C 60          | 0         | 0       | 10   | none
order D 40          | 30        | 0       | 0    | 30
refund D 40         | 0         | 0       | 10   | none
refund B 50         | 0         | 0       | 60   | none
"""

LADDER = """
step                | available | pending | debt | lots
order A 100         | 100       | 0       | 0    | 100
order B 250         | 525       | 0       | 0    | 100 425
order C 200         | 1100      | 0       | 0    | 100 425 575
refund B 250        | 450       | 0       | 0    | 450
spend 450           | 0         | 0       | 0    | none
refund C 150        | 0         | 0       | 300  | none
order D 150         | 0         | 0       | 0    | none
order E 200         | 550       | 0       | 0    | 550
"""

WAITING = """
step                | available | pending | debt | lots
order A 100         | 0         | 100     | 0    | 100
order B 40          | 0         | 140     | 0    | 100 40
refund A 30         | 0         | 110     | 0    | 70 40
7 days pass         | 110       | 0       | 0    | 70 40
spend 90            | 20        | 0       | 0    | 20
refund A 70         | 0         | 0       | 50   | none
order C 60          | 0         | 60      | 50   | 60
refund C 20         | 0         | 40      | 50   | 40
7 days pass         | 0         | 0       | 10   | 40
order D 20          | 0         | 20      | 10   | 20
"""

EXPIRING = """
step                | available | pending | debt | lots
order A 100         | 100       | 0       | 0    | 100
spend 30            | 70        | 0       | 0    | 70
3 days pass         | 0         | 0       | 0    | 70
order B 50          | 50        | 0       | 0    | 50
refund A 70         | 50        | 0       | 0    | 50
refund A 30         | 20        | 0       | 0    | 20
"""


@pytest.mark.parametrize(
    ("story", "points", "earning"),
    [
        (DEBT, FOR_EVER, EarningPolicy(100, 100)),
        (LADDER, FOR_EVER, EarningPolicy(0, 100, SPEC_LADDER)),
        (WAITING, PointsPolicy(activation_days=7), EarningPolicy(100, 100)),
        (EXPIRING, PointsPolicy(Expiry(1, "day")), EarningPolicy(100, 100)),
    ],
    ids=["debt", "ladder", "waiting points", "expiring points"],
)
async def test_a_story_of_orders(
    shop: Shop, clock: FixedClock, story: str, points: PointsPolicy, earning: EarningPolicy
) -> None:
    """Yuan in, points out: after every step balances and lots are those of the table, and all invariants hold."""
    ruled = Shop(a_work(clock, points, earning, TIERS), shop.prefix)
    mei, refunds = await ruled.member(), iter(range(99))

    async def step(words: str) -> object:
        match words.split():
            case ["order", name, yuan]:
                return await ruled.sent(ruled.order(name, int(yuan) * 100))
            case ["refund", name, yuan]:
                return await ruled.sent(ruled.refund(f"R{next(refunds)}", name, int(yuan) * 100))
            case ["spend", number]:
                return await spend(ruled.work, mei, int(number))
            case [days, "days", "pass"]:
                clock.advance(timedelta(days=int(days)))
        return None

    await tell(ruled.work, mei, story, step)
