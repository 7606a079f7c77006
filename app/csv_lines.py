"""Tables as CSV that people open in a spreadsheet: RFC 4180, UTF-8 with a mark, and no cell that could be a formula.

A text that begins like a formula (`=`, `+`, `-`, `@`, a tab, a line end, and their wide forms) gets an apostrophe in
front, so that a spreadsheet shows it and does not work it out. Amounts are plain whole numbers, with their sign.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")
Cell = int | str | None

MARK = "\ufeff"
"""Without the byte order mark at the start, Excel takes UTF-8 for the local encoding and garbles Chinese."""
FORMULA_STARTS = tuple("=+-@\t\r\n=+-@")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column: its heading, and the cell of a row."""

    heading: str
    cell: Callable[[Row], Cell]


def heading_line(columns: Sequence[Column[Any]]) -> bytes:
    """The start of a file: the mark and the headings."""
    return _encoded(MARK, [[column.heading for column in columns]])


def lines(columns: Sequence[Column[Row]], rows: Iterable[Row]) -> bytes:
    """A line for each row."""
    return _encoded("", ([shown(column.cell(row)) for column in columns] for row in rows))


def shown(cell: Cell) -> int | str:
    """A cell as it is written: a number as it is, nothing for None, a text that no spreadsheet takes for a formula."""
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS):
        return f"'{cell}"
    return "" if cell is None else cell


def _encoded(before: str, rows: Iterable[Sequence[int | str]]) -> bytes:
    text = io.StringIO(before)
    text.seek(0, io.SEEK_END)
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
