"""What order intake refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class OrderConflict(Refusal):
    """Another order was recorded under this external id."""

    external_id: str
    messages = {"zh-CN": "订单号 {external_id} 已用于另一订单", "en": "Order {external_id} was recorded differently."}


@dataclass(kw_only=True, eq=False)
class RefundConflict(Refusal):
    """Another refund was recorded under this external id."""

    external_id: str
    messages = {"zh-CN": "退款号 {external_id} 已用于另一退款", "en": "Refund {external_id} was recorded differently."}


@dataclass(kw_only=True, eq=False)
class AmountsDisagree(Refusal):
    """The amount paid is not the sum of the lines and of what is excluded; both in fen."""

    kept = False
    expected_fen: int
    paid_fen: int
    messages = {
        "zh-CN": "实付 {paid_fen} 分与明细合计 {expected_fen} 分不符",
        "en": "{paid_fen} fen were paid, but the lines add up to {expected_fen} fen.",
    }


@dataclass(kw_only=True, eq=False)
class RefundExceedsPaid(Refusal):
    """More is to be refunded than is left of what was paid; fen."""

    external_id: str
    requested_fen: int
    refundable_fen: int
    messages = {
        "zh-CN": "退款 {requested_fen} 分超过可退金额 {refundable_fen} 分",
        "en": "{requested_fen} fen are to be refunded, but only {refundable_fen} fen are left.",
    }


@dataclass(kw_only=True, eq=False)
class QuantityExceedsBought(Refusal):
    """More pieces are to be returned than are left of a line."""

    line: int
    requested: int
    returnable: int
    messages = {
        "zh-CN": "第 {line} 行退货 {requested} 件超过可退 {returnable} 件",
        "en": "Line {line}: {requested} pieces are to be returned, {returnable} are left.",
    }


@dataclass(kw_only=True, eq=False)
class LineUnknown(Refusal):
    """The order has no such line."""

    line: int
    lines: int
    messages = {"zh-CN": "订单没有第 {line} 行(共 {lines} 行)", "en": "No line {line}; the order has {lines}."}


@dataclass(kw_only=True, eq=False)
class RestorationExceedsDeduction(Refusal):
    """More points are to come back than a line was paid with and has not given back yet."""

    line: int
    requested: int
    restorable: int
    messages = {
        "zh-CN": "第 {line} 行退回 {requested} 积分超过可退 {restorable} 积分",
        "en": "Line {line}: {requested} points are to come back, {restorable} are left.",
    }


@dataclass(kw_only=True, eq=False)
class DeductionExceedsLines(Refusal):
    """More points are to pay for an order than its lines cost; 1 point = 1 fen."""

    kept = False
    deduction_points: int
    payable_fen: int
    messages = {
        "zh-CN": "抵扣 {deduction_points} 积分超过明细合计 {payable_fen} 分",
        "en": "{deduction_points} points are to be deducted, but the lines cost {payable_fen} fen.",
    }


@dataclass(kw_only=True, eq=False)
class OrderRecordedAlready(Refusal):
    """The order is recorded; what it was paid with comes back by a refund of it."""

    external_id: str
    messages = {
        "zh-CN": "订单 {external_id} 已入账,请通过退款退回积分",
        "en": "Order {external_id} is recorded; a refund of it gives its points back.",
    }


@dataclass(kw_only=True, eq=False)
class QuoteInvalid(Refusal):
    """The quote was not made here, or for another member."""

    kept = False
    messages = {"zh-CN": "抵扣报价无效", "en": "This quote is not one of ours for this member."}


@dataclass(kw_only=True, eq=False)
class QuoteExpired(Refusal):
    """The quote no longer stands; ask for another."""

    kept = False
    valid_until: datetime
    messages = {
        "zh-CN": "抵扣报价已于 {valid_until} 失效,请重新获取",
        "en": "This quote stood until {valid_until}; ask for another.",
    }
