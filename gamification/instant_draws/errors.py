"""What instant draws refuse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class InstantDrawNotOpen(Refusal):
    """It cannot be played: not yet, no more, or it is paused."""

    state: str
    opens_at: datetime
    closes_at: datetime
    messages = {
        "zh-CN": "抽奖未在开放时间内({opens_at} 至 {closes_at})",
        "en": "It is played from {opens_at} until {closes_at}; the draw is {state}.",
    }


@dataclass(kw_only=True, eq=False)
class PlayLimitReached(Refusal):
    """The member has played as often as one may, in all or on one business day."""

    scope: Literal["TOTAL", "DAY"]
    limit: int
    used: int
    resets_at: datetime | None
    messages = {
        "zh-CN": "抽奖次数已达上限:{used}/{limit}",
        "en": "The limit of plays is reached: {used} of {limit}.",
    }


@dataclass(kw_only=True, eq=False)
class PlaySeedMissing(Refusal):
    """The business day has no committed seed yet; the verb sees to one and decides again."""

    kept = False
    business_date: date
    messages = {
        "zh-CN": "{business_date} 的随机种子尚未公布承诺",
        "en": "The seed of {business_date} is not committed yet.",
    }


@dataclass(kw_only=True, eq=False)
class PayoutUnconfirmed(Refusal):
    """Plays would bring more points than they cost; whoever publishes that has to say so.

    `expected` (points a play on average, pity included) and `payout_percent` are decimals, rounded up.
    """

    kept = False
    play_points: int
    expected: str
    payout_percent: str
    messages = {
        "zh-CN": "每次 {play_points} 积分,平均派发 {expected} 积分({payout_percent}%),需明确确认",
        "en": "A play costs {play_points} points and brings {expected} on average ({payout_percent}%): confirm.",
    }


@dataclass(kw_only=True, eq=False)
class OddsWorsened(Refusal):
    """While a draw is live new odds may only be better for its members; this figure is not."""

    kept = False
    figure: str
    was: int | None
    becomes: int | None
    messages = {
        "zh-CN": "新版本不得变差:{figure} 由 {was} 变为 {becomes}",
        "en": "New odds may not be worse: {figure} would go from {was} to {becomes}.",
    }


@dataclass(kw_only=True, eq=False)
class InstantDrawStateRefused(Refusal):
    """The verb does not lead on from the state that the draw is in."""

    kept = False
    state: str
    verb: str
    messages = {
        "zh-CN": "抽奖当前状态为 {state},不能执行 {verb}",
        "en": "An instant draw that is {state} cannot {verb}.",
    }
