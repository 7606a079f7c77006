"""The published terms of a version of odds: one canonical text with what regulators ask to be disclosed, and its hash.

Canonical JSON: keys sorted, no blanks, instants in UTC. The hash of exactly this text is what a play stands under.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from gamification.core.calendar import Calendar
from gamification.instant_draws.rules import ALGORITHM, PROOF_LEVEL, Line, Odds, Plan

METHOD = {
    "zh-CN": "每个营业日使用同一个 32 字节种子,其 SHA-256 提前公布,营业日结束后公开种子。"
    "随机数 = HMAC-SHA256(种子, 抽奖|会员|次序|尝试) 前 64 位,拒绝采样后对 1000000 取余;"
    "取公布顺序中累计概率首先大于随机数的一项。无法发放的奖品按公布的替代项发放。奖品即时到账。",
    "en": "Each business day has one 32-byte seed whose SHA-256 is published ahead and which is revealed when it is "
    "over. The roll is the leading 64 bits of HMAC-SHA256(seed, draw|member|number|attempt), by rejection sampling, "
    "modulo 1000000; it stands for the first line in the published order whose cumulated odds exceed it. A prize that "
    "cannot be given is replaced by its published fallback. Prizes are credited at once.",
}


def terms_of(draw_id: UUID, version: int, plan: Plan, calendar: Calendar) -> str:
    """The terms of a version as they are published and hashed."""
    odds = plan.odds
    document = {
        "algorithm": ALGORITHM,
        "proof_level": PROOF_LEVEL,
        "draw": str(draw_id),
        "version": version,
        "title": {"zh-CN": plan.title_zh, "en": plan.title_en},
        "opens_at": plan.opens_at,
        "closes_at": plan.closes_at,
        "gate": {
            "tier_min": plan.gate.tier_min, "early_tier_min": plan.gate.early_tier_min,
            "early_seconds": plan.gate.early_seconds,
        },
        **{name: getattr(odds, name) for name, *_ in odds.LIMITS},
        "lines": [_line(place, line) for place, line in enumerate(odds.lines, 1)],
        "disclosure": {
            "zh-CN": _disclosure(plan, calendar, 0),
            "en": _disclosure(plan, calendar, 1),
        },
    }  # fmt: skip
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z).decode()


def _line(place: int, line: Line) -> dict[str, Any]:
    return {
        "place": place, "kind": line.kind, "name": {"zh-CN": line.name_zh, "en": line.name_en},
        "points": line.points, "value_fen": line.value_fen, "odds_ppm": line.odds_ppm, "pity_ppm": line.pity_ppm,
        "stock": line.stock, "per_member": line.per_member, "daily_release": line.daily_release,
        "fallback": line.fallback,
    }  # fmt: skip


def percent(ppm: int) -> str:
    """Parts per million as per cent with all their digits."""
    return f"{ppm // 10_000}.{ppm % 10_000:04d}%"


def _disclosure(plan: Plan, calendar: Calendar, language: int) -> dict[str, Any]:
    """Prizes with odds and quantities, conditions, time and method, as people read them (0 Chinese, 1 English)."""
    return {
        "prizes": [_prize_text(line, plan.odds, language) for line in plan.odds.lines],
        "conditions": _conditions(plan, language),
        "time": _time(plan, calendar, language),
        "method": METHOD[("zh-CN", "en")[language]],
    }


def _prize_text(line: Line, odds: Odds, language: int) -> str:
    parts = [
        (line.name_zh, line.name_en),
        *([(f"{line.points} 积分", f"{line.points} points")] if line.wins else []),
        (f"概率 {percent(line.odds_ppm)}", f"odds {percent(line.odds_ppm)}"),
    ]
    if line.pity_ppm is not None:
        parts.append((f"保底概率 {percent(line.pity_ppm)}", f"after misses {percent(line.pity_ppm)}"))
    if line.stock is not None:
        parts.append((f"共 {line.stock} 份", f"{line.stock} in all"))
    if line.daily_release is not None:
        parts.append((f"每日投放 {line.daily_release} 份", f"{line.daily_release} more each day"))
    if line.per_member is not None:
        parts.append((f"每人限 {line.per_member} 份", f"at most {line.per_member} a member"))
    if line.fallback is not None:
        instead = odds.line(line.fallback)
        parts.append((f"发完后改为{instead.name_zh}", f"otherwise {instead.name_en}"))
    return _joined(parts, language)


def _conditions(plan: Plan, language: int) -> str:
    odds = plan.odds
    parts = [(f"每次 {odds.play_points} 积分", f"{odds.play_points} points a play")]
    if odds.free_plays_per_day:
        parts.append((f"每日免费 {odds.free_plays_per_day} 次", f"{odds.free_plays_per_day} free plays a day"))
    if odds.plays_per_member_day is not None:
        parts.append((f"每人每日限 {odds.plays_per_member_day} 次", f"at most {odds.plays_per_member_day} plays a day"))
    if odds.plays_per_member is not None:
        parts.append((f"每人共限 {odds.plays_per_member} 次", f"at most {odds.plays_per_member} plays in all"))
    if odds.pity_after is not None:
        parts.append(
            (f"连续未中 {odds.pity_after} 次后启用保底概率", f"better odds after {odds.pity_after} misses in a row")
        )
    if odds.budget_points is not None:
        parts.append((f"活动预算 {odds.budget_points} 积分", f"{odds.budget_points} points in all are given"))
    tier = plan.gate.tier_min
    if tier is not None:
        parts.append((f"限 {tier} 及以上等级", f"tier {tier} or above"))
    parts.append(("限成年会员,工作人员除外", "adult members who do not work here"))
    return _joined(parts, language)


def _time(plan: Plan, calendar: Calendar, language: int) -> str:
    opens, closes = _local(plan.opens_at, calendar), _local(plan.closes_at, calendar)
    parts = [(f"{opens} 至 {closes}({calendar.zone})", f"{opens} until {closes} ({calendar.zone})")]
    tier, seconds = plan.gate.early_tier_min, plan.gate.early_seconds
    if tier is not None:
        parts.append((f"{tier} 及以上等级提前 {seconds} 秒", f"{seconds} seconds earlier for {tier} or above"))
    return _joined(parts, language)


def _local(at: datetime, calendar: Calendar) -> str:
    return calendar.local(at).strftime("%Y-%m-%d %H:%M")


def _joined(parts: Sequence[tuple[str, str]], language: int) -> str:
    return (",", ", ")[language].join(part[language] for part in parts)
