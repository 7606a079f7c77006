"""What comes in over HTTP and how it is answered, beside the audits."""

from __future__ import annotations

from typing import Any

import pytest

from app.graphql_engine import Policy
from app.graphql_requests import RequestRejected, negotiate
from tests.http.toy import JSON, RESPONSE_JSON, ask, code_of, http, toy_app


@pytest.mark.parametrize("body", [b'"s"', b"1", b"null", b"true", b"\xff\xfe", b"{} {}", b"NaN"])
async def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    """JSON that is no object, and what is no JSON, is a bad request and never a fault."""
    async with http(toy_app(), content_type=JSON) as client:
        response = await client.post("/graphql", content=body)
    assert (response.status_code, code_of(response.json())) == (400, "BAD_REQUEST")


async def test_batches_are_refused() -> None:
    """Several operations in one body would run beside each other in one context: none is run."""
    async with http(toy_app()) as client:
        response = await client.post("/graphql", json=[{"query": "{ __typename }"}] * 2)
    assert (response.status_code, code_of(response.json())) == (400, "BATCH_REFUSED")


@pytest.mark.parametrize(
    "type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=gbk",
    ],
)
async def test_only_json_in_utf_8_is_read(type: str) -> None:
    """Forms, uploads and other charsets are refused: a page of another origin can send none of what is read."""
    async with http(toy_app(), content_type=type) as client:
        response = await client.post("/graphql", content=b'{"query":"{ __typename }"}')
    assert (response.status_code, code_of(response.json())) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_compressed_bodies_are_refused() -> None:
    """A compressed body could be a thousand times its length."""
    async with http(toy_app(), content_type=JSON, content_encoding="gzip") as client:
        response = await client.post("/graphql", content=b"x")
    assert response.status_code == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
async def test_other_methods_are_refused(method: str) -> None:
    """Only GET and POST are served, and the answer says so."""
    async with http(toy_app()) as client:
        response = await client.request(method, "/graphql")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


async def test_a_long_body_is_refused_before_it_is_read() -> None:
    """A told length above the limit is enough for a refusal that names both figures."""
    read: list[bool] = []

    async def body() -> Any:
        read.append(True)
        yield b"x"

    async with http(toy_app(Policy(body_bytes_max=1_000)), content_type=JSON, content_length="1001") as client:
        response = await client.post("/graphql", content=body())
    extensions = response.json()["errors"][0]["extensions"]
    assert (response.status_code, read) == (413, [])
    assert extensions == {"code": "BODY_TOO_LARGE", "limit": 1_000, "used": 1_001}


async def test_a_long_body_in_chunks_is_read_to_the_limit_only() -> None:
    """Without a told length reading stops with the chunk that passes the limit."""
    read: list[int] = []

    async def body() -> Any:
        for number in range(100):
            read.append(number)
            yield b"x" * 400

    async with http(toy_app(Policy(body_bytes_max=1_000)), content_type=JSON) as client:
        response = await client.post("/graphql", content=body())
    assert (response.status_code, read) == (413, [0, 1, 2])


async def test_two_megabytes_of_unused_variables_are_refused() -> None:
    """The default limit for members is 100,000 bytes."""
    async with http(toy_app()) as client:
        response = await client.post("/graphql", json={"query": "{ __typename }", "variables": {"a": "x" * 2_000_000}})
    assert (response.status_code, response.json()["errors"][0]["extensions"]["limit"]) == (413, 100_000)


async def test_a_get_answers_trusted_documents_only() -> None:
    """A text of one's own needs POST, unless the endpoint lets everyone GET."""
    for app, status in (
        (toy_app(), 405),
        (toy_app(Policy(get_any=True)), 200),
        (toy_app(documents=["{ tooMany }"]), 405),
    ):
        async with http(app) as client:
            assert (await client.get("/graphql", params={"query": "{ __typename }"})).status_code == status


@pytest.mark.parametrize(
    "query_string", ["query=%ff", "variables={", "query={a}&" + "x=1&" * 30, "extensions=[]&query={a}"]
)
async def test_a_query_string_that_cannot_be_read_is_refused(query_string: str) -> None:
    """Broken escapes, broken JSON and too many parameters are a bad request."""
    async with http(toy_app()) as client:
        assert (await client.get("/graphql?" + query_string)).status_code == 400


@pytest.mark.parametrize(
    ("accept", "type"),
    [
        (f"{JSON};q=0.5, {RESPONSE_JSON}", RESPONSE_JSON),
        (f"{RESPONSE_JSON};q=0.1, {JSON};q=0.9", JSON),
        (f"{RESPONSE_JSON}, {JSON}, text/event-stream", RESPONSE_JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("text/event-stream, */*", "text/event-stream"),
        ("application/*", JSON),
        (f"{RESPONSE_JSON};q=wrong, {JSON}", JSON),
    ],
)
def test_the_preferred_media_type_is_chosen(accept: str, type: str) -> None:
    """Quality decides, then order; an event stream only when it is named first."""
    assert negotiate(accept) == type


def test_other_media_types_are_not_acceptable() -> None:
    """Nobody is sent what they said they cannot read."""
    with pytest.raises(RequestRejected) as rejection:
        negotiate("text/html, application/json;q=0")
    assert rejection.value.status == 406


async def test_a_worthless_token_is_unauthenticated_in_both_media_types() -> None:
    """A token that authentication refuses is 401 with a challenge; nothing of the document is looked at."""
    for accept in (JSON, RESPONSE_JSON):
        async with http(toy_app(), token="stolen", accept=accept, accept_language="en") as client:
            response = await client.post("/graphql", json={"query": "{ nonsense"})
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.json()["errors"] == [
            {"message": "You are not signed in. Please sign in again.", "extensions": {"code": "UNAUTHENTICATED"}}
        ]


async def test_a_subscription_by_plain_post_is_refused() -> None:
    """Neither run nor answered with one value: the caller is told what it takes."""
    assert code_of(await ask(toy_app(), "subscription { count(to: 2) }")) == "STREAM_REQUIRED"


async def test_a_query_that_takes_too_long_is_ended() -> None:
    """A query is cancelled at the endpoint's bound and answered with 503."""
    async with http(toy_app(Policy(seconds_max=0.01))) as client:
        response = await client.post("/graphql", json={"query": "{ slow }"})
    assert (response.status_code, code_of(response.json())) == (503, "TIMEOUT")


@pytest.mark.parametrize(
    ("name", "code"), [("Two", None), (None, "OPERATION_NOT_FOUND"), ("Three", "OPERATION_NOT_FOUND")]
)
async def test_one_of_several_operations_is_run_by_its_name(name: str | None, code: str | None) -> None:
    """With several operations the name is needed, and must be one of theirs."""
    answer = await ask(toy_app(), "query One { a: __typename } query Two { b: __typename }", operationName=name)
    assert answer == {"data": {"b": "Query"}} if code is None else code_of(answer) == code


async def test_names_of_other_fields_are_never_suggested() -> None:
    """A misspelt field, argument or type says nothing of what there is."""
    for query in ("{ toyz { edges } }", "{ toys(frst: 1) { edges { cursor } } }", "query($a: Poins) { __typename }"):
        message = (await ask(toy_app(), query))["errors"][0]["message"]
        assert "Did you mean" not in message


@pytest.mark.parametrize("token", [None, "member", "till"])
async def test_the_schema_is_told_to_staff_only(token: str | None) -> None:
    """Introspection is refused to everyone else, also inside a fragment; __typename is no introspection."""
    app = toy_app()
    hidden = "{ ...F } fragment F on Query { __schema { queryType { name } } }"
    assert code_of(await ask(app, hidden, token)) == "GRAPHQL_VALIDATION_FAILED"
    assert await ask(app, hidden, "owner") == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
    assert "errors" not in await ask(app, "{ __typename }", token)
