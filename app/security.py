"""What every response carries, which pages may call us from a browser, and where a caller's token stands."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from strawberry.http.websocket_origin import is_same_origin, normalize_allowed_origins, normalize_origin

from gamification.core.correlation import correlation_id

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For pages with scripts of our own: no host but ours, no script in the page. Editors set styles on elements."""

RESPONSE_HEADERS: Mapping[str, str] = {
    "content-security-policy": API_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "cache-control": "no-store",
}
TRANSPORT_SECURITY = "max-age=63072000; includeSubDomains"
CORRELATION_HEADER = b"x-correlation-id"
STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
PREFLIGHT_SECONDS = 600

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class SecureResponses:
    """ASGI middleware around everything: security headers and X-Correlation-Id on every response.

    A well-formed incoming correlation id is kept, so that a caller can join our logs to its own. A header that the
    response has already is left alone, so a page may bring its own policy. `https` adds Strict-Transport-Security.
    """

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        self.app = app
        headers = {**RESPONSE_HEADERS, **({"strict-transport-security": TRANSPORT_SECURITY} if https else {})}
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == CORRELATION_HEADER), None)
        current = correlation_of(given.decode("latin-1") if given else None)

        async def send_with_headers(message: Message) -> None:
            if message["type"] in STARTS:
                message["headers"] = self._completed(message.get("headers", ()), current)
            await send(message)

        reset = correlation_id.set(current)
        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            correlation_id.reset(reset)

    def _completed(self, given: Iterable[tuple[bytes, bytes]], current: str) -> list[tuple[bytes, bytes]]:
        """The headers of a response, with those that it lacks; names are in small letters, as ASGI has them."""
        headers = [pair for pair in given if pair[0] != CORRELATION_HEADER]
        headers.append((CORRELATION_HEADER, current.encode()))
        names = {name for name, _ in headers}
        headers += [pair for pair in self._headers if pair[0] not in names]
        return headers


def correlation_of(given: str | None) -> str:
    """The correlation id that came with a request if it is 8 to 64 plain characters, else a new one."""
    return given if given and _CORRELATION_ID.fullmatch(given) else secrets.token_hex(16)


class Origins:
    """Which web pages may call: our own, and those of the origins named. Callers that are no browsers send none."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self.allowed = normalize_allowed_origins(tuple(allowed))

    def admit(self, origin: str | None, host: str | None) -> bool:
        """Whether a request may come from there: no origin, our own, or an allowed one."""
        if origin is None or is_same_origin(origin, host):
            return True
        return self.names(origin)

    def names(self, origin: str) -> bool:
        """Whether the origin is one of the allowed."""
        return normalize_origin(origin) in self.allowed

    def response_headers(self, origin: str | None) -> dict[str, str]:
        """What lets a page of a named origin read the answer."""
        if origin is None or not self.names(origin):
            return {}
        return {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": "x-correlation-id",
            "cross-origin-resource-policy": "cross-origin",
            "vary": "origin",
        }

    def preflight_headers(self, origin: str | None) -> dict[str, str]:
        """The answer to a browser that asks before it sends; empty for an origin that is not named."""
        headers = self.response_headers(origin)
        if headers:
            headers["access-control-allow-methods"] = "GET, POST"
            headers["access-control-allow-headers"] = "accept-language, authorization, content-type, x-correlation-id"
            headers["access-control-max-age"] = str(PREFLIGHT_SECONDS)
        return headers


def headers_of(scope: Scope) -> Mapping[str, str]:
    """The headers of a request by name in small letters; of several of one name, the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def authorization_of(headers: Mapping[str, str], connection_params: Mapping[str, Any] | None = None) -> Any:
    """A caller's `authorization`: in a socket's connection_init payload, else in the request's headers; else None."""
    for name, value in (connection_params or {}).items():
        if name.lower() == "authorization":
            return value
    return headers.get("authorization")
