"""Reading order files: what a line becomes, what is rejected and why, and how a stretch is dealt out."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.members.references import Reference
from gamification.orders.columns import Layout
from gamification.orders.files import LINE_BYTES_MAX, FileUnreadable, Format, Rejection, Row, read, survey
from gamification.orders.lanes import deal
from gamification.orders.rules import RefundLine
from gamification.orders.service.requests import NewLine, NewOrder, NewRefund

HEADER = b"external_id,member_external_id,paid_at,amount_minor,currency,category,kind,ref_external_id\n"
ORDER = b"o-1,m-1,2026-03-01T10:00:00+08:00,1234,CNY,tea,order,\n"
REFUND = b"r-1,m-1,2026-03-02T10:00:00+08:00,-234,CNY,tea,refund,\n"
MEI = Reference("external", "m-1")
AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
PLAIN = Layout()


def entries(data: bytes, layout: Layout = PLAIN, **options: Any) -> list[Row | Rejection]:
    return list(read(io.BytesIO(data), layout, **options))


def csv_entries(*lines: bytes, layout: Layout = PLAIN) -> list[Row | Rejection]:
    return entries(HEADER + b"".join(lines), layout)


def rejection(entry: Row | Rejection) -> Rejection:
    assert isinstance(entry, Rejection)
    return entry


def order(entry: Row | Rejection) -> NewOrder:
    assert isinstance(entry, Row) and isinstance(entry.request, NewOrder)
    return entry.request


def one(layout: Layout = PLAIN, **values: Any) -> Row | Rejection:
    """A JSON line of an order, with some values changed; None leaves a value out."""
    usual = {"external_id": "o-1", "member_external_id": "m-1", "paid_at": "2026-03-01T10:00:00+08:00"}
    kept = {name: value for name, value in {**usual, "amount_minor": 1234, **values}.items() if value is not None}
    (entry,) = entries(json.dumps(kept).encode(), layout)
    return entry


def test_a_line_of_a_csv_file_is_an_order_or_a_refund() -> None:
    """Our column names need no mapping; instants become UTC; a refund's amount may carry a minus sign."""
    line = NewLine(None, "tea", 1, 1234)
    assert csv_entries(ORDER, REFUND) == [
        Row(2, NewOrder("o-1", MEI, AT, 1234, (line,), channel="import")),
        Row(3, NewRefund("r-1", AT.replace(day=2), None, MEI, 234, tolerant=True)),
    ]


def test_a_refund_may_name_its_order_and_leave_out_member_and_amount() -> None:
    """Without an amount everything that is left goes back."""
    (entry,) = csv_entries(b"r-1,,2026-03-01T10:00:00+08:00,,,,refund,o-1\n")
    assert entry == Row(2, NewRefund("r-1", AT, "o-1", None, None, tolerant=True))


def test_a_json_line_may_hold_several_lines_of_an_order() -> None:
    """The amount is the sum of the lines and of what is excluded, when it is not given."""
    lines = [
        {"sku": "T1", "category": "tea", "quantity": 2, "amount_minor": 500},
        {"amount_minor": 300, "eligible": False},
    ]
    bought = order(one(amount_minor=None, lines=lines, excluded_minor=50, store="SH-01", channel="till"))
    assert bought.lines == (NewLine("T1", "tea", 2, 500), NewLine(None, None, 1, 300, eligible=False))
    assert (bought.paid_fen, bought.excluded_fen, bought.store, bought.channel) == (850, 50, "SH-01", "till")


def test_a_json_refund_names_lines_by_number() -> None:
    """Lines count from 0; with lines the amount is only checked."""
    lines = [{"line": 1, "quantity": 1, "amount_minor": -300}]
    entry = one(external_id="r-1", kind="refund", ref_external_id="o-1", amount_minor=-300, lines=lines)
    refund = NewRefund("r-1", AT, "o-1", MEI, None, (RefundLine(1, 1, 300),), tolerant=True)
    assert entry == Row(1, refund)


def test_lines_that_do_not_add_up_are_rejected() -> None:
    """Neither an order nor a refund is taken with an amount that its lines contradict."""
    lines = [{"line": 0, "amount_minor": 300}]
    assert rejection(one(lines=lines)).code == "AMOUNTS_DISAGREE"
    refund = one(kind="refund", ref_external_id="o-0", amount_minor=-299, lines=lines)
    assert rejection(refund).code == "AMOUNTS_DISAGREE"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_gzip_line_ends_and_byte_order_mark_make_no_difference(end: bytes, start: bytes, pack: Any) -> None:
    """A file is what its lines say, however it is wrapped; gzip is known by its first bytes."""
    wrapped = pack(start + (HEADER + ORDER + b"\n" + REFUND).replace(b"\n", end))
    numbered = [
        entry._replace(line=entry.line + (index == 1)) for index, entry in enumerate(csv_entries(ORDER, REFUND))
    ]
    assert entries(wrapped) == numbered


def test_columns_are_found_by_name() -> None:
    """`--map` gives our names theirs; further columns are passed over."""
    layout = Layout({"external_id": "Order No", "member_external_id": "Customer", "amount_minor": "Paid"})
    data = b"Customer,paid_at,Note,Order No,Paid\nm-1,2026-03-01T10:00:00+08:00,x,o-1,1234\n"
    line = NewLine(None, None, 1, 1234)
    assert entries(data, layout) == [Row(2, NewOrder("o-1", MEI, AT, 1234, (line,), channel="import"))]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2\n", "no column external_id, member_external_id, paid_at, amount_minor"),
        (HEADER.replace(b"category", b"paid_at"), "names paid_at twice"),
        (b"\xff\xfe" + HEADER, "not UTF-8"),
        (b"\x1f\x8b\x08junk", "the gzip is broken from its start"),
    ],
)
def test_a_file_without_a_fit_header_is_not_read(data: bytes, said: str) -> None:
    """The reason names what is missing, before any line is looked at."""
    with pytest.raises(FileUnreadable, match=said):
        read(io.BytesIO(data), PLAIN)


@pytest.mark.parametrize(
    ("layout", "written", "fen"),
    [
        (Layout(), "1234", 1234),
        (Layout(exponent=0), "1234", 123400),
        (Layout(exponent=1), "1234", 12340),
        (Layout(exponent=3), "12340", 1234),
        (Layout(unit="major"), "12.34", 1234),
        (Layout(unit="major"), "12.3", 1230),
        (Layout(unit="major"), "12.340", 1234),
        (Layout(unit="major"), "0.07", 7),
        (Layout(unit="major"), "9999999999.99", 999999999999),
        (Layout(unit="major", exponent=0), "12", 1200),
        (Layout(unit="major", exponent=3), "1.230", 123),
    ],
)
def test_money_is_taken_by_its_exponent(layout: Layout, written: str, fen: int) -> None:
    """Amounts become fen by integer arithmetic, as text and as JSON numbers alike."""
    assert order(one(layout, amount_minor=written)).paid_fen == fen
    data = b'{"external_id":"o-1","member_external_id":"m-1","paid_at":"2026-03-01T10:00:00+08:00","amount_minor":%b}'
    assert order(entries(data % written.encode(), layout)[0]).paid_fen == fen


@pytest.mark.parametrize(
    ("layout", "written"),
    [
        (Layout(), "12.34"),
        (Layout(), "1e3"),
        (Layout(), "1_000"),
        (Layout(), "１２"),
        (Layout(), "9" * 16),
        (Layout(), "9" * 5000),
        (Layout(exponent=3), "12345"),
        (Layout(unit="major"), "12.345"),
        (Layout(unit="major"), "1,234.00"),
        (Layout(unit="major"), ".5"),
        (Layout(unit="major"), "NaN"),
    ],
)
def test_money_that_is_no_whole_number_of_fen_is_rejected(layout: Layout, written: str) -> None:
    """Nothing is rounded, and no notation is guessed."""
    assert rejection(one(layout, amount_minor=written)).code == "BAD_AMOUNT"


def test_an_instant_has_an_offset_or_a_zone() -> None:
    """A zone stands for what has no offset; an offset that is written wins."""
    shanghai = Layout(zone="Asia/Shanghai")
    assert order(one(shanghai, paid_at="2026-03-01 10:00")).paid_at == AT
    assert order(one(shanghai, paid_at="2026-03-01T02:00:00Z")).paid_at == AT
    assert rejection(one(paid_at="2026-03-01T10:00:00")).code == "BAD_INSTANT"
    assert rejection(one(paid_at="01/03/2026")).code == "BAD_INSTANT"
    assert rejection(one(paid_at="0001-01-01T00:00:00+08:00")).code == "BAD_INSTANT"
    assert rejection(one(paid_at="1969-01-01T00:00:00Z")).code == "INVALID_INPUT"


@pytest.mark.parametrize(
    "wrong", [{"zone": "Asia"}, {"zone": "../x"}, {"exponent": 5}, {"currency": "yuan"}, {"columns": {"id": "ID"}}]
)
def test_a_layout_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    """An unknown zone, column, exponent or currency is told before any file is opened."""
    with pytest.raises(ValueError, match=r"zone|exponent|currency|column"):
        Layout(**wrong)


@pytest.mark.parametrize(
    ("line", "external_id", "code"),
    [
        (b"o-2,m-1,2026-03-01T10:00:00+08:00,12\n", "o-2", "WRONG_COLUMN_COUNT"),
        (b"o-2,m-1,2026-03-01T10:00:00+08:00,12,CNY,tea,order,,,\n", "o-2", "WRONG_COLUMN_COUNT"),
        (b"o-2,m-1,2026-03-01T10:00:00+08:00,twelve,CNY,tea,order,\n", "o-2", "BAD_AMOUNT"),
        (b"o-2,m-1,2026-03-01T10:00:00+08:00,-12,CNY,tea,order,\n", "o-2", "NEGATIVE_AMOUNT"),
        (b"o-2,m-1,yesterday,12,CNY,tea,order,\n", "o-2", "BAD_INSTANT"),
        (b",m-1,2026-03-01T10:00:00+08:00,12,CNY,tea,order,\n", None, "MISSING_VALUE"),
        (b"o-2,,2026-03-01T10:00:00+08:00,12,CNY,tea,order,\n", "o-2", "MISSING_VALUE"),
        (b"o-2,m-1,2026-03-01T10:00:00+08:00,12,CNY,tea,gift,\n", "o-2", "UNKNOWN_KIND"),
        (b"o-2,m-1,2026-03-01T10:00:00+08:00,12,yuan,tea,order,\n", "o-2", "BAD_VALUE"),
        (b"r-2,m-1,2026-03-01T10:00:00+08:00,0,CNY,tea,refund,\n", "r-2", "INVALID_INPUT"),
        (b"o-2,m-1,2026-03-01T10:00:00+08:00,12,CNY," + b"t" * 101 + b",order,\n", "o-2", "INVALID_INPUT"),
        (b"o-2,m-\x00,2026-03-01T10:00:00+08:00,12,CNY,tea,order,\n", None, "NUL_BYTE"),
        (b"o-2,m-\xff,2026-03-01T10:00:00+08:00,12,CNY,tea,order,\n", None, "NOT_UTF8"),
        (b'o-2,m-1,2026-03-01T10:00:00+08:00,12,CNY,"tea,order,\n', None, "NOT_CSV"),
        (b"o-2," + b"m" * LINE_BYTES_MAX + b",2026-03-01T10:00:00+08:00,12,CNY,tea,order,\n", None, "LINE_TOO_LONG"),
    ],
)
def test_a_bad_line_is_rejected_with_its_number_and_spoils_no_other(
    line: bytes, external_id: str | None, code: str
) -> None:
    """The lines around it are read as if it were not there."""
    before, bad, after = csv_entries(ORDER, line, REFUND)
    assert (rejection(bad).line, rejection(bad).external_id, rejection(bad).code) == (3, external_id, code)
    assert isinstance(before, Row) and isinstance(after, Row) and after.line == 4


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"external_id": "o-1"', "NOT_JSON"),
        (b"[1]", "NOT_JSON"),
        (b"[" * 100_000, "NOT_JSON"),
        (b'{"external_id": "o-1", "amount_minor": NaN}', "NOT_JSON"),
        (b'{"external_id": {"a": 1}, "paid_at": "2026-03-01T10:00Z", "amount_minor": 1}', "BAD_VALUE"),
        (b'{"external_id": "a\\u0000", "member_external_id": "m", "paid_at": "2026-03-01T10:00Z", "amount_minor": 1}',
         "INVALID_INPUT"),
    ],
)  # fmt: skip
def test_a_json_line_that_is_none_is_rejected(line: bytes, code: str) -> None:
    """A broken, foreign or endless document costs its own line only; what is kept of it is printable."""
    bad, good = entries(line + b'\n{"external_id":"o-1","member_external_id":"m-1","paid_at":'
                        b'"2026-03-01T10:00:00+08:00","amount_minor":5}\n', format="jsonl")  # fmt: skip
    assert rejection(bad).code == code and (rejection(bad).external_id or "x").isprintable()
    assert order(good).paid_fen == 5


def test_a_gzip_that_is_cut_off_ends_with_one_rejection() -> None:
    """Wherever it is cut, whole lines before the cut are read, and nothing is made of the line that was cut."""
    whole = HEADER + b"".join(ORDER.replace(b"o-1", b"o-%d" % number) for number in range(400))
    packed = gzip.compress(whole, mtime=0)
    expected = entries(packed)
    for cut in range(len(packed) // 4, len(packed), 97):
        *rows, last = entries(packed[:cut])
        assert rows == expected[: len(rows)]
        assert rejection(last).code == "FILE_BROKEN" and last.line == len(rows) + 2
        assert "cut off or damaged" in rejection(last).reason


def test_the_first_pass_hashes_the_file_and_counts_its_lines() -> None:
    """The hash is that of the bytes as they lie on disk; a last line needs no end."""
    for data in (HEADER + ORDER, gzip.compress(HEADER + ORDER), HEADER + ORDER.rstrip()):
        found = survey(io.BytesIO(data))
        assert (found.digest, found.lines) == (hashlib.sha256(data).digest(), 2)
    assert survey(io.BytesIO(b"")).lines == 0


def test_a_file_of_any_size_is_read_line_by_line() -> None:
    """The first lines of an endless file are there at once: nothing waits for its end."""

    class Endless(io.RawIOBase):
        sent = 0

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def read(self, size: int = -1) -> bytes:
            self.sent += 1
            return HEADER if self.sent == 1 else ORDER * 100

    endless = Endless()
    lines = list(islice(read(endless, PLAIN), 10_000))  # type: ignore[arg-type]
    assert lines[-1].line == 10_001 and endless.sent < 1000


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_reading_goes_on_behind_any_line(format: Format) -> None:
    """What is read behind a line is what a reading from the start gives there, numbers included."""
    shop = random.Random(7)
    lines = [shop.choice([ORDER, REFUND, b"junk\n", b"\n"]) for _ in range(60)]
    data = HEADER + b"".join(lines)
    everything = entries(data, format=format)
    for line in range(0, 62, 7):
        assert entries(data, format=format, after_line=line) == [each for each in everything if each.line > line]


@given(st.lists(st.binary(max_size=80), max_size=8), st.sampled_from(["csv", "jsonl"]))
def test_no_bytes_stop_the_reading(lines: list[bytes], format: Format) -> None:
    """Whatever a file holds behind its header, every line becomes a row or a rejection, in order."""
    found = entries(HEADER + b"\n".join(lines), format=format)
    numbers = [entry.line for entry in found]
    assert numbers == sorted(set(numbers))
    assert all(isinstance(entry, Row) or (entry.code and entry.reason) for entry in found)


def rows_of(*requests: tuple[str, str | None, str | None]) -> list[Row]:
    """Rows of orders (id, member, None) and refunds (id, member or None, the order they name)."""
    made = []
    for line, (external_id, member, named) in enumerate(requests, start=2):
        reference = Reference("external", member) if member else None
        if external_id.startswith("o"):
            assert reference is not None
            made.append(Row(line, NewOrder(external_id, reference, AT, 5, (NewLine(None, None, 1, 5),))))
        else:
            made.append(Row(line, NewRefund(external_id, AT, named, reference, 5, tolerant=True)))
    return made


def test_lanes_share_no_member_and_keep_the_order_of_the_file() -> None:
    """Dealing loses nothing; each member's rows stay together and in order."""
    rows = rows_of(*((f"o-{number}", f"m-{number % 13}", None) for number in range(200)))
    lanes = deal(rows)
    assert sorted(entry.line for lane in lanes for entry in lane) == [row.line for row in rows]
    members = [{entry.request.member for entry in lane if isinstance(entry, Row)} for lane in lanes]
    assert all(members) and not members[0] & members[1]
    assert all([entry.line for entry in lane] == sorted(entry.line for entry in lane) for lane in lanes)


def test_a_refund_goes_behind_the_order_it_names() -> None:
    """Even when it stands before it in the file, and whatever member it says."""
    rows = rows_of(("r-1", None, "o-9"), *((f"o-{number}", f"m-{number}", None) for number in range(20)))
    lane = next(lane for lane in deal(rows) if any(entry.line == 2 for entry in lane))
    ids = [entry.request.external_id for entry in lane if isinstance(entry, Row)]
    assert ids.index("r-1") == ids.index("o-9") + 1


def test_a_refund_of_nobody_known_keeps_everything_in_one_lane() -> None:
    """Its member is that of an order which is not in sight: then the file's order is kept as a whole."""
    rows = rows_of(*((f"o-{number}", f"m-{number}", None) for number in range(20)), ("r-1", None, "elsewhere"))
    assert [[entry.line for entry in lane] for lane in deal(rows)] == [[row.line for row in rows], []]
