"""GraphQL over a socket: the graphql-transport-ws protocol and no other, in text frames.

Strawberry keeps the protocol; ours are the token in connection_init (or the header), a new context for every
operation, trusted documents, bounded messages, and the same preparing and masking as over HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

import orjson
from graphql import GraphQLError, OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.async_base_view import AsyncWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import SubscribeMessage
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.unset import UNSET, UnsetType

from app.faults import fault
from app.graphql_engine import Engine, Policy
from app.graphql_requests import RequestRejected, request_from_parameters
from app.security import Origins
from gamification.core.correlation import correlation_id
from gamification.core.errors import Refusal
from gamification.core.ids import new_id
from schema.context import Context, locale_of

INIT_WAIT = timedelta(seconds=10)
OPERATIONS_MAX = 20


class Session:
    """One socket: the request that opened it and the payload of its connection_init."""

    def __init__(
        self,
        headers: Mapping[str, str],
        context_factory: Callable[[Mapping[str, str], Mapping[str, Any] | None], Awaitable[Context]],
    ) -> None:
        self.headers = headers
        self.context_factory = context_factory
        self.connection_params: Mapping[str, Any] | None = None

    @property
    def locale(self) -> str:
        """The language that the handshake asked for."""
        return locale_of(self.headers.get("accept-language"))

    async def context(self) -> Context:
        """A new context: the caller is authenticated anew for each operation."""
        return await self.context_factory(self.headers, self.connection_params)


class TextFrames(AsyncWebSocketAdapter):
    """JSON objects in text frames of bounded length; each direction of one socket."""

    def __init__(self, view: GraphQLSocket, request: WebSocket, response: WebSocket) -> None:
        super().__init__(view)
        self.socket = response
        self.length_max = view.policy.body_bytes_max

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """The client's messages until it leaves. Raises NonTextMessageReceived, NonJsonMessageReceived."""
        while self.socket.application_state is not WebSocketState.DISCONNECTED:
            try:
                text = await self.socket.receive_text()
            except KeyError:
                raise NonTextMessageReceived from None
            except WebSocketDisconnect:
                return
            yield await self._read(text)

    async def _read(self, text: str) -> dict[str, Any]:
        if len(text) > self.length_max:
            await self.close(1009, "Message too long")
            raise WebSocketDisconnected
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            raise NonJsonMessageReceived
        return message

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message as one text frame. Raises WebSocketDisconnected."""
        try:
            await self.socket.send_text(orjson.dumps(message).decode())
        except (WebSocketDisconnect, RuntimeError) as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, unless the client did."""
        with suppress(RuntimeError):  # the client was faster
            await self.socket.close(code=code, reason=reason)


class Operations:
    """What strawberry's handler takes for the schema: each operation is prepared and runs in a context of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def stream(
        self,
        query: str,
        *,
        variable_values: dict[str, Any] | None,
        context_value: Session,
        root_value: object,
        operation_name: str | None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """The results of one operation, prepared and limited as over HTTP."""
        return self._answers(orjson.loads(query), context_value)

    async def _answers(self, payload: object, session: Session) -> AsyncGenerator[ExecutionResult, None]:
        correlation_id.set(str(new_id()))
        try:
            request = request_from_parameters(payload)
            context = await session.context()
            prepared = self.engine.prepare(request, context)
            async for result in self.engine.stream(prepared, request, context):
                if prepared.kind is OperationType.SUBSCRIPTION:
                    await session.context()  # a token or session that ended ends what it follows
                yield result
        except RequestRejected as rejection:
            yield PreExecutionError(data=None, errors=rejection.errors)
        except Refusal as refusal:
            error = GraphQLError(refusal.message(session.locale), extensions={"code": refusal.code})
            yield PreExecutionError(data=None, errors=[error])
        except Exception as error:  # noqa: BLE001 - a fault is answered, masked and logged
            yield PreExecutionError(data=None, errors=[fault(error, locale=session.locale)])


class Handler(BaseGraphQLTransportWSHandler[Any, None]):
    """Strawberry's protocol; a subscribe message is handed on whole, so that trusted documents work over a socket."""

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation; its whole payload goes on as the text, extensions and document ids included."""
        operation_id, payload = message.get("id"), message.get("payload")
        if not isinstance(operation_id, str) or not isinstance(payload, dict):
            await self.handle_invalid_message("A subscribe message needs an id and a payload")
            return
        whole: Any = {"id": operation_id, "type": "subscribe", "payload": {"query": orjson.dumps(payload).decode()}}
        await super().handle_subscribe(whole)


class GraphQLSocket(GraphQL[Any, None]):
    """The socket side of one endpoint."""

    websocket_adapter_class = cast(Any, TextFrames)
    graphql_transport_ws_handler_class = Handler

    def __init__(
        self,
        engine: Engine,
        context_factory: Callable[[Mapping[str, str], Mapping[str, Any] | None], Awaitable[Context]],
        policy: Policy,
        origins: Origins,
    ) -> None:
        super().__init__(
            schema=cast(Any, Operations(engine)),
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=INIT_WAIT,
            max_subscriptions_per_connection=OPERATIONS_MAX,
        )
        self.policy = policy
        self.origins = origins
        self.context_factory = context_factory

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        return self.origins.names(origin)

    async def get_context(self, request: Any, response: Any) -> Session:
        """The session of one connection; each operation makes its own context from it."""
        return Session(request.headers, self.context_factory)

    async def on_ws_connect(self, context: Session) -> UnsetType | dict[str, object] | None:
        """Refuse the socket (4403) at once when the token is worth nothing."""
        try:
            await context.context()
        except Refusal:
            raise ConnectionRejectionError from None
        return cast(UnsetType, UNSET)
