"""Earning: what orders, refunds and other activities post, and how rules are drafted, published and retired.

Called by the slices above on the member's book, inside their transaction. Lock order: the member's POINTS account, then
the budgets of rules by id.
"""

from gamification.earning.service.accruing import (
    Earned,
    MonthRow,
    Purchase,
    accrue_for_order,
    months_load,
    points_for_order,
    revoke_for_refund,
)
from gamification.earning.service.awards import RULED, Verdict, asks_more, award_for_activity, is_ruled, rule_loads
from gamification.earning.service.drafting import (
    RuleSaved,
    adapter_of_rule,
    discard_rule,
    lock_rules,
    preview_rule,
    publish_rule,
    publish_rules,
    retire_rule,
    save_rule,
)

__all__ = [
    "RULED",
    "Earned",
    "MonthRow",
    "Purchase",
    "RuleSaved",
    "Verdict",
    "accrue_for_order",
    "adapter_of_rule",
    "asks_more",
    "award_for_activity",
    "discard_rule",
    "is_ruled",
    "lock_rules",
    "months_load",
    "points_for_order",
    "preview_rule",
    "publish_rule",
    "publish_rules",
    "retire_rule",
    "revoke_for_refund",
    "rule_loads",
    "save_rule",
]
