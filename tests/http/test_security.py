"""Headers of every response, and which pages may call."""

from __future__ import annotations

import pytest

from app.security import API_POLICY, RESPONSE_HEADERS, SecureResponses
from tests.http.toy import code_of, http, toy_app

QUERY = {"query": "{ __typename }"}


@pytest.mark.parametrize("path", ["/graphql", "/nowhere"])
async def test_every_response_carries_the_security_headers(path: str) -> None:
    """Also one that no endpoint answered."""
    async with http(toy_app()) as client:
        headers = (await client.post(path, json=QUERY)).headers
    assert {name: headers[name] for name in RESPONSE_HEADERS} == dict(RESPONSE_HEADERS)
    assert headers["content-security-policy"] == API_POLICY
    assert "strict-transport-security" not in headers


async def test_behind_https_browsers_are_told_to_stay_there() -> None:
    """Strict-Transport-Security is sent when the deployment says that it is reached by https."""
    async with http(SecureResponses(toy_app(), https=True)) as client:
        assert "max-age=63072000" in (await client.post("/graphql", json=QUERY)).headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0198f2c4-order-77", True),
        ("short", False),
        ("x" * 65, False),
        ("bad id with blanks", False),
        ("a\tb\tc\td\te", False),
    ],
)
async def test_a_well_formed_correlation_id_is_kept(given: str, kept: bool) -> None:
    """Any other is replaced, so that nobody writes into our logs."""
    async with http(toy_app(), x_correlation_id=given) as client:
        answered = (await client.post("/graphql", json=QUERY)).headers["x-correlation-id"]
    assert (answered == given) is kept and len(answered) >= 8


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://toys.test", 200), ("https://shop.example", 200), ("https://evil.example", 403), ("null", 403)],
)
async def test_pages_of_other_origins_may_not_call(origin: str, status: int) -> None:
    """Our own pages may, and those of origins that are named; they may also read the answer."""
    async with http(toy_app(origins=["https://shop.example"]), origin=origin) as client:
        response = await client.post("/graphql", json=QUERY)
    assert response.status_code == status
    assert (response.headers.get("access-control-allow-origin") == origin) is (origin == "https://shop.example")
    if status == 403:
        assert code_of(response.json()) == "ORIGIN_REFUSED"


async def test_a_named_origin_is_told_what_it_may_send() -> None:
    """The preflight of a named origin is answered; credentials are tokens, never cookies."""
    async with http(toy_app(origins=["https://shop.example"]), origin="https://shop.example") as client:
        response = await client.options("/graphql")
    assert response.status_code == 204
    assert "authorization" in response.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in response.headers
