"""All plays of the member who asks in one instant draw as one file: what the stand-alone verifiers recompute."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from app.downloads import Download, Downloads, key_in
from app.graphql_http import ContextFactory
from app.problems import Problem
from gamification.core.errors import Refusal
from gamification.instant_draws.exports import export_of
from gamification.instant_draws.rules import hidden_from
from schema.context import Context, locale_of
from schema.permissions import UNAUTHENTICATED_MESSAGES

PLAY_EXPORT_PATH = "/plays/{draw}/export.json"
PRIVATE = "private, no-store"


@dataclass(kw_only=True)
class PlayExports(Downloads):
    """The files of one process, each for the member whose token comes with the request."""

    kind = "plays"
    context_factory: ContextFactory

    async def found(self, request: Request) -> Download:
        context = await self._caller(request)
        assert context.actor.member_id is not None, "the caller is a member"
        draw_id = key_in(request, "draw")
        secret_from = hidden_from(context.now, context.work.calendar)
        export = await export_of(draw_id, context.actor.member_id, secret_from) if draw_id else None
        if export is None:
            raise Problem(404, "NOT_FOUND", "You have not played an instant draw of this key.", field="draw")
        return Download(export.filename, export.chunks, PRIVATE)

    async def _caller(self, request: Request) -> Context:
        """Who asks. Raises Problem for whoever is no member."""
        try:
            context = await self.context_factory(request.headers, None)
        except Refusal as refusal:
            message = refusal.message(locale_of(request.headers.get("accept-language")))
            raise Problem(401, refusal.code, message, headers={"www-authenticate": "Bearer"}) from None
        if context.actor.kind != "member":
            message = UNAUTHENTICATED_MESSAGES[context.locale]
            raise Problem(401, "UNAUTHENTICATED", message, headers={"www-authenticate": "Bearer"})
        return context


def play_export_routes(context_factory: ContextFactory) -> list[BaseRoute]:
    """`/plays/{draw}/export.json`, for members."""
    return [Route(PLAY_EXPORT_PATH, PlayExports(context_factory=context_factory))]
