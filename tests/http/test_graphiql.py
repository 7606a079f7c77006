"""GraphiQL as we serve it: the page's files and policy, and the page in a real browser."""

from __future__ import annotations

import asyncio
import re
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha384
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from app.graphiql import IdeEndpoint, ReadyQuery, graphiql_routes
from app.graphql_engine import Policy
from app.graphql_http import graphql_routes
from app.security import PAGE_POLICY, SecureResponses
from tests.http.browser import browser_page, chromium
from tests.http.toy import MEMBER, context_of, everyone_asks, http
from tests.http.toy_schema import toy_schema

READY = (
    ReadyQuery(
        "query Shelf($first: Int!) {\n  toys(first: $first) {\n    edges { node { name parts } }\n  }\n}", {"first": 2}
    ),
    ReadyQuery("query WhoAmI {\n  forMembers\n}"),
    ReadyQuery("subscription Count {\n  count(to: 3)\n}"),
)
ENDPOINTS = (
    IdeEndpoint("member", "Member 会员", "/graphql", READY, holder="member"),
    IdeEndpoint("admin", "Staff 员工", "/admin/graphql", [ReadyQuery("query Owners {\n  forOwners\n}")], "owner"),
)


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    """A token for each holder, which the toy's endpoints know by the holder's name."""
    file = tmp_path / "tokens.json"
    file.write_text('{"member": "member", "owner": "owner", "cashier": "cashier"}')
    return file


def page_app(endpoints: tuple[IdeEndpoint, ...] = ENDPOINTS, tokens_file: Path | None = None) -> ASGIApp:
    policy = everyone_asks(Policy())
    routes = graphiql_routes("/graphiql", endpoints, str(tokens_file or ""))
    for path in ("/graphql", "/admin/graphql"):
        routes += graphql_routes(toy_schema, path, context_of, policy=policy)
    return SecureResponses(Starlette(routes=routes))


async def test_every_file_of_the_page_is_ours_and_carries_its_integrity() -> None:
    """Nothing is asked of another host, and a changed file would not run."""
    async with http(page_app()) as client:
        page = await client.get("/graphiql")
        found = re.findall(r'(?:src|href)="(/[^"]+)" integrity="([^"]+)"', page.text)
        for path, integrity in found:
            file = await client.get(path)
            assert "sha384-" + b64encode(sha384(file.content).digest()).decode() == integrity
    assert len(found) == 6
    assert "//" not in re.sub(r"</?!?[a-z]+|/>", "", page.text).replace("</", "")
    assert page.headers["content-security-policy"] == PAGE_POLICY
    assert "unsafe-eval" not in PAGE_POLICY and "http" not in PAGE_POLICY


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1:8000", True), ("localhost", True), ("[::1]:80", True), ("rebound.example", False), ("[bad", False)],
)
async def test_a_token_is_filled_in_on_this_machine_only(host: str, shown: bool, tokens_file: Path) -> None:
    """A name that somebody lets lead to this machine is not given one."""
    async with http(page_app(tokens_file=tokens_file), host=host) as client:
        assert ("Bearer member" in (await client.get("/graphiql")).text) is shown


def keep(file: Path, tokens: str) -> None:
    """What `./run` does when it has made new tokens."""
    file.write_text(tokens)


async def test_the_page_has_the_tokens_that_are_kept_at_the_moment(tokens_file: Path) -> None:
    """Tokens made after the start are filled in at the next look, and only those of the page's own endpoints."""
    async with http(page_app(tokens_file=tokens_file), host="127.0.0.1:8000") as client:
        keep(tokens_file, '{"member": "fresh", "cashier": "not shown"}')
        page = (await client.get("/graphiql")).text
        keep(tokens_file, "{}")
        bare = (await client.get("/graphiql")).text
    assert ("Bearer fresh" in page, "not shown" in page, page.count("Bearer")) == (True, False, 1)
    assert "Bearer" not in bare


async def test_no_text_can_end_the_settings_of_the_page() -> None:
    """A query with a closing tag stays data."""
    hostile = IdeEndpoint("x", "x", "/graphql", [ReadyQuery("# </script><script>alert(1)</script>")])
    async with http(page_app((hostile,))) as client:
        assert "<script>alert" not in (await client.get("/graphiql")).text


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The application on a free port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


TABS = "document.querySelectorAll('.graphiql-tab-button:not(.graphiql-tab-close)')"
EXECUTE = "document.querySelector('.graphiql-execute-button')"
RESULT = "(document.querySelector('.result-window') || {innerText: ''}).innerText"


@pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine: `apt-get install chromium`")
async def test_the_page_answers_in_a_real_browser(tmp_path: Path, tokens_file: Path) -> None:
    """Ready queries stand in tabs and run with the token; a subscription counts; no request leaves this machine."""
    async with served(page_app(tokens_file=tokens_file)) as address, browser_page(chromium() or "", tmp_path) as page:
        await page.call("Page.navigate", url=f"{address}/graphiql")
        await page.until(f"{EXECUTE} !== null")
        assert await page.run(f"[...{TABS}].map((each) => each.innerText)") == ["Shelf", "WhoAmI", "Count"]
        await page.run(f"{EXECUTE}.click()")
        assert "toy 1" in await page.until(f"{RESULT}.includes('toy 1') && {RESULT}")
        await page.run(f"{TABS}[1].click()")
        await page.run(f"{EXECUTE}.click()")
        assert await page.until(f"{RESULT}.includes('{MEMBER.key}')")
        await page.run(f"{TABS}[2].click()")
        await page.run(f"{EXECUTE}.click()")
        assert await page.until(f"/count.*3/.test({RESULT})")
        await page.run("document.querySelector('.endpoints a:not([aria-current])').click()")
        await page.until("document.querySelector('.endpoints a[aria-current]').innerText.startsWith('Staff')")
        await page.until(f"{EXECUTE} !== null")
        await page.run(f"{EXECUTE}.click()")
        assert await page.until(f"/forOwners.*yes/.test({RESULT})")
        assert (await page.screenshot()).startswith(b"\x89PNG")
    outside = {url for url in page.requested if not url.startswith(("data:", address))}
    assert (outside, page.complaints) == (set(), [])
    assert urlsplit(address).hostname == "127.0.0.1"
