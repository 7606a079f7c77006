"""What the database itself refuses about adjustments, and which drift of the books is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gamification import invariants
from gamification.adjustments.invariants import INVARIANTS
from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch
from gamification.core.work import Work
from gamification.orders.invariants import INVARIANTS as ORDERS
from gamification.points.explanations import explain
from tests.adjustments.builders import LIMITS, adjust, an_office, approve, reject, waive
from tests.builders import EARNING, FOR_EVER, TIERS, a_member, a_work, account, assert_invariants, claw_back, dump
from tests.databases import Database
from tests.orders.builders import Shop


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner of all tables."""
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


@pytest.fixture
async def office(database: Database, clock: FixedClock) -> Work:
    """An office whose books a test may spoil."""
    return an_office(clock)


@pytest.mark.parametrize("column", ["points", "made_by", "made_at", "lapses_at", "because", "kind", "policy_version"])
async def test_what_was_asked_for_never_changes(
    work: Work, clock: FixedClock, lin: Actor, owner: asyncpg.Connection, column: str
) -> None:
    """Not granted to the application, refused by a trigger to the owner; nor is a row deleted."""
    await adjust(work, await a_member(clock), 500, lin)
    before = await dump()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(f"UPDATE adjustment SET {column} = {column}")
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(f"UPDATE adjustment SET {column} = {column}")
    for statement in ("DELETE FROM adjustment", "TRUNCATE adjustment"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(statement)
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
    assert await dump() == before


async def test_of_what_is_decided_only_the_reasons_can_go(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor
) -> None:
    """State, decision and balances stay for ever; a reason may become NULL and nothing else."""
    mei = await a_member(clock)
    await approve(work, await adjust(work, mei, 500, lin), zhou)
    await reject(work, await adjust(work, mei, 600, lin), zhou)
    for change in (
        "state = 'PROPOSED'", "decided_by = made_by", "decided_at = made_at", "entry_seq = 9", "after = '{}'",
        "reason = 'another'", "decision_reason = 'another'",
    ):  # fmt: skip
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute(f"UPDATE adjustment SET {change}")
    await execute("UPDATE adjustment SET reason = NULL, decision_reason = NULL")
    rows = await fetch("SELECT state, reason, decision_reason FROM adjustment ORDER BY points")
    assert [tuple(row) for row in rows] == [("POSTED", None, None), ("REJECTED", None, None)]


IMPOSSIBLE = [
    ("state = 'GONE', decided_at = made_at, decided_by = $1", "adjustment_state_known"),
    ("state = 'POSTED', decided_at = made_at, decided_by = $1", "adjustment_posted_has_entry_and_balances"),
    ("state = 'REJECTED', decided_at = made_at, decided_by = made_by", "adjustment_decided_by_a_second_person"),
    ("state = 'REJECTED', decided_at = made_at", "adjustment_decided_by_a_second_person"),
    ("state = 'WITHDRAWN', decided_at = made_at, decided_by = $1", "adjustment_decided_by_a_second_person"),
    ("state = 'LAPSED', decided_at = made_at, decided_by = $1", "adjustment_decided_by_a_second_person"),
    ("state = 'LAPSED'", "adjustment_decided_if_it_was_proposed"),
    ("decision_reason = 'x'", "adjustment_decision_reason_of_a_rejection"),
]


@pytest.mark.parametrize(("change", "constraint"), IMPOSSIBLE)
async def test_ends_that_cannot_be_are_refused(
    work: Work, clock: FixedClock, lin: Actor, zhou: Actor, change: str, constraint: str
) -> None:
    """Each constraint stands under its name: nobody approves alone, nothing is posted without its entry."""
    await adjust(work, await a_member(clock), 500, lin)
    given = [zhou.id] if "$1" in change else []
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await execute(f"UPDATE adjustment SET {change}", *given)
    assert refusal.value.constraint_name == constraint


LAPSED = "state = 'LAPSED', decided_at = lapses_at, decided_by = NULL, entry_seq = NULL, before = NULL, after = NULL"
DRIFTS = [
    ("DELETE FROM adjustment WHERE points = 30", ["1"]),
    ("UPDATE adjustment SET points = 31 WHERE points = 30", ["1"]),
    ("UPDATE adjustment SET entry_seq = 9 WHERE points = 30", ["1"]),
    ("UPDATE entry SET source_id = 'x' WHERE kind = 'DEBT_WAIVER'", ["1"]),
    ("UPDATE entry SET source_type = 'ticket' WHERE kind = 'DEBT_WAIVER'", ["1"]),
    (f"UPDATE adjustment SET {LAPSED} WHERE points = 500", ["1", "2"]),
    ("UPDATE adjustment SET after = jsonb_set(after, '{available}', '7') WHERE points = 30", ["4"]),
    ("UPDATE adjustment SET after = jsonb_set(after, '{growth}', '7') WHERE points = 20", ["4"]),
]  # fmt: skip


@pytest.mark.parametrize(("drift", "noticed"), DRIFTS, ids=range(len(DRIFTS)))
async def test_planted_drift_is_noticed(
    office: Work, clock: FixedClock, lin: Actor, zhou: Actor, owner: asyncpg.Connection, drift: str, noticed: list[str]
) -> None:
    """Books that agree break no invariant; each drift breaks those that speak of it, and no other of the slice."""
    mei, lan = await a_member(clock), await a_member(clock)
    await adjust(office, mei, 30, lin)
    await adjust(office, mei, 20, lin, currency="GROWTH")
    await claw_back(office, lan, 40)
    await waive(office, lan, 40, lin)
    await approve(office, await adjust(office, mei, 500, lin), zhou)
    assert await broken() == []
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(drift)
    assert await broken() == noticed
    assert {name[:14] for name in await invariants.broken()} >= {f"adjustments: {number}" for number in noticed}


async def broken() -> list[str]:
    """The numbers of the slice's invariants that do not hold."""
    return [name.partition(" ")[0] for name, sql in INVARIANTS.items() if await fetch(sql)]


async def test_an_own_decision_would_be_noticed(
    office: Work, clock: FixedClock, lin: Actor, zhou: Actor, owner: asyncpg.Connection
) -> None:
    """Even where the constraint that forbids it is gone."""
    await reject(office, await adjust(office, await a_member(clock), 500, lin), zhou)
    await owner.execute("ALTER TABLE adjustment DROP CONSTRAINT adjustment_decided_by_a_second_person")
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE adjustment SET decided_by = made_by")
    assert await broken() == ["3"]


async def test_a_refund_forgives_growth_that_staff_lowered(clock: FixedClock, database: Database, lin: Actor) -> None:
    """An order's growth is taken back as far as it is there; the entry says what was forgiven, and the sums agree."""
    shop = Shop(a_work(clock, FOR_EVER, TIERS, EARNING, LIMITS))
    mei = await shop.member()
    await shop.sent(shop.order("a", 10_000))
    await adjust(shop.work, mei, -80, lin, currency="GROWTH")
    await shop.sent(shop.refund("r", "a", 5_000))
    assert (await account(mei, "GROWTH"))["available"] == 0
    rows = await fetch(
        """SELECT available_delta, (trace ->> 'forgiven')::bigint FROM entry
           WHERE member_id = $1 AND currency = 'GROWTH' ORDER BY seq""",
        mei,
    )
    assert [tuple(row) for row in rows] == [(100, None), (-80, None), (-20, 30)]
    await shop.sent(shop.refund("s", "a", 5_000))
    assert await fetch(ORDERS["growth posted or forgiven for orders and refunds is that of their lines"]) == []
    await assert_invariants()


@pytest.mark.parametrize(
    ("rule", "english", "chinese"),
    [
        ("points_raised", "30 points added by staff.", "工作人员调增 30 积分"),
        ("points_lowered", "30 points taken off by staff.", "工作人员调减 30 积分"),
        ("growth_raised", "30 growth added by staff.", "工作人员调增 30 成长值"),
        ("growth_lowered", "30 growth taken off by staff.", "工作人员调减 30 成长值"),
        ("debt_waiver", "30 points owed were waived.", "免除欠分 30 积分"),
    ],
)
def test_the_member_reads_what_staff_did(rule: str, english: str, chinese: str) -> None:
    """Each rule has its sentence in both languages; nothing in it comes from the reason."""
    trace = {"rule": rule, "result": 30}
    assert [explain("ADJUSTMENT", "adjustment", trace, locale) for locale in ("en", "zh-CN")] == [english, chinese]


def test_an_entry_without_its_rule_is_still_explained() -> None:
    """The kinds have a sentence of their own."""
    said = [explain(kind, "adjustment", {}, "en") for kind in ("ADJUSTMENT", "DEBT_WAIVER")]
    assert said == ["Adjusted by staff.", "Points owed were waived."]
