"""Refusals of whole programmes."""

from __future__ import annotations

from dataclasses import dataclass

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class ProgrammeInvalid(Refusal):
    """A programme that may not be published; names the first offending node and how many there are."""

    kept = False
    path: str
    reason: str
    problems: int
    messages = {
        "zh-CN": "方案的 {path} 无效:{reason}(共 {problems} 处)",
        "en": "The programme is invalid at {path}: {reason} ({problems} in all).",
    }
