"""Answers as a stream of server-sent events: `next` for each answer, then `complete`; a comment every 15 seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from starlette.types import Receive, Send

PING_SECONDS = 15.0
STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}


async def send_events(
    receive: Receive, send: Send, payloads: AsyncGenerator[bytes, None], *, ping_seconds: float = PING_SECONDS
) -> None:
    """Send each payload as it comes, until the source ends or the client goes; the source is closed in any case."""
    gone = asyncio.ensure_future(_until_gone(receive))
    upcoming: asyncio.Future[bytes] = asyncio.ensure_future(anext(payloads))
    try:
        while True:
            waiting: set[asyncio.Future[Any]] = {gone, upcoming}
            done, _ = await asyncio.wait(waiting, timeout=ping_seconds, return_when=asyncio.FIRST_COMPLETED)
            if gone in done:
                return
            if not done:
                await _send(send, b":\n\n")
                continue
            try:
                payload = upcoming.result()
            except StopAsyncIteration:
                await _send(send, b"event: complete\ndata:\n\n")
                return
            await _send(send, b"event: next\ndata: " + payload + b"\n\n")
            upcoming = asyncio.ensure_future(anext(payloads))
    finally:
        for task in (gone, upcoming):
            task.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                await task
        await payloads.aclose()


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
