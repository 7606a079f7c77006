"""The 61 audits of the GraphQL-over-HTTP specification, as the package `graphql-http` words them, asked of ourselves.

A GET carries trusted documents only, and the schema may not be asked for; the audits' texts are trusted here, as a
client's own texts are in production.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from tests.http.toy import AUDIT_TEXTS, JSON, RESPONSE_JSON, http, toy_app

TYPENAME = {"query": "{ __typename }"}
TYPE_QUERY = AUDIT_TEXTS[2]
WRONG_STRINGS = [{"obj": "ect"}, 0, False, ["array"]]
WRONG_OBJECTS = ["string", 0, False, ["array"]]
MISSING_FIELD = {"query": "{ 8f31403dfe404bccbb0e835f2629c6a7 }"}
UNKNOWN_FIELD = {"query": "{ x8f31403dfe404bccbb0e835f2629c6a7 }"}
NOT_COERCED = {"query": "query CoerceFailure($id: ID!){ __typename }", "variables": {"id": None}}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with http(toy_app(documents=AUDIT_TEXTS)) as each:
        del each.headers["accept"]
        yield each


async def post(
    client: httpx.AsyncClient, body: Any, accept: str | None = None, type: str | None = JSON
) -> httpx.Response:
    """A POST of JSON, or of the bytes given."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {name: value for name, value in (("accept", accept), ("content-type", type)) if value}
    return await client.post("/graphql", content=content, headers=headers)


@pytest.mark.parametrize(
    ("accept", "type"), [(RESPONSE_JSON, RESPONSE_JSON), (JSON, JSON), ("*/*", JSON), (None, JSON)]
)
async def test_the_answer_has_the_media_type_that_was_asked_for(
    client: httpx.AsyncClient, accept: str | None, type: str
) -> None:
    """Audits 22EB, 4655, 47DE, 80D8: the accepted type, and application/json when none is named."""
    response = await post(client, TYPENAME, accept)
    assert (response.status_code, response.headers["content-type"]) == (200, f"{type}; charset=utf-8")


async def test_answers_are_utf_8(client: httpx.AsyncClient) -> None:
    """Audit 82A3."""
    assert (await post(client, TYPENAME)).content.decode("utf-8") == '{"data":{"__typename":"Query"}}'


@pytest.mark.parametrize("type", ["application/json; charset=utf-8", "application/json"])
async def test_requests_are_utf_8_said_or_not(client: httpx.AsyncClient, type: str) -> None:
    """Audits BF61 and 78D5."""
    response = await post(client, {"query": '{ __type(name: "Run🏃Swim🏊") { name } }'}, type=type)
    assert response.status_code == 200


@pytest.mark.parametrize("audit", ["2C94", "03D4"])
async def test_post_requests_are_accepted(client: httpx.AsyncClient, audit: str) -> None:
    """Audits 2C94 and 03D4: POST, and with application/json."""
    assert (await post(client, TYPENAME)).status_code == 200


async def test_get_requests_are_accepted(client: httpx.AsyncClient) -> None:
    """Audit 5A70."""
    assert (await client.get("/graphql?" + urlencode(TYPENAME))).status_code == 200


async def test_get_requests_change_nothing(client: httpx.AsyncClient) -> None:
    """Audit 9C48: a mutation by GET is a client's error."""
    response = await client.get(
        "/graphql?" + urlencode({"query": "mutation { __typename }"}), headers={"accept": RESPONSE_JSON}
    )
    assert response.status_code == 405


async def test_a_post_without_a_content_type_is_refused(client: httpx.AsyncClient) -> None:
    """Audit 9ABE."""
    assert (await post(client, TYPENAME, type=None)).status_code == 415


@pytest.mark.parametrize(
    ("body", "accept"), [(b"", None), ({"notquery": "{ __typename }"}, RESPONSE_JSON)], ids=["A5BF", "423L"]
)
async def test_a_request_without_a_query_is_refused(client: httpx.AsyncClient, body: Any, accept: str | None) -> None:
    """Audits A5BF and 423L."""
    assert (await post(client, body, accept)).status_code == 400


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("query", wrong) for wrong in WRONG_STRINGS),
        *(("operationName", wrong) for wrong in WRONG_STRINGS),
        *(("variables", wrong) for wrong in WRONG_OBJECTS),
        *(("extensions", wrong) for wrong in WRONG_OBJECTS),
    ],
)
async def test_a_parameter_of_a_wrong_type_is_refused(client: httpx.AsyncClient, name: str, wrong: Any) -> None:
    """Audits LKJ0-3, 6C00-3, 4760-3 and 58B0-3."""
    response = await post(client, {**TYPENAME, name: wrong})
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("accept", [RESPONSE_JSON, JSON])
@pytest.mark.parametrize(
    "parameters",
    [
        TYPENAME,
        {"query": "query Query { __typename }", "operationName": "Query"},
        {**TYPENAME, "variables": None},
        {**TYPENAME, "operationName": None},
        {**TYPENAME, "extensions": None},
        {**TYPENAME, "extensions": {"some": "value"}},
        {"query": TYPE_QUERY, "variables": {"name": "sometype"}},
    ],
)
async def test_parameters_of_the_right_type_are_accepted(
    client: httpx.AsyncClient, parameters: dict[str, Any], accept: str
) -> None:
    """Audits 34A2, 13EE, 8161, B8B3, 94B0-2, 0220-2, 428F, 1B7A, 2EA1 and 28B9."""
    response = await post(client, parameters, accept)
    assert (response.status_code, "errors" in response.json()) == (200, False)


@pytest.mark.parametrize("accept", [RESPONSE_JSON, JSON])
async def test_variables_of_a_get_are_json(client: httpx.AsyncClient, accept: str) -> None:
    """Audits D6D5 and 6A70."""
    parameters = {"query": TYPE_QUERY, "variables": '{"name":"sometype"}'}
    response = await client.get("/graphql?" + urlencode(parameters), headers={"accept": accept})
    assert (response.status_code, response.json()) == (200, {"data": {"__type": None}})


@pytest.mark.parametrize("accept", [JSON, RESPONSE_JSON])
async def test_a_body_that_is_no_json_is_refused(client: httpx.AsyncClient, accept: str) -> None:
    """Audits B6DC, BCF8 and B7N8."""
    assert (await post(client, b'{ "not a JSON', accept)).status_code == 400


@pytest.mark.parametrize("audit", ["8764", "3E3A"])
async def test_a_misspelt_parameter_is_a_missing_query(client: httpx.AsyncClient, audit: str) -> None:
    """Audits 8764 and 3E3A."""
    assert (await post(client, {"qeury": "{ __typename }"})).status_code == 400


@pytest.mark.parametrize("body", [{"query": "{"}, MISSING_FIELD, UNKNOWN_FIELD, NOT_COERCED])
async def test_legacy_clients_read_refusals_of_a_document_as_200(client: httpx.AsyncClient, body: Any) -> None:
    """Audits 572B, FDE2 and 7B9B: with application/json, and still without a data entry."""
    response = await post(client, body, JSON)
    assert (response.status_code, set(response.json())) == (200, {"errors"})


@pytest.mark.parametrize("body", [{"query": "{"}, MISSING_FIELD, UNKNOWN_FIELD, NOT_COERCED])
async def test_a_document_that_cannot_run_is_a_bad_request(client: httpx.AsyncClient, body: Any) -> None:
    """Audits 865D, 556A, D586, 51FE, 74FF, 5E5B and 86EE: 400 and no data entry with graphql-response+json."""
    response = await post(client, body, RESPONSE_JSON)
    assert (response.status_code, set(response.json())) == (400, {"errors"})
