"""What happens to a member's points over time, as an auditor would tell it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gamification.core.clock import FixedClock
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.points import service
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import a_member, a_work, claw_back, earn, give_back, spend
from tests.points.stories import tell

DEBT = """
step                       | available | pending | debt | lots
earn 100 of order A        | 100       | 0       | 0    | 100
earn 50 of order B         | 150       | 0       | 0    | 100 50
spend 120                  | 30        | 0       | 0    | 30
revoke 100 of order A      | 0         | 0       | 70   | none
revoke 5 of order A        | 0         | 0       | 75   | none
earn 30 of order C         | 0         | 0       | 45   | none
earn 60 of order D         | 15        | 0       | 0    | 15
spend 15                   | 0         | 0       | 0    | none
"""

REACH = """
step                       | available | pending | debt | lots
earn 10 of order A line 0  | 10        | 0       | 0    | 10
earn 20 of order A line 1  | 30        | 0       | 0    | 10 20
earn 40 of order B line 0  | 70        | 0       | 0    | 10 20 40
revoke 15 of A line 1      | 55        | 0       | 0    | 10 5 40
revoke 12 of A line 1      | 43        | 0       | 0    | 3 40
revoke 13 of A line 1      | 30        | 0       | 0    | 30
revoke 31 of order C       | 0         | 0       | 1    | none
"""

WAITING = """
step                       | available | pending | debt | lots
earn 10 of order A line 0  | 0         | 10      | 0    | 10
earn 20 of order A line 1  | 0         | 30      | 0    | 10 20
earn 40 of order B line 0  | 0         | 70      | 0    | 10 20 40
revoke 25 of A line 1      | 0         | 45      | 0    | 5 40
revoke 10 of A line 1      | 0         | 40      | 5    | 40
a day passes               | 35        | 0       | 0    | 40
book what is due           | 35        | 0       | 0    | 35
"""

EXPIRING = """
step                       | available | pending | debt | lots
earn 100 of order A        | 100       | 0       | 0    | 100
spend 60                   | 40        | 0       | 0    | 40
give back 2                | 100       | 0       | 0    | 40 60
spend 70                   | 30        | 0       | 0    | 30
give back 4                | 100       | 0       | 0    | 60 40
3 days pass                | 100       | 0       | 0    | 60 40
spend 60                   | 40        | 0       | 0    | 40
give back 6                | 100       | 0       | 0    | 60 40
40 days pass               | 0         | 0       | 0    | 60 40
book what is due           | 0         | 0       | 0    | none
"""


@pytest.mark.parametrize(
    ("story", "policy"),
    [
        (DEBT, PointsPolicy()),
        (REACH, PointsPolicy()),
        (WAITING, PointsPolicy(activation_days=1)),
        (EXPIRING, PointsPolicy(Expiry(2, "day"))),
    ],
    ids=["debt", "reach of a claw-back", "waiting points", "restored points"],
)
async def test_a_story_of_the_ledger(work: Work, clock: FixedClock, story: str, policy: PointsPolicy) -> None:
    """After every step the balances and the lots are those of the table, and all invariants hold.

    In the last story what comes back to the same lot again lives as long as the first child, which itself is not
    extended. The number of what is given back is the entry of that spending.
    """
    mei, ruled = await a_member(clock), a_work(clock, policy)
    orders = {letter: new_id() for letter in "ABCD"}

    async def step(words: str) -> object:
        match words.replace("of order ", "of ").split():
            case ["earn", points, "of", order, *line]:
                portions = ((int(line[1]) if line else None, int(points)),)
                return await earn(ruled, mei, int(points), order_id=orders[order], portions=portions)
            case ["spend", points]:
                return await spend(ruled, mei, int(points))
            case ["revoke", points, "of", order, *line]:
                number = int(line[1]) if line else None
                return await claw_back(ruled, mei, int(points), order_id=orders[order], order_line=number)
            case ["give", "back", seq]:
                return await give_back(ruled, mei, int(seq))
            case ["book", *_]:
                return await service.book_due(ruled, [mei])
            case [days, *_]:
                clock.advance(timedelta(days=1 if days == "a" else int(days)))
        return None

    await tell(ruled, mei, story, step)
