"""Scheduled draws with a beacon: fixed at closing, found, kept, mixed in; absent too long, everything goes back."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from gamification.beacons import ports
from gamification.beacons.rules import QUICKNET, DrandBeacon, Miss
from gamification.core import outbox
from gamification.core.chance import commitment
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.work import Work
from gamification.draws import queries
from gamification.draws import service as draws
from gamification.draws.beacons import beacon_row
from gamification.draws.service import closing
from tests.beacons.builders import RANDOMNESS_OF_1000, SIGNATURES, ToldRelay
from tests.databases import Database
from tests.draws.builders import (
    DAY,
    STAFF,
    a_crowd_of_connections,
    a_member,
    a_plan,
    a_prize,
    a_programme,
    an_open_draw,
    available,
    bought,
    draw_row,
    members_with,
    rows_written,
)
from tests.draws.test_jobs import run_due, state_of

DELAY = timedelta(seconds=300)
CLOSES_AT = QUICKNET.instant_of(1000) - DELAY
"""A closing that leads to a round which we have."""
ABSENT = Miss("NOT_THERE", "relay")


@pytest.fixture
def clock() -> FixedClock:
    """A day before that closing."""
    return FixedClock(CLOSES_AT - DAY)


@pytest.fixture
def relay() -> Iterator[ToldRelay]:
    """The only relay: honest, until it is told otherwise."""
    relay = ToldRelay()
    ports.appoint([relay])
    yield relay
    ports.appoint(None)


async def a_closed_draw(work: Work, clock: FixedClock, tickets: int = 6, **given: Any) -> UUID:
    """A draw with a drand beacon, a ticket for each of some members, closed at its time."""
    draw_id = await an_open_draw(work, a_prize(20, 3), beacon=DrandBeacon(), **given)
    await bought(work, draw_id, await members_with(work, [50] * tickets))
    clock.set(CLOSES_AT)
    assert await draws.close_draw(work, draw_id=draw_id)
    await execute("DELETE FROM outbox WHERE job = 'draws.close'")
    return draw_id


async def winning_numbers(draw_id: UUID) -> list[int]:
    rows = await fetch("SELECT number FROM draw_win WHERE draw_id = $1 ORDER BY rank", draw_id)
    return [row["number"] for row in rows]


def numbers_in_order(seed: bytes, draw_id: UUID, tickets: int) -> list[int]:
    """As the algorithm's page says, with the standard library alone."""

    def place(number: int) -> bytes:
        return hmac.new(seed, f"{draw_id}|{number}".encode(), hashlib.sha256).digest()

    return sorted(range(1, tickets + 1), key=place)


def mixed(seed: bytes, draw_id: UUID, value: str) -> bytes:
    """As the algorithm's page says."""
    return hmac.new(seed, f"beacon|{draw_id}|{value}".encode(), hashlib.sha256).digest()


async def test_the_terms_freeze_the_beacon_and_the_level_is_public(work: Work) -> None:
    """Chain, key and delay stand in the hashed text; the method says what is mixed; a draft can still be opened."""
    draw_id = await an_open_draw(work, beacon=DrandBeacon())
    draw = await draw_row(draw_id)
    terms = orjson.loads(draw["terms"])
    assert (draw["algorithm"], draw["proof_level"], draw["beacon_kind"]) == ("jifen-draw-2", "PUBLIC", "DRAND")
    assert (terms["algorithm"], terms["proof_level"]) == ("jifen-draw-2", "PUBLIC")
    assert terms["beacon"] == DrandBeacon().terms()
    assert "beacon|draw|value" in terms["method"]["en"] and "beacon|抽奖|数值" in terms["method"]["zh-CN"]
    assert (draw["beacon_round"], draw["beacon_due_at"]) == (None, None)


async def test_closing_fixes_the_round_and_the_drawing_waits_for_it(work: Work, clock: FixedClock) -> None:
    """The first round that is not before closing and delay, published with the root; nothing is drawn before."""
    draw_id = await a_closed_draw(work, clock)
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["beacon_round"], draw["beacon_due_at"]) == ("CLOSED", 1000, CLOSES_AT + DELAY)
    (job,) = await fetch("SELECT run_at FROM outbox WHERE job = 'draws.draw'")
    assert job["run_at"] == CLOSES_AT + DELAY
    before = await rows_written()
    assert await draws.look_for_beacon(work, draw_id=draw_id) == CLOSES_AT + DELAY
    assert not await draws.draw_winners(work, draw_id=draw_id)
    assert await rows_written() == before


async def test_a_late_closing_takes_a_later_round(work: Work, clock: FixedClock) -> None:
    """The delay counts from the moment at which the list was frozen, so nobody knows the value before."""
    draw_id = await an_open_draw(work, beacon=DrandBeacon())
    await bought(work, draw_id, [await a_member(work)])
    clock.set(CLOSES_AT + timedelta(hours=2))
    await draws.close_draw(work, draw_id=draw_id)
    draw = await draw_row(draw_id)
    assert (draw["beacon_round"], draw["beacon_due_at"]) == (1000 + 2400, CLOSES_AT + timedelta(hours=2) + DELAY)


async def test_the_round_counts_from_the_end_of_numbering(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbering a million tickets takes its time, in which a round may come that would be known too early."""
    number = closing._number_tickets

    async def slowly(draw_id: UUID) -> tuple[int, list[bytes]]:
        clock.advance(timedelta(minutes=9))
        return await number(draw_id)

    monkeypatch.setattr(closing, "_number_tickets", slowly)
    draw_id = await a_closed_draw(work, clock)
    draw = await draw_row(draw_id)
    assert draw["closed_at"] == CLOSES_AT + timedelta(minutes=9)
    assert (draw["beacon_round"], draw["beacon_due_at"]) == (1000 + 180, CLOSES_AT + timedelta(minutes=9) + DELAY)


async def test_a_draw_finds_its_value_and_settles_by_itself(work: Work, clock: FixedClock, relay: ToldRelay) -> None:
    """The value is kept with its signature and relay; the winners follow from the mixed seed, not from the seed."""
    draw_id = await a_closed_draw(work, clock)
    assert await run_due(work) == [] and relay.asked == []
    clock.advance(DELAY)
    assert await run_due(work) == ["draws.draw", "draws.draw", "draws.settle"]
    assert relay.asked == [(QUICKNET.hash, 1000)] and (await state_of(draw_id)).state == "SETTLED"
    row = await fetch_row("SELECT value, beacon_round, signature, source, known_at FROM draw_beacon")
    assert row is not None and tuple(row) == (
        RANDOMNESS_OF_1000, 1000, bytes.fromhex(SIGNATURES[1000]), "https://relay.example", clock.now(),
    )  # fmt: skip
    seed = (await draw_row(draw_id))["seed"]
    assert await winning_numbers(draw_id) == numbers_in_order(mixed(seed, draw_id, RANDOMNESS_OF_1000), draw_id, 6)[:3]
    assert commitment(seed) == (await draw_row(draw_id))["commitment"]


async def test_a_whole_small_draw_is_pinned(
    database: Database, clock: FixedClock, relay: ToldRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """jifen-draw-2 with fixed seed, ids and round: whoever implements it must come to this root and these winners."""
    work = await a_programme(clock)
    draw_id = UUID("019c0000-0000-7000-8000-000000000001")
    monkeypatch.setattr("gamification.draws.service.planning.new_seed", lambda: bytes(range(32)))
    await draws.plan_draw(
        work, a_plan(clock, a_prize(500, 1), a_prize(20, 3, 1), beacon=DrandBeacon()), actor=STAFF, draw_id=draw_id
    )
    await draws.open_draw(work, draw_id=draw_id, actor=STAFF)
    for number in range(1, 9):
        await execute(
            """INSERT INTO ticket (member_id, draw_id, id, points, entry_seq, bought_at, business_date)
               VALUES ($1, $2, $3, 50, 1, $4, '2023-08-23')""",
            UUID(int=number % 3), draw_id, UUID(int=number), clock.now(),
        )  # fmt: skip
    clock.set(CLOSES_AT)
    await draws.close_draw(work, draw_id=draw_id)
    clock.advance(DELAY)
    assert await draws.look_for_beacon(work, draw_id=draw_id) is None
    assert await draws.draw_winners(work, draw_id=draw_id)
    rows = await fetch("SELECT rank, number, prize_place FROM draw_win ORDER BY rank")
    assert (await draw_row(draw_id))["merkle_root"].hex() == GOLDEN_ROOT
    assert [tuple(row) for row in rows] == GOLDEN_WINS


GOLDEN_ROOT = "05b02d6e4d5414f6d49ee69461360168d79b6bbd1400db02df063b9f34f5bb86"
GOLDEN_WINS = [(1, 2, 1), (2, 6, 2), (3, 1, 2), (4, 8, 2)]
"""By the stand-alone verifier's own functions; by the seed alone the first prize would go to ticket 6."""


async def test_a_value_that_comes_late_is_found_within_a_minute(
    work: Work, clock: FixedClock, relay: ToldRelay
) -> None:
    """Looks follow each other by growing pauses; staff see why nothing is drawn, until it is."""
    draw_id = await a_closed_draw(work, clock)
    due_at = CLOSES_AT + DELAY
    relay.says, looks = ABSENT, 0
    clock.set(due_at)
    while clock.now() < due_at + timedelta(minutes=90):
        looks += (await run_due(work)).count("draws.draw")
        clock.set(await fetch_value("SELECT run_at FROM outbox WHERE done_at IS NULL"))
    assert looks == 98
    (failure,) = (await queries.failure_pages([draw_id], None, 10))[draw_id]
    assert (failure.what, failure.attempts) == ("beacon", 98)
    assert failure.error == "RoundMissing: round 1000: relay: NOT_THERE"
    assert (await state_of(draw_id)).failing == 1
    last_look = await fetch_value("SELECT failed_at FROM draw_failure")
    relay.says = None
    assert clock.now() - last_look == timedelta(seconds=60)
    assert await run_due(work) == ["draws.draw", "draws.draw", "draws.settle"]
    assert (await queries.failure_pages([draw_id], None, 10))[draw_id] == []
    assert await state_of(draw_id) == queries.DrawState(draw_id, "SETTLED", 3, 3, 0)
    assert await outbox.dead_letters(first=1) == []


async def test_a_lie_is_never_mixed_in(work: Work, clock: FixedClock, relay: ToldRelay) -> None:
    """A round that the chain did not sign leaves the draw waiting."""
    draw_id = await a_closed_draw(work, clock)
    clock.advance(DELAY)
    relay.says = {"round": 1000, "randomness": hashlib.sha256(bytes(48)).hexdigest(), "signature": "00" * 48}
    assert await draws.look_for_beacon(work, draw_id=draw_id) == clock.now() + timedelta(seconds=3)
    assert not await draws.draw_winners(work, draw_id=draw_id)
    row = await beacon_row(draw_id)
    assert row is not None and (row.state, row.value) == ("CLOSED", None)
    assert await fetch_value("SELECT error FROM draw_failure") == (
        "RoundMissing: round 1000: https://relay.example: WRONG_SIGNATURE"
    )


async def test_without_a_value_for_a_day_everything_goes_back(work: Work, clock: FixedClock, relay: ToldRelay) -> None:
    """Not a second earlier; the seed is revealed, nobody wins, every price returns to the lot that it came from."""
    draw_id = await a_closed_draw(work, clock)
    relay.says = ABSENT
    lots = [dict(row) for row in await fetch("SELECT * FROM lot ORDER BY member_id, seq")]
    clock.set(CLOSES_AT + DELAY + DAY - timedelta(microseconds=1))
    assert await run_due(work) == ["draws.draw"] and (await state_of(draw_id)).state == "CLOSED"
    clock.advance(timedelta(microseconds=1))
    assert await run_due(work) == ["draws.draw", "draws.restore"]
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["void_reason"], draw["restored_at"]) == ("VOIDED", "BEACON_MISSING", clock.now())
    assert draw["seed"] is not None and await fetch("SELECT * FROM draw_win") == []
    after = [dict(row) for row in await fetch("SELECT * FROM lot ORDER BY member_id, seq")]
    assert [lot["remaining"] for lot in lots] == [0] * 6 and [lot["remaining"] for lot in after] == [50] * 6
    assert [lot["expires_at"] for lot in after] == [lot["expires_at"] for lot in lots]
    members = await fetch("SELECT member_id FROM ticket")
    assert [await available(row["member_id"]) for row in members] == [50] * 6
    relay.says = None
    assert await draws.look_for_beacon(work, draw_id=draw_id) is None and relay.asked[-1] == (QUICKNET.hash, 1000)
    assert not await draws.draw_winners(work, draw_id=draw_id)


async def test_a_value_that_is_there_counts_however_late_we_look(
    work: Work, clock: FixedClock, relay: ToldRelay
) -> None:
    """An outage of ours of two days is no absence of the round: it is fixed, and nobody can choose another."""
    draw_id = await a_closed_draw(work, clock)
    clock.advance(2 * DAY)
    assert await run_due(work) == ["draws.draw", "draws.draw", "draws.settle"]
    assert (await state_of(draw_id)).state == "SETTLED"


async def test_a_crash_between_finding_and_drawing_loses_nothing(
    work: Work, clock: FixedClock, relay: ToldRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept value is what the next run draws by, even when all relays are gone or say otherwise by then."""
    draw_id = await a_closed_draw(work, clock)
    clock.advance(DELAY)
    with monkeypatch.context() as crashing:

        async def die(*given: object, **named: object) -> None:
            raise KeyboardInterrupt

        crashing.setattr(closing, "_fix", die)
        await draws.look_for_beacon(work, draw_id=draw_id)
        with pytest.raises(KeyboardInterrupt):
            await draws.draw_winners(work, draw_id=draw_id)
    assert (await draw_row(draw_id))["state"] == "CLOSED"
    relay.says = Miss("UNREACHABLE", "relay")
    assert await run_due(work) == ["draws.draw", "draws.draw", "draws.settle"]
    assert len(relay.asked) == 1
    seed = (await draw_row(draw_id))["seed"]
    assert await winning_numbers(draw_id) == numbers_in_order(mixed(seed, draw_id, RANDOMNESS_OF_1000), draw_id, 6)[:3]


async def test_two_workers_keep_one_value_and_draw_once(
    database: Database, work: Work, clock: FixedClock, relay: ToldRelay
) -> None:
    """Four at once look and draw: one value, one set of winners, one settlement."""
    draw_id = await a_closed_draw(work, clock)
    clock.advance(DELAY)

    async def worker() -> bool:
        assert await draws.look_for_beacon(work, draw_id=draw_id) is None
        return await draws.draw_winners(work, draw_id=draw_id)

    async with a_crowd_of_connections(database):
        outcomes = await asyncio.gather(*(worker() for _ in range(4)))
    assert sorted(outcomes) == [False, False, False, True]
    assert await fetch_value("SELECT count(*) FROM draw_beacon") == 1
    assert await fetch_value("SELECT count(*) FROM draw_win") == 3
    assert await fetch_value("SELECT count(*) FROM outbox WHERE job = 'draws.settle'") == 1


async def test_a_look_that_was_lost_is_made_up_for(work: Work, clock: FixedClock, relay: ToldRelay) -> None:
    """The sweep of every minute looks where nobody else does, and leaves alone what was looked at of late."""
    draw_id = await a_closed_draw(work, clock)
    await execute("DELETE FROM outbox")
    relay.says = ABSENT
    clock.advance(DELAY)
    for _ in range(2):  # the second finds that somebody has just looked
        await outbox.tick(["draws.look_for_due_beacons"], [clock.now()])
        assert await run_due(work) == ["draws.look_for_due_beacons"]
        clock.advance(timedelta(seconds=30))
    assert len(relay.asked) == 1 and (await state_of(draw_id)).state == "CLOSED"
    relay.says = None
    await outbox.tick(["draws.look_for_due_beacons"], [clock.now()])
    assert await run_due(work) == ["draws.look_for_due_beacons", "draws.draw", "draws.settle"]
    assert (await state_of(draw_id)).state == "SETTLED"


async def test_staff_may_let_it_look_again_but_not_early(work: Work, clock: FixedClock, relay: ToldRelay) -> None:
    """A re-drive before the value is due asks nobody; one afterwards looks at once."""
    draw_id = await a_closed_draw(work, clock)
    await draws.redrive_draw(work, draw_id=draw_id, actor=STAFF)
    assert await run_due(work) == ["draws.draw"] and relay.asked == []
    assert await fetch_value("SELECT count(*) FROM outbox WHERE done_at IS NULL") == 1
    clock.advance(DELAY)
    await draws.redrive_draw(work, draw_id=draw_id, actor=STAFF)
    assert sorted(await run_due(work)) == ["draws.draw"] * 3 + ["draws.settle"]
    assert len(relay.asked) == 1 and (await state_of(draw_id)).state == "SETTLED"


async def test_too_few_tickets_void_it_without_waiting(work: Work, clock: FixedClock) -> None:
    """Nobody waits for a value that decides nothing."""
    draw_id = await a_closed_draw(work, clock, tickets=2, tickets_min=3)
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["void_reason"]) == ("VOIDED", "TOO_FEW_TICKETS")
    assert await fetch_value("SELECT count(*) FROM outbox WHERE job = 'draws.draw'") == 0


async def test_a_draw_of_the_former_algorithm_is_drawn_by_its_seed_alone(work: Work, clock: FixedClock) -> None:
    """One opened under jifen-draw-1 keeps its terms through an upgrade, sells, closes and is drawn as it promised."""
    draw_id = await draws.plan_draw(work, a_plan(clock, a_prize(20, 3)), actor=STAFF)
    seed = bytes(range(32))
    await execute("INSERT INTO draw_secret (draw_id, seed, salt) VALUES ($1, $2, sha256($2))", draw_id, seed)
    await execute(
        """UPDATE draw SET state = 'OPEN', algorithm = 'jifen-draw-1', opened_at = $2, commitment = $3, terms = $4,
                  terms_hash = sha256(convert_to($4, 'UTF8')) WHERE id = $1""",
        draw_id, clock.now(), commitment(seed), '{"algorithm":"jifen-draw-1"}',
    )  # fmt: skip
    await bought(work, draw_id, await members_with(work, [50] * 6))
    clock.advance(DAY)
    await draws.close_draw(work, draw_id=draw_id)
    assert await run_due(work) == ["draws.draw", "draws.settle"]
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["algorithm"], draw["proof_level"]) == ("SETTLED", "jifen-draw-1", "OPERATOR")
    assert await winning_numbers(draw_id) == numbers_in_order(seed, draw_id, 6)[:3]


async def test_a_draft_from_before_is_opened_under_the_new_algorithm(work: Work) -> None:
    """What counts is the algorithm at opening, which the terms name."""
    draw_id = await draws.plan_draw(work, a_plan(work.clock), actor=STAFF)
    await execute("UPDATE draw SET algorithm = 'jifen-draw-1'")
    await draws.open_draw(work, draw_id=draw_id, actor=STAFF)
    draw = await draw_row(draw_id)
    assert draw["algorithm"] == orjson.loads(draw["terms"])["algorithm"] == "jifen-draw-2"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE draw SET beacon_kind = 'NONE', proof_level = 'OPERATOR'",
        "UPDATE draw SET beacon_round = 1001, beacon_due_at = beacon_due_at + interval '3 s'",
        "UPDATE draw SET beacon_due_at = beacon_due_at + interval '3 s'",
        "UPDATE draw_beacon SET value = 'x'",
        "DELETE FROM draw_beacon",
        """INSERT INTO draw_beacon (draw_id, value, source, known_at)
           SELECT gen_random_uuid(), value, source, known_at FROM draw_beacon""",
    ],
)
async def test_what_decides_cannot_be_changed(work: Work, clock: FixedClock, relay: ToldRelay, change: str) -> None:
    """Neither the beacon, nor its round, nor the value: the database refuses it, whoever asks."""
    draw_id = await a_closed_draw(work, clock)
    clock.advance(DELAY)
    await draws.look_for_beacon(work, draw_id=draw_id)
    before, values = await draw_row(draw_id), await fetch("TABLE draw_beacon")
    with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
        await execute(change)
    assert (await draw_row(draw_id), await fetch("TABLE draw_beacon")) == (before, values)


async def test_no_value_is_kept_before_it_is_due_nor_winners_without_one(work: Work, clock: FixedClock) -> None:
    """The database holds both, whatever code is above it."""
    await a_closed_draw(work, clock)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute(
            """INSERT INTO draw_beacon (draw_id, value, beacon_round, signature, source, known_at)
               SELECT id, encode(sha256('x'), 'hex'), beacon_round, 'x', 'me', beacon_due_at - interval '1 s'
               FROM draw"""
        )
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(
            """INSERT INTO draw_beacon (draw_id, value, beacon_round, signature, source, known_at)
               SELECT id, 'another', beacon_round, 'x', 'me', beacon_due_at FROM draw"""
        )
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute(
            """UPDATE draw SET state = 'DRAWN', drawn_at = closed_at, wins = 0, unawarded = 3,
                      seed = (SELECT seed FROM draw_secret)"""
        )
    assert await fetch("TABLE draw_beacon") == [] and await fetch_value("SELECT state FROM draw") == "CLOSED"
