"""What adjustments refuse."""

from __future__ import annotations

from dataclasses import dataclass

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class AdjustmentTooLarge(Refusal):
    """One adjustment moves no more than the programme's ceiling, whoever approves it."""

    required: int
    limit: int
    messages = {
        "zh-CN": "单次调整不得超过 {limit},本次为 {required}",
        "en": "One adjustment moves at most {limit}; this one would move {required}.",
    }


@dataclass(kw_only=True, eq=False)
class InsufficientGrowth(Refusal):
    """The member has less growth than would be taken."""

    required: int
    available: int
    missing: int
    messages = {
        "zh-CN": "成长值不足:需要 {required},现有 {available},还差 {missing}",
        "en": "Not enough growth: {required} needed, {available} there, {missing} missing.",
    }


@dataclass(kw_only=True, eq=False)
class NothingToWaive(Refusal):
    """The member owes nothing."""

    messages = {"zh-CN": "会员没有欠分", "en": "The member owes no points."}


@dataclass(kw_only=True, eq=False)
class WaiverExceedsDebt(Refusal):
    """More would be waived than is owed."""

    required: int
    debt: int
    messages = {
        "zh-CN": "免除 {required} 超过欠分 {debt}",
        "en": "A waiver of {required} exceeds the debt of {debt}.",
    }


@dataclass(kw_only=True, eq=False)
class OwnAccount(Refusal):
    """The phone of whoever acts is bound to this member: nobody adjusts the own account."""

    kept = False
    messages = {"zh-CN": "不能调整本人的会员账户", "en": "You may not adjust your own account."}


@dataclass(kw_only=True, eq=False)
class AdjustmentNotOpen(Refusal):
    """The proposal has been decided about, or has lapsed."""

    kept = False
    state: str
    messages = {
        "zh-CN": "该调整当前状态为 {state},不能再处理",
        "en": "The adjustment is {state} and waits for nobody any more.",
    }


@dataclass(kw_only=True, eq=False)
class SameApprover(Refusal):
    """A proposal is decided about by somebody else than who made it, and not under another login of the same phone."""

    kept = False
    messages = {"zh-CN": "须由提议人以外的另一人处理", "en": "Somebody other than the proposer decides about it."}


@dataclass(kw_only=True, eq=False)
class NotTheProposer(Refusal):
    """Only who made a proposal withdraws it; others reject it."""

    kept = False
    messages = {"zh-CN": "仅提议人可以撤回", "en": "Only the proposer may withdraw it."}


@dataclass(kw_only=True, eq=False)
class ProposerLostRole(Refusal):
    """Who made the proposal may no longer adjust: the account is disabled or has another role. It can be rejected."""

    kept = False
    messages = {
        "zh-CN": "提议人已无调整权限,请重新提议",
        "en": "The proposer may no longer adjust; propose it anew.",
    }
