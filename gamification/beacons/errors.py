"""What is refused of a beacon's value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class BeaconNotDue(Refusal):
    """The figure is not published yet: what is entered now could not be it."""

    kept = False
    due_at: datetime
    messages = {"zh-CN": "公共数值将于 {due_at} 公布,此前不能录入", "en": "The figure is due at {due_at}, not before."}


@dataclass(kw_only=True, eq=False)
class BeaconOverdue(Refusal):
    """The figure was not entered in time; the draw is voided for want of it."""

    kept = False
    given_up_at: datetime
    messages = {
        "zh-CN": "公共数值须在 {given_up_at} 前录入,抽奖将作废",
        "en": "The figure had to be entered before {given_up_at}; the draw is voided.",
    }


@dataclass(kw_only=True, eq=False)
class BeaconAlreadyKnown(Refusal):
    """The draw has its value, another one; a value is never changed."""

    kept = False
    value: str
    messages = {
        "zh-CN": "公共数值已录入为 {value},不能更改",
        "en": "The value is {value} already and cannot be changed.",
    }


@dataclass(kw_only=True, eq=False)
class BeaconNotAFigure(Refusal):
    """The draw's beacon is not one that staff enter."""

    kept = False
    kind: str
    messages = {
        "zh-CN": "该抽奖的公共随机数类型为 {kind},不由人工录入",
        "en": "The beacon of this draw is {kind}; it is not entered by hand.",
    }
