"""The context of one operation: who asks at which door, in which language, with what at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.auth import Access, Door
from app.faults import current_correlation
from app.graphql_http import ContextFactory
from app.security import authorization_of
from gamification.core.work import Work
from gamification.members.ports import Desk
from gamification.orders.quotes import Quotes
from schema.context import Context, locale_of


def context_factory(work: Work, desk: Desk, quotes: Quotes, access: Access, door: Door) -> ContextFactory:
    """Contexts for one endpoint; authentication happens here and may raise Unauthenticated."""

    async def make(headers: Mapping[str, str], parameters: Mapping[str, Any] | None) -> Context:
        actor = await access.authenticate(authorization_of(headers, parameters), door)
        return Context(
            work=work,
            clock=work.clock,
            desk=desk,
            quotes=quotes,
            actor=actor,
            locale=locale_of(headers.get("accept-language")),
            correlation_id=current_correlation(),
            connection_params=parameters,
        )

    return make
