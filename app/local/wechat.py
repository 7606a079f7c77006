"""A stand-in for WeChat's server API, for local runs and tests: its exact formats and rules, and nobody's data.

A code of `POST /dev/codes` is as WeChat's: single use, five minutes, for login or for a phone. For pasting there are
codes that need no preparation and can be used again: `dev-<name>` logs that person in, always the same one;
`phone-<digits>` is a phone button's code for that number; `error-<errcode>` answers that error.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gamification.core.clock import Clock, SystemClock

CODE_LIFETIME = timedelta(minutes=5)
TOKEN_LIFETIME = timedelta(hours=2)
TOKEN_OVERLAP = timedelta(minutes=5)
CODES_MAX = 10_000

ERRORS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40013: "invalid appid",
    40029: "invalid code",
    40125: "invalid appsecret",
    40163: "code been used",
    40226: "code blocked",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41008: "missing code",
    42001: "access_token expired",
    45011: "api minute-quota reach limit",
    47001: "data format error",
}


class WechatError(Exception):
    """An answer of WeChat's that is an error: HTTP 200 with a code in its body."""

    def __init__(self, errcode: int) -> None:
        super().__init__(errcode)
        self.errcode = errcode

    @property
    def body(self) -> dict[str, Any]:
        """The answer that WeChat gives for it."""
        rid = "-".join(secrets.token_hex(4) for _ in range(3))
        return {"errcode": self.errcode, "errmsg": f"{ERRORS.get(self.errcode, 'error')}, rid: {rid}"}


@dataclass
class Code:
    """A code that was given out: what it stands for, until when, and whether it was used."""

    kind: Literal["login", "phone"]
    expires_at: datetime
    person: str = ""
    unionid: bool = True
    phone: str = ""
    country: str | int = 86
    is_used: bool = False


@dataclass
class StandIn:
    """The state behind the stand-in: codes and server tokens."""

    appid: str
    secret: str
    clock: Clock
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, datetime] = field(default_factory=dict)

    def give_login_code(self, person: str, *, unionid: bool = True) -> str:
        """A code of `wx.login` for a person; without `unionid` WeChat tells only the openid."""
        return self._give(Code("login", self._code_end(), person=person, unionid=unionid))

    def give_phone_code(self, phone: str, *, country: str | int = 86) -> str:
        """A code of the phone button for a number without its country code."""
        return self._give(Code("phone", self._code_end(), phone=phone, country=country))

    def _code_end(self) -> datetime:
        return self.clock.now() + CODE_LIFETIME

    def _give(self, code: Code) -> str:
        if len(self.codes) >= CODES_MAX:
            del self.codes[next(iter(self.codes))]
        text = "0" + secrets.token_hex(15)
        self.codes[text] = code
        return text

    def use(self, text: str, kind: Literal["login", "phone"]) -> Code:
        """What a code stands for, once. A code for the other purpose is as unknown as any."""
        if text.startswith("error-"):
            raise WechatError(int(text.removeprefix("error-")))
        ready = _ready_made(text, self._code_end())
        code = ready or self.codes.get(text)
        if code is None or code.kind != kind or self.clock.now() >= code.expires_at:
            raise WechatError(40029)
        if code.is_used:
            raise WechatError(40163)
        code.is_used = True
        return code

    def session(self, code: Code) -> dict[str, str]:
        """The answer to a login: the same person always has the same ids."""
        answer = {
            "session_key": base64.b64encode(secrets.token_bytes(16)).decode(),
            "openid": self._id("o", f"{self.appid}\x00{code.person}"),
        }
        return {**answer, "unionid": self._id("u", code.person)} if code.unionid else answer

    def _id(self, prefix: str, name: str) -> str:
        digest = hmac.new(b"stand-in", name.encode(), hashlib.sha256).digest()
        return prefix + base64.urlsafe_b64encode(digest).decode()[:27]

    def check_app(self, appid: str | None, secret: str | None) -> None:
        """Raises WechatError unless the appid and its secret are right."""
        if not appid:
            raise WechatError(41002)
        if not secret:
            raise WechatError(41004)
        if appid != self.appid:
            raise WechatError(40013)
        if secret != self.secret:
            raise WechatError(40125)

    def token(self, *, anew: bool) -> dict[str, Any]:
        """The stable token: the same until five minutes before its end; replaced ones stay good for five minutes."""
        now = self.clock.now()
        self.tokens = {token: end for token, end in self.tokens.items() if end > now}
        last = next(reversed(self.tokens), None)
        if last is None or anew or self.tokens[last] - now < TOKEN_OVERLAP:
            self.tokens = {token: min(end, now + TOKEN_OVERLAP) for token, end in self.tokens.items()}
            last = "stand_in_" + secrets.token_urlsafe(48)
            self.tokens[last] = now + TOKEN_LIFETIME
        return {"access_token": last, "expires_in": int((self.tokens[last] - now).total_seconds())}

    def check_token(self, token: str | None) -> None:
        """Raises WechatError unless the access token is a known one that has not ended."""
        if not token:
            raise WechatError(41001)
        if token not in self.tokens:
            raise WechatError(40001)
        if self.tokens[token] <= self.clock.now():
            raise WechatError(42001)


def _ready_made(text: str, expires_at: datetime) -> Code | None:
    kind, _, rest = text.partition("-")
    if kind == "dev" and rest:
        return Code("login", expires_at, person=rest)
    if kind == "phone" and rest.isdigit():
        return Code("phone", expires_at, phone=rest)
    return None


def stand_in(*, appid: str, secret: str, clock: Clock | None = None) -> Starlette:
    """The stand-in as an application; its state is `app.state.wechat`."""
    app = Starlette(
        routes=[
            Route("/sns/jscode2session", code_to_session),
            Route("/cgi-bin/token", plain_token),
            Route("/cgi-bin/stable_token", stable_token, methods=["POST"]),
            Route("/wxa/business/getuserphonenumber", phone_number, methods=["POST"]),
            Route("/dev/codes", give_code, methods=["POST"]),
        ],
        exception_handlers={WechatError: _error},
        max_body_size=16_384,
    )
    app.state.wechat = StandIn(appid, secret, clock or SystemClock())
    return app


async def code_to_session(request: Request) -> Response:
    """Answers JSON as `text/plain`, errors too."""
    wechat, query = _state(request), request.query_params
    try:
        wechat.check_app(query.get("appid"), query.get("secret"))
        if not query.get("js_code"):
            raise WechatError(41008)
        if query.get("grant_type") != "authorization_code":
            raise WechatError(47001)
        answer: dict[str, Any] = wechat.session(wechat.use(query["js_code"], "login"))
    except WechatError as error:
        answer = error.body
    return Response(orjson.dumps(answer), media_type="text/plain")


async def plain_token(request: Request) -> Response:
    """`/cgi-bin/token`: a new access token each time."""
    query = request.query_params
    return _token(_state(request), dict(query), anew=True)


async def stable_token(request: Request) -> Response:
    """`/cgi-bin/stable_token`: the token in use, or a new one when `force_refresh` says so."""
    body = await _json(request)
    return _token(_state(request), body, anew=body.get("force_refresh") is True)


def _token(wechat: StandIn, asked: dict[str, Any], *, anew: bool) -> Response:
    wechat.check_app(asked.get("appid"), asked.get("secret"))
    if asked.get("grant_type") != "client_credential":
        raise WechatError(47001)
    return JSONResponse(wechat.token(anew=anew))


async def phone_number(request: Request) -> Response:
    """`/wxa/business/getuserphonenumber`: the phone behind a code, once."""
    wechat = _state(request)
    wechat.check_token(request.query_params.get("access_token"))
    text = (await _json(request)).get("code")
    if not isinstance(text, str) or not text:
        raise WechatError(41008)
    code = wechat.use(text, "phone")
    number = code.phone if str(code.country) == "86" else f"{code.country}{code.phone}"
    info = {
        "phoneNumber": number,
        "purePhoneNumber": code.phone,
        "countryCode": code.country,
        "watermark": {"timestamp": int(wechat.clock.now().timestamp()), "appid": wechat.appid},
    }
    return JSONResponse({"errcode": 0, "errmsg": "ok", "phone_info": info})


async def give_code(request: Request) -> Response:
    """Not WeChat's: gives a code for `{"person": "mei", "unionid": false}` or `{"phone": "13800138000"}`."""
    wechat, asked = _state(request), await _json(request)
    if "phone" in asked:
        code = wechat.give_phone_code(str(asked["phone"]), country=asked.get("country", 86))
    else:
        code = wechat.give_login_code(str(asked.get("person", "")), unionid=asked.get("unionid", True) is True)
    return JSONResponse({"code": code})


def _state(request: Request) -> StandIn:
    state: StandIn = request.app.state.wechat
    return state


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise WechatError(47001)
    return body


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, WechatError)
    return JSONResponse(error.body)
