"""GraphQL over HTTP: a bare ASGI callable per endpoint, and the routes that an application mounts.

It is not strawberry's view: that one answers request errors with 200 in one media type only, breaks on a JSON body
that is no object, parses before it measures, and keeps one context for a whole socket. Executing stays strawberry's.

Statuses follow the GraphQL-over-HTTP specification: `application/graphql-response+json` gets 400 for a request that
is not executed, `application/json` gets 200 for what GraphQL itself refuses and 4xx for what is no GraphQL request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from graphql import GraphQLError, OperationType
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Lifespan, Receive, Scope, Send
from strawberry.types import ExecutionResult

from app.documents import TrustedDocuments
from app.faults import fault
from app.graphql_engine import Engine, Policy, Prepared, Preparing
from app.graphql_requests import (
    EVENT_STREAM,
    LEGACY_JSON,
    RESPONSE_JSON,
    OperationRequest,
    RequestRejected,
    check_content,
    negotiate,
    read_body,
    rejected,
    request_from_json,
    request_from_query_string,
)
from app.graphql_socket import GraphQLSocket
from app.graphql_stream import STREAM_HEADERS, send_events
from app.security import Origins, headers_of
from gamification.core.errors import Refusal
from schema.context import Context, locale_of
from schema.extensions import Schema

ContextFactory = Callable[[Mapping[str, str], Mapping[str, Any] | None], Awaitable[Context]]
"""Makes the context of one operation from the headers of its request, named in small letters, and a socket's
connection_init payload. Authentication happens here: it may raise a Refusal, which becomes 401 when its code is
UNAUTHENTICATED and 403 otherwise."""

Headers = Mapping[str, str]
RawHeaders = list[tuple[bytes, bytes]]
CONTENT_TYPES = {each: f"{each}; charset=utf-8".encode() for each in (RESPONSE_JSON, LEGACY_JSON)}


def graphql_routes(
    schema: Schema,
    path: str,
    context_factory: ContextFactory,
    *,
    documents: TrustedDocuments | None = None,
    policy: Policy | None = None,
    origins: Origins | None = None,
    preparing: Mapping[str, Preparing] | None = None,
) -> list[BaseRoute]:
    """One endpoint: HTTP, event streams and graphql-transport-ws under one path.

    `preparing` is what is done for a context before a trusted operation of that name; it may be filled later.
    """
    policy, origins = policy or Policy(), origins or Origins()
    engine = Engine(schema, documents or TrustedDocuments(), policy, preparing)
    return [
        Route(path, GraphQLEndpoint(engine, context_factory, policy, origins)),
        WebSocketRoute(path, GraphQLSocket(engine, context_factory, policy, origins)),
    ]


class GraphQLApplication(Starlette):
    """An application whose GraphQL endpoints are reached at once; everything else takes the way of its routes.

    The router and what the framework wraps around it cost as much as the rest of a small request, and an endpoint
    answers its own errors.
    """

    def __init__(self, routes: Sequence[BaseRoute], lifespan: Lifespan[GraphQLApplication] | None = None) -> None:
        super().__init__(routes=routes, lifespan=lifespan)
        plain = (route for route in routes if isinstance(route, Route))
        self._endpoints = {each.path: each.endpoint for each in plain if isinstance(each.endpoint, GraphQLEndpoint)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        await (endpoint or super().__call__)(scope, receive, send)


class GraphQLEndpoint:
    """The HTTP side of one endpoint."""

    def __init__(self, engine: Engine, context_factory: ContextFactory, policy: Policy, origins: Origins) -> None:
        self.engine = engine
        self.context_factory = context_factory
        self.policy = policy
        self.origins = origins
        self.streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        media_type = LEGACY_JSON
        try:
            self._admit_origin(headers)
            if scope["method"] == "OPTIONS":
                await _send(send, 204, b"", _encoded(self._preflight(headers)))
                return
            media_type = negotiate(headers.get("accept"))
            await self._serve(scope, receive, send, headers, media_type)
        except RequestRejected as rejection:
            await self._send_rejection(send, headers, media_type, rejection)
        except Exception as error:  # noqa: BLE001 - a fault is answered, masked and logged
            shown = fault(error, locale=locale_of(headers.get("accept-language")))
            await self._send_rejection(send, headers, media_type, RequestRejected([shown], 500))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, headers: Headers, media_type: str) -> None:
        request = await self._read(scope, receive, headers)
        context = await self._context(headers)
        prepared = self.engine.prepare(request, context)
        self._check_method(scope["method"], prepared, streams=media_type == EVENT_STREAM)
        if media_type == EVENT_STREAM:
            again = partial(self._context, headers)
            await self._stream(receive, send, headers, self._payloads(prepared, request, context, again))
        else:
            result = await self._execute(prepared, request, context)
            status, body = answer_of(result, media_type)
            await self._send_json(send, headers, media_type, status, body)

    async def _read(self, scope: Scope, receive: Receive, headers: Headers) -> OperationRequest:
        if scope["method"] == "GET":
            return request_from_query_string(scope["query_string"])
        if scope["method"] != "POST":
            raise rejected("Use POST, or GET for queries.", "METHOD_NOT_ALLOWED", 405, allow="GET, POST")
        check_content(headers)
        return request_from_json(await read_body(receive, headers, self.policy.body_bytes_max))

    async def _context(self, headers: Headers) -> Context:
        try:
            return await self.context_factory(headers, None)
        except Refusal as refusal:
            raise access_rejected(refusal, locale_of(headers.get("accept-language"))) from None

    def _check_method(self, method: str, prepared: Prepared, *, streams: bool) -> None:
        if prepared.kind is OperationType.SUBSCRIPTION and not streams:
            message = "Subscriptions are answered as text/event-stream or over a socket."
            raise rejected(message, "STREAM_REQUIRED", 406)
        if method != "GET":
            return
        if prepared.kind is not OperationType.QUERY:
            raise rejected("GET answers queries only.", "METHOD_NOT_ALLOWED", 405, allow="POST")
        if not (prepared.trusted or self.policy.get_any):
            raise rejected("GET answers trusted documents only.", "METHOD_NOT_ALLOWED", 405, allow="POST")

    async def _execute(self, prepared: Prepared, request: OperationRequest, context: Context) -> ExecutionResult:
        """Queries end after `seconds_max`; a mutation is left to finish, the database bounds it."""
        if prepared.kind is not OperationType.QUERY:
            return await self.engine.execute(prepared, request, context)
        try:
            async with asyncio.timeout(self.policy.seconds_max):
                return await self.engine.execute(prepared, request, context)
        except TimeoutError:
            raise rejected("The answer took too long.", "TIMEOUT", 503, retry_after="1") from None

    async def _stream(
        self,
        receive: Receive,
        send: Send,
        headers: Headers,
        payloads: AsyncGenerator[bytes, None],
    ) -> None:
        if self.streams >= self.policy.streams_max:
            raise rejected("Too many streams are open.", "TOO_MANY_STREAMS", 503, retry_after="5")
        cross_origin = self.origins.response_headers(headers.get("origin"))
        self.streams += 1
        try:
            await _send_start(send, 200, _encoded({**STREAM_HEADERS, **cross_origin}))
            await send_events(receive, send, payloads)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.streams -= 1

    async def _payloads(
        self,
        prepared: Prepared,
        request: OperationRequest,
        context: Context,
        again: Callable[[], Awaitable[Context]],
    ) -> AsyncGenerator[bytes, None]:
        """Every answer as JSON; a fault of the stream itself is its last answer.

        A subscription asks `again` who the caller is before each answer: a token or session that ended ends it.
        """
        try:
            async for result in self.engine.stream(prepared, request, context):
                if prepared.kind is OperationType.SUBSCRIPTION:
                    await again()
                yield answer_of(result, RESPONSE_JSON)[1]
        except RequestRejected as rejection:
            yield orjson.dumps({"errors": [error.formatted for error in rejection.errors]})
        except Exception as error:  # noqa: BLE001 - likewise
            shown = fault(error, locale=context.locale, operation=prepared.name)
            yield orjson.dumps({"errors": [shown.formatted]})

    def _admit_origin(self, headers: Headers) -> None:
        if not self.origins.admit(headers.get("origin"), headers.get("host")):
            raise rejected("Pages of this origin may not call.", "ORIGIN_REFUSED", 403)

    def _preflight(self, headers: Headers) -> dict[str, str]:
        return {"allow": "GET, POST", **self.origins.preflight_headers(headers.get("origin"))}

    async def _send_rejection(self, send: Send, headers: Headers, media_type: str, rejection: RequestRejected) -> None:
        shown = RESPONSE_JSON if media_type == RESPONSE_JSON else LEGACY_JSON
        status = 200 if rejection.well_formed and media_type == LEGACY_JSON else rejection.status
        body = orjson.dumps({"errors": [error.formatted for error in rejection.errors]})
        await self._send_json(send, headers, shown, status, body, rejection.headers)

    async def _send_json(
        self,
        send: Send,
        headers: Headers,
        media_type: str,
        status: int,
        body: bytes,
        more: Mapping[str, str] | None = None,
    ) -> None:
        raw = [(b"content-type", CONTENT_TYPES[media_type])]
        if more or "origin" in headers:
            raw += _encoded({**self.origins.response_headers(headers.get("origin")), **(more or {})})
        await _send(send, status, body, raw)


def answer_of(result: ExecutionResult, media_type: str) -> tuple[int, bytes]:
    """Status and body of an execution. One that failed before any field ran is a request error: without `data`."""
    errors = result.errors or []
    before_fields = result.data is None and bool(errors) and all(error.path is None for error in errors)
    answer: dict[str, Any] = {} if before_fields else {"data": result.data}
    if errors:
        answer["errors"] = [error.formatted for error in errors]
    if result.extensions:
        answer["extensions"] = result.extensions
    return (400 if before_fields and media_type == RESPONSE_JSON else 200), orjson.dumps(answer)


def access_rejected(refusal: Refusal, locale: str) -> RequestRejected:
    """A caller whose token is worth nothing, or who may not call at all."""
    error = GraphQLError(refusal.message(locale), extensions={"code": refusal.code})
    if refusal.code == "UNAUTHENTICATED":
        return RequestRejected([error], 401, headers={"www-authenticate": "Bearer"})
    return RequestRejected([error], 403)


def _encoded(headers: Mapping[str, str]) -> RawHeaders:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _send(send: Send, status: int, body: bytes, headers: RawHeaders) -> None:
    await _send_start(send, status, [*headers, (b"content-length", b"%d" % len(body))])
    await send({"type": "http.response.body", "body": body})


async def _send_start(send: Send, status: int, headers: RawHeaders) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
