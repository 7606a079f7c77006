"""A rush on one draw: what 64 members at once get from it, against as many who are spread over many draws.

`python -m tests.bench.hot WHAT SECONDS DRAW…` is one process of the product: its members, each as fast as they are
answered, on draws taken by turns. It prints how many were served and how long they waited, as JSON. `rush` lets several
such processes run together, on one draw and on many in shuffled rounds, over one database.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from itertools import count
from random import Random
from statistics import median
from typing import Any
from uuid import UUID

import click
import uvloop

from app.loading import loading
from app.settings import Settings
from app.wiring import open_work, sharing_flushes
from gamification.core.actors import SYSTEM, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.draws import service as draws
from gamification.draws.rules import Plan, Prize
from gamification.instant_draws import service as instant_draws
from gamification.instant_draws.rules import WHOLE_PPM, Line, Odds
from gamification.instant_draws.rules import Plan as InstantPlan
from tests.bench.bulk import told_by
from tests.bench.load import percentile_ms
from tests.bench.programme import Measured, check_invariants, opened
from tests.bench.seeding import TODAY

AT_ONCE = 64
MANY = 64
"""Draws that the members are spread over."""
MEMBERS = 2_000
PROCESSES = (1, 2)
NOW = TODAY + timedelta(hours=1)
"""After all that was seeded, such as the seeds of the days."""
STOCK = 1_000_000
"""Of the one prize of an instant draw: scarce, so that each win claims one, and never empty while it is measured."""


async def buy(work: Work, draw_id: UUID, member_id: UUID) -> None:
    """One ticket."""
    await draws.buy_ticket(
        work, draw_id=draw_id, member_id=member_id, actor=Actor("member", member_id), key=str(new_id())
    )


async def open_ticket_draws(work: Work, number: int) -> list[UUID]:
    """Draws without limits, whose tickets cost a point."""
    prize = Prize(name_zh="奖品", name_en="Prize", points=100, quantity=1)
    plan = Plan(
        title_zh="抢购", title_en="Rush", ticket_points=1, opens_at=work.clock.now(),
        closes_at=TODAY + timedelta(days=365),
        prizes=(prize,),
    )  # fmt: skip
    ids = [await draws.plan_draw(work, plan, actor=SYSTEM) for _ in range(number)]
    for draw_id in ids:
        await draws.open_draw(work, draw_id=draw_id, actor=SYSTEM)
    return ids


async def play(work: Work, draw_id: UUID, member_id: UUID) -> None:
    """One play."""
    await instant_draws.play(
        work, draw_id=draw_id, member_id=member_id, actor=Actor("member", member_id), key=str(new_id())
    )


async def open_instant_draws(work: Work, number: int) -> list[UUID]:
    """Draws with one prize of limited stock, which every second play wins; a play costs a point."""
    prize = Line(name_zh="奖品", name_en="Prize", points=1, odds_ppm=WHOLE_PPM // 2, stock=STOCK, fallback=2)
    miss = Line(name_zh="谢谢参与", name_en="No luck", kind="NONE", odds_ppm=WHOLE_PPM // 2)
    plan = InstantPlan(
        title_zh="抢购", title_en="Rush", opens_at=work.clock.now(), closes_at=TODAY + timedelta(days=365),
        odds=Odds(play_points=1, lines=(prize, miss)),
    )  # fmt: skip
    ids = [await instant_draws.plan_draw(work, plan, actor=SYSTEM) for _ in range(number)]
    for draw_id in ids:
        await instant_draws.publish_draw(work, draw_id=draw_id, actor=SYSTEM)
    return ids


ACTS: Mapping[str, Callable[[Work, UUID, UUID], Awaitable[None]]] = {"tickets": buy, "plays": play}
OPENINGS: Mapping[str, Callable[[Work, int], Awaitable[list[UUID]]]] = {
    "tickets": open_ticket_draws,
    "plays": open_instant_draws,
}


async def serve(what: str, seconds: float, draw_ids: Sequence[UUID]) -> dict[str, Any]:
    """Let members act for so long; how many were served, and how long each waited, in milliseconds."""
    settings = Settings()
    async with opened(settings):
        work = await open_work(settings)
        work.clock = FixedClock(NOW)
        rows = await fetch(
            "SELECT member_id FROM account WHERE currency = 'POINTS' AND available > 100 LIMIT $1", MEMBERS
        )
        act, members, turn = ACTS[what], [row["member_id"] for row in rows], count()
        waits_ns: list[int] = []
        async with sharing_flushes(settings, work):
            ends_at = time.perf_counter_ns() + int(seconds * 1e9)

            async def one(random: Random) -> None:
                while (begun := time.perf_counter_ns()) < ends_at:
                    await act(work, draw_ids[next(turn) % len(draw_ids)], random.choice(members))
                    waits_ns.append(time.perf_counter_ns() - begun)

            started = time.perf_counter()
            await asyncio.gather(*(one(Random(f"{os.getpid()} {number}")) for number in range(AT_ONCE)))
            took = time.perf_counter() - started
    return {"served": len(waits_ns), "seconds": took, "p99_ms": percentile_ms(waits_ns, 99)}


async def rush(programme: Measured, what: str, *, rounds: int, seconds: float, random: Random) -> list[dict[str, Any]]:
    """One line for each number of processes: the medians on one draw and on many, and their ratio."""
    async with opened(programme.settings):
        work = await open_work(programme.settings)
        work.clock = FixedClock(NOW)
        hot, spread = await OPENINGS[what](work, 1), await OPENINGS[what](work, MANY)
    lines = []
    for processes in PROCESSES:
        rates: dict[int, list[float]] = {1: [], MANY: []}
        slow: dict[int, list[float]] = {1: [], MANY: []}
        for _ in range(rounds):
            for ids in random.sample([hot, spread], 2):
                click.echo(f"{what}: {processes} processes on {len(ids)} draws ...", err=True)
                told = await _together(programme, what, seconds, ids, processes)
                rates[len(ids)].append(sum(each["served"] / each["seconds"] for each in told))
                slow[len(ids)].append(max(each["p99_ms"] for each in told))
        one, many = median(rates[1]), median(rates[MANY])
        lines.append({
            "what": what, "processes": processes, "one_per_second": one, "many_per_second": many, "ratio": one / many,
            "one_p99_ms": median(slow[1]), "many_p99_ms": median(slow[MANY]),
        })  # fmt: skip
    await check_invariants(programme.settings)
    return lines


async def _together(
    programme: Measured, what: str, seconds: float, ids: Sequence[UUID], processes: int
) -> list[dict[str, Any]]:
    asked = [what, str(seconds), *map(str, ids)]
    runs = [told_by("tests.bench.hot", *asked, environment=programme.environment) for _ in range(processes)]
    return [json.loads(printed) for printed in await asyncio.gather(*runs)]


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """What was measured, as Markdown."""
    rows = [
        f"| {each['what']} | {each['processes']} | {each['one_per_second']:,.0f} | {each['many_per_second']:,.0f} |"
        f" {each['ratio']:.2f} | {each['one_p99_ms']:.0f} | {each['many_p99_ms']:.0f} |"
        for each in lines
    ]
    head = f"| what, {AT_ONCE} members at once in each process | processes | one draw, /s | {MANY} draws, /s | ratio |"
    return "\n".join([f"{head} p99 ms, one | p99 ms, {MANY} |", "|---|---:|---:|---:|---:|---:|---:|", *rows, ""])


if __name__ == "__main__":
    with loading():  # as a web process is loaded
        import schema.root  # noqa: F401
    what, seconds, *ids = sys.argv[1:]
    print(json.dumps(uvloop.run(serve(what, float(seconds), [UUID(each) for each in ids]))))
