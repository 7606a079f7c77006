"""Draws that the product really held, with beacons, reserves and promotions: exported, and recomputed by everybody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from py_mini_racer import MiniRacer

from gamification.beacons import ports
from gamification.beacons.rules import QUICKNET, DrandBeacon, FigureBeacon
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.draws import exports
from gamification.draws import service as draws
from gamification.draws.verification import recomputed
from tests.beacons.builders import RANDOMNESS_OF_1000, SIGNATURES, ToldRelay
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    HOUR_SECONDS,
    STAFF,
    a_prize,
    a_programme,
    an_open_draw,
    bought,
    broken_invariants,
    lapse,
    members_with,
    no_heartbeat,
)
from tests.draws.test_verifier import exported
from tests.verifiers.running import verdicts
from tests.verifiers.test_verdicts import Owner

DELAY = timedelta(seconds=300)
CLOSES_AT = QUICKNET.instant_of(1000) - DELAY
FIGURE = FigureBeacon("上证指数收盘", "SSE Composite close", "https://www.sse.com.cn", CLOSES_AT + DAY)


@pytest.fixture
def clock() -> FixedClock:
    """A day before a closing that leads to a round which we have."""
    return FixedClock(CLOSES_AT - DAY)


@pytest.fixture
def relay() -> Iterator[ToldRelay]:
    """The only relay."""
    relay = ToldRelay()
    ports.appoint([relay])
    yield relay
    ports.appoint(None)


@pytest.fixture
async def owner(database: Database) -> Owner:
    """Whoever owns this test's database."""
    return Owner(database)


@pytest.fixture
async def sound(work: Work) -> AsyncIterator[Work]:
    """A programme whose books agree in the end."""
    yield work
    assert await broken_invariants() == []


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> Work:
    """A programme whose rows a test may change."""
    return await a_programme(clock)


async def a_life(work: Work, clock: FixedClock, beacon: DrandBeacon | FigureBeacon) -> UUID:
    """Twelve tickets of six members, five wins with limits and four reserves; nobody claims, twice over."""
    draw_id = await an_open_draw(
        work, a_prize(500, 2, 1), a_prize(20, 3, 1), beacon=beacon, reserves=4, claim_seconds=HOUR_SECONDS
    )
    await bought(work, draw_id, await members_with(work, [100] * 6) * 2)
    clock.set(CLOSES_AT)
    assert await draws.close_draw(work, draw_id=draw_id)
    clock.set(CLOSES_AT + (DAY if isinstance(beacon, FigureBeacon) else DELAY))
    if isinstance(beacon, FigureBeacon):
        await draws.enter_beacon_figure(work, draw_id=draw_id, value="3,214.58", actor=STAFF)
    else:
        assert await draws.look_for_beacon(work, draw_id=draw_id) is None
    assert await draws.draw_winners(work, draw_id=draw_id)
    await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat)
    return draw_id


async def lapses(work: Work, clock: FixedClock, draw_id: UUID) -> None:
    clock.advance(DAY)
    await lapse(work, draw_id)


async def test_a_life_with_a_round_is_accepted_at_each_step(
    sound: Work, clock: FixedClock, machine: MiniRacer, relay: ToldRelay
) -> None:
    """Drawn, after the first lapses and after the last: each document is whole, another one, and final in the end."""
    draw_id = await a_life(sound, clock, DrandBeacon())
    documents, tags, final = [], set(), []
    for _ in range(3):
        export = await exports.export_of(draw_id)
        assert export is not None
        documents.append(await exported(draw_id))
        tags.add(export.etag)
        final.append(export.is_final)
        verdict = await recomputed(draw_id, clock.now())
        assert verdict is not None and verdict.holds and verdict.beacon == RANDOMNESS_OF_1000
        await lapses(sound, clock, draw_id)
    assert verdicts(machine, "draw", documents) == [[], [], []]
    promoted = [len(each["promotions"]) for each in documents]
    assert promoted[0] == 0 and 2 <= promoted[1] <= promoted[2] <= 4, "who has two tickets may stand in the own way"
    assert len(tags) == len(set(promoted)) and final[:2] == [False, False]
    assert documents[0]["beacon"] == {
        "kind": "drand", "round": 1000, "randomness": RANDOMNESS_OF_1000, "signature": SIGNATURES[1000],
    }  # fmt: skip
    assert len(documents[0]["reserves"]) == 4 and len(documents[0]["winners"]) == 5
    last = await exports.export_of(draw_id)
    assert last is not None and last.is_final


async def test_a_life_with_a_figure_is_accepted(sound: Work, clock: FixedClock, machine: MiniRacer) -> None:
    """The figure stands in the document as it was published, with its source."""
    draw_id = await a_life(sound, clock, FIGURE)
    await lapses(sound, clock, draw_id)
    document = await exported(draw_id)
    assert document["beacon"] == {"kind": "figure", "value": "3,214.58", "source": "https://www.sse.com.cn"}
    assert verdicts(machine, "draw", [document]) == [[]]
    verdict = await recomputed(draw_id, clock.now())
    assert verdict is not None and verdict.holds and verdict.beacon == "3,214.58"


TAMPERED: list[tuple[str, tuple[str, ...]]] = [
    ("UPDATE draw_beacon SET signature = sha256('x') WHERE draw_id = $1", ("BEACON",)),
    ("UPDATE draw_beacon SET value = repeat('0', 64) WHERE draw_id = $1", ("BEACON", "WINNERS", "RESERVES")),
    ("UPDATE draw SET beacon_round = 1001 WHERE id = $1", ("BEACON",)),
    ("UPDATE draw SET closed_at = closed_at + interval '1 minute' WHERE id = $1", ("BEACON",)),
    ("UPDATE draw SET proof_level = 'OPERATOR' WHERE id = $1", ("BEACON",)),
    ("UPDATE draw_reserve SET place = 99 WHERE draw_id = $1 AND place = 1", ("RESERVES",)),
    ("DELETE FROM draw_reserve WHERE draw_id = $1 AND place = 4", ("RESERVES",)),
    ("UPDATE draw_win SET prize_place = 3 - prize_place WHERE draw_id = $1 AND rank = 6", ("PROMOTIONS",)),
    ("UPDATE draw_win SET rank = 99 WHERE draw_id = $1 AND rank = 7", ("PROMOTIONS",)),
]


@pytest.mark.parametrize(("sql", "said"), TAMPERED)
async def test_what_was_changed_is_told(
    work: Work, clock: FixedClock, relay: ToldRelay, owner: Owner, machine: MiniRacer, sql: str, said: tuple[str, ...]
) -> None:
    """Beacon, reserves and promotions that somebody changed are told by the server and refused by the verifiers."""
    draw_id = await a_life(work, clock, DrandBeacon())
    await lapses(work, clock, draw_id)
    await owner.changes(sql, draw_id)
    verdict = await recomputed(draw_id, clock.now())
    assert verdict is not None and set(said) <= set(verdict.discrepancies)
    if "proof_level" not in sql:
        (found,) = verdicts(machine, "draw", [await exported(draw_id)])
        assert found != []


async def test_the_document_is_json_of_plain_rows(work: Work, clock: FixedClock, relay: ToldRelay) -> None:
    """The instant of the closing is written as the terms write theirs."""
    document: dict[str, Any] = await exported(await a_life(work, clock, DrandBeacon()))
    assert document["closed_at"] == CLOSES_AT.isoformat().replace("+00:00", "Z")
    assert json.loads(json.dumps(document)) == document and document["format"] == "jifen-draw-export-2"
