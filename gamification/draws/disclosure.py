"""What the public has to be told of a draw, in plain sentences: made from the published terms and from nothing else.

What the law asks for (规范促销行为暂行规定, §§13–15): prizes, quantity, value, conditions, time and method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from gamification.core.calendar import Calendar

CONDITIONS_MAX = 8
"""As many sentences as `_conditions` has."""
UNITS = ((86_400, "天", "days"), (3_600, "小时", "hours"), (60, "分钟", "minutes"), (1, "秒", "seconds"))


class DisclosedPrize(NamedTuple):
    """A prize as it was published; `value_fen` is what one of them is worth."""

    place: int
    name: str
    quantity: int
    value_fen: int
    per_member: int | None


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What there is to win, who may take part and how, when, and how winners are found."""

    title: str
    prizes: tuple[DisclosedPrize, ...]
    conditions: tuple[str, ...]
    time: str
    method: str


def disclosure_of(terms: str, locale: str, calendar: Calendar) -> Disclosure:
    """The terms of a draw, told in a language, with instants as the programme's clock shows them."""
    document: Mapping[str, Any] = orjson.loads(terms)
    language = "en" if locale == "en" else "zh-CN"
    prizes = tuple(
        DisclosedPrize(
            prize["place"], prize["name"][language], prize["quantity"], prize["value_fen"], prize["per_member"]
        )
        for prize in document["prizes"]
    )
    conditions = tuple(texts[language] for texts in _conditions(document))
    time = _time(document, calendar)[language]
    return Disclosure(document["title"][language], prizes, conditions, time, document["method"][language])


def _conditions(terms: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """The sentences that apply, in both languages; older terms lack what came later."""
    yield _both("须年满 18 周岁;工作人员不得参加。", "For adults only; whoever works here cannot enter.")
    gate = terms.get("gate") or {}
    if tier := gate.get("tier_min"):
        yield _both(f"仅限 {tier} 及以上等级会员。", f"For members from {tier} on.")
    yield _both(f"每张抽奖券 {terms['ticket_points']} 积分。", f"A ticket costs {terms['ticket_points']} points.")
    if free := terms.get("free_tickets_per_member"):
        yield _both(f"每位会员前 {free} 张免费。", f"A member's first tickets are free: {free}.")
    if most := terms["tickets_per_member"]:
        yield _both(f"每位会员最多 {most} 张。", f"A member holds {most} tickets at most.")
    if most := terms["tickets_per_member_day"]:
        yield _both(f"每位会员每日最多 {most} 张。", f"A member buys {most} tickets a day at most.")
    if least := terms["tickets_min"]:
        yield _both(
            f"少于 {least} 张时活动作废,积分原路退回。",
            f"With fewer than {least} tickets it is void, and all points go back.",
        )
    if seconds := terms.get("claim_seconds"):
        yield _both(
            f"中奖后须在 {_span(seconds, 1)}内领取,逾期由候补递补(候补 {terms['reserves']} 名)。",
            f"A prize has to be claimed within {_span(seconds, 2)}; otherwise it goes to the next in line, of whom"
            f" there are {terms['reserves']}.",
        )
    else:
        yield _both("奖品自动发放,无需领取。", "Prizes are granted by themselves.")


def _time(terms: Mapping[str, Any], calendar: Calendar) -> dict[str, str]:
    opens, closes = (_wall_clock(terms[name], calendar) for name in ("opens_at", "closes_at"))
    zone, gate = calendar.zone, terms.get("gate") or {}
    chinese, english = f"{opens} 至 {closes}({zone})。", f"From {opens} until {closes} ({zone})."
    if tier := gate.get("early_tier_min"):
        chinese += f"{tier} 及以上等级会员提前 {_span(gate['early_seconds'], 1)}。"
        english += f" Members from {tier} on: {_span(gate['early_seconds'], 2)} earlier."
    return _both(chinese, english)


def _both(chinese: str, english: str) -> dict[str, str]:
    return {"zh-CN": chinese, "en": english}


def _wall_clock(instant: str, calendar: Calendar) -> str:
    return calendar.local(datetime.fromisoformat(instant)).strftime("%Y-%m-%d %H:%M:%S")


def _span(seconds: int, language: int) -> str:
    """So many of the greatest unit that divides it."""
    unit = next(each for each in UNITS if seconds % each[0] == 0)
    count = seconds // unit[0]
    return f"{count} {unit[language]}".removesuffix("s" if count == 1 else "")
