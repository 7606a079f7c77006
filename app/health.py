"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from gamification.core.database import fetch_value

READY_SECONDS_MAX = 1.0


async def livez(request: Request) -> Response:
    """The process answers: 200 without asking anybody else."""
    return PlainTextResponse("live\n")


async def readyz(request: Request) -> Response:
    """The database answers: 200, else 503. Redis is not asked: nothing a member does depends on it."""
    try:
        async with asyncio.timeout(READY_SECONDS_MAX):
            await fetch_value("SELECT 1")
    except Exception:  # noqa: BLE001 - whatever is wrong, the answer is the same
        return PlainTextResponse("the database does not answer\n", status_code=503)
    return PlainTextResponse("ready\n")


def health_routes() -> list[BaseRoute]:
    """`/livez` and `/readyz`."""
    return [Route("/livez", livez), Route("/readyz", readyz)]
