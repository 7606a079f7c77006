"""Whether the programs serve, and the tokens work: asked before the addresses are shown."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import astuple
from urllib.parse import urlsplit

import asyncpg

from app.local.children import LocalServerFailed, last_lines
from app.local.endpoints import FIRST_QUERY, Endpoints
from app.local.supervisor import Supervisor
from app.settings import Settings

START_SECONDS_MAX = 60.0
ENDS_MAX = 3
POLL_SECONDS = 0.05
ANSWER_SECONDS_MAX = 5.0
WEB = "web"  # the program that answers on the port
WECHAT = "wechat-standin"
SMALLEST_QUERY = "{ __typename }"


async def wait_for_start(settings: Settings, supervisor: Supervisor) -> None:
    """Return once every program serves. Raises LocalServerFailed, with the end of its log, when one does not."""
    deadline = time.monotonic() + START_SECONDS_MAX
    connection = await asyncpg.connect(settings.database_url, statement_cache_size=settings.statement_cache_size)
    try:
        for name in supervisor.ends:
            while not await serves(name, settings, connection):
                if supervisor.ends[name] >= ENDS_MAX or time.monotonic() > deadline:
                    log = supervisor.log(name)
                    raise LocalServerFailed(f"{name} does not serve; the end of {log}:\n{last_lines(log)}")
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()


async def serves(name: str, settings: Settings, connection: asyncpg.Connection) -> bool:
    """Whether a program serves: web and stand-in answer, the others have loaded and opened the database."""
    if name == WEB:
        return is_good(await ask(settings.origin, "GET /livez"))
    if name == WECHAT:
        return await ask(settings.wechat_base_url, "GET /") != b""
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()"
    return bool(await connection.fetchval(sessions, f"jifen {name}"))


async def accept(endpoints: Endpoints) -> bool:
    """Whether the endpoints accept these tokens; the printed request is then not the first one of its process."""
    member, *others = astuple(endpoints.tokens)
    asked = [post(endpoints.admin_url, token, SMALLEST_QUERY) for token in others]
    answers = await asyncio.gather(post(endpoints.member_url, member, FIRST_QUERY), *asked)
    return all(is_good(answer) and b'"errors"' not in answer for answer in answers)


async def post(url: str, token: str, query: str) -> bytes:
    """The answer to a query."""
    return await ask(url, f"POST {urlsplit(url).path}", json.dumps({"query": query}), f"Authorization: Bearer {token}")


async def ask(url: str, request: str, body: str = "", *headers: str) -> bytes:
    """What is answered at the host and port of an address, head and all; nothing when nobody does."""
    where = urlsplit(url)
    lines = [f"{request} HTTP/1.1", f"Host: {where.netloc}", "Connection: close", *headers]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}", "", body]
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            writer.write("\r\n".join(lines).encode())
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return b""
    return answer


def is_good(answer: bytes) -> bool:
    """Whether the first line says 200."""
    return b" 200 " in answer.partition(b"\r\n")[0]
