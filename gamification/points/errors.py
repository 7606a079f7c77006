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
class OrderAlreadyHeld(Refusal):
    """Points are reserved for this order already, until an instant."""

    order_external_id: str
    points: int
    expires_at: datetime
    messages = {
        "zh-CN": "订单 {order_external_id} 已冻结 {points} 积分,至 {expires_at} 失效",
        "en": "{points} points are held for order {order_external_id} already, until {expires_at}.",
    }


@dataclass(kw_only=True, eq=False)
class CaptureExceedsHold(Refusal):
    """More points are to be captured than were held."""

    requested: int
    held: int
    messages = {
        "zh-CN": "扣减 {requested} 积分超过已冻结的 {held} 积分",
        "en": "{requested} points are to be captured, but {held} were held.",
    }


@dataclass(kw_only=True, eq=False)
class HoldCaptured(Refusal):
    """Points were captured for the order already: other ones, or they are to be released; a refund gives them back."""

    requested: int
    captured: int
    restored: int
    messages = {
        "zh-CN": "该订单已扣减 {captured} 积分(其中已退回 {restored}),不能再按 {requested} 处理",
        "en": "{captured} points were captured for this order and {restored} given back; {requested} is not possible.",
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
