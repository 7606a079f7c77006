"""Builders and readings that the tests of instant draws share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.clock import Clock, FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.draws.invariants import INVARIANTS as DRAWS_INVARIANTS
from gamification.instant_draws import exports
from gamification.instant_draws import service as instant_draws
from gamification.instant_draws.invariants import INVARIANTS
from gamification.instant_draws.queries import PlayRow
from gamification.instant_draws.rules import WHOLE_PPM, Line, Odds, Plan, hidden_from
from gamification.points.invariants import INVARIANTS as POINTS_INVARIANTS
from tests.draws.builders import a_member

WEEK = timedelta(days=7)
STAFF = Actor("staff", UUID(int=7), role="operator")
TABLES = (
    "instant_draw", "odds_version", "odds_line", "instant_stock", "instant_play", "play_seed", "entry", "lot",
    "allocation", "receipt", "outbox", "audit_record",
)  # fmt: skip


def a_prize(points: int, odds_ppm: int, fallback: int | None = None, **given: Any) -> Line:
    """A prize in points; without a fallback of its own it falls back to the last line of `a_table`."""
    return Line(name_zh=f"{points} 积分", name_en=f"{points} points", points=points, odds_ppm=odds_ppm,
                fallback=fallback, **given)  # fmt: skip


def a_miss(odds_ppm: int, pity_ppm: int | None = None) -> Line:
    return Line(name_zh="谢谢参与", name_en="No luck", kind="NONE", odds_ppm=odds_ppm, pity_ppm=pity_ppm)


def a_table(*prizes: Line, **given: Any) -> Odds:
    """Odds with these prizes and a miss that takes the rest, at 50 points a play."""
    last = len(prizes) + 1
    lines = tuple(prize if prize.fallback else replace(prize, fallback=last) for prize in prizes)
    rest = WHOLE_PPM - sum(line.odds_ppm for line in lines)
    pity = [line.pity_ppm for line in lines if line.pity_ppm is not None]
    miss = a_miss(rest, WHOLE_PPM - sum(pity) if pity else None)
    return Odds(**{"play_points": 50, "lines": (*lines, miss), **given})


WITH_PITY = a_table(
    a_prize(60, 300_000, 2, stock=3, pity_ppm=600_000), a_prize(5, 200_000, pity_ppm=300_000), pity_after=2
)  # fmt: skip
USUAL = a_table(a_prize(500, 10_000), a_prize(20, 200_000))


def a_plan(clock: Clock, odds: Odds = USUAL, **given: Any) -> Plan:
    """A draw of a week from now on."""
    values = {
        "title_zh": "幸运转盘",
        "title_en": "Lucky wheel",
        "opens_at": clock.now(),
        "closes_at": clock.now() + WEEK,
    }
    return Plan(**{**values, "odds": odds, **given})


async def a_draw(work: Work, odds: Odds = USUAL, **given: Any) -> UUID:
    """A published draw of a week from now on; whoever publishes confirms what it pays out."""
    draw_id = await instant_draws.plan_draw(work, a_plan(work.clock, odds, **given), actor=STAFF)
    await instant_draws.publish_draw(work, draw_id=draw_id, actor=STAFF, confirm_payout=True)
    return draw_id


async def play(work: Work, draw_id: UUID, member_id: UUID, key: str | None = None) -> instant_draws.Played:
    """One play, as the member asks for it."""
    actor = Actor("member", member_id)
    return await instant_draws.play(work, draw_id=draw_id, member_id=member_id, actor=actor, key=key or str(new_id()))


async def played(work: Work, draw_id: UUID, member_ids: Sequence[UUID]) -> list[Any]:
    """One play of each of these members (named twice: two) in one batch; answers and refusals."""
    commands = [instant_draws.Play(member_id=each, actor=Actor("member", each), draw_id=draw_id) for each in member_ids]
    return list(await work.perform_all(instant_draws.PLAY, commands))


def secret_from(work: Work) -> date:
    """The first business day whose seed is not revealed yet."""
    return hidden_from(work.clock.now(), work.calendar)


async def a_history(work: Work, clock: FixedClock) -> tuple[UUID, UUID]:
    """A draw and a member's thirty plays of it over three days, under two versions of the odds; the days are over."""
    draw_id, member_id = await a_draw(work, WITH_PITY), await a_member(work, 2_000)
    for day in range(3):
        for _ in range(10):
            await play(work, draw_id, member_id)
        clock.advance(timedelta(days=1))
        if day == 1:
            better = replace(WITH_PITY, play_points=40)
            await instant_draws.publish_odds(work, better, draw_id=draw_id, actor=STAFF, confirm_payout=True)
    return draw_id, member_id


async def exported(draw_id: UUID, member_id: UUID, hidden_from: date) -> Any:
    """The document of a member's plays, as whoever downloads it reads it."""
    export = await exports.export_of(draw_id, member_id, hidden_from)
    assert export is not None
    return json.loads(b"".join([chunk async for chunk in export.chunks()]))


async def plays_of(draw_id: UUID) -> list[PlayRow]:
    """All plays of a draw, in the order in which they were asked for."""
    columns = ", ".join(PlayRow._fields)
    rows = await fetch(f"SELECT {columns} FROM instant_play WHERE draw_id = $1 ORDER BY played_at, id", draw_id)
    return [PlayRow(*row) for row in rows]


async def rows_written() -> dict[str, int]:
    """How many rows there are, how often accounts were written, what was given, and where the draws stand."""
    counts = {table: await fetch_value(f"SELECT count(*) FROM {table}") for table in TABLES}
    counts["versions"] = await fetch_value("SELECT coalesce(sum(version), 0)::bigint FROM account")
    counts["given"] = await fetch_value("SELECT coalesce(sum(given), 0)::bigint FROM instant_stock")
    counts["draws"] = await fetch_value("SELECT string_agg(id::text || state, ',' ORDER BY id) FROM instant_draw")
    return counts


async def broken_invariants() -> list[str]:
    """The invariants of points, draws and instant draws that do not hold."""
    named = {**POINTS_INVARIANTS, **DRAWS_INVARIANTS, **INVARIANTS}
    return [name for name, sql in named.items() if await fetch(sql)]
