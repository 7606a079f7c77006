"""Reads of earning: a member's month on the ladder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from gamification.core.calendar import Calendar, month_of
from gamification.core.database import fetch
from gamification.core.policy import Policies
from gamification.earning.rules import EarningPolicy, NextStep, ladder_rate, next_step


@dataclass(frozen=True, slots=True)
class LadderView:
    """A member's month: net spend in fen, the rate reached (bp), the points it has earned, and the next step."""

    member_id: UUID
    month: date
    net_fen: int
    rate_bp: int
    points: int
    next: NextStep | None


async def ladder_by_member_ids(
    member_ids: Sequence[UUID], now: datetime, policies: Policies, calendar: Calendar
) -> Mapping[UUID, LadderView]:
    """The current month of each member under the policy pinned at its start; one statement."""
    month = month_of(calendar.business_date(now))
    ladder = policies.at(EarningPolicy, calendar.starts_at(month)).body.ladder
    rows = await fetch(
        "SELECT member_id, net_fen, ladder_points FROM month_spend WHERE member_id = ANY($1) AND month = $2",
        list(member_ids), month,
    )  # fmt: skip
    known = {row["member_id"]: (row["net_fen"], row["ladder_points"]) for row in rows}
    return {
        each: LadderView(each, month, net, ladder_rate(ladder, net), points, next_step(ladder, net))
        for each in member_ids
        for net, points in [known.get(each, (0, 0))]
    }
