"""Programme policy: immutable versions, in force from their instant on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import asyncpg
import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.policy import (
    Policies,
    PolicyInThePast,
    PolicyInvalid,
    PolicyMissing,
    Problem,
    parse_policy,
    publish_policy,
)
from gamification.core.transactions import transaction
from gamification.earning.rules import EarningPolicy, LadderStep
from gamification.points.rules import Expiry, PointsPolicy
from gamification.tiers.rules import Tier, TierPolicy
from tests.builders import a_crowd_of_connections, a_member, a_work, booked, publish, rows_in
from tests.databases import Database
from tests.moves import MOVE, Earn

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fare:
    """A policy of one number."""

    kind: ClassVar[str] = "fare"
    fen: int

    def problems(self) -> Sequence[Problem]:
        return [] if self.fen > 0 else [Problem("fen", "more than 0"), Problem("fen", "really")]


async def test_the_first_version_holds_since_ever_and_a_later_one_from_its_instant_on(
    database: Database, clock: FixedClock
) -> None:
    """Versions count from one; each instant has exactly one in force."""
    now = clock.now()
    first = await publish_policy(Fare(100), actor=SYSTEM, now=now, effective_from=now + DAY)
    second = await publish_policy(Fare(200), actor=SYSTEM, now=now, effective_from=now + 2 * DAY)
    third = await publish_policy(Fare(150), actor=SYSTEM, now=now)
    assert [(each.version, each.effective_from) for each in (first, second, third)] == [
        (1, None), (2, now + 2 * DAY), (3, now),
    ]  # fmt: skip
    policies = Policies()
    await policies.refresh()
    instants = [now - 9999 * DAY, now - timedelta(microseconds=1), now, now + 2 * DAY, now + 9999 * DAY]
    assert [policies.at(Fare, at).body.fen for at in instants] == [100, 100, 150, 200, 200]
    assert [(each.version, each.effective_from) for each in policies.all(Fare)] == [
        (1, None), (3, now), (2, now + 2 * DAY),
    ]  # fmt: skip
    latest = policies.latest(Fare)
    assert latest is not None and (latest.version, latest.body) == (3, Fare(150))


async def test_of_two_versions_of_one_instant_the_later_holds(database: Database, clock: FixedClock) -> None:
    """A slip is corrected by publishing again for the same instant."""
    for fen in (100, 200, 300):
        await publish_policy(Fare(fen), actor=SYSTEM, now=clock.now(), effective_from=clock.now())
    policies = Policies()
    await policies.refresh()
    assert policies.at(Fare, clock.now()).body.fen == 300


async def test_what_is_not_published_is_refused(database: Database, clock: FixedClock) -> None:
    """No policy of a kind means no decision: refused by kind, and not kept in a receipt."""
    mei = await a_member(clock)
    with pytest.raises(PolicyMissing) as refusal:
        await a_work(clock).perform(MOVE, Earn(member_id=mei, points=1, source="a", key="k"))
    assert refusal.value.kind == "points"
    assert await rows_in("receipt") == 0 and await booked(mei) == (0, 0, 0)


async def test_the_past_is_not_rewritten(database: Database, clock: FixedClock) -> None:
    """A second version that would take effect a microsecond ago is refused with the earliest instant."""
    await publish_policy(Fare(100), actor=SYSTEM, now=clock.now())
    early = clock.now() - timedelta(microseconds=1)
    with pytest.raises(PolicyInThePast) as refusal:
        await publish_policy(Fare(200), actor=SYSTEM, now=clock.now(), effective_from=early)
    assert refusal.value.earliest == clock.now()
    assert await rows_in("policy_version") == 1


async def test_a_policy_with_problems_is_not_published(database: Database, clock: FixedClock) -> None:
    """The refusal names the first node, the reason, and how many there are."""
    with pytest.raises(PolicyInvalid) as refusal:
        await publish_policy(Fare(0), actor=SYSTEM, now=clock.now())
    assert refusal.value.fields() == {"kind": "fare", "path": "fen", "reason": "more than 0", "problems": 2}
    assert await rows_in("policy_version") == 0


def test_a_body_of_the_wrong_shape_names_its_node() -> None:
    """What came over the wire is checked by type first."""
    with pytest.raises(PolicyInvalid) as refusal:
        parse_policy(EarningPolicy, {"ladder": [{"from_fen": 0, "rate_bp": "many"}]})
    assert refusal.value.path == "ladder.0.rate_bp" and refusal.value.problems == 1


async def test_a_published_version_is_immutable_even_for_the_owner(database: Database, clock: FixedClock) -> None:
    """UPDATE and DELETE are refused by the database itself."""
    await publish_policy(Fare(100), actor=SYSTEM, now=clock.now())
    owner = await asyncpg.connect(database.url)
    for statement in ("UPDATE policy_version SET version = 2", "DELETE FROM policy_version", "TRUNCATE policy_version"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
    await owner.close()


async def test_a_running_process_learns_of_a_new_version_with_its_next_load(
    database: Database, clock: FixedClock
) -> None:
    """Work that was built before anything was published decides under what holds by then."""
    work, mei = a_work(clock), await a_member(clock)
    await publish(clock, PointsPolicy(activation_days=1))
    await work.perform(MOVE, Earn(member_id=mei, points=5, source="a"))
    assert await booked(mei) == (0, 5, 0)
    await publish(clock, PointsPolicy())
    await work.perform(MOVE, Earn(member_id=mei, points=7, source="b"))
    assert await booked(mei) == (7, 5, 0)


async def test_publishers_at_once_count_without_gaps(database: Database, clock: FixedClock) -> None:
    """Eight publications of one kind on eight connections are versions 1 to 8."""
    async with a_crowd_of_connections(database):
        given = await asyncio.gather(*(publish_policy(Fare(n), actor=SYSTEM, now=clock.now()) for n in range(1, 9)))
        assert sorted(each.version for each in given) == list(range(1, 9))


async def test_a_version_that_commits_late_is_not_missed(database: Database, clock: FixedClock) -> None:
    """Whoever reads between two publications of different kinds, begun in one order and committed in the other, sees
    both in the end: revisions become visible in their order."""
    async with a_crowd_of_connections(database):
        policies, begun, read = Policies(), asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            async with transaction():
                await publish_policy(Fare(100), actor=SYSTEM, now=clock.now())
                begun.set()
                await read.wait()

        first = asyncio.create_task(slow())
        await begun.wait()
        second = asyncio.create_task(publish_policy(PointsPolicy(), actor=SYSTEM, now=clock.now()))
        await _until_done_or_waiting_for_a_lock(second)
        await policies.refresh()
        read.set()
        await asyncio.gather(first, second)
        await policies.refresh()
        assert policies.at(Fare, clock.now()).body == Fare(100)
        assert policies.at(PointsPolicy, clock.now()).body == PointsPolicy()


async def _until_done_or_waiting_for_a_lock(task: asyncio.Task[Any]) -> None:
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    while not task.done() and not await fetch(waiting):  # noqa: ASYNC110 - the database has no event
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (PointsPolicy(Expiry(1, "day"), 0), []),
        (PointsPolicy(Expiry(3660, "year"), 366), []),
        (PointsPolicy(Expiry(0), -1), ["expiry.count", "activation_days"]),
        (PointsPolicy(Expiry(3661), 367), ["expiry.count", "activation_days"]),
        (EarningPolicy(-1, 100_001), ["points_rate_bp", "growth_rate_bp"]),
        (EarningPolicy(ladder=(LadderStep(0, 0), LadderStep(1, 1))), []),
        (EarningPolicy(ladder=(LadderStep(5, 100), LadderStep(5, 200))), ["ladder.1"]),
        (EarningPolicy(ladder=(LadderStep(5, 100), LadderStep(6, 100))), ["ladder.1"]),
        (EarningPolicy(ladder=(LadderStep(-1, 100_001),)), ["ladder.0"]),
        (EarningPolicy(ladder=tuple(LadderStep(n, n) for n in range(21))), ["ladder"]),
        (TierPolicy(()), ["tiers"]),
        (TierPolicy((Tier("A", "甲", "A", 1),)), ["tiers.0.threshold"]),
        (TierPolicy((Tier("A", "甲", "A", 0), Tier("A", "乙", "B", 0))), ["tiers.1.threshold", "tiers.1.code"]),
        (TierPolicy((Tier("a", "甲", "A", 0),)), ["tiers.0.code"]),
        (TierPolicy((Tier("A" * 21, "甲", "A", 0),)), ["tiers.0.code"]),
    ],
)
def test_validation_names_every_offending_node(
    body: PointsPolicy | EarningPolicy | TierPolicy, paths: list[str]
) -> None:
    """Bounds of expiry, rates, ladder steps and tiers, each at its path."""
    assert [problem.path for problem in body.problems()] == paths
