"""`./run`: one programme per folder, whose data stays and whose processes do not."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from app.local.children import LocalServerFailed, any_free_port
from app.local.endpoints import FIRST_QUERY, Endpoints, Tokens, endpoints_file
from app.local.preparation import refuse_unprepared
from app.local.programme import ROOT
from app.local.stores import Stores
from app.settings import Settings

SECONDS_MAX = 60  # how long a test waits for what must happen; only a broken product reaches it
Start = Callable[[], "subprocess.Popen[str]"]


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether the process is alive; one that has ended and waits to be collected is not."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")


def descendants(pid: int) -> set[int]:
    """The processes that this one started, and theirs."""
    children = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return children.union(*(descendants(child) for child in children))


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts the programme on the folder, as often as called; at the end everything has ended."""
    settings = {"PYTHONPATH": str(ROOT), "PORT": str(any_free_port()), "WECHAT_BASE_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "tests.local.fake_programme", str(folder)]
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        environment = {**os.environ, **settings}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate()


def serving(folder: Path) -> Endpoints:
    """Where the programme serves, once it does."""
    wait_for(lambda: endpoints_file(folder).exists())
    endpoints = Endpoints.read(folder)
    assert endpoints is not None
    return endpoints


def answer(endpoints: Endpoints) -> int | None:
    """The number of the web process, when it answers."""
    try:
        with urllib.request.urlopen(endpoints.member_url, timeout=5) as response:
            return int(response.read())
    except OSError:
        return None


async def test_what_was_written_survives_a_kill_and_nothing_keeps_running(folder: Path, start: Start) -> None:
    """After SIGKILL no process is left; the next start serves the same data at the same addresses."""
    launcher = start()
    before = serving(folder)
    database = await asyncpg.connect(before.database_url)
    await database.execute("CREATE TABLE kept AS SELECT 7 AS points")
    valkey = redis.asyncio.Redis.from_url(before.redis_url)
    await valkey.set("kept", "7")
    family = descendants(launcher.pid)
    assert len(family) > 3

    launcher.kill()
    wait_for(lambda: not any(runs(pid) for pid in family))
    await valkey.aclose()
    database.terminate()

    start()
    wait_for(lambda: answer(before) is not None)
    assert serving(folder) == before
    database = await asyncpg.connect(before.database_url)
    assert await database.fetchval("SELECT points FROM kept") == 7
    valkey = redis.asyncio.Redis.from_url(before.redis_url)
    assert await valkey.get("kept") == b"7"
    await valkey.aclose()
    await database.close()


def test_a_second_start_says_where_the_first_serves_and_a_signal_stops_everything(folder: Path, start: Start) -> None:
    """Starting twice shows the addresses and ends with 0; SIGTERM ends with 0 and takes the addresses away."""
    launcher = start()
    endpoints = serving(folder)
    second = start()
    told, _ = second.communicate(timeout=SECONDS_MAX)
    assert second.returncode == 0
    assert "already running" in told
    for line in endpoints.lines():
        assert line in told

    family = descendants(launcher.pid)
    launcher.terminate()
    told, _ = launcher.communicate(timeout=SECONDS_MAX)
    assert launcher.returncode == 0
    assert "is serving" in told
    assert endpoints.curl() in told
    assert not any(runs(pid) for pid in family)
    assert not endpoints_file(folder).exists()


def test_the_endpoints_file_tells_scripts_everything_and_only_its_owner(folder: Path, start: Start) -> None:
    """endpoints.json names three addresses, two stores and four tokens; it and the keys are readable by nobody else."""
    start()
    serving(folder)
    told = json.loads(endpoints_file(folder).read_text())
    origin = told["member_url"].removesuffix("/graphql")
    assert told == {
        "member_url": f"{origin}/graphql",
        "admin_url": f"{origin}/admin/graphql",
        "graphiql_url": f"{origin}/graphiql",
        "database_url": told["database_url"],
        "redis_url": told["redis_url"],
        "tokens": {"member": "m", "owner": "o", "cashier": "c", "integration": "i"},
    }
    names = ("endpoints.json", "secrets.json", "tokens.json", "logs")
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in names}
    assert modes == {"endpoints.json": 0o600, "secrets.json": 0o600, "tokens.json": 0o600, "logs": 0o700}
    assert json.loads((folder / "tokens.json").read_text()) == told["tokens"]
    keys = json.loads((folder / "secrets.json").read_text())
    assert {len(bytes.fromhex(key)) for key in keys.values()} == {32}
    assert len(set(keys.values())) == len(keys)


def test_a_process_that_dies_is_started_again(folder: Path, start: Start) -> None:
    """A killed web process is replaced by a new one at the same address."""
    start()
    endpoints = serving(folder)
    first = answer(endpoints)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: answer(endpoints) not in (None, first))


def test_the_printed_request_can_be_pasted() -> None:
    """The curl line is one shell command: the member's address, the member's token, a query."""
    tokens = Tokens(member="m.m-m_m", owner="o", cashier="c", integration="i")
    endpoints = Endpoints.at("http://x", Stores("p", "r"), tokens)
    body = json.dumps({"query": FIRST_QUERY})
    assert shlex.split(endpoints.curl()) == [
        *("curl", "http://x/graphql"),
        *("-H", "Content-Type: application/json"),
        *("-H", "Authorization: Bearer m.m-m_m"),
        *("-d", body),
    ]


async def test_a_tool_on_a_database_that_was_never_prepared_says_what_to_do(
    empty_database: str, settings: Settings
) -> None:
    """It names the migrations that are lacking and the commands that apply them; a prepared one passes."""
    with pytest.raises(LocalServerFailed, match=r"lacks (\d+) of \1 migrations. `./run migrate` applies them"):
        await refuse_unprepared(settings.model_copy(update={"database_url": empty_database}))
    await refuse_unprepared(settings)
