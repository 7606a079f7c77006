"""The stand-in answers exactly as WeChat's documentation says."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from app.local.wechat import StandIn
from gamification.core.clock import FixedClock
from tests.wechat.conftest import APPID, SECRET

LOGIN = {"appid": APPID, "secret": SECRET, "grant_type": "authorization_code"}
CLIENT = {"appid": APPID, "secret": SECRET, "grant_type": "client_credential"}


async def login(http: httpx.AsyncClient, code: str | None, **changes: str | None) -> httpx.Response:
    query = {name: value for name, value in {**LOGIN, "js_code": code, **changes}.items() if value is not None}
    return await http.get("/sns/jscode2session", params=query)


def error(response: httpx.Response) -> int:
    """The code of an error body, which is HTTP 200 and carries a request id in its message."""
    body = orjson.loads(response.content)
    assert response.status_code == 200 and set(body) == {"errcode", "errmsg"}
    assert re.search(r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$", body["errmsg"])
    assert isinstance(body["errcode"], int)
    return body["errcode"]


async def token(http: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.post("/cgi-bin/stable_token", json={**CLIENT, **changes})).json()
    return answer


async def phone(http: httpx.AsyncClient, access_token: str | None, body: Any) -> httpx.Response:
    query = {"access_token": access_token} if access_token else {}
    return await http.post("/wxa/business/getuserphonenumber", params=query, content=orjson.dumps(body))


async def test_a_login_answers_json_as_plain_text(http: httpx.AsyncClient, standin: StandIn) -> None:
    """openid of some 28 characters, a session key of 16 bytes in base64, a unionid; no errcode."""
    response = await login(http, standin.give_login_code("mei"))
    answer = orjson.loads(response.content)
    assert response.headers["content-type"].startswith("text/plain") and response.status_code == 200
    assert set(answer) == {"openid", "session_key", "unionid"}
    assert len(answer["openid"]) == 28 and len(base64.b64decode(answer["session_key"])) == 16


async def test_the_unionid_may_be_absent_and_arrive_later(http: httpx.AsyncClient, standin: StandIn) -> None:
    """The same person has the same openid with and without a unionid."""
    bare = orjson.loads((await login(http, standin.give_login_code("mei", unionid=False))).content)
    full = orjson.loads((await login(http, standin.give_login_code("mei"))).content)
    assert "unionid" not in bare and full["unionid"] and bare["openid"] == full["openid"]


async def test_a_code_is_good_once_and_for_five_minutes(
    http: httpx.AsyncClient, standin: StandIn, clock: FixedClock
) -> None:
    """A used code answers 40163, one that is too old 40029."""
    used, old = standin.give_login_code("mei"), standin.give_login_code("mei")
    await login(http, used)
    assert error(await login(http, used)) == 40163
    clock.advance(timedelta(minutes=5))
    assert error(await login(http, old)) == 40029


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"appid": None}, 41002),
        ({"secret": None}, 41004),
        ({"appid": "wx"}, 40013),
        ({"secret": "wrong"}, 40125),
        ({"js_code": None}, 41008),
        ({"js_code": "unknown"}, 40029),
        ({"js_code": "error-45011"}, 45011),
        ({"js_code": "error--1"}, -1),
        ({"js_code": "error-40226"}, 40226),
    ],
)
async def test_a_login_error_is_a_code_in_the_body(
    http: httpx.AsyncClient, changes: dict[str, str | None], errcode: int
) -> None:
    """Each documented mistake has its documented code, as plain text too."""
    response = await login(http, "dev-mei", **changes)
    assert error(response) == errcode and response.headers["content-type"].startswith("text/plain")


async def test_the_stable_token_stays_the_same_until_it_is_forced(http: httpx.AsyncClient, clock: FixedClock) -> None:
    """It lasts two hours; forced or late, a new one comes, and the old is good for five minutes more."""
    first = await token(http)
    clock.advance(timedelta(minutes=1))
    assert await token(http) == {"access_token": first["access_token"], "expires_in": 7140}
    second = await token(http, force_refresh=True)
    assert second["access_token"] != first["access_token"] and second["expires_in"] == 7200
    assert (await phone(http, first["access_token"], {"code": "phone-13800138000"})).json()["errcode"] == 0
    clock.advance(timedelta(minutes=5))
    assert error(await phone(http, first["access_token"], {"code": "phone-13800138000"})) == 42001
    clock.advance(timedelta(minutes=111))
    late = await token(http)
    assert late["access_token"] != second["access_token"] and late["expires_in"] == 7200


async def test_the_plain_token_is_a_get(http: httpx.AsyncClient) -> None:
    """The older token endpoint gives a token for two hours, and errors as all do."""
    answer = (await http.get("/cgi-bin/token", params=CLIENT)).json()
    assert set(answer) == {"access_token", "expires_in"} and answer["expires_in"] == 7200
    assert error(await http.get("/cgi-bin/token", params={**CLIENT, "secret": "wrong"})) == 40125


@pytest.mark.parametrize("country", [86, "86"])
async def test_a_phone_answer_has_its_country_as_a_number_or_a_string(
    http: httpx.AsyncClient, standin: StandIn, clock: FixedClock, country: int | str
) -> None:
    """Documentation and example disagree about the type; the stand-in gives either."""
    access_token = (await token(http))["access_token"]
    code = standin.give_phone_code("13800138000", country=country)
    answer = (await phone(http, access_token, {"code": code})).json()
    assert answer == {
        "errcode": 0,
        "errmsg": "ok",
        "phone_info": {
            "phoneNumber": "13800138000",
            "purePhoneNumber": "13800138000",
            "countryCode": country,
            "watermark": {"timestamp": int(clock.now().timestamp()), "appid": APPID},
        },
    }
    assert error(await phone(http, access_token, {"code": code})) == 40163


async def test_a_foreign_phone_carries_its_country(http: httpx.AsyncClient, standin: StandIn) -> None:
    """Of a foreign number only the pure one is without its calling code."""
    code = standin.give_phone_code("61234567", country="852")
    info = (await phone(http, (await token(http))["access_token"], {"code": code})).json()["phone_info"]
    assert (info["phoneNumber"], info["purePhoneNumber"]) == ("85261234567", "61234567")


async def test_a_phone_error_is_a_code_in_the_body(http: httpx.AsyncClient, standin: StandIn) -> None:
    """A login code sent by mistake, a missing or wrong token, a body that is no JSON object."""
    access_token = (await token(http))["access_token"]
    assert error(await phone(http, access_token, {"code": standin.give_login_code("mei")})) == 40029
    assert error(await phone(http, access_token, {"code": "dev-mei"})) == 40029
    assert error(await phone(http, None, {"code": "x"})) == 41001
    assert error(await phone(http, "wrong", {"code": "x"})) == 40001
    assert error(await phone(http, access_token, ["x"])) == 47001
    assert error(await phone(http, access_token, {})) == 41008


async def test_codes_for_pasting_need_no_preparation(http: httpx.AsyncClient) -> None:
    """`dev-<name>` is the same person every time; other names are other people."""
    first, again, other = [
        orjson.loads((await login(http, code)).content) for code in ("dev-mei", "dev-mei", "dev-lin")
    ]
    assert first["openid"] == again["openid"] != other["openid"]


async def test_codes_are_given_out_over_http(http: httpx.AsyncClient) -> None:
    """Scripts get single-use codes from the stand-in itself."""
    code = (await http.post("/dev/codes", json={"person": "mei", "unionid": False})).json()["code"]
    assert "unionid" not in orjson.loads((await login(http, code)).content)
    assert error(await login(http, code)) == 40163
    code = (await http.post("/dev/codes", json={"phone": "13900139000"})).json()["code"]
    answer = await phone(http, (await token(http))["access_token"], {"code": code})
    assert answer.json()["phone_info"]["purePhoneNumber"] == "13900139000"
