"""What an entry says to the member: its trace as a sentence, in the member's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "base_rate": {
        "zh-CN": "消费 {base_yuan} 元,按 {rate_percent} 向下取整得 {result} 积分",
        "en": "{base_yuan} yuan at {rate_percent}, rounded down: {result} points.",
    },
    "growth_rate": {
        "zh-CN": "消费 {base_yuan} 元,按每分 {rate_percent} 计 {result} 成长值",
        "en": "{base_yuan} yuan at {rate_percent} per fen: {result} growth.",
    },
    "ladder": {
        "zh-CN": "{month} 累计消费由 {net_before_yuan} 元变为 {net_after_yuan} 元,"
        "阶梯积分由 {points_before} 变为 {points_after}(比例 {rate_after_percent})",
        "en": "Spend of {month} went from {net_before_yuan} to {net_after_yuan} yuan: the ladder's points from "
        "{points_before} to {points_after} (rate {rate_after_percent}).",
    },
    "claw_back": {
        "zh-CN": "订单 {order} 累计退款 {refunded_yuan} 元(实付 {paid_yuan} 元),按比例收回所得积分",
        "en": "{refunded_yuan} of {paid_yuan} yuan of order {order} were refunded; its points go back in proportion.",
    },
    "points_raised": {"zh-CN": "工作人员调增 {result} 积分", "en": "{result} points added by staff."},
    "points_lowered": {"zh-CN": "工作人员调减 {result} 积分", "en": "{result} points taken off by staff."},
    "growth_raised": {"zh-CN": "工作人员调增 {result} 成长值", "en": "{result} growth added by staff."},
    "growth_lowered": {"zh-CN": "工作人员调减 {result} 成长值", "en": "{result} growth taken off by staff."},
    "debt_waiver": {"zh-CN": "免除欠分 {result} 积分", "en": "{result} points owed were waived."},
    "check_in": {"zh-CN": "连续签到第 {cycle_day} 天奖励", "en": "Reward of day {cycle_day} of the check-in cycle."},
}
_BY_KIND: Mapping[str, Mapping[str, str]] = {
    "EXPIRY": {"zh-CN": "积分到期失效", "en": "These points reached their end."},
    "ACTIVATION": {"zh-CN": "待入账积分已生效", "en": "Pending points became usable."},
    "RESTORATION": {"zh-CN": "积分已退回原批次", "en": "Points went back to where they had come from."},
    "CLAW_BACK": {"zh-CN": "退款收回", "en": "Taken back for a refund."},
    "ACCRUAL": {"zh-CN": "获得积分", "en": "Points earned."},
    "ADJUSTMENT": {"zh-CN": "人工调整", "en": "Adjusted by staff."},
    "DEBT_WAIVER": {"zh-CN": "免除欠分", "en": "Points owed were waived."},
    "REDEMPTION": {"zh-CN": "使用积分", "en": "Points used."},
}
_BY_SOURCE: Mapping[str, Mapping[str, str]] = {
    "ticket": {"zh-CN": "购买抽奖券", "en": "A draw ticket."},
    "donation": {"zh-CN": "公益捐赠", "en": "A donation."},
    "draw_win": {"zh-CN": "抽奖中奖奖励", "en": "A prize won in a draw."},
    "check_in": {"zh-CN": "签到奖励", "en": "A check-in reward."},
}


def explain(kind: str, source_type: str, trace: Mapping[str, Any], locale: str) -> str:
    """One sentence for an entry; the most particular text that its trace, source or kind has."""
    try:
        return _TEXTS[trace["rule"]][locale].format(**_shown(trace))
    except KeyError:
        texts = _BY_SOURCE.get(source_type) or _BY_KIND.get(kind) or _BY_KIND["ACCRUAL"]
        return texts[locale]


def _shown(trace: Mapping[str, Any]) -> dict[str, Any]:
    """The trace's figures as people read them: fen as yuan, basis points as per cent."""
    shown = {name: value[:7] if name == "month" else value for name, value in trace.items()}
    for name, value in trace.items():
        if name.endswith("_fen"):
            shown[f"{name.removesuffix('_fen')}_yuan"] = f"{value // 100}.{value % 100:02d}"
        elif name.endswith("_bp"):
            shown[f"{name.removesuffix('_bp')}_percent"] = f"{value // 100}.{value % 100:02d}%"
    return shown
