"""Refusals of earning rules."""

from __future__ import annotations

from dataclasses import dataclass

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class RuleStateRefused(Refusal):
    """No revision of the rule is in the state that this needs: DRAFT to publish or discard, PUBLISHED to retire."""

    kept = False
    rule_code: str
    needed: str
    messages = {
        "zh-CN": "规则 {rule_code} 没有处于 {needed} 状态的版本",
        "en": "Rule {rule_code} has no revision in state {needed}.",
    }
