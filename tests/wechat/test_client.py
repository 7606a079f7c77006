"""Our client of WeChat's server API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from app.local.wechat import StandIn
from app.wechat import TOKEN_EARLY_SECONDS, WechatClient, WechatFault
from gamification.core.clock import FixedClock
from gamification.core.errors import Refusal
from gamification.members.errors import WechatBusy, WechatCodeInvalid, WechatCodeUsed, WechatUserBlocked
from tests.wechat.conftest import APPID, SECRET


class Wire:
    """Counts what is asked on its way to the stand-in, and answers instead of it where told to."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.asked: list[str] = []
        self.instead: list[Callable[[httpx.Request], httpx.Response]] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.instead:
            return self.instead.pop(0)(request)
        return await self.inner.handle_async_request(request)


@pytest.fixture
def wire(http: httpx.AsyncClient) -> Wire:
    return Wire(http._transport)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(wire: Wire, pauses: list[float], clock: FixedClock) -> WechatClient:
    """The client on a counted wire, with the test's clock as monotonic time and pauses that are only noted."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(wire), base_url="https://api.weixin.qq.com")

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    return WechatClient(appid=APPID, secret=SECRET, http=http, seconds=lambda: clock.now().timestamp(), pause=pause)


async def test_a_login_gives_openid_and_unionid(client: WechatClient, standin: StandIn) -> None:
    """What WeChat tells as plain text is read as JSON; an absent unionid is none."""
    full = await client.identity(standin.give_login_code("mei"))
    bare = await client.identity(standin.give_login_code("mei", unionid=False))
    assert (full.appid, full.openid, bare.unionid) == (APPID, bare.openid, None) and full.unionid


async def test_what_is_known_of_a_person_is_not_printed(client: WechatClient) -> None:
    """Neither ids of people nor our secret appear in what a log might print."""
    identity = await client.identity("dev-mei")
    assert identity.openid not in repr(identity) and str(identity.unionid) not in repr(identity)
    assert SECRET not in repr(client)


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("error-40029", WechatCodeInvalid),
        ("error-40163", WechatCodeUsed),
        ("error-40226", WechatUserBlocked),
        ("error-45011", WechatBusy),
        ("error--1", WechatBusy),
        ("", WechatCodeInvalid),
        ("x" * 129, WechatCodeInvalid),
        ("a\nb", WechatCodeInvalid),
    ],
)
async def test_expected_errors_are_refusals(client: WechatClient, code: str, refusal: type[Refusal]) -> None:
    """What a member can do something about is a refusal."""
    with pytest.raises(refusal):
        await client.identity(code)


async def test_a_code_is_good_once(client: WechatClient, standin: StandIn) -> None:
    """The second use of a code is refused."""
    code = standin.give_login_code("mei")
    await client.identity(code)
    with pytest.raises(WechatCodeUsed):
        await client.identity(code)


@pytest.mark.parametrize(("appid", "secret", "errcode"), [("wx", SECRET, 40013), (APPID, "wrong", 40125)])
async def test_a_wrong_appid_or_secret_is_a_fault(
    http: httpx.AsyncClient, appid: str, secret: str, errcode: int
) -> None:
    """What only we can mend is a fault, which says no more than the code."""
    client = WechatClient(appid=appid, secret=secret, http=http)
    with pytest.raises(WechatFault, match=rf"errcode {errcode}$") as fault:
        await client.identity("dev-mei")
    assert fault.value.errcode == errcode
    with pytest.raises(WechatFault):
        await client.phone_number("phone-13800138000")


async def test_busy_is_asked_again_twice_with_growing_pauses(
    client: WechatClient, wire: Wire, pauses: list[float]
) -> None:
    """-1 is WeChat's own word for `try again`; a third time it is a refusal with a time to wait."""
    busy = lambda request: httpx.Response(200, text='{"errcode":-1,"errmsg":"system error"}')  # noqa: E731
    wire.instead = [busy, busy]
    assert (await client.identity("dev-mei")).appid == APPID
    assert pauses == [0.2, 0.4] and len(wire.asked) == 3
    wire.instead = [busy, busy, busy]
    with pytest.raises(WechatBusy) as refusal:
        await client.identity("dev-mei")
    assert refusal.value.retry_after_seconds == 5 and len(wire.asked) == 6


async def test_a_minute_quota_is_not_asked_again(client: WechatClient, wire: Wire) -> None:
    """45011 says that there were too many requests this minute: more would not help."""
    with pytest.raises(WechatBusy) as refusal:
        await client.identity("error-45011")
    assert refusal.value.retry_after_seconds == 60 and len(wire.asked) == 1


@pytest.mark.parametrize("fault", [httpx.ConnectTimeout, httpx.ReadTimeout, httpx.ConnectError])
async def test_no_answer_is_a_refusal(client: WechatClient, wire: Wire, fault: type[httpx.TransportError]) -> None:
    """When WeChat cannot be reached in time the member is told to try again; nothing is asked twice with one code."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise fault("no answer")

    wire.instead = [fail]
    with pytest.raises(WechatBusy):
        await client.identity("dev-mei")
    assert len(wire.asked) == 1


@pytest.mark.parametrize(
    ("status", "text"), [(200, "<html>"), (200, "[1]"), (200, "{}"), (404, "{}"), (200, '{"errcode":99999}')]
)
async def test_an_answer_that_is_none_is_a_fault(client: WechatClient, wire: Wire, status: int, text: str) -> None:
    """What the documentation does not know is a fault, never taken for a person."""
    wire.instead = [lambda request: httpx.Response(status, text=text)]
    with pytest.raises(WechatFault):
        await client.identity("dev-mei")


async def test_a_server_error_is_a_refusal(client: WechatClient, wire: Wire) -> None:
    """HTTP 500 and above is WeChat's trouble: try again."""
    wire.instead = [lambda request: httpx.Response(502, text="bad gateway")]
    with pytest.raises(WechatBusy):
        await client.identity("dev-mei")


@pytest.mark.parametrize(
    ("number", "country", "phone"),
    [
        ("13800138000", 86, "+8613800138000"),
        ("13800138000", "86", "+8613800138000"),
        ("61234567", "852", "+85261234567"),
        ("4155552671", 1, "+14155552671"),
    ],
)
async def test_phones_come_in_one_form(
    client: WechatClient, standin: StandIn, number: str, country: str | int, phone: str
) -> None:
    """Whatever the type of the country code, a number is E.164."""
    assert await client.phone_number(standin.give_phone_code(number, country=country)) == phone


async def test_a_login_code_gives_no_phone(client: WechatClient, standin: StandIn) -> None:
    """The code of `wx.login` is none of the phone button."""
    with pytest.raises(WechatCodeInvalid):
        await client.phone_number(standin.give_login_code("mei"))


async def test_one_token_is_fetched_for_all_who_wait(client: WechatClient, wire: Wire) -> None:
    """Eight requests at once fetch one server token, and later ones none until shortly before its end."""
    await asyncio.gather(*(client.phone_number("phone-13800138000") for _ in range(8)))
    assert wire.asked.count("/cgi-bin/stable_token") == 1


async def test_the_token_is_renewed_two_minutes_before_its_end(
    client: WechatClient, wire: Wire, clock: FixedClock
) -> None:
    """A token is never used up to its last instant."""
    await client.phone_number("phone-13800138000")
    clock.advance(timedelta(seconds=7200 - TOKEN_EARLY_SECONDS - 1))
    await client.phone_number("phone-13800138000")
    assert wire.asked.count("/cgi-bin/stable_token") == 1
    clock.advance(timedelta(seconds=1))
    await client.phone_number("phone-13800138000")
    assert wire.asked.count("/cgi-bin/stable_token") == 2


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_refused_token_is_fetched_again_once(
    client: WechatClient, wire: Wire, standin: StandIn, errcode: int
) -> None:
    """When WeChat takes our token back we fetch another and ask again, once; the second refusal is a fault."""
    refuse = lambda request: httpx.Response(200, json={"errcode": errcode, "errmsg": "token"})  # noqa: E731
    await client.phone_number("phone-13800138000")
    standin.tokens.clear()
    assert await client.phone_number("phone-13800138000") == "+8613800138000"
    assert wire.asked.count("/cgi-bin/stable_token") == 2
    token = lambda request: httpx.Response(200, json={"access_token": "t", "expires_in": 7200})  # noqa: E731
    wire.instead = [refuse, token, refuse]
    with pytest.raises(WechatFault) as fault:
        await client.phone_number("phone-13800138000")
    assert fault.value.errcode == errcode


async def test_no_secret_and_no_code_reaches_the_log(
    client: WechatClient, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """The library would log every URL, and ours carry the secret, the code and the server token."""
    caplog.set_level(logging.INFO)
    await client.identity("dev-mei")
    await client.phone_number("phone-13800138000")

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout(f"at {request.url}")

    wire.instead = [fail]
    with pytest.raises(WechatBusy):
        await client.identity("dev-mei")
    assert not any(word in caplog.text for word in (SECRET, "dev-mei", "13800138000", "stand_in_"))
