"""WeChat's server API: a thin typed client. Formats, codes and traps are those of WeChat's own documentation.

Trap upon trap: every answer is HTTP 200 and an error is an `errcode` in the body; the login answers JSON as
`text/plain`; `countryCode` is a string or a number; the URL carries the secret, so the HTTP library must not log it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import structlog

from app.settings import Settings
from gamification.core.errors import Refusal
from gamification.members.errors import WechatBusy, WechatCodeInvalid, WechatCodeUsed, WechatUserBlocked
from gamification.members.ports import WechatIdentity
from gamification.members.rules import normalise_phone

TIMEOUT = httpx.Timeout(3.0, connect=1.5)
BUSY_RETRIES = 2
BUSY_PAUSE_SECONDS = 0.2
RETRY_AFTER_SECONDS = 5
QUOTA_RETRY_AFTER_SECONDS = 60
TOKEN_EARLY_SECONDS = 120.0
CODE_LENGTH_MAX = 128

SYSTEM_BUSY = -1
MINUTE_QUOTA = 45011
TOKEN_REFUSED = frozenset({40001, 40014, 42001})
REFUSALS: Mapping[int, Callable[[], Refusal]] = {
    40029: WechatCodeInvalid,
    40163: WechatCodeUsed,
    40226: WechatUserBlocked,
    41008: WechatCodeInvalid,
    MINUTE_QUOTA: lambda: WechatBusy(retry_after_seconds=QUOTA_RETRY_AFTER_SECONDS),
    SYSTEM_BUSY: lambda: WechatBusy(retry_after_seconds=RETRY_AFTER_SECONDS),
}

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it writes every URL, and ours carry secrets
log = structlog.get_logger(__name__)


def wechat_client(settings: Settings, http: httpx.AsyncClient) -> WechatClient:
    """The client for the configured app; `http` has the configured base URL."""
    return WechatClient(appid=settings.wechat_appid, secret=settings.wechat_secret.get_secret_value(), http=http)


class WechatFault(Exception):
    """WeChat says that *we* are wrong (appid, secret, format), or answers what its documentation does not know."""

    def __init__(self, operation: str, errcode: int | None) -> None:
        super().__init__(f"wechat {operation} failed with errcode {errcode}")
        self.errcode = errcode


@dataclass
class ServerToken:
    """The server's own token, fetched once for all who wait and renewed two minutes before its end."""

    fetch: Callable[[], Awaitable[tuple[str, float]]]
    seconds: Callable[[], float]
    _value: str | None = field(default=None, repr=False)
    _renew_at: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, *, refused: str | None = None) -> str:
        """A token that is good, other than the one WeChat has just refused."""
        async with self._lock:
            if self._value is None or self._value == refused or self.seconds() >= self._renew_at:
                asked_at = self.seconds()
                self._value, lifetime = await self.fetch()
                self._renew_at = asked_at + max(lifetime - TOKEN_EARLY_SECONDS, lifetime / 2)
            return self._value


class WechatClient:
    """Implements the `Wechat` port of members."""

    def __init__(
        self,
        *,
        appid: str,
        secret: str,
        http: httpx.AsyncClient,
        seconds: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`http` has WeChat's base URL; `seconds` is monotonic time."""
        self.appid = appid
        self._secret = secret
        self._http = http
        self._pause = pause
        self._token = ServerToken(self._fetch_token, seconds)

    def __repr__(self) -> str:
        return f"WechatClient(appid={self.appid!r})"

    async def identity(self, code: str) -> WechatIdentity:
        """Who stands behind a `wx.login` code; the session key is dropped, nothing here needs it.

        Refuses: WechatCodeInvalid, WechatCodeUsed, WechatUserBlocked, WechatBusy. Raises WechatFault.
        """
        query = {
            "appid": self.appid,
            "secret": self._secret,
            "js_code": _checked(code),
            "grant_type": "authorization_code",
        }
        answer = await self._ask("code2session", "GET", "/sns/jscode2session", params=query)
        _raise_for(answer, "code2session")
        openid = answer.get("openid")
        if not isinstance(openid, str) or not openid:
            raise WechatFault("code2session", None)
        return WechatIdentity(self.appid, openid, answer.get("unionid") or None)

    async def phone_number(self, code: str) -> str:
        """The verified number (E.164) behind a phone button's code; the server token is renewed once when refused.

        Refuses: WechatCodeInvalid, WechatCodeUsed, WechatBusy. Raises WechatFault.
        """
        answer = await self._ask_with_token(
            "getuserphonenumber", "/wxa/business/getuserphonenumber", {"code": _checked(code)}
        )
        info = answer.get("phone_info")
        if not isinstance(info, Mapping):
            raise WechatFault("getuserphonenumber", None)
        phone = normalise_phone(str(info.get("purePhoneNumber", "")), country=str(info.get("countryCode", "")))
        if phone is None:
            raise WechatFault("getuserphonenumber", None)
        return phone

    async def _ask_with_token(self, operation: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        token = await self._token.get()
        answer = await self._ask(operation, "POST", path, params={"access_token": token}, body=body)
        if answer.get("errcode") in TOKEN_REFUSED:
            token = await self._token.get(refused=token)
            answer = await self._ask(operation, "POST", path, params={"access_token": token}, body=body)
        _raise_for(answer, operation)
        return answer

    async def _fetch_token(self) -> tuple[str, float]:
        body = {"grant_type": "client_credential", "appid": self.appid, "secret": self._secret}
        answer = await self._ask("stable_token", "POST", "/cgi-bin/stable_token", body=body)
        _raise_for(answer, "stable_token")
        return str(answer["access_token"]), float(answer["expires_in"])

    async def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """One answer as an object; asked again, after a pause, while WeChat says that it is busy (-1)."""
        content = orjson.dumps(body) if body is not None else None
        for attempt in range(BUSY_RETRIES + 1):
            answer = await self._send(operation, method, path, params, content)
            if answer.get("errcode") != SYSTEM_BUSY or attempt == BUSY_RETRIES:
                break
            await self._pause(BUSY_PAUSE_SECONDS * 2**attempt)
        return answer

    async def _send(
        self, operation: str, method: str, path: str, params: Mapping[str, str] | None, content: bytes | None
    ) -> Mapping[str, Any]:
        headers = {"content-type": "application/json"} if content is not None else None
        try:
            response = await self._http.request(
                method, path, params=params, content=content, headers=headers, timeout=TIMEOUT
            )
        except httpx.TransportError as fault:
            log.warning("wechat.unreachable", operation=operation, fault=type(fault).__name__)
            raise WechatBusy(retry_after_seconds=RETRY_AFTER_SECONDS) from None
        if response.status_code >= 500:
            log.warning("wechat.unwell", operation=operation, status=response.status_code)
            raise WechatBusy(retry_after_seconds=RETRY_AFTER_SECONDS)
        return _object(response, operation)


def _object(response: httpx.Response, operation: str) -> Mapping[str, Any]:
    """The body as an object, whatever type it claims to be."""
    try:
        answer = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        answer = None
    if response.status_code != 200 or not isinstance(answer, dict):
        raise WechatFault(operation, None)
    return answer


def _raise_for(answer: Mapping[str, Any], operation: str) -> None:
    errcode = answer.get("errcode", 0)
    if errcode == 0:
        return
    if errcode in REFUSALS:
        raise REFUSALS[errcode]()
    raise WechatFault(operation, errcode)


def _checked(code: str) -> str:
    """A code that may be one; what cannot be is not sent. Refuses: WechatCodeInvalid."""
    if not 0 < len(code) <= CODE_LENGTH_MAX or not code.isascii() or not code.isprintable():
        raise WechatCodeInvalid
    return code
