"""People, programmes and readings that the tests of adjustments share."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from gamification.adjustments import service as adjustments
from gamification.adjustments.queries import AdjustmentLine, adjustments_by_keys
from gamification.adjustments.rules import AdjustmentsPolicy
from gamification.core.actors import Actor, Role
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.ids import new_id
from gamification.core.policy import Policy
from gamification.core.work import Work
from gamification.members.phones import PhoneVault
from tests.builders import FOR_EVER, TIERS, a_work
from tests.members.people import a_member_of_staff

LIMITS = AdjustmentsPolicy(approval_above_points=100, points_max=1_000, points_per_staff_day_max=250, proposal_days=3)
"""Up to 100 at once and 250 a day alone, 1,000 with another; proposals lapse on the third day after."""
VAULT = PhoneVault(index_key=b"i" * 32, key=b"s" * 32)
REASON = "Wrong price at the till"


def an_office(clock: FixedClock, limits: AdjustmentsPolicy = LIMITS, points: Policy = FOR_EVER) -> Work:
    """A programme with four tiers, in which staff adjust within these limits."""
    return a_work(clock, points, TIERS, limits)


async def hire(clock: FixedClock, login: str, role: Role = "operator", **given: Any) -> Actor:
    """A member of staff who acts."""
    staff = await a_member_of_staff(clock, VAULT, login, role=role, name=login.title(), **given)
    return Actor("staff", staff.id, role=role)


async def adjust(work: Work, member_id: UUID, points: int, by: Actor, **given: Any) -> adjustments.Adjusted:
    """Points up or down (or another currency), under a key of its own."""
    usual = {"currency": "POINTS", "reason": REASON, "key": str(new_id())}
    return await adjustments.adjust(work, member_id=member_id, points=points, actor=by, **{**usual, **given})


async def waive(work: Work, member_id: UUID, points: int | None, by: Actor, **given: Any) -> adjustments.Adjusted:
    """So much debt, all of it for None, under a key of its own."""
    usual = {"reason": REASON, "key": str(new_id())}
    return await adjustments.waive_debt(work, member_id=member_id, points=points, actor=by, **{**usual, **given})


async def approve(work: Work, made: adjustments.Adjusted, by: Actor) -> AdjustmentLine:
    return await adjustments.approve(work, member_id=made.member_id, adjustment_id=made.adjustment_id, actor=by)


async def reject(work: Work, made: adjustments.Adjusted, by: Actor, reason: str = "Not a mistake") -> AdjustmentLine:
    return await adjustments.reject(
        work, member_id=made.member_id, adjustment_id=made.adjustment_id, reason=reason, actor=by
    )


async def withdraw(work: Work, made: adjustments.Adjusted, by: Actor) -> AdjustmentLine:
    return await adjustments.withdraw(work, member_id=made.member_id, adjustment_id=made.adjustment_id, actor=by)


async def line_of(made: adjustments.Adjusted) -> AdjustmentLine:
    """The adjustment as it stands."""
    (line,) = await adjustments_by_keys([(made.member_id, made.adjustment_id)])
    assert line is not None
    return line


async def traces(member_id: UUID, currency: str = "POINTS") -> list[dict[str, Any]]:
    """The traces of a member's adjustments, the latest last."""
    rows = await fetch(
        """SELECT trace FROM entry WHERE member_id = $1 AND currency = $2 AND source_type = 'adjustment'
           ORDER BY seq""",
        member_id, currency,
    )  # fmt: skip
    return [orjson.loads(row["trace"]) for row in rows]


async def trail() -> list[tuple[str, str, Any, Any]]:
    """Actor, action, before and after of the audit lines of adjustments, in order."""
    rows = await fetch(
        "SELECT actor, action, before, after FROM audit_record WHERE action LIKE 'adjustment.%' ORDER BY id"
    )
    return [(row["actor"], row["action"], orjson.loads(row["before"]), orjson.loads(row["after"])) for row in rows]


async def actions() -> list[str]:
    """What the audit trail says was done."""
    return [action.removeprefix("adjustment.") for _, action, _, _ in await trail()]


def figures(available: int = 0, pending: int = 0, held: int = 0, debt: int = 0, growth: int = 0) -> dict[str, int]:
    """Balances as the audit trail and the row hold them."""
    return {"available": available, "pending": pending, "held": held, "debt": debt, "growth": growth}
