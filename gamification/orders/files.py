"""Reading order files: CSV or JSONL, plain or gzip, a line at a time and in bounded memory; no database.

Every line becomes a `Row` with an order or a refund, or a `Rejection` with its number, a code and a reason; none stops
the reading. A record is one line: a quoted CSV field holds no line break, so that a lost quote spoils one line only.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, NamedTuple, cast

from gamification.core.errors import Refusal
from gamification.orders.columns import COLUMNS, REQUIRED, Layout, Unfit, read_json, request_of, shown
from gamification.orders.service.requests import EXTERNAL_ID_LENGTH_MAX, NewOrder, NewRefund

LINE_BYTES_MAX = 1_000_000
GZIP_MAGIC = b"\x1f\x8b"
UTF8_BOM = b"\xef\xbb\xbf"
PIECE_BYTES = 1 << 20
BROKEN_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)

Format = Literal["csv", "jsonl"]


class FileUnreadable(Exception):
    """A file of which no line can be read: no header, a column missing, not text."""


class Row(NamedTuple):
    """A line that became an order or a refund."""

    line: int
    request: NewOrder | NewRefund


class Rejection(NamedTuple):
    """A line that became nothing, and why."""

    line: int
    external_id: str | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first pass over a file finds: the SHA-256 of its bytes, and how many lines it has."""

    digest: bytes
    lines: int


class _Lent(io.RawIOBase):
    """A file's bytes from its start, hashed as they pass; the file stays open when the reading ends."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        file.seek(0)
        self._file = file
        self.hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        self.hash.update(piece)
        buffer[: len(piece)] = piece
        return len(piece)


def survey(file: BinaryIO) -> Survey:
    """Hash a file and count its lines in one pass. A broken gzip ends the count early."""
    lent = _Lent(file)
    lines, last = 0, b"\n"
    raw: Any = io.BufferedReader(lent, PIECE_BYTES)
    try:
        text = _unpacked(raw)
        while piece := text.read(PIECE_BYTES):
            lines, last = lines + piece.count(b"\n"), piece[-1:]
    except BROKEN_GZIP:
        pass
    while raw.read(PIECE_BYTES):
        pass
    return Survey(lent.hash.digest(), lines + (last != b"\n"))


def _unpacked(raw: io.BufferedReader) -> BinaryIO:
    """The text of a file: itself, or what its gzip holds, known by the first bytes."""
    if raw.peek(2)[:2] == GZIP_MAGIC:
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    return cast(BinaryIO, raw)


def read(
    file: BinaryIO, layout: Layout, *, format: Format | None = None, after_line: int = 0
) -> Iterator[Row | Rejection]:
    """The lines of a file behind a line number, in order; blank lines are passed over.

    The format is told by the first character when it is not given. Raises FileUnreadable before the first line.
    """
    text = _unpacked(io.BufferedReader(cast(io.RawIOBase, _Lent(file)), PIECE_BYTES))
    lines = _lines(text)
    if (format or _format_of(text)) == "jsonl":
        parse: _Parse = _json_parser(layout)
    else:
        parse = _csv_parser(layout, _header(lines))
    return _parsed(lines, parse, layout, after_line)


_Parse = Callable[[str], tuple[dict[str, Any], str | None]]
"""A line's values under our names, and what is wrong with its shape, if anything is."""


def _format_of(text: Any) -> Format:
    try:
        start: bytes = text.peek(64)
    except BROKEN_GZIP as fault:
        raise FileUnreadable(f"the gzip is broken from its start: {fault}") from None
    return "jsonl" if start.removeprefix(UTF8_BOM).lstrip().startswith(b"{") else "csv"


def _lines(text: BinaryIO) -> Iterator[tuple[int, bytes | Unfit]]:
    """Numbered lines from 1, without their ends. What is over-long is passed over, what is broken ends it."""
    number = 0
    while True:
        number += 1
        try:
            line = text.readline(LINE_BYTES_MAX + 1)
            too_long = len(line) > LINE_BYTES_MAX and not line.endswith(b"\n")
            while too_long and (rest := text.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
        except BROKEN_GZIP as fault:
            yield number, Unfit("FILE_BROKEN", f"the gzip is cut off or damaged from this line on: {fault}")
            return
        if not line:
            return
        if number == 1:
            line = line.removeprefix(UTF8_BOM)
        if too_long:
            yield number, Unfit("LINE_TOO_LONG", f"a line has at most {LINE_BYTES_MAX:,} bytes")
        elif line := line.rstrip(b"\r\n"):
            yield number, line


def _parsed(
    lines: Iterator[tuple[int, bytes | Unfit]], parse: _Parse, layout: Layout, after_line: int
) -> Iterator[Row | Rejection]:
    for number, line in lines:
        if number > after_line:
            yield line_of(number, line, parse, layout)


def line_of(number: int, line: bytes | Unfit, parse: _Parse, layout: Layout) -> Row | Rejection:
    """One line as a row or a rejection."""
    values: dict[str, Any] = {}
    try:
        if isinstance(line, Unfit):
            raise line
        values, fault = parse(_decoded(line))
        if fault is not None:
            raise Unfit("WRONG_COLUMN_COUNT", fault)
        return Row(number, request_of(layout, values))
    except Unfit as unfit:
        return Rejection(number, _external_id(values), unfit.code, unfit.reason)
    except Refusal as refusal:
        return Rejection(number, _external_id(values), refusal.code, refusal.message("en"))


def _decoded(line: bytes) -> str:
    if b"\0" in line:
        raise Unfit("NUL_BYTE", "the line holds a NUL byte")
    try:
        return line.decode()
    except UnicodeDecodeError as fault:
        raise Unfit("NOT_UTF8", f"not UTF-8 at byte {fault.start} of the line") from None


def _external_id(values: dict[str, Any]) -> str | None:
    """The id of a rejected line where it is known, cut to what an id may have and made printable."""
    value = values.get("external_id")
    text = str(value).strip() if isinstance(value, (str, int)) else ""
    return (text if text.isprintable() else shown(text))[:EXTERNAL_ID_LENGTH_MAX] or None


def _header(lines: Iterator[tuple[int, bytes | Unfit]]) -> list[str]:
    """The names in a CSV file's first line."""
    for _, line in lines:
        try:
            if isinstance(line, Unfit):
                raise line
            return [name.strip() for name in _fields(_decoded(line))]
        except Unfit as unfit:
            raise FileUnreadable(f"the header cannot be read: {unfit.reason}") from None
    raise FileUnreadable("the file is empty")


def _csv_parser(layout: Layout, header: Sequence[str]) -> _Parse:
    """How a line of a CSV file with this header is read. Raises FileUnreadable when columns are missing or doubled."""
    wanted = {ours: layout.theirs(ours) for ours in COLUMNS if ours in REQUIRED or ours in layout.columns}
    missing = [theirs for theirs in wanted.values() if theirs not in header]
    if missing:
        names = ", ".join(missing)
        raise FileUnreadable(f"the header has no column {names}; it has {', '.join(header)}. Map columns by name.")
    places = [(ours, header.index(layout.theirs(ours))) for ours in COLUMNS if layout.theirs(ours) in header]
    doubled = [header[place] for _, place in places if header.count(header[place]) > 1]
    if doubled:
        raise FileUnreadable(f"the header names {doubled[0]} twice")

    def parse(text: str) -> tuple[dict[str, Any], str | None]:
        fields = _fields(text)
        values = {ours: fields[place] or None for ours, place in places if place < len(fields)}
        if len(fields) == len(header):
            return values, None
        return values, f"{len(fields)} columns, and the header has {len(header)}"

    return parse


def _fields(text: str) -> list[str]:
    """The fields of a CSV line. Raises Unfit for a quote that is not closed on its line."""
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as fault:
        raise Unfit("NOT_CSV", f"the quotes of the line do not match: {fault}") from None


def _json_parser(layout: Layout) -> _Parse:
    theirs = {ours: layout.theirs(ours) for ours in COLUMNS}

    def parse(text: str) -> tuple[dict[str, Any], str | None]:
        try:
            found = read_json(text)
        except ValueError as fault:
            raise Unfit("NOT_JSON", f"no JSON: {fault}") from None
        if not isinstance(found, dict):
            raise Unfit("NOT_JSON", "a line is one JSON object")
        return {ours: found.get(name) for ours, name in theirs.items()}, None

    return parse
