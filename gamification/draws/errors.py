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


@dataclass(kw_only=True, eq=False)
class ClaimLapsed(Refusal):
    """The prize had to be claimed before this instant, and was not; it goes to whoever is next in line."""

    kept = False
    rank: int
    claim_until: datetime
    messages = {
        "zh-CN": "奖品须在 {claim_until} 前领取,已逾期失效",
        "en": "The prize had to be claimed before {claim_until}; it has lapsed.",
    }


@dataclass(kw_only=True, eq=False)
class PrizePointsTooMany(Refusal):
    """All prizes of a draw come to more points than the programme allows."""

    kept = False
    prize_points: int
    limit_points: int
    messages = {
        "zh-CN": "奖品合计 {prize_points} 积分,超过上限 {limit_points} 积分",
        "en": "The prizes come to {prize_points} points; the limit is {limit_points}.",
    }
