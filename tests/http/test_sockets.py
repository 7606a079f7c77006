"""GraphQL over a socket: graphql-transport-ws in text frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.documents import document_id
from app.graphql_engine import Policy
from app.limits import LIMITS
from tests.http.toy import MEMBER, OWNER, Socket, socket, toy_app
from tests.http.toy_schema import feeds_open, part_reads

NEWS = "subscription($to: Int!) { count(to: $to) }"


async def accepted(client: Socket) -> None:
    assert (await client.frame())["type"] == "websocket.accept"


async def error_code(client: Socket) -> str:
    message = await client.receive()
    assert message["type"] == "error", message
    return str(message["payload"][0]["extensions"]["code"])


async def test_a_subscription_is_answered_in_text_frames() -> None:
    """Each answer as a next message, then complete."""
    async with socket(toy_app()) as client:
        await accepted(client)
        await client.init()
        await client.subscribe({"query": NEWS, "variables": {"to": 2}})
        answers = [await client.receive() for _ in range(3)]
    assert answers == [
        {"id": "1", "type": "next", "payload": {"data": {"count": 1}}},
        {"id": "1", "type": "next", "payload": {"data": {"count": 2}}},
        {"id": "1", "type": "complete"},
    ]


@pytest.mark.parametrize(
    ("payload", "headers", "key"),
    [
        ({"authorization": "Bearer member"}, {}, MEMBER.key),
        ({"Authorization": "Bearer owner"}, {"authorization": "Bearer member"}, OWNER.key),
        ({}, {"authorization": "Bearer member"}, MEMBER.key),
        ({}, {}, "anonymous"),
    ],
)
async def test_the_token_stands_in_connection_init_or_in_the_header(
    payload: dict[str, Any], headers: dict[str, str], key: str
) -> None:
    """A browser can set no header on a socket; where both are given the payload counts."""
    async with socket(toy_app(), headers=headers) as client:
        await accepted(client)
        await client.init(payload)
        await client.subscribe({"query": "subscription { feed }"})
        assert (await client.receive())["payload"] == {"data": {"feed": key}}
        await client.send({"id": "1", "type": "complete"})
    assert feeds_open == []


async def test_a_worthless_token_closes_the_socket() -> None:
    """At once, with 4403."""
    async with socket(toy_app()) as client:
        await accepted(client)
        await client.send({"type": "connection_init", "payload": {"authorization": "Bearer stolen"}})
        assert (await client.closed())[0] == 4403


async def test_every_operation_has_a_context_of_its_own() -> None:
    """Nothing read for one operation is shown to the next."""
    part_reads.clear()
    async with socket(toy_app()) as client:
        await accepted(client)
        await client.init()
        for number in ("1", "2"):
            await client.subscribe({"query": "{ toys(first: 1) { edges { node { parts } } } }"}, number)
            assert [(await client.receive())["type"] for _ in range(2)] == ["next", "complete"]
    assert len(part_reads) == 2


async def test_a_trusted_document_runs_over_a_socket() -> None:
    """By its id alone, also where nothing else is run; an unknown id is answered with its code."""
    policy = Policy(documents_only=frozenset({"anonymous"}))
    async with socket(toy_app(policy, [NEWS])) as client:
        await accepted(client)
        await client.init()
        await client.subscribe({"documentId": document_id(NEWS), "variables": {"to": 1}})
        assert (await client.receive())["payload"] == {"data": {"count": 1}}
        assert (await client.receive())["type"] == "complete"
        await client.subscribe({"query": "{ __typename }"}, "2")
        assert await error_code(client) == "TRUSTED_DOCUMENT_REQUIRED"
        await client.subscribe({"extensions": {"persistedQuery": {"sha256Hash": "0" * 64}}}, "3")
        assert await error_code(client) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{" + "a: __typename " * 50 + "}"}, "TOO_MANY_FIELDS"),
        ({"query": NEWS, "variables": []}, "BAD_REQUEST"),
        ({"query": 7}, "BAD_REQUEST"),
        ({}, "BAD_REQUEST"),
    ],
)
async def test_an_operation_that_cannot_run_is_an_error_and_the_socket_stays(
    payload: dict[str, Any], code: str
) -> None:
    """With the codes and limits of HTTP; the next operation is answered."""
    policy = Policy(limits=dict.fromkeys(LIMITS, replace(LIMITS["anonymous"], fields_max=20)))
    async with socket(toy_app(policy)) as client:
        await accepted(client)
        await client.init()
        await client.subscribe(payload)
        assert await error_code(client) == code
        await client.subscribe({"query": "{ __typename }"})
        assert (await client.receive())["payload"] == {"data": {"__typename": "Query"}}


async def test_faults_are_masked_over_a_socket() -> None:
    """In a field and in the source of a subscription; each operation has a correlation id of its own."""
    async with socket(toy_app()) as client:
        await accepted(client)
        await client.init()
        with capture_logs() as logs:
            await client.subscribe({"query": "{ broken }"})
            first = await client.receive()
            assert (await client.receive())["type"] == "complete"
            await client.subscribe({"query": "subscription { falters }"})
            assert (await client.receive())["payload"] == {"data": {"falters": 1}}
            second = await client.receive()
    errors = [first["payload"]["errors"][0], second["payload"]["errors"][0]]
    assert {error["extensions"]["code"] for error in errors} == {"INTERNAL_ERROR"}
    ids = [error["extensions"]["correlationId"] for error in errors]
    assert ids == [line["correlation_id"] for line in logs] and ids[0] != ids[1]
    assert "secret" not in str(errors)


@pytest.mark.parametrize("protocols", [["graphql-ws"], []])
async def test_no_other_protocol_is_spoken(protocols: list[str]) -> None:
    """The legacy protocol is not offered."""
    async with socket(toy_app(), protocols) as client:
        await accepted(client)
        assert await client.closed() == (4406, "Subprotocol not acceptable")


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [("http://toys.test", True), ("https://shop.example", True), ("https://evil.example", False)],
)
async def test_pages_of_other_origins_may_not_open_a_socket(origin: str, admitted: bool) -> None:
    """Browsers do not ask before they open one."""
    async with socket(toy_app(origins=["https://shop.example"]), headers={"origin": origin}) as client:
        assert ((await client.frame())["type"] == "websocket.accept") is admitted


@pytest.mark.parametrize(
    "message",
    [
        "[1]",
        "7",
        "null",
        "{",
        '{"type":[]}',
        '{"id":1,"type":"subscribe","payload":{}}',
        '{"type":"subscribe","id":"1","payload":"x"}',
        '{"no":"type"}',
    ],
)
async def test_a_message_of_a_wrong_form_closes_the_socket(message: str) -> None:
    """With 4400 and never with a fault."""
    async with socket(toy_app()) as client:
        await accepted(client)
        await client.init()
        await client.send(message)
        assert (await client.closed())[0] == 4400


async def test_binary_and_overlong_messages_close_the_socket() -> None:
    """Frames are text, and bounded like a body over HTTP."""
    async with socket(toy_app()) as client:
        await accepted(client)
        await client.send_bytes(b"{}")
        assert (await client.closed())[0] == 4400
    async with socket(toy_app(Policy(body_bytes_max=50))) as client:
        await accepted(client)
        await client.send('{"type":"connection_init","payload":{"a":"' + "x" * 50 + '"}}')
        assert await client.closed() == (1009, "Message too long")


async def test_nothing_is_run_before_the_connection_is_made() -> None:
    """A subscribe without connection_init closes with 4401, a second connection_init with 4429."""
    async with socket(toy_app()) as client:
        await accepted(client)
        await client.subscribe({"query": "{ __typename }"})
        assert (await client.closed())[0] == 4401
    async with socket(toy_app()) as client:
        await accepted(client)
        await client.init()
        await client.send({"type": "connection_init"})
        assert (await client.closed())[0] == 4429


async def test_operations_of_one_socket_are_bounded() -> None:
    """The twenty-first beside twenty is refused, and those that run go on."""
    async with socket(toy_app()) as client:
        await accepted(client)
        await client.init()
        for number in range(20):
            await client.subscribe({"query": "subscription { feed }"}, str(number))
            await client.receive()
        await client.subscribe({"query": "{ __typename }"}, "more")
        message = await client.receive()
        assert (message["id"], message["type"]) == ("more", "error")
        assert len(feeds_open) == 20
    assert feeds_open == []
