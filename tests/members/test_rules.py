"""The pure decisions about members."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.members.rules import (
    REFRESH_GRACE,
    Birthday,
    Birthdays,
    RefreshState,
    birthday_changes_on,
    birthday_that_counts,
    clean_nickname,
    judge_refresh,
    mask_phone,
    member_number,
    member_number_is_valid,
    normalise_phone,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_a_member_number_has_twelve_digits_and_agrees_with_its_check_digit(chance: int) -> None:
    """Every number that is drawn is well formed, does not begin with 0, and passes its own check."""
    number = member_number(chance)
    assert len(number) == 12 and number[0] != "0" and member_number_is_valid(number)


@given(st.integers(min_value=0), st.integers(0, 11), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(chance: int, place: int, by: int) -> None:
    """A number with any one digit mistyped does not pass its check."""
    number = member_number(chance)
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    assert not member_number_is_valid(wrong)


@given(st.integers(min_value=0), st.integers(0, 10))
def test_swapped_neighbours_are_noticed(chance: int, place: int) -> None:
    """A number with two different neighbouring digits swapped does not pass its check."""
    number = member_number(chance)
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert swapped == number or not member_number_is_valid(swapped)


def test_the_check_digit_is_damms() -> None:
    """Numbers that were given out stay valid: the check digit never changes."""
    assert (member_number(0), member_number(572)) == ("100000000001", "100000005725")
    assert not member_number_is_valid("") and not member_number_is_valid("１２３４５６７８９０１２")


@pytest.mark.parametrize(
    ("raw", "phone"),
    [
        ("13800138000", "+8613800138000"),
        ("138 0013 8000", "+8613800138000"),
        ("138-0013-8000", "+8613800138000"),
        ("+86 138 0013 8000", "+8613800138000"),
        ("8613800138000", "+8613800138000"),
        ("0086 13800138000", "+8613800138000"),
        ("１３８００１３８０００", "+8613800138000"),
        ("+852 6123 4567", "+85261234567"),
        ("+1 (415) 555-2671", "+14155552671"),
        ("12800138000", None),
        ("1380013800", None),
        ("021-61234567", None),
        ("+86 021 6123 4567", None),
        ("+0123456789", None),
        ("abc", None),
        ("", None),
        ("+" + "1" * 16, None),
        ("١٣٨٠٠١٣٨٠٠٠", None),
    ],
)
def test_phones_are_brought_into_one_form(raw: str, phone: str | None) -> None:
    """However a number is written, it has one form (E.164); what is no number has none."""
    assert normalise_phone(raw) == phone


def test_a_phone_with_another_country_keeps_it() -> None:
    """A number that comes apart from its calling code is joined to it."""
    assert normalise_phone("61234567", country="852") == "+85261234567"
    assert normalise_phone("13800138000", country="86") == "+8613800138000"


def test_a_masked_phone_shows_its_ends_only() -> None:
    """The middle of a number is never shown."""
    assert mask_phone("+8613800138000") == "138****8000"
    assert mask_phone("+85261234567") == "+852****4567"


def test_nicknames_lose_control_characters_and_blanks() -> None:
    """A nickname is kept in canonical form, 1 to 32 characters."""
    assert clean_nickname("  小\x00梅\n ") == "小梅"
    assert clean_nickname("e\u0301") == "é"
    assert clean_nickname(" \t ") is None
    assert clean_nickname("梅" * 32) == "梅" * 32 and clean_nickname("梅" * 33) is None


def test_a_birthday_may_be_the_29th_of_february_and_not_the_30th() -> None:
    """A birthday is a day that exists in some year."""
    assert Birthday(2, 29).exists and not Birthday(2, 30).exists and not Birthday(13, 1).exists


def test_a_first_birthday_counts_at_once_and_a_change_after_thirty_days() -> None:
    """Until a change counts, promotions go by the birthday before it."""
    may, june, changed = Birthday(5, 1), Birthday(6, 1), date(2026, 3, 2)
    assert birthday_that_counts(Birthdays(may, None, changed), changed) == may
    known = Birthdays(june, may, changed)
    assert birthday_that_counts(known, date(2026, 3, 31)) == may
    assert birthday_that_counts(known, date(2026, 4, 1)) == june
    assert birthday_changes_on(known) == date(2027, 3, 2)
    assert birthday_changes_on(Birthdays(None, None, None)) is None


@pytest.mark.parametrize(
    ("used_ago", "successor_is_used", "verdict"),
    [
        (None, False, "rotate"),
        (timedelta(0), False, "repeat"),
        (REFRESH_GRACE, False, "repeat"),
        (REFRESH_GRACE + timedelta(microseconds=1), False, "reuse"),
        (timedelta(seconds=1), True, "reuse"),
    ],
)
def test_what_a_refresh_token_is_worth(used_ago: timedelta | None, successor_is_used: bool, verdict: str) -> None:
    """Unused: rotate. Used within 30 s and nobody used the successor: the same again. Otherwise two parties hold it."""
    used_at = NOON - used_ago if used_ago is not None else None
    state = RefreshState(used_at, successor_is_used, NOON + timedelta(days=1), None)
    assert judge_refresh(state, NOON) == verdict


def test_an_ended_session_refreshes_nothing() -> None:
    """A session ends at its instant, and when it is revoked."""
    assert judge_refresh(RefreshState(None, False, NOON, None), NOON) == "ended"
    assert judge_refresh(RefreshState(None, False, NOON + timedelta(days=1), NOON), NOON) == "ended"
