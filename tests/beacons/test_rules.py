"""Which round a closing leads to, what is mixed, when one looks again: decisions on plain values."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.beacons.errors import BeaconNotDue, BeaconOverdue
from gamification.beacons.rules import (
    NO_BEACON,
    PAUSE_MAX,
    QUICKNET,
    Appointment,
    Beacon,
    DrandBeacon,
    FigureBeacon,
    Miss,
    beacon_of,
    check_in_time,
    checked_figure,
    could_have_been_known,
    mixed_seed,
    next_look_at,
    read_round,
)
from gamification.core.errors import InvalidInput
from tests.beacons.builders import RANDOMNESS_OF_1000, SIGNATURES, answer_for
from tests.docs.pages import ROOT

SEED = bytes(range(32))
DRAW = UUID("019c0000-0000-7000-8000-000000000001")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FIGURE = FigureBeacon("上证指数收盘", "SSE Composite close", "https://www.sse.com.cn", NOON + DAY)
instants = st.integers(0, 70 * 366 * 86_400 * 10**6).map(
    lambda past: QUICKNET.instant_of(1) + past * timedelta.resolution
)


def test_the_round_of_a_closing_is_pinned() -> None:
    """Round 1000 was due 2,997 seconds after quicknet's first; a closing 300 seconds before leads to it."""
    due_at = datetime(2023, 8, 23, 15, 59, 24, tzinfo=UTC)
    assert QUICKNET.instant_of(1) == datetime(2023, 8, 23, 15, 9, 27, tzinfo=UTC)
    closed_at = due_at - timedelta(seconds=300)
    assert DrandBeacon().appointment(closed_at) == Appointment(1000, due_at)
    assert DrandBeacon().appointment(closed_at + timedelta(microseconds=1)).number == 1001
    assert DrandBeacon().appointment(closed_at - timedelta(seconds=3)).number == 999
    assert DrandBeacon().appointment(closed_at - timedelta(seconds=2)).number == 1000


@given(instants)
def test_a_round_lies_behind_closing_and_delay_and_none_before_it_does(closed_at: datetime) -> None:
    """So it cannot be known when the list is frozen, and nobody can choose among rounds."""
    number, due_at = DrandBeacon().appointment(closed_at)
    assert number is not None and due_at is not None
    earliest = closed_at + timedelta(seconds=300)
    assert QUICKNET.instant_of(number - 1) < earliest <= QUICKNET.instant_of(number) == due_at
    assert not could_have_been_known(due_at, closed_at)


def test_before_the_chain_began_the_first_round_is_awaited() -> None:
    """There is no round 0."""
    assert QUICKNET.round_from(datetime(2020, 1, 1, tzinfo=UTC)) == 1


def test_the_mixed_seed_is_pinned() -> None:
    """HMAC-SHA256(seed, `beacon|draw|value`), computed here once more; nothing without a value."""
    message = f"beacon|{DRAW}|{RANDOMNESS_OF_1000}".encode()
    mixed = mixed_seed(SEED, DRAW, RANDOMNESS_OF_1000)
    assert mixed.hex() == "efdad264b198c685de762dfb6e5f08cf9562aa5368f4624471b5da6e9b3dce5c"
    assert mixed == hmac.new(SEED, message, hashlib.sha256).digest()
    assert (
        mixed_seed(SEED, DRAW, "3,214.58 点").hex()
        == "443648652cbcc6a59300214d16fdc11bcfd87793dd6d88249dac6a2b7d7b38ff"
    )
    assert mixed.hex() in (ROOT / "docs" / "beacons.md").read_text("utf-8")
    assert mixed_seed(SEED, DRAW, None) == SEED


@pytest.mark.parametrize("beacon", [NO_BEACON, DrandBeacon(), FIGURE], ids=lambda each: each.kind)
def test_terms_name_the_whole_beacon(beacon: Beacon) -> None:
    """What was published is read back the same, so that code of later years takes the round of the terms."""
    document = orjson.loads(orjson.dumps(beacon.terms(), option=orjson.OPT_UTC_Z))
    assert beacon_of({"beacon": document}) == beacon


def test_terms_of_the_chain_are_pinned() -> None:
    """Everything that it takes to check a round stands in them."""
    assert DrandBeacon().terms() == {
        "kind": "drand", "chain": "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
        "public_key": QUICKNET.public_key, "scheme": "bls-unchained-g1-rfc9380", "genesis": 1692803367,
        "period_seconds": 3, "delay_seconds": 300,
    }  # fmt: skip
    assert NO_BEACON.terms() == {"kind": "none"}


def test_terms_from_before_there_were_beacons_have_none() -> None:
    """A draw opened under jifen-draw-1 is drawn by its seed alone; terms of a later kind are no guess of ours."""
    assert beacon_of({"algorithm": "jifen-draw-1"}) == NO_BEACON
    with pytest.raises(ValueError, match="moon"):
        beacon_of({"beacon": {"kind": "moon"}})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name_zh": " "}, "beacon.figure.nameZh"),
        ({"name_en": "x" * 101}, "beacon.figure.nameEn"),
        ({"source": ""}, "beacon.figure.source"),
        ({"source": "x" * 501}, "beacon.figure.source"),
        ({"due_at": NOON + timedelta(minutes=5, microseconds=-1)}, "beacon.figure.dueAt"),
        ({"due_at": NOON + timedelta(days=30, microseconds=1)}, "beacon.figure.dueAt"),
    ],
)
def test_a_figure_that_cannot_be_a_beacon_says_where(change: dict[str, Any], path: str) -> None:
    """It has names and a source, and is due some minutes after the closing, within a month."""
    values = {name: getattr(FIGURE, name) for name in ("name_zh", "name_en", "source", "due_at")}
    assert [each.path for each in FigureBeacon(**{**values, **change}).planning_problems(NOON)] == [path]
    assert list(FIGURE.planning_problems(NOON)) == []


def test_looks_for_a_round_follow_each_other_within_a_minute() -> None:
    """Growing pauses from 3 seconds to a minute, until the patience is over; a figure is not looked for."""
    at, seconds = NOON, []
    while at < NOON + DAY:
        following = next_look_at("DRAND", NOON, at)
        seconds.append((following - at) // timedelta(seconds=1))
        at = following
    assert seconds[:8] == [3, 3, 3, 4, 6, 10, 15, 22] and max(seconds) == 60 and at == NOON + DAY
    assert timedelta(seconds=60) == PAUSE_MAX and len(seconds) < 1_500
    assert next_look_at("FIGURE", NOON, NOON) == NOON + DAY


def test_a_relays_answer_is_read_as_the_round_that_was_asked_for() -> None:
    """Its value is the hash that we compute of its signature; what else it holds is of no interest."""
    found = read_round(answer_for(1000, previous_signature="00"), 1000, "here")
    assert (found.number, found.signature.hex(), found.source) == (1000, SIGNATURES[1000], "here")
    assert found.value == RANDOMNESS_OF_1000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answer_for(1001), "WRONG_ROUND"),
        (answer_for(1, round=True), "WRONG_ROUND"),
        (answer_for(1, randomness=answer_for(100)["randomness"]), "WRONG_RANDOMNESS"),
        (answer_for(1, randomness=answer_for(1)["randomness"].upper()), "WRONG_RANDOMNESS"),
        (answer_for(1, signature=SIGNATURES[100]), "WRONG_RANDOMNESS"),
        (answer_for(1, signature=SIGNATURES[1].upper()), "JUNK"),
        (answer_for(1, signature=" " + SIGNATURES[1][1:]), "JUNK"),
        (answer_for(1, signature=SIGNATURES[1][:-2]), "JUNK"),
        (answer_for(1, signature=7), "JUNK"),
        (answer_for(1, round="1"), "JUNK"),
        ({"round": 1}, "JUNK"),
        ([], "JUNK"),
        ("junk", "JUNK"),
        (None, "JUNK"),
    ],
)
def test_whatever_else_a_relay_says_is_told_apart(answer: object, reason: str) -> None:
    """Another round, another hash, another shape: never a value."""
    with pytest.raises(Miss) as miss:
        read_round(answer, 1, "here")
    assert (miss.value.reason, str(miss.value)) == (reason, f"here: {reason}")


@pytest.mark.parametrize("text", ["3,214.58", "上证 3214.58 点", "x" * 100, "|"])
def test_a_figure_is_taken_exactly_as_published(text: str) -> None:
    """Not a character of it is changed."""
    assert checked_figure(text) == text


@pytest.mark.parametrize(
    "text", ["", " ", " 7", "7 ", "7\n", "7\n8", "7\u200b", "7  8", "7\u00a08", "\uff17", "x" * 101]
)
def test_a_figure_that_reads_as_another_is_refused(text: str) -> None:
    """What does not show, or looks the same in another writing, would be a second result to choose from."""
    with pytest.raises(InvalidInput) as refusal:
        checked_figure(text)
    assert refusal.value.field == "value"


def test_a_figure_is_entered_from_when_it_is_due_until_the_patience_ends() -> None:
    """24 hours, the last instant excluded."""
    check_in_time(NOON, NOON)
    check_in_time(NOON, NOON + DAY - timedelta(microseconds=1))
    with pytest.raises(BeaconNotDue) as early:
        check_in_time(NOON, NOON - timedelta(microseconds=1))
    with pytest.raises(BeaconOverdue) as late:
        check_in_time(NOON, NOON + DAY)
    assert (early.value.fields(), late.value.fields()) == ({"due_at": NOON}, {"given_up_at": NOON + DAY})
