"""What draws refuse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class DrawNotOpen(Refusal):
    """Tickets do not sell: not yet, no more, or the draw was voided."""

    state: str
    opens_at: datetime
    closes_at: datetime
    messages = {
        "zh-CN": "抽奖未在售券时间内({opens_at} 至 {closes_at})",
        "en": "Tickets sell from {opens_at} until {closes_at}; the draw is {state}.",
    }


@dataclass(kw_only=True, eq=False)
class TicketLimitReached(Refusal):
    """The member holds as many tickets of this draw as one may, in all or of one business day."""

    scope: Literal["TOTAL", "DAY"]
    limit: int
    used: int
    resets_at: datetime | None
    messages = {
        "zh-CN": "抽奖券已达上限:{used}/{limit}",
        "en": "The limit of tickets is reached: {used} of {limit}.",
    }


@dataclass(kw_only=True, eq=False)
class DrawStateRefused(Refusal):
    """The verb does not lead on from the state that the draw is in."""

    kept = False
    state: str
    verb: str
    messages = {
        "zh-CN": "抽奖当前状态为 {state},不能执行 {verb}",
        "en": "A draw that is {state} cannot {verb}.",
    }
