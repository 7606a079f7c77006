"""What is refused of prizes."""

from __future__ import annotations

from dataclasses import dataclass

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class PrizeTooValuable(Refusal):
    """The law bounds what one prize may be worth."""

    kept = False
    place: int
    value_fen: int
    limit_fen: int
    messages = {
        "zh-CN": "第 {place} 项奖品价值 {value_fen} 分,超过法定上限 {limit_fen} 分",
        "en": "Prize {place} is worth {value_fen} fen; the law allows {limit_fen}.",
    }
