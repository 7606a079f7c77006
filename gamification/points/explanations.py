"""What an entry says to the member: how its figure came about, as a sentence and step by step, in their language.

Everything is in three tables. `RULES` has a sentence for each rule that code posts, and the order in which its figures
are told; `FIELDS` says what each figure of a trace is called; `BY_SOURCE` and `BY_KIND` have sentences for entries that
no rule made. A test holds the tables against the code, so that no trace falls back to a general text unnoticed. What a
trace holds beyond the tables is shown under its own name: nothing is hidden.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Texts = tuple[str, str]
"""The same in Chinese and in English."""

STEPS_MAX = 100
"""Steps shown of one entry; no trace has a third as many figures."""


@dataclass(frozen=True, slots=True)
class Step:
    """One figure of an explanation, with what it is called."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Explained:
    """An entry explained: a sentence, the rule and the policy version that made it, and its figures in order."""

    sentence: str
    rule: str | None
    policy_kind: str | None
    policy_version: int | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a rule is told: its sentence, and the order of the trace's figures."""

    sentence: Texts
    fields: tuple[str, ...]


RULES: Mapping[str, Rule] = {
    "base_rate": Rule(
        (
            "消费 {base_yuan} 元,按 {rate_percent} 向下取整得 {result} 积分",
            "{base_yuan} yuan at {rate_percent}, rounded down: {result} points.",
        ),
        ("base_fen", "rate_bp", "rounding", "result"),
    ),
    "growth_rate": Rule(
        (
            "消费 {base_yuan} 元,按每分 {rate_percent} 计 {result} 成长值",
            "{base_yuan} yuan at {rate_percent} per fen: {result} growth.",
        ),
        ("base_fen", "rate_bp", "rounding", "result"),
    ),
    "ladder": Rule(
        (
            (
                "{month} 累计消费由 {net_before_yuan} 元变为 {net_after_yuan} 元,"
                "阶梯积分由 {points_before} 变为 {points_after}(比例 {rate_after_percent})"
            ),
            (
                "Spend of {month} went from {net_before_yuan} to {net_after_yuan} yuan: the ladder's points from "
                "{points_before} to {points_after} (rate {rate_after_percent})."
            ),
        ),
        (
            "month", "net_before_fen", "net_after_fen", "rate_before_bp", "rate_after_bp", "points_before",
            "points_after", "forgiven",
        ),
    ),
    "earning_rule": Rule(
        ("按积分规则 {earning_rule} 加赠 {result}", "The earning rule {earning_rule} adds {result}."),
        ("earning_rule", "effect", "base_fen", "rate_bp", "multiplier_bp", "capped_from", "capped_by", "result"),
    ),
    "tier_multiplier": Rule(
        (
            "等级 {tier} 积分 {multiplier_percent}:消费 {base_yuan} 元,加赠 {result} 积分",
            "Tier {tier} earns {multiplier_percent}: {base_yuan} yuan add {result} points.",
        ),
        ("tier", "base_fen", "rate_bp", "multiplier_bp", "result"),
    ),
    "birthday_gift": Rule(
        ("生日礼:等级 {tier} 赠 {result} 积分", "A birthday gift of tier {tier}: {result} points."),
        ("tier", "gift", "result"),
    ),
    "entry_gift": Rule(
        ("入级礼:升至 {tier} 赠 {result} 积分", "A gift for entering tier {tier}: {result} points."),
        ("tier", "gift", "result"),
    ),
    "claw_back": Rule(
        (
            "订单 {order} 累计退款 {refunded_yuan} 元(实付 {paid_yuan} 元),按比例收回所得积分",
            "{refunded_yuan} of {paid_yuan} yuan of order {order} were refunded; its points go back in proportion.",
        ),
        (
            "order", "refund", "line", "matched", "earned", "refunded_fen", "paid_fen", "revoked_before",
            "expired_unused", "forgiven",
        ),
    ),
    "growth_claw_back": Rule(
        (
            "订单 {order} 退款,按比例收回所得成长值",
            "Order {order} was refunded; its growth goes back in proportion.",
        ),
        ("order", "refund"),
    ),
    "check_in": Rule(
        ("连续签到第 {cycle_day} 天奖励", "Reward of day {cycle_day} of the check-in cycle."),
        ("streak", "cycle_day", "result"),
    ),
    "draw_ticket": Rule(
        ("购买抽奖券,使用 {result} 积分", "A draw ticket for {result} points."), ("draw", "terms", "result")
    ),
    "draw_prize": Rule(
        ("抽奖第 {rank} 名,奖励 {result} 积分", "Place {rank} in a draw: {result} points."),
        ("draw", "rank", "prize", "result"),
    ),
    "draw_voided": Rule(
        ("抽奖作废,所用积分已退回原批次", "The draw was voided; the ticket's points went back to their lots."),
        ("draw", "entry"),
    ),
    "play": Rule(
        ("转盘抽奖第 {number} 次,使用 {result} 积分", "Play {number} of an instant draw for {result} points."),
        ("draw", "number", "version", "terms", "result"),
    ),
    "play_prize": Rule(
        ("转盘抽奖第 {number} 次中奖,奖励 {result} 积分", "Play {number} of an instant draw won {result} points."),
        ("draw", "number", "version", "prize", "result"),
    ),
    "donation": Rule(
        (
            "公益捐赠 {units} 份,每份 {points_per_unit} 积分",
            "{units} units given to charity at {points_per_unit} points each.",
        ),
        ("campaign", "units", "points_per_unit", "fen_per_unit", "result"),
    ),
    "order_received": Rule(
        ("订单已收货,待入账积分已生效", "The order was received: its points became usable."), ("lot",)
    ),
    "refund_window_closed": Rule(
        ("订单退款期已结束,待入账积分已生效", "The order's refund window closed: its points became usable."),
        ("lot",),
    ),
    "points_raised": Rule(
        ("工作人员调增 {result} 积分", "{result} points added by staff."),
        ("by", "approved_by", "adjustment", "repaid", "result"),
    ),
    "points_lowered": Rule(
        ("工作人员调减 {result} 积分", "{result} points taken off by staff."),
        ("by", "approved_by", "adjustment", "repaid", "result"),
    ),
    "growth_raised": Rule(
        ("工作人员调增 {result} 成长值", "{result} growth added by staff."),
        ("by", "approved_by", "adjustment", "repaid", "result"),
    ),
    "growth_lowered": Rule(
        ("工作人员调减 {result} 成长值", "{result} growth taken off by staff."),
        ("by", "approved_by", "adjustment", "repaid", "result"),
    ),
    "debt_waiver": Rule(
        ("免除欠分 {result} 积分", "{result} points owed were waived."),
        ("by", "approved_by", "adjustment", "repaid", "result"),
    ),
    "hold": Rule(
        ("为订单 {order} 冻结 {result} 积分", "{result} points held for order {order}."), ("order", "result")
    ),
    "hold_ended": Rule(
        (
            "订单 {order} 的冻结积分已解冻({cause})",
            "The points held for order {order} are free again ({cause}).",
        ),
        ("order", "hold", "cause"),
    ),
    "deduction": Rule(
        ("{result} 积分抵扣订单 {order}", "{result} points paid for order {order}."),
        ("order", "hold", "after", "held", "result"),
    ),
    "deduction_restored": Rule(
        (
            "订单 {order} 退款,退回抵扣所用的 {result} 积分",
            "Order {order} was refunded: {result} points that had paid for it came back.",
        ),
        ("order", "refund", "hold", "deducted", "restored_before", "result"),
    ),
    "deduction_cancelled": Rule(
        (
            "订单 {order} 未成立,退回抵扣所用的 {result} 积分",
            "Order {order} did not come about: its {result} points came back.",
        ),
        ("order", "hold", "result"),
    ),
}  # fmt: skip

FIELDS: Mapping[str, Texts] = {
    "base_fen": ("计算基数", "Base"),
    "rate_bp": ("比例", "Rate"),
    "multiplier_bp": ("倍数", "Multiplier"),
    "multipliers": ("倍数", "Multipliers"),
    "cap": ("上限", "Cap"),
    "capped_from": ("封顶前", "Before the cap"),
    "capped_by": ("封顶依据", "Capped by"),
    "earning_rule": ("积分规则", "Earning rule"),
    "tier": ("等级", "Tier"),
    "gift": ("礼遇", "Gift"),
    "effect": ("规则效果", "Effect"),
    "rounding": ("取整", "Rounding"),
    "result": ("结果", "Result"),
    "month": ("月份", "Month"),
    "net_before_fen": ("变动前当月消费", "Month's spend before"),
    "net_after_fen": ("变动后当月消费", "Month's spend after"),
    "rate_before_bp": ("变动前比例", "Rate before"),
    "rate_after_bp": ("变动后比例", "Rate after"),
    "points_before": ("变动前阶梯积分", "Ladder points before"),
    "points_after": ("变动后阶梯积分", "Ladder points after"),
    "order": ("订单", "Order"),
    "refund": ("退款", "Refund"),
    "line": ("订单行", "Order line"),
    "matched": ("系统匹配订单", "Order found by matching"),
    "earned": ("该行所得积分", "Earned by the line"),
    "refunded_fen": ("累计退款", "Refunded so far"),
    "paid_fen": ("实付", "Paid"),
    "revoked_before": ("此前已收回", "Taken back before"),
    "expired_unused": ("到期未用", "Expired unused"),
    "forgiven": ("免于追回", "Forgiven"),
    "streak": ("连续签到天数", "Streak in days"),
    "cycle_day": ("周期第几天", "Day of the cycle"),
    "draw": ("抽奖编号", "Draw"),
    "terms": ("规则摘要", "Terms hash"),
    "rank": ("名次", "Place"),
    "number": ("次序", "Number"),
    "version": ("概率版本", "Version of the odds"),
    "prize": ("奖项", "Prize"),
    "entry": ("原流水序号", "Entry given back"),
    "campaign": ("公益活动编号", "Campaign"),
    "units": ("份数", "Units"),
    "points_per_unit": ("每份积分", "Points a unit"),
    "fen_per_unit": ("每份捐款", "Money a unit"),
    "lot": ("批次", "Lot"),
    "cause": ("原因", "Cause"),
    "adjustment": ("调整编号", "Adjustment"),
    "by": ("经办人", "By"),
    "approved_by": ("复核人", "Approved by"),
    "repaid": ("抵偿欠分", "Repaid of what was owed"),
    "hold": ("冻结流水", "Hold"),
    "held": ("冻结积分", "Held"),
    "after": ("原冻结流水", "In place of the hold"),
    "deducted": ("抵扣积分", "Deducted"),
    "restored_before": ("此前已退回", "Given back before"),
}
"""What the figures of traces are called. A name that ends in `_fen` is money, one in `_bp` a rate."""

BY_SOURCE: Mapping[str, tuple[Texts, ...]] = {
    "ticket": (("购买抽奖券", "A draw ticket."),),
    "donation": (("公益捐赠", "A donation."),),
    "draw_win": (("抽奖中奖奖励", "A prize won in a draw."),),
    "play": (("转盘抽奖", "A play of an instant draw."),),
    "play_prize": (("转盘抽奖奖励", "A prize of an instant draw."),),
    "check_in": (("签到奖励", "A check-in reward."),),
}
BY_KIND: Mapping[str, tuple[Texts, ...]] = {
    "ACCRUAL": (("获得积分", "Points earned."),),
    "BONUS": (("加赠积分", "A bonus."),),
    "LADDER": (("消费阶梯积分", "Points of the spend ladder."),),
    "LADDER_REVERSAL": (("退款后消费阶梯积分回退", "A refund lowered the points of the spend ladder."),),
    "REDEMPTION": (("使用积分", "Points used."),),
    "DONATION": (("公益捐赠", "A donation."),),
    "EXPIRY": (("积分到期失效", "These points reached their end."),),
    "ACTIVATION": (("待入账积分已生效", "Pending points became usable."),),
    "CLAW_BACK": (("退款收回", "Taken back for a refund."),),
    "RESTORATION": (("积分已退回原批次", "Points went back to where they had come from."),),
    "HOLD": (("积分已冻结,用于订单 {order}", "Points held for order {order}."), ("积分已冻结", "Points held.")),
    "CAPTURE": (
        ("冻结积分已用于订单 {order}", "The points held for order {order} were used."),
        ("冻结积分已使用", "Held points were used."),
    ),
    "RELEASE": (
        ("订单 {order} 的冻结积分已解冻({cause})", "The points held for order {order} are free again ({cause})."),
        ("冻结积分已解冻({cause})", "Held points are free again ({cause})."),
        ("冻结积分已解冻", "Held points are free again."),
    ),
    "ADJUSTMENT": (("人工调整", "Adjusted by staff."),),
    "DEBT_WAIVER": (("免除欠分", "Points owed were waived."),),
}
"""Sentences for entries without a rule, the most particular first: the first whose figures the trace has is told."""

WORDS: Mapping[str, Mapping[str, Texts]] = {
    "rounding": {"floor": ("向下取整", "rounded down")},
    "capped_by": {
        "day": ("每日上限", "the day's cap"),
        "week": ("每周上限", "the week's cap"),
        "month": ("每月上限", "the month's cap"),
        "lifetime": ("累计上限", "the cap in all"),
        "budget": ("活动预算", "the rule's budget"),
    },
    "effect": {
        "fixed_points": ("固定积分", "fixed points"),
        "per_amount": ("按金额", "per amount"),
        "multiplier_bp": ("倍数", "multiplier"),
        "steps": ("满额档位", "steps by amount"),
        "line_bonus": ("指定商品", "bonus on listed lines"),
    },
    "cause": {
        "released": ("已取消", "undone"),
        "timed_out": ("已超时", "timed out"),
        "rest": ("扣减后剩余", "the rest of what was captured"),
    },
}
"""What the words that a figure may be are called."""

APART = frozenset({"rule", "policy"})
"""What of a trace is told beside the steps."""


def explain(kind: str, source_type: str, trace: Mapping[str, Any], locale: str) -> str:
    """One sentence for an entry; the most particular text that its trace, source or kind has."""
    shown = _shown(trace, locale)
    for texts in _candidates(kind, source_type, trace):
        try:
            return _in(locale, texts).format_map(shown)
        except KeyError:
            continue
    return kind


def explained(kind: str, source_type: str, trace: Mapping[str, Any], locale: str) -> Explained:
    """An entry explained in full: the sentence, the rule, the policy, and every other figure of its trace in order."""
    policy_kind, policy_version = trace.get("policy") or (None, None)
    steps = tuple(Step(_label(name, locale), _value(name, trace[name], locale)) for name in _ordered(trace))
    sentence = explain(kind, source_type, trace, locale)
    return Explained(sentence, trace.get("rule"), policy_kind, policy_version, steps[:STEPS_MAX])


def _candidates(kind: str, source_type: str, trace: Mapping[str, Any]) -> Iterator[Texts]:
    rule = RULES.get(str(trace.get("rule")))
    if rule is not None:
        yield rule.sentence
    yield from BY_SOURCE.get(source_type, ())
    yield from BY_KIND.get(kind, ())


def _ordered(trace: Mapping[str, Any]) -> list[str]:
    """The names of a trace's figures: those that its rule tells, in its order, then the others as they come."""
    rule = RULES.get(str(trace.get("rule")))
    told = [name for name in rule.fields if name in trace] if rule is not None else []
    return told + [name for name in trace if name not in told and name not in APART]


def _label(name: str, locale: str) -> str:
    return _in(locale, FIELDS[name]) if name in FIELDS else name


def _value(name: str, value: Any, locale: str) -> str:
    """A figure as people read it: fen as yuan, basis points as per cent, words in their language."""
    if isinstance(value, bool):
        return _in(locale, ("是", "yes") if value else ("否", "no"))
    if isinstance(value, int) and name.endswith("_fen"):
        return _in(locale, ("{} 元", "{} yuan")).format(_hundredths(value))
    if isinstance(value, int) and name.endswith("_bp"):
        return f"{_hundredths(value)}%"
    if isinstance(value, str):
        return _word(name, value, locale)
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _word(name: str, value: str, locale: str) -> str:
    if name == "month":
        return value[:7]
    known = WORDS.get(name, {}).get(value.lower())
    return _in(locale, known) if known else value


def _shown(trace: Mapping[str, Any], locale: str) -> dict[str, Any]:
    """The figures by the names that sentences use: `base_yuan` for `base_fen`, `rate_percent` for `rate_bp`."""
    shown: dict[str, Any] = {}
    for name, value in trace.items():
        if isinstance(value, int) and name.endswith("_fen"):
            shown[f"{name.removesuffix('_fen')}_yuan"] = _hundredths(value)
        elif isinstance(value, int) and name.endswith("_bp"):
            shown[f"{name.removesuffix('_bp')}_percent"] = f"{_hundredths(value)}%"
        shown[name] = _word(name, value, locale) if isinstance(value, str) else value
    return shown


def _hundredths(value: int) -> str:
    """A whole number of hundredths, such as fen, with its two decimals."""
    return f"{'-' if value < 0 else ''}{abs(value) // 100}.{abs(value) % 100:02d}"


def _in(locale: str, texts: Texts) -> str:
    return texts[1] if locale == "en" else texts[0]
