"""A stand-in for WeChat, and our client speaking to it without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from app.local.wechat import StandIn, stand_in
from app.wechat import WechatClient
from gamification.core.clock import FixedClock

APPID, SECRET = "wx0123456789abcdef", "secret-of-tests"


@pytest.fixture
def standin_app(clock: FixedClock) -> Starlette:
    return stand_in(appid=APPID, secret=SECRET, clock=clock)


@pytest.fixture
def standin(standin_app: Starlette) -> StandIn:
    """What stands behind the stand-in: gives codes out."""
    state: StandIn = standin_app.state.wechat
    return state


@pytest.fixture
async def http(standin_app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests the stand-in answers."""
    transport = httpx.ASGITransport(standin_app)
    async with httpx.AsyncClient(transport=transport, base_url="https://api.weixin.qq.com") as client:
        yield client


@pytest.fixture
def wechat(http: httpx.AsyncClient) -> WechatClient:
    return WechatClient(appid=APPID, secret=SECRET, http=http)
