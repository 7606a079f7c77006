"""A small schema of every kind that the floor serves, and clients that speak to it without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

import httpx
import orjson
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message

from app.documents import TrustedDocuments, trust
from app.faults import current_correlation
from app.graphql_engine import Policy
from app.graphql_http import graphql_routes
from app.security import Origins, SecureResponses, authorization_of
from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.members.errors import Unauthenticated
from schema.context import Context, locale_of
from tests.conftest import MONDAY_MORNING
from tests.http.toy_schema import toy_schema

RESPONSE_JSON = "application/graphql-response+json"
JSON = "application/json"
MEMBER = Actor("member", UUID(int=1))
OWNER = Actor("staff", UUID(int=2), role="owner")
CASHIER = Actor("staff", UUID(int=3), role="cashier")
TILL = Actor("integration", UUID(int=4), scopes=frozenset({"orders:write"}))
TOKENS = {"member": MEMBER, "owner": OWNER, "cashier": CASHIER, "till": TILL}

AUDIT_TEXTS = (
    "{ __typename }",
    "query Query { __typename }",
    "query Type($name: String!) { __type(name: $name) { name } }",
)
SHELF = "query Shelf($first: Int!) { toys(first: $first) { edges { node { name } } } }"
POLICY = Policy()


async def context_of(headers: Mapping[str, str], connection_params: Mapping[str, Any] | None) -> Context:
    """The toy's authentication: a bearer token is a name of TOKENS."""
    given = authorization_of(headers, connection_params)
    token = str(given).removeprefix("Bearer ") if given else None
    if token is not None and token not in TOKENS:
        raise Unauthenticated(reason="TOKEN_INVALID")
    return Context(
        work=cast(Work, None),
        clock=FixedClock(MONDAY_MORNING),
        actor=TOKENS[token] if token else ANONYMOUS,
        locale=locale_of(headers.get("accept-language")),
        correlation_id=current_correlation(),
        connection_params=connection_params,
    )


def toy_app(policy: Policy = POLICY, documents: Sequence[str] = (), origins: Sequence[str] = ()) -> ASGIApp:
    """The toy schema at /graphql behind the headers of every response."""
    trusted = TrustedDocuments(trust(text, toy_schema._schema) for text in documents)
    routes = graphql_routes(
        toy_schema, "/graphql", context_of, documents=trusted, policy=policy, origins=Origins(origins)
    )
    return SecureResponses(Starlette(routes=routes))


def everyone_asks(policy: Policy = POLICY) -> Policy:
    """A policy under which everyone may ask for the schema, as on a developer's machine."""
    return replace(policy, introspection=frozenset({"anonymous", "member", "staff", "integration"}))


@asynccontextmanager
async def http(app: ASGIApp, token: str | None = None, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, with the token if one is given."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        given["authorization"] = f"Bearer {token}"
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://toys.test", headers=given) as client:
        yield client


async def ask(app: ASGIApp, query: str | None = None, token: str | None = None, **more: Any) -> dict[str, Any]:
    """The answer to one operation; `language` becomes Accept-Language, all else a parameter of the request."""
    headers = {"accept": RESPONSE_JSON, "accept_language": more.pop("language", "en")}
    async with http(app, token, **headers) as client:
        response = await client.post("/graphql", json={"query": query, **more})
    return cast(dict[str, Any], response.json())


def code_of(answer: Mapping[str, Any]) -> str:
    """The code of the one error in an answer."""
    (error,) = answer["errors"]
    return str(error["extensions"]["code"])


@dataclass
class Socket:
    """A client's end of a WebSocket, in process."""

    incoming: asyncio.Queue[Message]
    outgoing: asyncio.Queue[Message]

    async def send(self, message: object) -> None:
        text = message if isinstance(message, str) else orjson.dumps(message).decode()
        await self.incoming.put({"type": "websocket.receive", "text": text})

    async def send_bytes(self, frame: bytes) -> None:
        await self.incoming.put({"type": "websocket.receive", "bytes": frame})

    async def frame(self) -> Message:
        return await asyncio.wait_for(self.outgoing.get(), 10)

    async def receive(self) -> Any:
        """The next message, which must be a text frame."""
        frame = await self.frame()
        assert frame["type"] == "websocket.send", frame
        return orjson.loads(frame["text"])

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the close frame that comes next."""
        frame = await self.frame()
        assert frame["type"] == "websocket.close", frame
        return frame["code"], frame.get("reason", "")

    async def init(self, payload: dict[str, Any] | None = None) -> None:
        await self.send({"type": "connection_init", "payload": payload or {}})
        assert (await self.receive())["type"] == "connection_ack"

    async def subscribe(self, payload: dict[str, Any], id: str = "1") -> None:
        await self.send({"id": id, "type": "subscribe", "payload": payload})


@asynccontextmanager
async def socket(
    app: ASGIApp, protocols: Sequence[str] = ("graphql-transport-ws",), headers: Mapping[str, str] | None = None
) -> AsyncIterator[Socket]:
    """A socket to /graphql; the handshake is sent, the first frame is the server's accept or close."""
    here = Socket(asyncio.Queue(), asyncio.Queue())
    raw = [(name.encode(), value.encode()) for name, value in {"host": "toys.test", **(headers or {})}.items()]
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "query_string": b"",
        "headers": raw,
        "subprotocols": list(protocols),
        "extensions": {},
    }
    await here.incoming.put({"type": "websocket.connect"})
    serving = asyncio.create_task(cast(Any, app)(scope, here.incoming.get, here.outgoing.put))
    try:
        yield here
    finally:
        await here.incoming.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(serving, 10)
