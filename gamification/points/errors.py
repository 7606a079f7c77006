"""What the ledger refuses."""

from __future__ import annotations

from dataclasses import dataclass

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
