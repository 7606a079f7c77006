"""The application that reaches its GraphQL endpoints at once answers as the framework's router does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Scope

from app.graphql_engine import Policy
from app.graphql_http import GraphQLApplication, GraphQLEndpoint, graphql_routes
from app.security import Origins
from tests.http.toy import JSON, RESPONSE_JSON, context_of, socket
from tests.http.toy_schema import toy_schema

QUERY = b'{"query":"{ __typename }"}'
PATHS = ("/graphql", "/graphql/", "/graphql//", "//graphql", "/GraphQL", "/graphql%20", "/graphql%0a", "/%67raphql",
         "/graphql/other", "/", "", "/plain", "/plain/", "/inner/graphql", "/nowhere")  # fmt: skip
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
HEADERS: list[Mapping[str, str]] = [
    {"accept": RESPONSE_JSON, "content-type": JSON},
    {"accept": "text/event-stream", "content-type": JSON, "authorization": "Bearer member"},
    {"accept": "image/png", "content-type": JSON},
    {"content-type": "text/plain"},
    {"content-type": JSON, "authorization": "Bearer nobody"},
    {"content-type": JSON, "origin": "https://shop.test", "access-control-request-method": "POST"},
    {"content-type": JSON, "origin": "https://thief.test"},
]


async def plain(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.url.path}")


async def broken(request: Request) -> Response:
    raise LookupError("the shelf fell")


def routes() -> list[BaseRoute]:
    """An endpoint of GraphQL beside plain pages, and another one in an application that is mounted."""
    policy, origins = Policy(get_any=True), Origins(["https://shop.test"])
    graphql = graphql_routes(toy_schema, "/graphql", context_of, policy=policy, origins=origins)
    inner = graphql_routes(toy_schema, "/graphql", context_of, policy=policy, origins=origins)
    return [*graphql, Route("/plain", plain), Route("/broken", broken), Mount("/inner", routes=inner)]


def both() -> tuple[ASGIApp, ASGIApp]:
    """Ours, and the framework's application over such routes."""
    return GraphQLApplication(routes()), Starlette(routes=routes())


async def told(app: ASGIApp, method: str, path: str, headers: Mapping[str, str], **given: Any) -> tuple[Any, ...]:
    """Status, headers and body of an answer."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=given.pop("raises", True))
    async with httpx.AsyncClient(transport=transport, base_url="http://toys.test") as client:
        body = QUERY if method not in ("GET", "HEAD") else None
        answer = await client.request(method, path, headers=headers, content=body, **given)
    return answer.status_code, sorted(answer.headers.items()), answer.content


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_is_answered_as_by_the_router(path: str) -> None:
    """Known, unknown, with a slash too much, escaped, mounted: whatever the method, the very same answer."""
    ours, framework = both()
    for method in METHODS:
        expected = await told(framework, method, path, HEADERS[0])
        assert await told(ours, method, path, HEADERS[0]) == expected, method


@pytest.mark.parametrize("headers", HEADERS, ids=str)
async def test_every_caller_is_answered_as_by_the_router(headers: Mapping[str, str]) -> None:
    """Streams, other media types, worthless tokens, pages of other origins: status, headers and body are the same."""
    ours, framework = both()
    for method in METHODS:
        for query in ({"query": "{ __typename }"}, {"query": "{"}, {}):
            expected = await told(framework, method, "/graphql", headers, params=query)
            assert await told(ours, method, "/graphql", headers, params=query) == expected, (method, query)


async def test_what_is_answered_is_what_a_client_expects() -> None:
    """The statuses themselves: answered, without content, refused by method, sent on from the slash, not there."""
    ours, _ = both()
    expected = {("POST", "/graphql"): 200, ("OPTIONS", "/graphql"): 204, ("HEAD", "/graphql"): 405,
                ("PUT", "/graphql"): 405, ("POST", "/graphql/"): 307, ("GET", "/nowhere"): 404, ("GET", "/plain"): 200,
                ("POST", "/plain"): 405, ("POST", "/inner/graphql"): 200}  # fmt: skip
    found = {each: (await told(ours, *each, HEADERS[0]))[0] for each in expected}
    assert found == expected
    status, headers, body = await told(ours, "GET", "/graphql", HEADERS[0], params={"query": "{ __typename }"})
    assert (status, body) == (200, b'{"data":{"__typename":"Query"}}') and ("content-length", "31") in headers


async def test_a_page_that_breaks_is_answered_by_the_framework() -> None:
    """What is no GraphQL keeps what the framework wraps around it: a fault of a page is its status 500."""
    ours, framework = both()
    found = await told(ours, "GET", "/broken", {}, raises=False)
    assert found == await told(framework, "GET", "/broken", {}, raises=False) and found[0] == 500


@pytest.mark.parametrize(("root", "path", "status"), [("/api", "/api/graphql", 200), ("/api", "/graphql", 200),
                                                      ("/api", "/api/api/graphql", 404)])  # fmt: skip
async def test_behind_a_prefix_the_endpoint_is_found_as_by_the_router(root: str, path: str, status: int) -> None:
    """Where a proxy serves everything under a prefix, both find the endpoint in the same places."""
    for app in both():
        transport = httpx.ASGITransport(app, root_path=root)
        async with httpx.AsyncClient(transport=transport, base_url="http://toys.test") as client:
            answer = await client.post(path, content=QUERY, headers=HEADERS[0])
        assert answer.status_code == status


async def test_a_socket_of_the_same_path_is_a_socket() -> None:
    """A WebSocket goes the way of the routes: it is opened and answers over the path of the endpoint."""
    for app in both():
        async with socket(app) as client:
            assert (await client.frame())["type"] == "websocket.accept"
            await client.init()
            await client.subscribe({"query": "{ __typename }"})
            assert await client.receive() == {"id": "1", "type": "next", "payload": {"data": {"__typename": "Query"}}}
            assert (await client.receive())["type"] == "complete"


async def test_the_application_starts_and_ends_once() -> None:
    """The lifespan runs around the serving, with the application itself; its state is what the server is told."""
    seen: list[Any] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        seen.append(app)
        yield {"shelf": "full"}
        seen.append("ended")

    app = GraphQLApplication(routes(), cast(Any, lifespan))
    sent: list[Message] = []
    incoming = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> Message:
        if len(seen) == 1:
            assert [each["type"] for each in sent] == ["lifespan.startup.complete"] and seen == [app]
        return {"type": next(incoming)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "lifespan", "state": {}}
    await app(scope, receive, send)
    assert [each["type"] for each in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert seen == [app, "ended"] and scope["state"] == {"shelf": "full"}


async def test_the_endpoint_is_reached_without_the_router(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to the endpoint's own path never meets the framework; any other path does."""
    met: list[str] = []
    app = GraphQLApplication(routes())

    async def meet(self: Starlette, scope: Scope, receive: Any, send: Any) -> None:
        met.append(scope["path"])
        await PlainTextResponse("router")(scope, receive, send)

    monkeypatch.setattr(Starlette, "__call__", meet)
    for path in ("/graphql", "/graphql/", "/plain"):
        await told(app, "POST", path, HEADERS[0])
    assert met == ["/graphql/", "/plain"]
    assert [type(each) for each in app._endpoints.values()] == [GraphQLEndpoint]
