"""What charity refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class CampaignNotOpen(Refusal):
    """The campaign takes no donations now: it is still to open, or closed."""

    phase: str
    opens_at: datetime
    closes_at: datetime | None
    messages = {"zh-CN": "公益活动当前不接受捐赠", "en": "The campaign does not take donations now."}


@dataclass(kw_only=True, eq=False)
class GoalReached(Refusal):
    """Fewer units are left to the campaign's goal than are to be given; none when the goal is reached."""

    remaining_units: int
    messages = {
        "zh-CN": "活动目标内还可捐 {remaining_units} 份",
        "en": "The campaign's goal leaves room for {remaining_units} more units.",
    }


@dataclass(kw_only=True, eq=False)
class MonthlyCapReached(Refusal):
    """The donation would pass what one member may give to the campaign in a month; units."""

    limit: int
    used: int
    resets_at: datetime
    messages = {
        "zh-CN": "每月最多捐赠 {limit} 份,本月已捐 {used} 份",
        "en": "At most {limit} units a month; {used} were given this month.",
    }


@dataclass(kw_only=True, eq=False)
class CampaignStateConflict(Refusal):
    """The campaign's state does not allow that step."""

    kept = False
    state: str
    messages = {
        "zh-CN": "活动状态为 {state},不能执行此操作",
        "en": "The campaign is {state}; this step is not possible.",
    }
