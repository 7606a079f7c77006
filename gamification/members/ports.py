"""What this slice needs from outside, as protocols: WeChat, the minting of access tokens, other slices' histories."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.calendar import Calendar
from gamification.members.credentials import Passwords, RefreshChain
from gamification.members.phones import PhoneVault


@dataclass(frozen=True, slots=True)
class WechatIdentity:
    """Who WeChat says a login is. The unionid may be absent, and arrive with a later login."""

    appid: str
    openid: str = field(repr=False)
    unionid: str | None = field(default=None, repr=False)


class Wechat(Protocol):
    """WeChat's answers. Both refuse: WechatCodeInvalid, WechatCodeUsed, WechatBusy; the first WechatUserBlocked too."""

    async def identity(self, code: str) -> WechatIdentity:
        """Who stands behind the code of `wx.login`."""
        ...

    async def phone_number(self, code: str) -> str:
        """The verified number (E.164) behind the code of the phone button; not that of `wx.login`."""
        ...


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A short-lived token and its end."""

    value: str = field(repr=False)
    expires_at: datetime


class AccessTokens(Protocol):
    """Mints access tokens for sessions, and forgets what it remembers of one that changed."""

    def issue(self, actor: Actor, *, now: datetime) -> AccessToken:
        """A token for a member or staff in the session of the actor."""
        ...

    def forget(self, session_id: UUID) -> None:
        """Ask the database again at the next request of this session."""
        ...

    def forget_integrations(self) -> None:
        """Ask the database again for every integration: one of them changed."""
        ...


HistoryProbe = Callable[[UUID], Awaitable[bool]]
"""Whether a member has any history in the slices above; locks what it reads, so that none arises meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """All that the verbs of this slice need besides a clock; made once per process."""

    calendar: Calendar
    chain: RefreshChain
    has_history: HistoryProbe
    passwords: Passwords
    tokens: AccessTokens
    vault: PhoneVault
    wechat: Wechat
