"""What the use of benefits refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class BenefitNotGiven(Refusal):
    """The member's tier does not give this benefit."""

    benefit: str
    tier: str
    messages = {"zh-CN": "等级 {tier} 没有权益 {benefit}", "en": "Tier {tier} does not give {benefit}."}


@dataclass(kw_only=True, eq=False)
class BenefitUsedUp(Refusal):
    """The member has used a benefit as often as its month allows; `until` is the month's last day."""

    benefit: str
    allowed: int
    used: int
    until: date
    messages = {
        "zh-CN": "本月权益 {benefit} 已用 {used}/{allowed} 次,{until} 后恢复",
        "en": "{benefit} was used {used} of {allowed} times; there is more after {until}.",
    }


@dataclass(kw_only=True, eq=False)
class BenefitUseConflict(Refusal):
    """Under this external id another use was recorded."""

    external_id: str
    messages = {
        "zh-CN": "编号 {external_id} 已用于另一次权益使用",
        "en": "Benefit use {external_id} was recorded differently.",
    }
