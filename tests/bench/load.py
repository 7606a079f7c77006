"""The client: a closed loop of keep-alive connections, each sending its next request when the last is answered.

HTTP/1.1 written and read by hand, so that the client costs a fraction of any server: `tests/bench/test_load.py` shows
what it understands, and every table of results shows what it cost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

HOST = "127.0.0.1"
ANSWER_SECONDS_MAX = 30.0
HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"
CHUNKED = b"\r\ntransfer-encoding: chunked"

Judge = Callable[[int, bytes], bool]
"""Whether an answer, status and body, is what was asked for."""


@dataclass
class Outcome:
    """What became of a load: how long it went on, each answer's latency, and what was no good answer."""

    seconds: float = 0.0
    latencies_ns: list[int] = field(default_factory=list)
    failures: int = 0
    first_failure: bytes = b""
    ran_out: bool = False

    def fail(self, what: bytes) -> None:
        """Count an answer that is none; the first is kept to be shown."""
        self.failures += 1
        self.first_failure = self.first_failure or what[:2_000]


class Answers:
    """Cuts a stream of bytes into answers, whether told by length or chunked; one at a time is awaited."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Add bytes; status and body once an answer is whole."""
        self._buffer = self._buffer + data if self._buffer else data
        head_end = self._buffer.find(HEAD_END)
        if head_end < 0:
            return None
        head = self._buffer[: head_end + 2].lower()
        body = self._body(head, head_end + len(HEAD_END))
        if body is None:
            return None
        self._buffer = b""
        return int(head[9:12]), body

    def _body(self, head: bytes, start: int) -> bytes | None:
        place = head.find(LENGTH)
        if place >= 0:
            end = start + int(head[place + len(LENGTH) : head.index(b"\r\n", place + 2)])
            return self._buffer[start:end] if len(self._buffer) >= end else None
        if CHUNKED not in head:
            raise ValueError("an answer tells neither its length nor that it is chunked")
        return self._unchunked(start)

    def _unchunked(self, place: int) -> bytes | None:
        parts: list[bytes] = []
        while (line_end := self._buffer.find(b"\r\n", place)) >= 0:
            size = int(self._buffer[place:line_end], 16)
            place = line_end + 2 + size + 2
            if len(self._buffer) < place:
                return None
            if size == 0:
                return b"".join(parts)
            parts.append(self._buffer[line_end + 2 : place - 2])
        return None


class Client(asyncio.Protocol):
    """One connection of the loop."""

    def __init__(self, requests: Iterator[bytes], good: Judge, outcome: Outcome, until_ns: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._good = good
        self._outcome = outcome
        self._until_ns = until_ns
        self._answers = Answers()
        self._sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's derives from none of asyncio's
        self._send(time.perf_counter_ns())

    def data_received(self, data: bytes) -> None:
        try:
            answer = self._answers.feed(data)
        except ValueError:
            self._outcome.fail(data)
            return self._end()
        if answer is None:
            return None
        now_ns = time.perf_counter_ns()
        self._outcome.latencies_ns.append(now_ns - self._sent_ns)
        if not self._good(*answer):
            self._outcome.fail(b"%d %s" % answer)
        return self._send(now_ns)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._outcome.fail(b"the connection was closed")
            self.done.set_result(None)

    def _send(self, now_ns: int) -> None:
        request = next(self._requests, None) if now_ns < self._until_ns else None
        if request is None:
            self._outcome.ran_out |= now_ns < self._until_ns
            return self._end()
        self._sent_ns = now_ns
        self._transport.write(request)
        return None

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


async def closed_loop(port: int, requests: Iterator[bytes], good: Judge, *, clients: int, seconds: float) -> Outcome:
    """So many clients for so long, or until the requests run out; ends when the last answer is in."""
    loop, outcome = asyncio.get_running_loop(), Outcome()
    started_ns = time.perf_counter_ns()
    until_ns = started_ns + int(seconds * 1e9)
    made = [
        await loop.create_connection(lambda: Client(requests, good, outcome, until_ns), HOST, port)
        for _ in range(clients)
    ]
    async with asyncio.timeout(seconds + ANSWER_SECONDS_MAX):
        await asyncio.gather(*(client.done for _, client in made))
    outcome.seconds = (time.perf_counter_ns() - started_ns) / 1e9
    return outcome


def percentile_ms(latencies_ns: list[int], percent: float) -> float:
    """The latency that so many per cent of the answers do not exceed (nearest rank), in milliseconds."""
    ordered = sorted(latencies_ns)
    place = max(0, min(len(ordered) - 1, -int(-len(ordered) * percent // 100) - 1))
    return ordered[place] / 1e6 if ordered else 0.0
