"""What gates refuse."""

from __future__ import annotations

from dataclasses import dataclass

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class AdultDeclarationMissing(Refusal):
    """Draws are for adults, and this member has not declared to be one."""

    kept = False
    messages = {
        "zh-CN": "参加抽奖前请先声明已年满 18 周岁",
        "en": "Declare first that you are an adult.",
    }


@dataclass(kw_only=True, eq=False)
class StaffExcluded(Refusal):
    """Whoever works here does not enter."""

    kept = False
    messages = {
        "zh-CN": "工作人员不得参加",
        "en": "Whoever works here cannot enter.",
    }


@dataclass(kw_only=True, eq=False)
class TierTooLow(Refusal):
    """It is for members of a tier and above; `tier` is the member's own."""

    kept = False
    required: str
    tier: str
    messages = {
        "zh-CN": "仅限 {required} 及以上等级会员,您当前为 {tier}",
        "en": "This is for members from {required} on; you are {tier}.",
    }
