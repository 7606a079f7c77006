"""drand over HTTP, against a server on this machine: what is believed, and how the rest is told apart."""

from __future__ import annotations

from typing import Any

import pytest
import structlog.testing

from app.drand import ANSWER_BYTES_MAX, HttpRelay, relays_of
from app.settings import Settings
from app.wiring import open_work
from gamification.beacons import ports
from gamification.beacons.ports import RelaysMissing
from gamification.beacons.rules import QUICKNET, Miss
from gamification.beacons.service import RoundMissing, find_round
from tests.beacons.builders import (
    RANDOMNESS_OF_1000,
    SIGNATURES,
    StandIn,
    ToldRelay,
    a_stand_in,
    answer_for,
)
from tests.databases import Database

PATH = f"/{QUICKNET.hash}/public/1000"


def a_relay(stand_in: StandIn, seconds_max: float = 30) -> HttpRelay:
    return HttpRelay(stand_in.address, seconds_max, seconds_max)


async def the_miss(relay: HttpRelay) -> str:
    """Why nothing is believed, as the log tells it too."""
    ports.appoint([relay])
    with structlog.testing.capture_logs() as lines, pytest.raises(RoundMissing) as missing:
        await find_round(QUICKNET, 1000)
    (miss,) = missing.value.misses
    (line,) = lines
    assert line == {
        "event": f"beacon.{miss.reason.lower()}", "log_level": "info" if miss.reason == "NOT_THERE" else "warning",
        "relay": relay.name, "chain": QUICKNET.hash, "round": 1000,
    }  # fmt: skip
    return miss.reason


async def test_a_real_round_is_believed(stand_in: StandIn) -> None:
    """Asked at drand's own path; the value is the randomness, and the relay that said it is kept."""
    stand_in.knows(1000)
    ports.appoint([a_relay(stand_in)])
    found = await find_round(QUICKNET, 1000)
    assert (found.number, found.value, found.signature.hex()) == (1000, RANDOMNESS_OF_1000, SIGNATURES[1000])
    assert found.source == stand_in.address and stand_in.heard[0].startswith(f"GET {PATH} HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (answer_for(1001), "WRONG_ROUND"),
        (answer_for(1001, round=1000), "WRONG_SIGNATURE"),
        (answer_for(1000, randomness="00" * 32), "WRONG_RANDOMNESS"),
        (answer_for(1000, signature="00" * 48), "WRONG_RANDOMNESS"),
        ({"round": 1000}, "JUNK"),
        (b"<html>Welcome to our wireless network</html>", "JUNK"),
        (b"[" * 10_000, "JUNK"),
        (b" " * (ANSWER_BYTES_MAX + 1), "JUNK"),
        (b"\xff\xfe", "JUNK"),
    ],
)
async def test_what_is_not_the_round_is_never_believed(stand_in: StandIn, document: Any, reason: str) -> None:
    """Another round, a signature of another one, a wrong hash, a web page, too much of anything."""
    stand_in.knows(1000, document)
    assert await the_miss(a_relay(stand_in)) == reason


async def test_a_round_that_is_not_signed_yet_is_not_there(stand_in: StandIn) -> None:
    """404 of most relays, 425 of some."""
    assert await the_miss(a_relay(stand_in)) == "NOT_THERE"
    stand_in.knows(1000, b"", "425 Too Early")
    assert await the_miss(a_relay(stand_in)) == "NOT_THERE"


@pytest.mark.parametrize("status", ["500 Internal Server Error", "403 Forbidden", "302 Found", "429 Too Many Requests"])
async def test_a_relay_that_is_not_well_is_told_apart(stand_in: StandIn, status: str) -> None:
    """Also one that would send us elsewhere, and one whose error carries the right document."""
    stand_in.knows(1000, answer_for(1000), status)
    assert await the_miss(a_relay(stand_in)) == "UNWELL"


async def test_a_relay_that_never_ends_its_answer_is_left(stand_in: StandIn) -> None:
    """The whole answer has a bound, not each of its bytes."""
    stand_in.hangs(1000)
    assert await the_miss(a_relay(stand_in, seconds_max=0.05)) == "TIMED_OUT"


async def test_a_relay_that_is_away_is_unreachable() -> None:
    """Nobody listens there any more; a name that cannot be is no fault of ours either."""
    async with a_stand_in() as gone:
        pass
    assert await the_miss(a_relay(gone)) == "UNREACHABLE"


async def test_relays_are_asked_in_their_order_until_one_is_believed(stand_in: StandIn) -> None:
    """A liar first, one without the round second, an honest one third; the fourth is not asked."""
    stand_in.knows(1000)
    liar, late, unasked = ToldRelay(answer_for(1001, round=1000)), ToldRelay(Miss("NOT_THERE", "late")), ToldRelay()
    ports.appoint([liar, late, a_relay(stand_in), unasked])
    found = await find_round(QUICKNET, 1000)
    assert (found.source, found.value) == (stand_in.address, RANDOMNESS_OF_1000)
    assert (liar.asked, late.asked, unasked.asked) == ([(QUICKNET.hash, 1000)], [(QUICKNET.hash, 1000)], [])


async def test_when_no_relay_has_it_each_says_why() -> None:
    """The text is what staff read beside the draw."""
    ports.appoint([ToldRelay(Miss("TIMED_OUT", "one")), ToldRelay({}, name="two")])
    with pytest.raises(RoundMissing) as missing:
        await find_round(QUICKNET, 7)
    assert str(missing.value) == "round 7: one: TIMED_OUT; two: JUNK"


async def test_a_process_asks_the_relays_of_its_settings(database: Database, settings: Settings) -> None:
    """In the order that DRAND_RELAYS gives; a process that was not wired asks nobody."""
    with pytest.raises(RelaysMissing):
        ports.relays()
    await open_work(settings)
    assert list(ports.relays()) == relays_of(settings) == [
        HttpRelay("https://api.drand.sh", 3.0, 1.5), HttpRelay("https://drand.cloudflare.com", 3.0, 1.5),
    ]  # fmt: skip
