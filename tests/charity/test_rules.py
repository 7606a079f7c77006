"""Terms, phases, codes and names of charity, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.charity.rules import (
    ALPHABET,
    CODE_BYTES,
    CODE_CHARACTERS,
    CampaignTerms,
    base32,
    grouped,
    masked_name,
    name_hash,
    phase,
    read_code,
    serial_number,
    units_left,
)

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def terms(**given: Any) -> CampaignTerms:
    usual = {
        "title_zh": "书", "title_en": "Books", "description_zh": "书", "description_en": "Books",
        "beneficiary": "B", "agreement_reference": "A-1", "opens_at": NOON,
    }  # fmt: skip
    return CampaignTerms(**{**usual, **given})


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({}, []),
        ({"goal_units": 1, "goal_may_be_passed": True, "monthly_units_max": 1, "closes_at": NOON + HOUR}, []),
        ({"title_zh": " ", "beneficiary": "x" * 101}, ["title_zh", "beneficiary"]),
        ({"points_per_unit": 0, "fen_per_unit": 1_000_001}, ["points_per_unit", "fen_per_unit"]),
        ({"goal_units": 0, "monthly_units_max": -1}, ["goal_units", "monthly_units_max"]),
        ({"goal_may_be_passed": True}, ["goal_may_be_passed"]),
        ({"closes_at": NOON}, ["closes_at"]),
    ],
)
def test_terms_say_what_is_wrong_with_them(given: dict[str, Any], paths: list[str]) -> None:
    """Unlimited is absent, never 0; a goal that may be passed is a goal; a window has a length."""
    assert [problem.path for problem in terms(**given).problems()] == paths


@pytest.mark.parametrize(
    ("state", "now", "expected"),
    [
        ("DRAFT", NOON, "DRAFT"),
        ("OPEN", NOON - timedelta(microseconds=1), "UPCOMING"),
        ("OPEN", NOON, "OPEN"),
        ("OPEN", NOON + HOUR - timedelta(microseconds=1), "OPEN"),
        ("OPEN", NOON + HOUR, "CLOSED"),
        ("CLOSED", NOON, "CLOSED"),
    ],
)
def test_a_campaign_opens_and_closes_at_its_instants(state: Any, now: datetime, expected: str) -> None:
    """Open from `opens_at` on and until just before `closes_at`, whatever has been booked."""
    assert phase(state, NOON, NOON + HOUR, now) == expected


def test_a_campaign_without_an_end_stays_open() -> None:
    """No end means none."""
    assert phase("OPEN", NOON, None, NOON + 10**5 * HOUR) == "OPEN"


@pytest.mark.parametrize(
    ("goal", "may_be_passed", "pledged", "left"),
    [(None, False, 5, 1_999_999_995), (10, False, 0, 10), (10, False, 10, 0), (10, True, 15, 1_999_999_985)],
)
def test_units_left(goal: int | None, may_be_passed: bool, pledged: int, left: int) -> None:
    """A goal limits the units unless it may be passed; two thousand million limit every campaign."""
    assert units_left(goal, may_be_passed, pledged) == left


@given(st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES))
def test_a_code_keeps_all_its_random_bits(random: bytes) -> None:
    """Sixteen symbols carry 80 bits: different bytes are different codes, and each symbol is without look-alikes."""
    code = base32(random, CODE_CHARACTERS)
    number = 0
    for symbol in code:
        number = number * 32 + ALPHABET.index(symbol)
    assert number == int.from_bytes(random, "big")
    assert len(code) == CODE_CHARACTERS and not set(code) & set("ILOU")


@given(st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES))
def test_a_code_is_read_as_it_is_printed(random: bytes) -> None:
    """Groups, small letters and look-alikes that somebody typed do not matter."""
    code = base32(random, CODE_CHARACTERS)
    typed = grouped(code).lower().replace("1", "l").replace("0", "o")
    assert read_code(code) == read_code(grouped(code)) == read_code(typed) == code


@pytest.mark.parametrize("typed", ["", "ABC", "U" * 16, "A" * 17, "é" * 16, "A" * 15 + "\x00", "ſ" * 16])
def test_what_cannot_be_a_code_is_none(typed: str) -> None:
    """Text of another length or alphabet is no code."""
    assert read_code(typed) is None


def test_pinned_values_of_what_is_printed_and_hashed() -> None:
    """Codes, serials and name hashes mean the same for ever."""
    assert base32(bytes(range(10)), 16) == "000G40R40M30E209"
    assert grouped("000G40R40M30E209") == "000G-40R4-0M30-E209"
    assert serial_number(date(2026, 3, 2), "7K2M9QXD4A") == "20260302-7K2M9-QXD4A"
    expected = "bfa3399785cd0ffce6a28da5d0d073b285820ad52405486b4ae70ce94f201558"
    assert name_hash(bytes(16), "小梅").hex() == expected


@pytest.mark.parametrize(("name", "masked"), [("欧阳小梅", "欧**"), ("Mei", "M**"), ("梅", "**")])
def test_a_masked_name_hides_all_but_its_first_character(name: str, masked: str) -> None:
    """Neither the rest of a name nor its length can be read; a single character is hidden whole."""
    assert masked_name(name) == masked
