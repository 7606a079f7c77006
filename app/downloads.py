"""A long JSON document as a file: sent as it is written, a few at a time, to whoever reads fast enough.

Whatever ends a file early breaks the connection off, so that half a file never passes for a whole one.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.faults import FAULT_MESSAGES, summary
from app.problems import Problem
from app.sending import UNREAD_SECONDS_MAX, BrokenOff, send_chunks
from schema.context import locale_of

log = structlog.get_logger(__name__)

RUNNING_MAX = 4
"""Files of one kind in one process at a time: each page takes a connection of the pool for a moment."""
SENDING_SECONDS_MAX = 600
"""A million tickets are some ninety megabytes: 1.2 megabits a second are enough."""


@dataclass(frozen=True, slots=True)
class Download:
    """A document that can be sent: its name, how it may be kept and read, and its text page by page."""

    filename: str
    chunks: Callable[[], AsyncGenerator[bytes, None]]
    cache_control: str
    etag: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """What is said before the text; no length, since nobody has written it yet."""
        return {
            "content-type": "application/json",
            "content-disposition": f'attachment; filename="{self.filename}"',
            "cache-control": self.cache_control,
            "x-accel-buffering": "no",
            **({"etag": f'"{self.etag}"'} if self.etag else {}),
            **self.more,
        }


@dataclass(kw_only=True)
class Downloads(ABC):
    """The files of one kind and one process; a bare ASGI callable."""

    kind: ClassVar[str]
    running: int = 0
    unread_seconds_max: float = UNREAD_SECONDS_MAX
    sending_seconds_max: float = SENDING_SECONDS_MAX

    @abstractmethod
    async def found(self, request: Request) -> Download:
        """What is asked for. Raises Problem."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            if request.method not in ("GET", "HEAD"):
                raise Problem(405, "METHOD_NOT_ALLOWED", "Use GET.", headers={"allow": "GET, HEAD"})
            download = await self.found(request)
            answer = _short(request, download)
            if answer is None and self.running >= RUNNING_MAX:
                text = f"{RUNNING_MAX} files are under way; try again when one has ended."
                raise Problem(503, "TOO_MANY_EXPORTS", text, headers={"retry-after": "10"})
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        except Exception as error:  # noqa: BLE001 - a fault is answered, masked and logged
            log.error("download.fault", kind=self.kind, error=type(error).__name__, summary=summary(error))
            message = FAULT_MESSAGES[locale_of(request.headers.get("accept-language"))]
            await Problem(500, "INTERNAL_ERROR", message).response()(scope, receive, send)
            return
        if answer is not None:
            await answer(scope, receive, send)
            return
        self.running += 1
        try:
            await self._send(download, receive, send)
        finally:
            self.running -= 1

    async def _send(self, download: Download, receive: Receive, send: Send) -> None:
        raw = [(name.encode(), value.encode()) for name, value in download.headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        try:
            async with asyncio.timeout(self.sending_seconds_max), aclosing(download.chunks()) as chunks:
                if await send_chunks(chunks, receive, send, unread_seconds_max=self.unread_seconds_max):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:  # noqa: BLE001 - whatever it is, the file is not whole and must not seem so
            log.error("download.broken_off", kind=self.kind, error=type(error).__name__, summary=summary(error))
            raise BrokenOff from None


def _short(request: Request, download: Download) -> Response | None:
    """The answer where no body is wanted: the client has the file already, or asks for its headers only."""
    headers = download.headers
    if "etag" in headers:
        known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
        if headers["etag"] in known or known == ["*"]:
            return Response(status_code=304, headers=headers)
    return Response(headers=headers) if request.method == "HEAD" else None


def key_in(request: Request, name: str) -> UUID | None:
    """A key of the path, written as it is published; None for whatever else stands there."""
    text = request.path_params[name]
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
