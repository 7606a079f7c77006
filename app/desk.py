"""What the API process has beside its `Work`: the keeper of tokens, and all that the verbs of members need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from app.auth import Access, access_of, desk_of
from app.settings import Settings
from app.wechat import wechat_client
from gamification.core.work import Work
from gamification.members.ports import Desk
from gamification.points.service import has_history


@asynccontextmanager
async def opened_desk(settings: Settings, work: Work, access: Access) -> AsyncIterator[Desk]:
    """What the verbs of members need, with an HTTP client for WeChat."""
    async with httpx.AsyncClient(base_url=settings.wechat_base_url) as http:
        yield desk_of(
            settings,
            access=access,
            calendar=work.calendar,
            wechat=wechat_client(settings, http),
            has_history=has_history,
        )


def access_for(settings: Settings, work: Work) -> Access:
    """The keeper of tokens on the product's clock."""
    return access_of(settings, clock=work.clock, calendar=work.calendar)
