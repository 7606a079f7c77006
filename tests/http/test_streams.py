"""Server-sent events: subscriptions and queries over plain HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import orjson
import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from app.graphql_engine import Policy
from app.graphql_stream import send_events
from tests.http.toy import code_of, http, toy_app
from tests.http.toy_schema import feeds_open

STREAM = "text/event-stream"


async def events(query: str, accept: str = STREAM, **policy: Any) -> tuple[int, str]:
    """Status and text of a stream that ends by itself."""
    async with http(toy_app(Policy(**policy)), accept=accept, accept_language="en") as client:
        response = await client.post("/graphql", json={"query": query})
    return response.status_code, response.text


@pytest.mark.parametrize("accept", [STREAM, f"{STREAM}, application/json", f"{STREAM};q=0.9, */*"])
async def test_a_subscription_is_a_stream_of_next_and_one_complete(accept: str) -> None:
    """For those who name the event stream first."""
    assert await events("subscription { count(to: 2) }", accept) == (
        200,
        (
            'event: next\ndata: {"data":{"count":1}}\n\n'
            'event: next\ndata: {"data":{"count":2}}\n\n'
            "event: complete\ndata:\n\n"
        ),
    )


async def test_a_client_that_lists_the_stream_last_gets_json() -> None:
    """Some clients list it on every request and cannot read it."""
    assert await events("{ __typename }", f"application/json, {STREAM}") == (200, '{"data":{"__typename":"Query"}}')


async def test_a_query_may_be_asked_as_a_stream() -> None:
    """It has one answer."""
    _, text = await events("{ __typename }")
    assert text == 'event: next\ndata: {"data":{"__typename":"Query"}}\n\nevent: complete\ndata:\n\n'


@pytest.mark.parametrize(
    ("query", "code"),
    [("subscription {", "GRAPHQL_PARSE_FAILED"), ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED")],
)
async def test_a_stream_that_cannot_start_is_a_bad_request(query: str, code: str) -> None:
    """In JSON, before any event."""
    status, text = await events(query)
    assert (status, code_of(orjson.loads(text))) == (400, code)


async def test_a_fault_of_the_source_is_masked_and_ends_the_stream() -> None:
    """What was answered before stays answered."""
    with capture_logs() as logs:
        _, text = await events("subscription { falters }")
    first, second, complete, _ = text.split("\n\n")
    assert first.endswith('{"data":{"falters":1}}')
    assert code_of(orjson.loads(second.removeprefix("event: next\ndata: "))) == "INTERNAL_ERROR"
    assert complete == "event: complete\ndata:"
    assert "secret" not in text and len(logs) == 1


async def test_open_streams_are_bounded() -> None:
    """One more than the endpoint holds is told to come back."""
    status, text = await events("subscription { count(to: 1) }", streams_max=0)
    assert (status, code_of(orjson.loads(text))) == (503, "TOO_MANY_STREAMS")


class Client:
    """An ASGI client that can go away, and what it was sent."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.sent: asyncio.Queue[Message] = asyncio.Queue()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.sent.put(message)


async def test_a_silent_stream_is_kept_open_by_comments() -> None:
    """So that proxies between do not close it; when the client goes, the source is closed."""
    closed: list[bool] = []

    async def silence() -> AsyncGenerator[bytes, None]:
        try:
            await asyncio.Event().wait()
            yield b""
        finally:
            closed.append(True)

    client = Client()
    sending = asyncio.create_task(send_events(client.receive, client.send, silence(), ping_seconds=0.001))
    assert [(await client.sent.get())["body"] for _ in range(2)] == [b":\n\n", b":\n\n"]
    client.gone.set()
    await sending
    assert closed == [True]


async def test_a_subscription_ends_with_its_client() -> None:
    """Nothing of a feed stays behind when the reader leaves."""
    client = Client()
    body: list[Message] = [{"type": "http.request", "body": b'{"query":"subscription { feed }"}', "more_body": False}]

    async def receive() -> Message:
        return body.pop() if body else await client.receive()

    headers = [(b"accept", STREAM.encode()), (b"content-type", b"application/json"), (b"host", b"toys.test")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": headers,
        "root_path": "",
    }
    serving = asyncio.create_task(cast(Any, toy_app())(scope, receive, client.send))
    start, event = await client.sent.get(), await client.sent.get()
    assert (start["status"], event["body"]) == (200, b'event: next\ndata: {"data":{"feed":"anonymous"}}\n\n')
    assert feeds_open == ["anonymous"]
    client.gone.set()
    await serving
    assert feeds_open == []
