"""The parts of the benchmark whose mistakes would not show in a table: client, notation, sums."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from tests.bench.answers import difference, key_of, said
from tests.bench.load import Answers, closed_loop, percentile_ms
from tests.bench.operations import R1, W1, W2
from tests.bench.pgbench import replayed
from tests.bench.readings import reading
from tests.bench.report import figure, row_of, table
from tests.bench.rounds import Sample
from tests.bench.seeding import MEMBER, id_of
from tests.bench.statements import Statement, literal

LENGTH_TOLD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
SAMPLE = Sample("R1", "ours", 0, 100, 50.0, 2.0, 9.0, 300.0, 100.0, 20.0, 80.0, 0, False)


@pytest.mark.parametrize(("answer", "status"), [(LENGTH_TOLD, 200), (CHUNKED, 500)])
def test_an_answer_is_whole_wherever_it_is_cut(answer: bytes, status: int) -> None:
    """Answers told by length and chunked ones are understood in any two pieces, and never before their end."""
    for place in range(1, len(answer)):
        answers = Answers()
        assert answers.feed(answer[:place]) is None
        assert answers.feed(answer[place:]) == (status, b"hello")


def test_an_answer_of_no_told_length_is_refused() -> None:
    """A body that only ends with the connection is not guessed at."""
    with pytest.raises(ValueError, match="neither its length nor that it is chunked"):
        Answers().feed(b"HTTP/1.1 200 OK\r\n\r\nhello")


@pytest.mark.parametrize(("percent", "expected"), [(50, 2.0), (75, 3.0), (99, 4.0), (1, 1.0)])
def test_a_percentile_is_an_answers_own_latency(percent: float, expected: float) -> None:
    """Nearest rank: the smallest latency that so many per cent do not exceed."""
    assert percentile_ms([4_000_000, 1_000_000, 3_000_000, 2_000_000], percent) == expected


async def test_the_loop_ends_with_its_requests_and_counts_what_is_no_good() -> None:
    """Each request is sent once, over so many connections; answers that the judge refuses are failures."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked.append(line)
            writer.write(CHUNKED if line == b"two\n" else LENGTH_TOLD)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        requests = iter([b"one\n", b"two\n", b"three\n"])
        outcome = await closed_loop(port, requests, lambda status, body: status == 200, clients=2, seconds=60)
    assert sorted(asked) == [b"one\n", b"three\n", b"two\n"]
    assert (len(outcome.latencies_ns), outcome.ran_out) == (3, True)
    assert (outcome.failures, outcome.first_failure) == (1, b"500 hello")


def test_answers_are_compared_in_one_notation() -> None:
    """Ids of Relay and of PostGraphile, numbers as text, instants of any precision and offset mean the same."""
    key = UUID(int=7)
    relay, other = (b64encode(each).decode() for each in (f"Member:{key}".encode(), f'["Member","{key}"]'.encode()))
    ours = f'{{"data":{{"me":{{"id":"{relay}","points":5,"at":"2027-03-10T04:00:00.123456+00:00"}}}}}}'
    theirs = f'{{"data":{{"me":{{"id":"{other}","points":"5","at":"2027-03-10 12:00:00.123+08"}}}}}}'
    assert said(ours.encode(), R1) == said(theirs.encode(), R1)
    assert key_of(b64encode(b"PointsEntry:a.POINTS.5").decode()) == "a.POINTS.5"


def test_what_a_write_answers_is_compared_without_what_is_the_moments() -> None:
    """The ticket and the balance after it are each request's own; PostGraphile wraps what its function returned."""
    ours = b'{"data":{"buyDrawTicket":{"points":50,"available":950,"ticket":{"id":"x"}}}}'
    theirs = b'{"data":{"buyDrawTicket":{"result":{"points":"50","available":"900","ticketId":"y"}}}}'
    assert said(ours, W2) == said(theirs, W2) == {"buyDrawTicket": {"points": 50}}
    with pytest.raises(ValueError, match="no"):
        said(b'{"errors":[{"message":"no"}]}', W1)


def test_the_first_difference_is_named() -> None:
    """A comparison says where two answers part, and nothing while they agree."""
    one = {"me": {"entries": [{"points": 1}, {"points": 2}]}}
    assert difference(one, {"me": {"entries": [{"points": 1}, {"points": 2}]}}) is None
    other = {"me": {"entries": [{"points": 1}, {"points": 3}]}}
    assert difference(one, other) == "data.me.entries.1.points: 2 and 3"
    assert difference(one, {"me": {}}) is not None


def test_a_figure_is_a_median_with_its_spread() -> None:
    """The spread is what lies between the largest and the smallest, in parts of the median."""
    assert (figure([3.0, 1.0, 2.0]).median, figure([3.0, 1.0, 2.0]).spread) == (2.0, 1.0)


def test_ratios_are_to_the_first_of_ours() -> None:
    """CPU is server and database together; who has no server has no ratio of it, and no memory."""
    peer = replace(SAMPLE, contender="peer", server_us=150.0, database_us=50.0, per_second=100.0)
    alone = replace(SAMPLE, contender="alone", server_us=None, memory_mib=None, per_second=25.0)
    rows = [row_of(each.contender, [each]) for each in (SAMPLE, peer, alone)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table(rows, "ours")[2:]]
    assert [(cell[0], cell[3], cell[5]) for cell in cells] == [
        ("ours", "1.00", "1.00"), ("peer", "0.50", "2.00"), ("alone", "–", "0.50"),
    ]  # fmt: skip
    assert (cells[2][1], cells[2][8]) == ("–", "–")


def test_the_cpu_time_of_children_that_ended_is_counted() -> None:
    """A process's reading grows by what a child used that it has waited for."""
    work = "sum(range(3_000_000))"
    parent = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {work!r}])\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        found = reading(process.pid)
        own_ns = int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])
        process.stdin.close()
    assert found.cpu_ns > own_ns and found.memory_bytes > 0


def test_a_recorded_statement_is_replayed_for_a_member_drawn_anew() -> None:
    """Parameters are written out, the recorded member becomes pgbench's, and no colon is taken for a variable."""
    at = datetime(2027, 3, 10, 4, 0, 1, 5, tzinfo=UTC)
    sent = "SELECT *\n FROM lot WHERE member_id = ANY($1) AND at > $2"
    sql = replayed(Statement(sent, ([id_of(MEMBER, 1)], at), ("uuid[]", "timestamptz")))
    drawn = "('019d4c01-0000-7000-8000-' || lpad(to_hex(:i::bigint), 12, '0'))::uuid"
    told = "'20270310T040001.000005+0000'::timestamptz"
    assert sql == f"SELECT * FROM lot WHERE member_id = ANY(ARRAY[{drawn}]::uuid[]) AND at > {told}::timestamptz"


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, "NULL"),
        (True, "true"),
        (7, "7"),
        ("it's", "'it''s'"),
        (date(2027, 3, 10), "'2027-03-10'::date"),
        (b"\x01\xff", "'\\x01ff'::bytea"),
        ([1, 2], "ARRAY[1, 2]"),
        ([], "'{}'"),
    ],
)
def test_values_are_written_as_sql(value: object, sql: str) -> None:
    """What a statement was sent with can stand in its text."""
    assert literal(value) == sql
