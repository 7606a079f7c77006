"""The transparency log's public pages: its newest checkpoint, and the key that verifies it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from gamification.transparency.queries import latest_checkpoint

CHECKPOINT_PATH = "/transparency/checkpoint"
KEY_PATH = "/transparency/key"
FRESH = {"Cache-Control": "public, max-age=10"}
"""Checkpoints come at most twice a minute."""

UNSIGNED = "no checkpoint has been signed\n"


async def checkpoint(request: Request) -> Response:
    """The newest checkpoint as it was signed; 404 before the first."""
    newest = await latest_checkpoint()
    if newest is None:
        return PlainTextResponse(UNSIGNED, status_code=404)
    return PlainTextResponse(newest.text, headers=FRESH)


async def key(request: Request) -> Response:
    """The public key that verifies the newest checkpoint, in vkey format; 404 before the first."""
    newest = await latest_checkpoint()
    if newest is None:
        return PlainTextResponse(UNSIGNED, status_code=404)
    return PlainTextResponse(f"{newest.verifier.text}\n", headers=FRESH)


def transparency_routes() -> list[BaseRoute]:
    """`/transparency/checkpoint` and `/transparency/key`, for anybody."""
    return [Route(CHECKPOINT_PATH, checkpoint), Route(KEY_PATH, key)]
