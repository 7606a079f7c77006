"""A drawn draw as one file, for anybody: what the stand-alone verifiers recompute.

The file is frozen with the draw, so whoever stands between may keep it; while prizes may still pass to reserves it is
fresh for a minute. It is written as it is read, a few at a time, and ends after a while with whoever reads too slowly:
whatever ends it early breaks the connection off, so that half a file never passes for a whole one.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from app.faults import FAULT_MESSAGES, summary
from app.problems import Problem
from app.sending import UNREAD_SECONDS_MAX, BrokenOff, send_chunks
from gamification.draws.exports import DrawExport, export_of
from schema.context import locale_of

log = structlog.get_logger(__name__)

DRAW_EXPORT_PATH = "/draws/{draw}/export.json"
RUNNING_MAX = 4
"""Files of one process at a time: each page takes a connection of the pool for a moment."""
SENDING_SECONDS_MAX = 600
"""A million tickets are some ninety megabytes: 1.2 megabits a second are enough."""
FROZEN = "public, max-age=31536000, immutable"
GROWING = "public, max-age=60"


@dataclass
class DrawExports:
    """The files of one process; a bare ASGI callable."""

    running: int = 0
    unread_seconds_max: float = UNREAD_SECONDS_MAX
    sending_seconds_max: float = SENDING_SECONDS_MAX

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            export = await self._found(request)
            answer = _short(request, export)
            if answer is None and self.running >= RUNNING_MAX:
                text = f"{RUNNING_MAX} files are under way; try again when one has ended."
                raise Problem(503, "TOO_MANY_EXPORTS", text, headers={"retry-after": "10"})
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        except Exception as error:  # noqa: BLE001 - a fault is answered, masked and logged
            log.error("draw_export.fault", error=type(error).__name__, summary=summary(error))
            message = FAULT_MESSAGES[locale_of(request.headers.get("accept-language"))]
            await Problem(500, "INTERNAL_ERROR", message).response()(scope, receive, send)
            return
        if answer is not None:
            await answer(scope, receive, send)
            return
        self.running += 1
        try:
            await self._send(export, receive, send)
        finally:
            self.running -= 1

    async def _found(self, request: Request) -> DrawExport:
        """What is asked for. Raises Problem."""
        if request.method not in ("GET", "HEAD"):
            raise Problem(405, "METHOD_NOT_ALLOWED", "Use GET.", headers={"allow": "GET, HEAD"})
        export = await export_of(draw_id) if (draw_id := _uuid(request.path_params["draw"])) else None
        if export is None:
            raise Problem(404, "NOT_FOUND", "No draw of this key has been drawn.", field="draw")
        return export

    async def _send(self, export: DrawExport, receive: Receive, send: Send) -> None:
        raw = [(name.encode(), value.encode()) for name, value in _headers(export).items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        try:
            async with asyncio.timeout(self.sending_seconds_max), aclosing(export.chunks()) as chunks:
                if await send_chunks(chunks, receive, send, unread_seconds_max=self.unread_seconds_max):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:  # noqa: BLE001 - whatever it is, the file is not whole and must not seem so
            log.error("draw_export.broken_off", error=type(error).__name__, summary=summary(error))
            raise BrokenOff from None


def _short(request: Request, export: DrawExport) -> Response | None:
    """The answer where no body is wanted: the client has the file already, or asks for its headers only."""
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    headers = _headers(export)
    if headers["etag"] in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    return Response(headers=headers) if request.method == "HEAD" else None


def _headers(export: DrawExport) -> dict[str, str]:
    """Any page may read it: it is public, and no caller's credentials have a part in it."""
    return {
        "content-type": "application/json",
        "content-disposition": f'attachment; filename="{export.filename}"',
        "etag": f'"{export.etag}"',
        "cache-control": FROZEN if export.is_final else GROWING,
        "access-control-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
        "x-accel-buffering": "no",
    }


def _uuid(text: str) -> UUID | None:
    """A draw's key, written as it is published."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def draw_export_routes() -> list[BaseRoute]:
    """`/draws/{draw}/export.json`, for anybody."""
    return [Route(DRAW_EXPORT_PATH, DrawExports())]
