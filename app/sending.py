"""A long body on its way: chunk by chunk, to a client that may go or stop reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from starlette.types import Receive, Send

UNREAD_SECONDS_MAX = 60
"""How long a client may leave a chunk unread."""


class BrokenOff(Exception):
    """A file could not be sent to its end; raised to the server, which cuts the connection."""


async def send_chunks(
    chunks: AsyncGenerator[bytes, None], receive: Receive, send: Send, *, unread_seconds_max: float = UNREAD_SECONDS_MAX
) -> bool:
    """Send every chunk of a body that has begun; False when the client went away before the last.

    The caller ends the body. Raises TimeoutError when a chunk stays unread, and whatever making a chunk raises.
    """
    gone = asyncio.ensure_future(_until_gone(receive))
    upcoming: asyncio.Future[bytes] | None = None
    try:
        while True:
            upcoming = asyncio.ensure_future(anext(chunks))
            await asyncio.wait({gone, upcoming}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return False
            try:
                chunk = await upcoming
            except StopAsyncIteration:
                return True
            async with asyncio.timeout(unread_seconds_max):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        for task in (gone, upcoming):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                    await task


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
