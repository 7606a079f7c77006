"""What the ledger refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class InsufficientPoints(Refusal):
    """Fewer points are available than the request needs. Debt has to be repaid first, so `missing` includes it."""

    required: int
    available: int
    debt: int
    missing: int
    messages = {
        "zh-CN": "积分不足:需要 {required},可用 {available},还差 {missing}",
        "en": "Not enough points: {required} needed, {available} available, {missing} missing.",
    }


@dataclass(kw_only=True, eq=False)
class LiabilityJustComputed(Refusal):
    """The liability was computed so shortly ago that computing it again would only burden the database."""

    kept = False
    computed_at: datetime
    retry_after_seconds: int
    messages = {
        "zh-CN": "积分负债刚刚计算过,请 {retry_after_seconds} 秒后再试",
        "en": "The liability has just been computed; try again in {retry_after_seconds} seconds.",
    }
