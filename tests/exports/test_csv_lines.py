"""CSV that spreadsheets read back as it was, and never work out."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.csv_lines import FORMULA_STARTS, Column, heading_line, lines, shown

PAIR: list[Column[Any]] = [Column("甲", lambda row: row[0]), Column("b, c", lambda row: row[1])]


def test_a_file_begins_with_its_mark_and_its_headings() -> None:
    """The byte order mark tells Excel that the Chinese after it is UTF-8."""
    assert heading_line(PAIR) == b"\xef\xbb\xbf" + '甲,"b, c"\r\n'.encode()


def test_quotes_commas_and_line_ends_are_quoted() -> None:
    """As RFC 4180 has it: doubled quotes within quotes, lines that end with CR LF, nothing for None."""
    assert lines(PAIR, [('say "hi"', "a\nb"), (None, -5)]) == b'"say ""hi""","a\nb"\r\n,-5\r\n'


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_no_text_is_a_formula(start: str) -> None:
    """A text that begins like one gets an apostrophe in front; in the middle of a text the sign stays."""
    assert shown(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"
    assert shown(f"a{start}b") == f"a{start}b"


def test_amounts_are_plain_whole_numbers() -> None:
    """A negative amount keeps its sign and no apostrophe: it is a number, not a text."""
    assert lines(PAIR, [(-12, 0)]) == b"-12,0\r\n"


@given(st.lists(st.tuples(st.text(), st.integers()), max_size=5))
def test_whatever_was_written_is_read_again(rows: list[tuple[str, int]]) -> None:
    """Every reader of CSV gets the same cells back, apart from the apostrophe in front of would-be formulas."""
    found = list(csv.reader(io.StringIO(lines(PAIR, rows).decode(), newline="")))
    assert found == [[str(shown(text)), str(number)] for text, number in rows]
