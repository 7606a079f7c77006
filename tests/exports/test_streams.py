"""A file on its way: clients that go or stop reading, sessions that end, faults, and how many run at once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from starlette.types import Message, Scope
from structlog.testing import capture_logs

from app import exports as files
from app.exports import Endpoint
from app.sending import BrokenOff
from gamification.core.database import fetch_value
from gamification.core.work import Work
from gamification.points import exports
from tests.builders import earn
from tests.exports.conftest import ENTRIES, MARCH, Room, read

QUERY = b"from=2026-03-01&to=2026-03-31"


@pytest.fixture(autouse=True)
async def many(work: Work, mei: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten batches of two rows."""
    monkeypatch.setattr(exports, "BATCH_ROWS_MAX", 2)
    for number in range(18):
        await earn(work, mei, 1, f"more {number}")


class Client:
    """A client by hand: what it was sent, when it goes away, and whether it reads at all."""

    def __init__(self, *, gone_after: int = 10**9, reads: bool = True) -> None:
        self.sent: list[Message] = []
        self.gone_after = gone_after
        self.reads = reads
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self.reads and message["type"] == "http.response.body":
            await asyncio.Event().wait()
        self.sent.append(message)
        if len(self.sent) >= self.gone_after:
            self.gone.set()

    @property
    def is_whole(self) -> bool:
        """Whether the body came to its end."""
        return bool(self.sent) and not self.sent[-1].get("more_body", False) and len(self.sent) > 1


async def fetched(room: Room, client: Client) -> None:
    scope: Scope = {
        "type": "http", "method": "GET", "path": ENTRIES, "query_string": QUERY, "headers": [(b"x-caller", b"owner")],
        "http_version": "1.1", "scheme": "http", "server": ("room.test", 80),
    }  # fmt: skip
    endpoint = Endpoint(room.exports, room.exports.makers[ENTRIES])
    await endpoint(scope, client.receive, client.send)


async def test_a_file_comes_chunk_by_chunk_to_its_end(room: Room) -> None:
    """Headings, a chunk a batch, and the end; the log says how many rows."""
    client = Client()
    with capture_logs() as logs:
        await fetched(room, client)
    assert client.is_whole and len(client.sent) == 1 + 1 + 10 + 1
    assert [(line["event"], line["rows"]) for line in logs] == [("export.finished", 20)]
    assert room.exports.running == 0


async def test_a_client_that_hangs_up_frees_everything(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk through the ledger is closed, no further statement runs, the place is free, and no file is whole."""
    closed: list[str] = []
    walk = exports._of_everybody

    async def watched(*arguments: Any) -> Any:
        try:
            async for batch in walk(*arguments):
                yield batch
        finally:
            closed.append("closed")

    monkeypatch.setattr(exports, "_of_everybody", watched)
    client = Client(gone_after=4)
    await fetched(room, client)
    assert closed == ["closed"] and room.exports.running == 0
    assert len(client.sent) == 4 and not client.is_whole
    assert len(read(await room.get(ENTRIES, **MARCH))) == 20


async def test_a_client_that_stops_reading_is_cut_off(room: Room) -> None:
    """Who leaves a chunk unread for too long does not keep a place for ever."""
    room.exports.unread_seconds_max = 0
    client = Client(reads=False)
    with capture_logs() as logs, pytest.raises(BrokenOff):
        await fetched(room, client)
    assert [(line["event"], line["error"]) for line in logs] == [("export.broken_off", "TimeoutError")]
    assert room.exports.running == 0 and not client.is_whole


async def test_an_export_ends_with_its_callers_session(room: Room) -> None:
    """After three batches the session is revoked: the file breaks off, and no fourth batch is sent."""
    room.sessions_end_after = 3
    client = Client()
    with capture_logs() as logs, pytest.raises(BrokenOff):
        await fetched(room, client)
    assert [(line["event"], line["error"]) for line in logs] == [("export.broken_off", "SessionEnded")]
    assert len(client.sent) == 1 + 1 + 3 and not client.is_whole


async def test_a_fault_on_the_way_breaks_the_file_off(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that failed half-way never ends like a whole one, and the log names the fault without its values."""

    async def failing(*_: Any) -> Any:
        yield []
        raise ValueError("no such thing as '13800138000'")

    monkeypatch.setattr(exports, "_of_everybody", failing)
    client = Client()
    with capture_logs() as logs, pytest.raises(BrokenOff):
        await fetched(room, client)
    assert [(line["error"], line["summary"]) for line in logs] == [("ValueError", "no such thing as …")]
    assert not client.is_whole and room.exports.running == 0


async def test_a_fault_before_the_first_line_is_masked(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller reads that something went wrong on our side, and nothing of it."""

    async def failing(*_: Any, **__: Any) -> Any:
        raise ConnectionResetError("postgres://user:secret@host")

    monkeypatch.setattr(exports, "begin", failing)
    with capture_logs() as logs:
        answer = await room.get(ENTRIES, **MARCH)
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "postgres" not in answer.text and "secret" not in str(logs)
    assert [line["event"] for line in logs] == ["export.fault"] and room.exports.running == 0


async def test_two_run_at_once_and_a_third_waits(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third is told to come back, is not written down, and finds a place when one has ended."""
    room.exports.running = files.RUNNING_MAX
    refused = await room.get(ENTRIES, **MARCH)
    assert (refused.status_code, refused.json()["code"]) == (503, "TOO_MANY_EXPORTS")
    assert int(refused.headers["retry-after"]) == 30
    assert (room.exports.running, await fetch_value("SELECT count(*) FROM audit_record")) == (files.RUNNING_MAX, 0)
    room.exports.running -= 1
    assert (await room.get(ENTRIES, **MARCH)).status_code == 200
    assert room.exports.running == files.RUNNING_MAX - 1
