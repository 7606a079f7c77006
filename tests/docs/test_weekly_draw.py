"""The page on a weekly draw, lived through: its queries in their order, its days, its worker, and what they come to.

Before `# 2 days later` the product is stopped and served again with a clock moved on, and its worker does what fell
due meanwhile; before `# once the worker has been by` the worker does what is due at that moment.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from app.settings import Settings
from app.wiring import open_work
from gamification.core import outbox
from tests.builders import assert_invariants
from tests.docs.conftest import WEDNESDAY_NOON, Seeded, serving
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.served import Served
from tests.docs.test_readme import ENOUGH_POINTS, KNOWN_IDS
from tests.draws.test_jobs import run_due
from tests.verifiers.running import a_machine, verdicts

PAGE = blocks(ROOT / "docs" / "weekly-draw.md", "graphql")
CLOSES_AT = WEDNESDAY_NOON + timedelta(days=2)
TIMES = {"OPENS_AT": WEDNESDAY_NOON, "CLOSES_AT": CLOSES_AT, "DUE_AT": CLOSES_AT + timedelta(hours=12)}


def days_of(page: Sequence[Block]) -> list[tuple[int, list[Block]]]:
    """The blocks of each day, and how many days pass before them."""
    days: list[tuple[int, list[Block]]] = [(0, [])]
    for block in page:
        days += [(int(match[1]), []) for match in block.notes(r"(\d+) days? later")]
        days[-1][1].append(block)
    return days


@asynccontextmanager
async def served_on(settings: Settings, told: Served) -> AsyncIterator[Served]:
    """The programme on some day, with what was answered on earlier ones; its worker begins with what fell due."""
    async with serving(settings) as client:
        await work_off(settings)
        yield Served(client, told.tokens, told.answers, told.names)


async def work_off(settings: Settings) -> None:
    """What the worker does now, with the sweep of every minute."""
    work = await open_work(settings)
    await outbox.schedule("draws.lapse_due", {}, run_at=work.clock.now())
    await run_due(work)


async def live_through(settings: Settings, told: Served) -> bytes:
    """Send every block on its day; nothing is missing and nothing refused. Returns the draw's document."""
    for later, day in days_of([KNOWN_IDS, ENOUGH_POINTS, *PAGE]):
        settings = settings.model_copy(update={"clock_offset": settings.clock_offset + timedelta(days=later)})
        async with served_on(settings, told) as served:
            for block in day:
                if block.notes("once the worker has been by"):
                    await work_off(settings)
                data = await served.send(block)
                assert all(value and "code" not in value for value in data.values()), f"{block.place}: {data}"
    async with served_on(settings, told) as served:
        await assert_invariants()
        return (await served.client.get(told.at("draw.exportUrl"))).content


@pytest.fixture
def told(seeded: Seeded) -> Served:
    """What the product has answered: nothing yet."""
    names = {name: instant.isoformat() for name, instant in TIMES.items()}
    return Served(httpx.AsyncClient(), seeded.tokens, names=names)


async def test_a_weekly_draw_goes_from_plan_to_proof(own_settings: Settings, told: Served) -> None:
    """Four tickets win three prizes; two are claimed, the third lapses, goes to the first in line and is claimed."""
    document = json.loads(await live_through(own_settings, told))
    assert told.at("enterBeaconFigure.state") == "CLOSED"
    moved = [(edge["node"]["kind"], edge["node"]["points"]) for edge in told.at("me.entries.edges")]
    ticket, second = ("REDEMPTION", -50), ("ACCRUAL", 100)
    assert moved[:6] == [second, second, ("ACCRUAL", 1_000), ticket, ticket, ticket]
    assert told.at("verifyDraw.holds") and told.at("verifyDraw.beacon") == "3456.78"
    assert [len(document[name]) for name in ("tickets", "winners", "reserves", "promotions")] == [4, 3, 1, 1]
    assert verdicts(a_machine(), "draw", [document]) == [[]]
