"""A drawn draw as one file, for anybody: what the stand-alone verifiers recompute.

The file is frozen with the draw, so whoever stands between may keep it; while prizes may still pass to reserves it is
fresh for a minute.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from app.downloads import Download, Downloads, key_in
from app.problems import Problem
from gamification.draws.exports import export_of

DRAW_EXPORT_PATH = "/draws/{draw}/export.json"
FROZEN = "public, max-age=31536000, immutable"
GROWING = "public, max-age=60"
FOR_ANY_PAGE = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
"""It is public, and no caller's credentials have a part in it."""


@dataclass(kw_only=True)
class DrawExports(Downloads):
    """The files of one process."""

    kind = "draw"

    async def found(self, request: Request) -> Download:
        draw_id = key_in(request, "draw")
        export = await export_of(draw_id) if draw_id else None
        if export is None:
            raise Problem(404, "NOT_FOUND", "No draw of this key has been drawn.", field="draw")
        kept = FROZEN if export.is_final else GROWING
        return Download(export.filename, export.chunks, kept, export.etag, FOR_ANY_PAGE)


def draw_export_routes() -> list[BaseRoute]:
    """`/draws/{draw}/export.json`, for anybody."""
    return [Route(DRAW_EXPORT_PATH, DrawExports())]
