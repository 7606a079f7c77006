"""The demonstration programme behind a real server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from app.asgi import create_app
from app.local.endpoints import Tokens
from app.settings import Settings

PATHS = {"member": "/graphql", "anonymous": "/graphql"}


@dataclass(frozen=True)
class Programme:
    """A served programme and the tokens of its people."""

    http: httpx.AsyncClient
    tokens: Tokens

    async def ask(self, caller: str, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The data that a caller is answered; nothing may be answered with errors."""
        answer = await self.http.post(**self._request(caller, query, variables))
        body = answer.json()
        assert "errors" not in body, body["errors"]
        return body["data"]

    def stream(self, caller: str, query: str) -> AbstractAsyncContextManager[httpx.Response]:
        """A subscription as an event stream."""
        request = self._request(caller, query, None)
        request["headers"]["accept"] = "text/event-stream"
        return self.http.stream("POST", **request)

    def _request(self, caller: str, query: str, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        headers = {"accept-language": "en"}
        if caller != "anonymous":
            headers["authorization"] = f"Bearer {getattr(self.tokens, caller)}"
        return {
            "url": PATHS.get(caller, "/admin/graphql"),
            "json": {"query": query, "variables": variables or {}},
            "headers": headers,
        }


@asynccontextmanager
async def served(settings: Settings, tokens: Tokens) -> AsyncIterator[Programme]:
    """The application under uvicorn on a free port, ended at the end."""
    config = uvicorn.Config(create_app(settings), port=0, log_config=None, ws="websockets-sansio", lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        yield Programme(http, tokens)
    server.should_exit = True
    await serving
